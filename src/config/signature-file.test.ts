import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_RULES } from '../mail/signatures.ts';
import { readSignatures } from './signature-file.ts';

const linesOf = (count: number): string =>
  Array.from({ length: count }, (_, i) => `r${i} raw x${i}`).join('\n');

describe('signature file', () => {
  it('has a rule a line, with comments and empty lines between', () => {
    const text =
      '\ufeff# Seen in May\n\n  macro.2026   file   (?i)auto_?open # no comment\r\nname-of_it name \\.pdf\\.\n';
    assert.deepEqual(readSignatures(text, 'f'), {
      rules: [
        { name: 'macro.2026', place: 'file', pattern: '(?i)auto_?open # no comment' },
        { name: 'name-of_it', place: 'name', pattern: '\\.pdf\\.' },
      ],
      problems: [],
    });
  });

  const cases: [line: string, problem: RegExp][] = [
    ['word', /^wants NAME PLACE PATTERN, such as .*: "word"$/],
    ['word raw', /^wants NAME PLACE PATTERN/],
    ['wo/rd raw x', /^a name has up to 64 letters/],
    ['word txet x', /^there is no place "txet"; did you mean "text"\?: "word txet x"$/],
    ['word everywhere x', /^there is no place "everywhere"; there are raw, header, text, file, name/],
    ['word raw (x', /^the pattern .*missing closing \).*: "word raw \(x"$/],
    ['word raw x*', /^the pattern matches the empty text/],
    ['first raw y', /^a rule "first" stands in line 1 already/],
  ];
  for (const [line, problem] of cases)
    it(`complains of ${line}`, () => {
      const { problems } = readSignatures(`first raw x\n# comment\n${line}\n`, '/etc/rules');
      assert.equal(problems.length, 1);
      assert.deepEqual([problems[0]?.file, problems[0]?.line], ['/etc/rules', 3]);
      assert.match(problems[0]?.message ?? '', problem);
    });

  it('has so many rules and no more', () => {
    assert.deepEqual(readSignatures(linesOf(MAX_RULES), 'f').problems, []);
    assert.equal(readSignatures(linesOf(MAX_RULES + 1), 'f').problems.length, 1);
  });

  it('says no more than so much of a file that is none', () => {
    assert.equal(readSignatures('nonsense\n'.repeat(1000), 'f').problems.length, 20);
  });
});
