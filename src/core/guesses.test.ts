import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isGuessing, isMixed, marksFor } from './guesses.ts';

const MARKS = { perSession: 5, perNetwork: 20 };

describe('guesses', () => {
  const sessions: [guesses: number, asked: number, isAttack: boolean][] = [
    [4, 4, false],
    [5, 5, true],
    [5, 9, true],
    [5, 10, false],
    [50, 99, true],
    [50, 100, false],
  ];
  for (const [guesses, asked, isAttack] of sessions)
    it(`${guesses} of ${asked} recipients are ${isAttack ? 'an attack' : 'none'}`, () =>
      assert.equal(isGuessing({ guesses, asked }, MARKS), isAttack));

  it('of those who deserve the benefit of the doubt are four times as many', () => {
    assert.deepEqual(marksFor(MARKS, false), MARKS);
    assert.deepEqual(marksFor(MARKS, true), { perSession: 20, perNetwork: 80 });
  });

  it('are mixed where half as many got their mail', () => {
    assert.deepEqual([isMixed(20, 9), isMixed(20, 10)], [false, true]);
  });
});
