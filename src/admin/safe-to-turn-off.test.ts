import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CheckEffect } from '../core/traffic.ts';
import { safeToTurnOff } from './safe-to-turn-off.ts';

const DAY_MS = 86_400_000;
const NOTHING: CheckEffect = {
  check: 'dnsbl',
  asked: 1000,
  failed: 100,
  temperror: 0,
  refused: 60,
  deferred: 0,
  alone: 0,
  overlap: 40,
  onGoodStanding: 0,
  lookups: 0,
  tookMs: 0,
};

const CASES: readonly [string, Partial<CheckEffect>, number, number, 'yes' | 'no' | 'unknown', RegExp][] = [
  ['what was never asked', { asked: 0, failed: 0, refused: 0 }, DAY_MS, 0, 'unknown', /never asked/],
  ['one that stopped some alone', { alone: 1 }, DAY_MS, 0, 'no', /^1 of the 60 it stopped/],
  ['the same in a moment', { alone: 1 }, 1, 0, 'no', /^1 of the 60/],
  [
    'one with mistakes',
    { alone: 5, onGoodStanding: 3 },
    DAY_MS,
    2,
    'no',
    /3 of what .* good standing; 2 mistakes of it were reported$/,
  ],
  ['less than a day', {}, DAY_MS - 1, 0, 'unknown', /too short/],
  ['a day', {}, DAY_MS, 0, 'yes', /another check found fault with each of the 60/],
  ['too few', { asked: 99 }, DAY_MS, 0, 'unknown', /99 times only/],
  ['enough', { asked: 100 }, DAY_MS, 0, 'yes', /another check/],
  ['one that finds nothing', { failed: 0, refused: 0 }, DAY_MS, 0, 'yes', /1000 times and found nothing/],
  [
    'one that only marks',
    { refused: 0 },
    DAY_MS,
    0,
    'yes',
    /stopped nothing by itself, other checks decided/,
  ],
  ['one mistake', {}, DAY_MS, 1, 'yes', /; 1 mistake of it was reported$/],
];

describe('whether a check could go', () => {
  for (const [name, over, spanMs, mistakes, safe, why] of CASES)
    it(name, () => {
      const said = safeToTurnOff({ ...NOTHING, ...over }, spanMs, mistakes);
      assert.equal(said.safe, safe);
      assert.match(said.why, why);
    });
});
