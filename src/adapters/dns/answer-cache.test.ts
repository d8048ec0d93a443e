import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AnswerCache } from './answer-cache.ts';

describe('AnswerCache', () => {
  it('gives an answer until its time is over, and the last one given', () => {
    let now = 0;
    const cache = new AnswerCache<string>(10, () => now);
    cache.set('a', 'one', 100);
    now = 99;
    assert.equal(cache.get('a'), 'one');
    now = 100;
    assert.equal(cache.get('a'), undefined);
    cache.set('a', 'two', 100);
    assert.equal(cache.get('a'), 'two');
    cache.clear();
    assert.equal(cache.get('a'), undefined);
  });

  for (const max of [0, 1, 2, 3, 8]) {
    it(`of ${max} keeps what is in use, and no more than that`, () => {
      fc.assert(
        fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 100 }), (keys) => {
          const cache = new AnswerCache<number>(max, () => 0);
          const used: number[] = [];
          for (const key of keys) {
            const known = cache.get(String(key));
            // What was among the last half of the bound is there still.
            if (max > 0 && used.slice(-Math.ceil(max / 2)).includes(key)) assert.equal(known, key);
            if (known === undefined) cache.set(String(key), key, 1);
            used.push(key);
          }
          assert.ok(cache.size <= max + (max % 2), `${cache.size} of ${max}`);
        }),
      );
    });
  }
});
