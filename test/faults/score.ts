/** Holds what senders saw against what arrived. */
import assert from 'node:assert/strict';
import { isBelowHeader } from '../maildir.ts';
import type { Sent } from './sender.ts';

const TOKEN = /^Subject: ([0-9a-f]{18})\r?$/m;

export function settleScore(sent: readonly Sent[], arrived: readonly Buffer[]): string {
  const found = new Map<string, Buffer[]>();
  for (const message of arrived) {
    const token = TOKEN.exec(message.toString('latin1'))?.[1];
    assert.ok(
      token !== undefined,
      `something arrived that nobody sent whole: ${message.toString('latin1').slice(0, 300)}`,
    );
    found.set(token, [...(found.get(token) ?? []), message]);
  }
  const wrong: string[] = [];
  const counts: Record<string, number> = {};
  let twice = 0;
  for (const { token, message, outcome, said } of sent) {
    const copies = found.get(token) ?? [];
    found.delete(token);
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    if (copies.length > 1) twice++;
    if (outcome === 'accepted' && copies.length !== 1)
      wrong.push(`accepted (${said}), ${copies.length} arrived: ${token}`);
    if ((outcome === 'refused' || outcome === 'not-sent') && copies.length > 0) {
      wrong.push(`${outcome} (${said}), yet it arrived: ${token}`);
    }
    // Whatever arrived, also of those whose sender heard nothing, is whole.
    for (const copy of copies)
      if (!isBelowHeader(copy, message)) wrong.push(`${outcome}, arrived changed: ${token}`);
  }
  for (const token of found.keys()) wrong.push(`arrived, but no sender knows of it: ${token}`);
  assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} wrong`);
  return `${JSON.stringify(counts)}${twice > 0 ? `, ${twice} twice` : ''}`;
}
