import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDate } from './date.ts';

describe('a date', () => {
  const cases: [value: string, iso: string | undefined][] = [
    ['Sat, 21 Nov 2026 09:00:00 +0100', '2026-11-21T08:00:00.000Z'],
    ['Sat, 21 Nov 2026 09:00:00 -0330 (NST)', '2026-11-21T12:30:00.000Z'],
    ['21 Nov 2026 09:00:07', '2026-11-21T09:00:07.000Z'],
    [' 1 Nov 2026 9:00 GMT', '2026-11-01T09:00:00.000Z'],
    ['Sat,21 Nov 2026 09:00:00 EST', '2026-11-21T14:00:00.000Z'],
    ['Sat, 21 Nov 2026 09:00:00 BST', '2026-11-21T09:00:00.000Z'],
    ['Sat (x), 21 (y) Nov 2026 09:00:00 +0000', '2026-11-21T09:00:00.000Z'],
    ['21-Nov-26 09:00:00', '2026-11-21T09:00:00.000Z'],
    ['21 November 2026 09:00:00', '2026-11-21T09:00:00.000Z'],
    ['21 Nov 49 09:00', '2049-11-21T09:00:00.000Z'],
    ['21 Nov 50 09:00', '1950-11-21T09:00:00.000Z'],
    ['21 Nov 102 09:00', '2002-11-21T09:00:00.000Z'],
    ['31 Dec 2016 23:59:60 +0000', '2017-01-01T00:00:00.000Z'],
    ['', undefined],
    ['soon', undefined],
    ['1', undefined],
    ['21 Foo 2026 09:00:00', undefined],
    ['0 Nov 2026 09:00:00', undefined],
    ['32 Nov 2026 09:00:00', undefined],
    ['21 Nov 2026 24:00:00', undefined],
    ['21 Nov 2026 09:60:00', undefined],
    ['21 Nov 2026 09:00:61', undefined],
    ['2026-11-21T09:00:00Z', undefined],
    [`${' '.repeat(10_000)}21 Nov 2026 09:00:00`, undefined],
  ];
  for (const [value, iso] of cases)
    it(JSON.stringify(value.slice(0, 60)), () => {
      const ms = parseDate(value);
      assert.equal(ms === undefined ? undefined : new Date(ms).toISOString(), iso);
    });
});
