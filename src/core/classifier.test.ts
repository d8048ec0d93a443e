import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chiSquareTail, combine, scoreOf, tokenProbability } from './classifier.ts';

const near = (actual: number, expected: number, within = 1e-9) =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected}`);

describe('the chi-square tail', () => {
  // Q(x, 2v) by its series, and tables of the distribution: 5.991 and 9.488 are the 5 % points of 2 and 4 degrees.
  const cases: readonly [x: number, pairs: number, tail: number, within: number][] = [
    [0, 1, 1, 0],
    [2, 1, Math.exp(-1), 1e-12],
    [5.991464547, 1, 0.05, 1e-9],
    [9.487729037, 2, 0.05, 1e-9],
    [31.41043284, 10, 0.05, 1e-9],
    [124.3421134, 50, 0.05, 1e-8],
  ];
  for (const [x, pairs, tail, within] of cases)
    it(`${x} with ${2 * pairs} degrees`, () => near(chiSquareTail(x, pairs), tail, within));

  it('stays a chance however large the numbers are', () =>
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        fc.integer({ min: 1, max: 4000 }),
        (x, pairs) => {
          const tail = chiSquareTail(x, pairs);
          return tail >= 0 && tail <= 1;
        },
      ),
    ));
});

describe("a token's probability", () => {
  const trained = { ham: 100, spam: 50 };
  const strength = { strength: 1 };
  const cases: readonly [name: string, ham: number, spam: number, expected: number][] = [
    ['never seen', 0, 0, 0.5],
    ['once in spam', 0, 1, (0.5 + 1) / 2],
    ['once in ham', 1, 0, 0.5 / 2],
    ['as often in each, by share', 20, 10, 0.5],
    ['always in spam', 0, 50, (0.5 + 50) / 51],
  ];
  for (const [name, ham, spam, expected] of cases)
    it(name, () => near(tokenProbability({ ham, spam }, trained, strength), expected));

  it('says nothing while one kind was never learnt', () =>
    assert.equal(tokenProbability({ ham: 0, spam: 9 }, { ham: 0, spam: 9 }), 0.5));

  it('never is 0 or 1, of which no logarithm can be taken', () =>
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(1e6), (ham, spam) => {
        const p = tokenProbability({ ham, spam }, { ham: 1e6, spam: 1e6 });
        return p > 0 && p < 1;
      }),
    ));
});

describe('the combination', () => {
  const whole = { strength: 0.1, minDeviation: 0.1, independent: 1 };
  const cases: readonly [name: string, probabilities: readonly number[], low: number, high: number][] = [
    ['nothing to go by', [], 0.5, 0.5],
    ['all for spam', [0.99, 0.98, 0.99], 0.99, 1],
    ['all for ham', [0.01, 0.02, 0.01], 0, 0.01],
    ['as much for each: unsure', [0.99, 0.01, 0.99, 0.01], 0.499, 0.501],
    [
      'very much for each: unsure too',
      Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 0.999 : 0.001)),
      0.499,
      0.501,
    ],
    ['thousands for spam', Array.from({ length: 4000 }, () => 0.9999), 1, 1],
  ];
  for (const [name, probabilities, low, high] of cases)
    it(name, () => {
      const score = combine(probabilities, whole);
      assert.ok(score >= low && score <= high, String(score));
    });

  it('is the other way round with the kinds exchanged', () =>
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.001, max: 0.999, noNaN: true }), { maxLength: 200 }), (ps) => {
        near(
          combine(ps, whole) +
            combine(
              ps.map((p) => 1 - p),
              whole,
            ),
          1,
          1e-6,
        );
      }),
    ));

  it('is less sure where fewer tokens count as independent', () => {
    const ps = [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9];
    assert.ok(combine(ps, { ...whole, independent: 0.25 }) < combine(ps, whole));
  });
});

describe('the score', () => {
  const trained = { ham: 10, spam: 10 };

  it('leaves out what says nothing', () => {
    const seen = [
      { token: 'pills', ham: 0, spam: 8 },
      { token: 'the', ham: 9, spam: 10 },
    ];
    const { score, telling } = scoreOf(seen, trained);
    assert.deepEqual(
      telling.map(({ token }) => token),
      ['pills'],
    );
    assert.ok(score > 0.9);
  });
});
