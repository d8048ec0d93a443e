import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { reply } from '../../mail/reply.ts';
import { MAX_REPLY_LINE_OCTETS, MAX_REPLY_LINES, ReplyReader, type Heard } from './reply-reader.ts';

function readAll(text: string, cuts: readonly number[] = []): Heard[] {
  const bytes = Buffer.from(text);
  const reader = new ReplyReader();
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.flatMap((from, i) => [...reader.receive(bytes.subarray(from, at[i + 1]))]);
}

const cases: readonly [string, string, readonly unknown[]][] = [
  ['one line', '250 2.1.0 Ok\r\n', [reply(250, '2.1.0', 'Ok')]],
  ['without text', '250\r\n', [reply(250, '', '')]],
  ['enhanced code alone', '250 2.0.0\r\n', [reply(250, '2.0.0', '')]],
  ['bare LF', '250 Ok\n', [reply(250, '', 'Ok')]],
  ['several lines', '550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1 c\r\n', [reply(550, '5.7.1', 'a', 'b', 'c')]],
  ['enhanced code of another class', '550 4.7.1 a\r\n', [reply(550, '', '4.7.1 a')]],
  ['two replies', '250 a\r\n421 b\r\n', [reply(250, '', 'a'), reply(421, '', 'b')]],
  [
    'longest line',
    `250 ${'x'.repeat(MAX_REPLY_LINE_OCTETS - 6)}\r\n`,
    [reply(250, '', 'x'.repeat(MAX_REPLY_LINE_OCTETS - 6))],
  ],
  ['line too long', `250 ${'x'.repeat(MAX_REPLY_LINE_OCTETS - 5)}\r\n`, ['nonsense']],
  ['endless line', 'x'.repeat(MAX_REPLY_LINE_OCTETS + 1), ['nonsense']],
  [
    'most lines',
    `${'250-x\r\n'.repeat(MAX_REPLY_LINES - 1)}250 x\r\n`,
    [reply(250, '', ...Array<string>(MAX_REPLY_LINES).fill('x'))],
  ],
  ['lines too many', '250-x\r\n'.repeat(MAX_REPLY_LINES), ['nonsense']],
  ['code 199', '199 x\r\n', ['nonsense']],
  ['code 600', '600 x\r\n', ['nonsense']],
  ['no separator', '250x\r\n', ['nonsense']],
  ['empty line', '\r\n', ['nonsense']],
  ['nothing is read after nonsense', 'x\r\n250 Ok\r\n', ['nonsense']],
];

describe('replies', () => {
  for (const [name, text, expected] of cases) {
    it(`${name}: whole and octet by octet`, () => {
      const plain = (heard: Heard[]) => heard.map((h) => (h.kind === 'reply' ? h.reply : h.kind));
      assert.deepEqual(plain(readAll(text)), expected);
      assert.deepEqual(
        plain(
          readAll(
            text,
            Array.from(text, (_, i) => i),
          ),
        ),
        expected,
      );
    });
  }

  it('are the same however they are cut', () => {
    const text = fc
      .array(fc.constantFrom('250-', '250 ', '421', '5.7.1 ', 'x', '\r\n', '\n', '\r'))
      .map((a) => a.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.nat()), (some, cuts) =>
        assert.deepEqual(readAll(some, cuts), readAll(some)),
      ),
    );
  });
});
