/** What each adapter of a scanner does when its scanner misbehaves. */
import assert from 'node:assert/strict';
import type { Scanner } from '../../src/core/scanners.ts';
import { question } from '../fakes/scanner.ts';

type AnyScanner = Pick<Scanner<{ readonly kind: string }>, 'scan'>;
const NEVER = new AbortController().signal;

export async function givesNoVerdict(scanner: AnyScanner, message: string, reason: RegExp): Promise<void> {
  const answer = await scanner.scan(question(message), NEVER);
  assert.ok(answer.kind === 'failed' && 'reason' in answer, JSON.stringify(answer));
  assert.match(answer.reason, reason);
}

/** `scanner`: one question at a time, and one that waits. The second gets the place of the first. */
export async function isGivenUpInTime(scanner: AnyScanner): Promise<void> {
  const large = question('x'.repeat(20_000_000));
  const answers = await Promise.all([scanner.scan(large, NEVER), scanner.scan(large, NEVER)]);
  for (const answer of answers) assert.deepEqual(answer, { kind: 'failed', reason: 'no answer in time' });
}
