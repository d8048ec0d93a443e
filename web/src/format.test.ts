import assert from 'node:assert/strict';
import { it } from 'node:test';
import { address } from './api.ts';
import { ago, count, lasting, share, tick, took } from './format.ts';

for (const [ms, text] of [
  [0, '0 ms'],
  [999, '999 ms'],
  [1000, '1 s'],
  [61_000, '1 min 1 s'],
  [3_600_000, '1 h'],
  [3_600_000 + 61_000, '1 h 1 min'],
  [90 * 86_400_000, '90 d'],
] as const)
  it(`${ms} ms last ${text}`, () => assert.equal(lasting(ms), text));

it('numbers as people read them', () => {
  assert.equal(count(1), '1');
  assert.equal(count(1204311), '1,204,311');
  assert.equal(count(1, 'report'), '1 report');
  assert.equal(count(2, 'entry', 'entries'), '2 entries');
  assert.equal(took(0.44), '0.4 ms');
  assert.equal(took(3100), '3.1 s');
  assert.equal(share(1, 3), '33.3 %');
  assert.equal(share(0, 0), '–');
  assert.equal(ago(1000, 61_000), '1 min ago');
  assert.equal(ago(61_000, 1000), 'in 1 min');
});

it('an address has only what was given, escaped', () => {
  assert.equal(address('/api/x', { a: 'b&c=d', none: undefined, empty: '', n: 0 }), '/api/x?a=b%26c%3Dd&n=0');
  assert.equal(address('/api/x', {}), '/api/x');
});

it('below a chart stands the time, and the date where a day begins', () => {
  const at = (...parts: [number, number, number, number, number]) => new Date(...parts).getTime();
  assert.equal(tick(at(2026, 10, 21, 9, 5), 300_000), '09:05');
  assert.equal(tick(at(2026, 10, 21, 0, 0), 300_000), '11-21');
  assert.equal(tick(at(2026, 10, 21, 12, 0), 86_400_000), '11-21');
});
