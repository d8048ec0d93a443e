import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { count, duration, flag, size } from './settings.ts';

describe('a time', () => {
  const time = duration('30s', '100ms', '7d', 'How long.');
  const cases: [text: unknown, ms: number | undefined][] = [
    [undefined, 30_000],
    ['100ms', 100],
    ['99ms', undefined],
    ['2s', 2_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['8d', undefined],
    ['604801s', undefined],
    ['30', undefined],
    ['30 s', undefined],
    ['1.5s', undefined],
    ['-1s', undefined],
    ['30S', undefined],
    ['1h30m', undefined],
    ['9999999999s', undefined],
    ['', undefined],
    [30, undefined],
  ];
  for (const [text, ms] of cases) {
    it(`${JSON.stringify(text)} is ${ms ?? 'none'}`, () => assert.equal(time.safeParse(text).data, ms));
  }
  it('says what it wants', () => {
    assert.equal(
      time.safeParse('8d').error?.issues[0]?.message,
      'wants a time from "100ms" to "7d", such as "30s"',
    );
    assert.deepEqual(time.meta(), {
      description: 'How long.',
      unit: 'time',
      default: '30s',
      bounds: '100ms to 7d',
    });
  });
});

describe('a size', () => {
  const octets = size('64KiB', '1', '1GiB', 'How large.');
  const cases: [text: unknown, octets: number | undefined][] = [
    [undefined, 65_536],
    ['1', 1],
    ['0', undefined],
    ['10B', 10],
    ['2KiB', 2_048],
    ['50MiB', 52_428_800],
    ['1GiB', 1_073_741_824],
    ['1025MiB', undefined],
    ['2GiB', undefined],
    ['64KB', undefined],
    ['64kib', undefined],
    ['64 KiB', undefined],
    ['KiB', undefined],
    [64, undefined],
  ];
  for (const [text, expected] of cases) {
    it(`${JSON.stringify(text)} is ${expected ?? 'none'}`, () =>
      assert.equal(octets.safeParse(text).data, expected));
  }
  it('says what it wants', () => {
    assert.equal(
      octets.safeParse('0').error?.issues[0]?.message,
      'wants a size from "1" to "1GiB", such as "64KiB"',
    );
  });
});

describe('bounds and defaults that cannot be read are a mistake of ours', () => {
  it('a default outside its bounds does not parse', () => {
    assert.ok(!duration('1s', '2s', '3s', '').safeParse(undefined).success);
    assert.ok(!duration('1s', 'x', 'y', '').safeParse('1s').success);
    assert.ok(!size('1', '2', '3', '').safeParse(undefined).success);
    assert.ok(!size('1', 'x', 'y', '').safeParse('1').success);
  });
});

describe('a count and a flag', () => {
  const number = count(5, 2, 10, 'How many.');
  for (const [given, expected] of [
    [undefined, 5],
    [2, 2],
    [1, undefined],
    [10, 10],
    [11, undefined],
    [2.5, undefined],
    ['5', undefined],
  ] as const) {
    it(`count ${JSON.stringify(given)} is ${expected ?? 'none'}`, () =>
      assert.equal(number.safeParse(given).data, expected));
  }
  for (const [given, expected] of [
    [undefined, true],
    [false, false],
    ['no', undefined],
  ] as const) {
    it(`flag ${JSON.stringify(given)} is ${expected ?? 'none'}`, () =>
      assert.equal(flag(true, 'Whether.').safeParse(given).data, expected));
  }
});
