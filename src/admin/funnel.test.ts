import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CheckEffect } from '../core/traffic.ts';
import { funnelOf, type Rungs } from './funnel.ts';

const CHECKS: readonly Rungs[] = [
  { name: 'helo', cost: 'memory', stage: 'helo' },
  { name: 'block', cost: 'store', stage: 'connect' },
  { name: 'dnsbl', cost: 'dns', stage: 'connect' },
  { name: 'rhsbl', cost: 'dns', stage: 'mail' },
  { name: 'clamav', cost: 'scanner', stage: 'endOfMessage' },
];

const effect = (check: string, over: Partial<CheckEffect>): CheckEffect => ({
  check,
  asked: 0,
  failed: 0,
  temperror: 0,
  refused: 0,
  deferred: 0,
  alone: 0,
  overlap: 0,
  onGoodStanding: 0,
  lookups: 0,
  tookMs: 0,
  ...over,
});

describe('the ladder as a funnel', () => {
  const effects = [
    effect('clamav', { asked: 10, refused: 1, tookMs: 500 }),
    effect('dnsbl', { asked: 50, refused: 30, deferred: 2, tookMs: 1000, lookups: 100 }),
    effect('rhsbl', { asked: 40, refused: 8, tookMs: 500, lookups: 50 }),
    effect('helo', { asked: 100, refused: 50, tookMs: 10 }),
    effect('gone', { asked: 7, refused: 7 }),
  ];
  const totals = [
    { cost: 'dns', came: 55 },
    { cost: 'memory', came: 80 },
  ] as const;
  const rungs = funnelOf(effects, totals, CHECKS, 2000);

  it('has the rungs that were climbed, cheapest first, each with its checks', () => {
    assert.deepEqual(
      rungs.map(({ cost, checks }) => [cost, checks]),
      [
        ['memory', ['helo']],
        ['dns', ['dnsbl', 'rhsbl']],
        ['scanner', ['clamav']],
      ],
    );
  });

  it('counts who came, who was stopped, and what it cost', () => {
    assert.deepEqual(
      rungs.map(({ came, stopped, tookMs, lookups, octets }) => [came, stopped, tookMs, lookups, octets]),
      [
        [80, 50, 10, 0, 0],
        [55, 40, 1500, 150, 0],
        [10, 1, 500, 0, 20_000],
      ],
    );
  });

  it('reckons what was saved at the price that those paid who went on', () => {
    const [memory, dns, scanner] = rungs;
    // 2000 ms and 150 questions above, for 55 that went on.
    assert.equal(memory?.savedMs, (50 * 2000) / 55);
    assert.equal(memory.savedLookups, (50 * 150) / 55);
    assert.equal(dns?.savedMs, 40 * (500 / 10));
    assert.equal(dns.savedLookups, 0);
    assert.equal(scanner?.savedMs, 0);
  });

  it('saves the octets of messages that were never taken, and none of those that were', () => {
    assert.deepEqual(
      rungs.map(({ savedOctets }) => savedOctets),
      [50 * 2000, 40 * 2000, 0],
    );
  });

  it('is empty where nothing was', () => assert.deepEqual(funnelOf([], [], CHECKS, 0), []));
});
