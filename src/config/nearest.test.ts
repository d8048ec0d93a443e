import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { editDistance, nearest } from './nearest.ts';

describe('the nearest known name', () => {
  it('counts slips', () => {
    const cases: [string, string, number][] = [
      ['', '', 0],
      ['abc', 'abc', 0],
      ['', 'abc', 3],
      ['abc', 'ab', 1],
      ['wieght', 'weight', 1],
      ['kitten', 'sitting', 3],
      ['ca', 'abc', 3],
    ];
    for (const [a, b, distance] of cases) {
      assert.equal(editDistance(a, b), distance, `${a} ${b}`);
      assert.equal(editDistance(b, a), distance, `${b} ${a}`);
    }
  });

  it('is what was most likely meant, or nothing', () => {
    const known = ['weight', 'on_fail', 'command_timeout', 'tls'];
    const cases: [string, string | undefined][] = [
      ['wieght', 'weight'],
      ['onfail', 'on_fail'],
      ['On-Fail', 'on_fail'],
      ['timeout', 'command_timeout'],
      ['tsl', 'tls'],
      ['x', undefined],
      ['bananas', undefined],
      ['a'.repeat(100_000), undefined],
    ];
    for (const [name, near] of cases) assert.equal(nearest(name, known), near, name.slice(0, 20));
  });
});
