import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { matchesCode, nonsenseIn, parseAnswerCode } from './list-answers.ts';

const code = (text: string) => {
  const parsed = parseAnswerCode(text);
  assert.ok(typeof parsed !== 'string', text);
  return parsed;
};

describe('answer codes of DNS lists', () => {
  const cases: [code: string, yes: string[], no: string[]][] = [
    ['127.0.0.2', ['127.0.0.2'], ['127.0.0.1', '127.0.0.3', '127.0.1.2', '128.0.0.2', '', 'x', '::1']],
    ['127.0.0.2-11', ['127.0.0.2', '127.0.0.11'], ['127.0.0.1', '127.0.0.12', '127.0.1.2']],
    ['127.0.1.0/24', ['127.0.1.0', '127.0.1.255'], ['127.0.0.255', '127.0.2.0']],
    ['127.0.0.0/8', ['127.1.2.3'], ['126.255.255.255', '128.0.0.0']],
    [
      '127.0.0.0/24&0.0.0.4',
      ['127.0.0.4', '127.0.0.6', '127.0.0.255'],
      ['127.0.0.2', '127.0.0.8', '127.0.1.4'],
    ],
    ['127.0.0.2-14&0.0.0.3', ['127.0.0.2', '127.0.0.5'], ['127.0.0.4', '127.0.0.12', '127.0.0.15']],
  ];
  for (const [text, yes, no] of cases) {
    it(text, () => {
      for (const answer of yes) assert.ok(matchesCode(code(text), answer), answer);
      for (const answer of no) assert.ok(!matchesCode(code(text), answer), answer);
    });
  }

  const bad = [
    '',
    '2',
    '128.0.0.2',
    '127.0.0',
    '127.0.0.256',
    '127.0.0.11-2',
    '127.0.0.2-256',
    '127.0.0.2/24',
    '127.0.0.0/7',
    '127.0.0.0/33',
    '127.0.0.2-3/24',
    '127.0.0.0/24&0.0.0.0',
    '127.0.0.0/24&4',
    '127.0.0.*',
  ];
  for (const text of bad) it(`refuses "${text}"`, () => assert.equal(typeof parseAnswerCode(text), 'string'));

  it('knows what cannot be a listing', () => {
    const nonsense: [string[], RegExp][] = [
      [['127.255.255.254'], /public resolver/],
      [['127.255.255.252'], /misspelt/],
      [['127.255.255.255'], /too often/],
      [['127.255.255.7'], /refuses our questions/],
      [['127.0.0.1'], /refuses our questions/],
      [['192.0.2.80'], /outside 127/],
      [['127.0.0.2', '192.0.2.80'], /outside 127/],
      [['127.0.10.3'], /refuses our questions/],
    ];
    for (const [answers, reason] of nonsense)
      assert.match(nonsenseIn(answers, [code('127.0.10.0/24')]) ?? '', reason);
    for (const answer of ['127.0.0.2', '127.0.10.3', '127.255.254.255', '127.0.0.255']) {
      assert.equal(nonsenseIn([answer], []), undefined, answer);
    }
  });
});
