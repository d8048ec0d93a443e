import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isSpeaking, STATUS_EVERY_MS, STATUS_GOOD_MS, STATUS_KEPT_MS } from './status.ts';

const AT = 1_700_000_000_000;

for (const [afterMs, speaks] of [
  [0, true],
  [STATUS_GOOD_MS, true],
  [STATUS_GOOD_MS + 1, false],
  // The clock was set back.
  [-STATUS_GOOD_MS, true],
  [-STATUS_GOOD_MS - 1, false],
] as const)
  it(`${afterMs} ms after its last word a gate ${speaks ? 'speaks' : 'is silent'}`, () =>
    assert.equal(isSpeaking({ atMs: AT }, AT + afterMs), speaks));

it('a gate is taken for dead after several words that did not come, and forgotten well after that', () => {
  assert.ok(STATUS_GOOD_MS >= 5 * STATUS_EVERY_MS);
  assert.ok(STATUS_KEPT_MS >= 3 * STATUS_GOOD_MS);
});
