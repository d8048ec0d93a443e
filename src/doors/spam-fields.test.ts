import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { spamFields } from './spam-fields.ts';

describe('the tags of mail that is delivered', () => {
  const cases: [name: string, spam: Parameters<typeof spamFields>[0], text: string][] = [
    ['not scored', undefined, ''],
    [
      'ham',
      { isSpam: false, score: 1.25, required: 5, tests: ['NO_RECEIVED'] },
      'X-Spam-Status: No, score=1.3 required=5.0\r\n\ttests=NO_RECEIVED\r\n',
    ],
    [
      'spam',
      { isSpam: true, score: 15, required: 5, tests: ['GTUBE', 'MISSING_DATE'] },
      'X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=15.0 required=5.0\r\n\ttests=GTUBE,MISSING_DATE\r\n',
    ],
    [
      'ham without tests, below zero',
      { isSpam: false, score: -0.5, required: 5, tests: [] },
      'X-Spam-Status: No, score=-0.5 required=5.0\r\n\ttests=none\r\n',
    ],
  ];
  for (const [name, spam, text] of cases) it(name, () => assert.equal(spamFields(spam), text));

  it('are read by the rules that are there already', () => {
    const fields = spamFields({ isSpam: true, score: 7.5, required: 5, tests: ['A'] });
    // Pigeonhole: sieve_spamtest_status_header; the folding is undone before.
    const [, score] =
      /^X-Spam-Status: [^,]*, score=(-?\d+\.\d).*$/m.exec(fields.replace(/\r\n(?=[\t ])/g, '')) ?? [];
    assert.equal(score, '7.5');
  });

  it('fold, and hold fifty tests at most', () => {
    const name = fc.stringMatching(/^\w{1,64}$/);
    fc.assert(
      fc.property(fc.array(name, { maxLength: 100 }), (tests) => {
        const text = spamFields({ isSpam: false, score: 1, required: 5, tests });
        const lines = text.split('\r\n');
        assert.equal(lines.pop(), '');
        assert.ok(lines.slice(1).every((line) => /^\t\S/.test(line) && line.length <= 80));
        const [, read = ''] = /tests=(\S*)$/.exec(lines.map((line) => line.trim()).join('')) ?? [];
        assert.deepEqual(read.split(','), tests.length === 0 ? ['none'] : tests.slice(0, 50));
      }),
    );
  });
});
