import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_PATTERN, patternProblem, Signatures, type SignatureRule } from './signatures.ts';

const RULES: readonly SignatureRule[] = [
  { name: 'word', place: 'text', pattern: '(?i)million dollars?' },
  { name: 'lines', place: 'raw', pattern: 'X-Mailer: Evil.*boundary="=_x"' },
  { name: 'octets', place: 'raw', pattern: '\\x00\\xff\\xfe' },
  { name: 'end', place: 'name', pattern: '\\.pdf\\.[a-z]{3}$' },
];

describe('signatures', () => {
  const signatures = new Signatures(RULES);

  it('match in their place only, all that do', () => {
    assert.deepEqual(signatures.matching('text', 'A Million Dollar'), ['word']);
    assert.deepEqual(
      signatures.matching('raw', 'X-Mailer: Evil\r\nFoo: boundary="=_x"\r\n\r\n\x00\xff\xfe'),
      ['lines', 'octets'],
    );
    assert.deepEqual(signatures.matching('raw', 'a million dollars'), []);
    assert.deepEqual(signatures.matching('name', 'invoice.pdf.abc'), ['end']);
    assert.deepEqual(signatures.matching('file', 'a million dollars'), []);
    assert.deepEqual([signatures.wants('text'), signatures.wants('file')], [true, false]);
  });

  it('need no more time for a pattern that others cannot bear', () => {
    const bad = new Signatures([{ name: 'a', place: 'raw', pattern: '(x+x+)+y' }]);
    const before = performance.now();
    assert.deepEqual(bad.matching('raw', 'x'.repeat(200_000)), []);
    assert.ok(performance.now() - before < 5_000);
  });

  it('match what a backtracking machine matches, all in one reading', () => {
    const patterns = [
      'ab',
      'a.b',
      '\\bab\\b',
      '^b',
      'c$',
      '(?:ab|ba)+c',
      'a{2,3}[^a]',
      '(?i)AbC',
      '\\xff.',
      'a.*b.*c',
    ];
    const all = new Signatures(patterns.map((pattern) => ({ name: pattern, place: 'file', pattern })));
    const plain = patterns.map(
      (pattern) => new RegExp(pattern.replace('(?i)', ''), pattern.startsWith('(?i)') ? 'is' : 's'),
    );
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'A', ' ', '\n', '\xff', '\0'), maxLength: 30 }),
        (text) => {
          assert.deepEqual(
            [...all.matching('file', text)].sort(),
            patterns.filter((_, i) => plain[i]?.test(text)).sort(),
          );
        },
      ),
      { numRuns: 1000 },
    );
  });

  for (const [pattern, problem] of [
    ['abc', undefined],
    ['(abc', /missing closing \)/],
    ['(a)\\1', /invalid escape/],
    ['a(?=b)', /./],
    ['a|', /matches the empty text/],
    ['.*', /matches the empty text/],
    ['x'.repeat(MAX_PATTERN), undefined],
    ['x'.repeat(MAX_PATTERN + 1), /is longer than 1000 characters/],
  ] as const)
    it(`${problem === undefined ? 'takes' : 'refuses'} the pattern ${pattern.slice(0, 20)}`, () => {
      const found = patternProblem(pattern);
      if (problem === undefined) assert.equal(found, undefined);
      else assert.match(found ?? '', problem);
    });
});
