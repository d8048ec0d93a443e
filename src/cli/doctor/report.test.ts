import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { formatReport } from './report.ts';
import type { Told } from './told.ts';

const plain = (_: unknown, text: string): string => text;
const one = (part: Partial<Told>): Told => ({
  about: 'milter',
  state: 'well',
  code: 'x',
  text: 'Fine.',
  ...part,
});

describe('the report', () => {
  it('tells what was looked at, what is wrong, and what to do', () => {
    const told = [
      one({}),
      one({ state: 'wrong', text: 'Not asked.', remedy: 'ask it' }),
      one({ about: 'backend', state: 'note', text: 'Slow.' }),
    ];
    assert.equal(
      formatReport(told, plain),
      `milter
  well  Fine.
  wrong Not asked.
        do: ask it
backend
  note  Slow.

1 thing is wrong, 1 to note.
`,
    );
  });

  it('says when all is well', () => {
    assert.match(formatReport([one({})], plain), /\nAll is well\.\n$/);
  });

  it('fits 100 columns and stays harmless, whatever stands in it', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc.constant('\x1b[2J\r\n'.repeat(20)),
    );
    fc.assert(
      fc.property(text, text, text, (about, said, remedy) => {
        const report = formatReport([one({ about, text: said, remedy })], plain);
        for (const line of report.split('\n')) assert.ok(line.length <= 100, line);
        assert.doesNotMatch(report, /[\0-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
      }),
    );
  });
});
