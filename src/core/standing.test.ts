import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasDelivered, NO_STANDING, standingKind } from './standing.ts';

describe('standing', () => {
  const cases: [good: number, bad: number, kind: string][] = [
    [0, 0, 'unknown'],
    [2.49, 0, 'unknown'],
    [2.5, 0, 'good'],
    // Ten good deliveries outweigh one charge.
    [9.9, 1, 'bad'],
    [10, 1, 'good'],
    [29.9, 3, 'bad'],
    [30, 3, 'good'],
    // A charge that has decayed by half and more is no longer held against anybody.
    [0, 0.49, 'unknown'],
    [0, 0.5, 'bad'],
    [3, 0.3, 'good'],
    [3, 0.31, 'unknown'],
  ];
  for (const [good, bad, kind] of cases)
    it(`${good} good and ${bad} bad: ${kind}`, () => assert.equal(standingKind({ good, bad }), kind));

  it('knows who delivered in living memory: one good delivery, for a half-life', () => {
    assert.deepEqual(
      [0.49, 0.5].map((good) => hasDelivered({ good, bad: 4 })),
      [false, true],
    );
  });

  it('of a stranger is unknown', () => assert.equal(standingKind(NO_STANDING), 'unknown'));
});
