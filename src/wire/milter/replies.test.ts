import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reply } from '../../mail/reply.ts';
import { encodeReply, MAX_REPLY_LINES, MAX_REPLY_TEXT_OCTETS, PROGRESS, replyText } from './replies.ts';

describe('an answer', () => {
  for (const [kind, letter] of [
    ['continue', 'c'],
    ['accept', 'a'],
    ['reject', 'r'],
    ['tempfail', 't'],
    ['skip', 's'],
  ] as const) {
    it(`${kind} is ${letter} alone`, () => {
      assert.equal(encodeReply({ kind }).toString('latin1'), `\0\0\0\x01${letter}`);
    });
  }

  it('with our own text ends in NUL', () => {
    assert.equal(
      encodeReply({ kind: 'reply', reply: reply(550, '5.7.1', 'No') }).toString('latin1'),
      '\0\0\0\x0ey550 5.7.1 No\0',
    );
  });

  it('progress is p alone', () => {
    assert.equal(PROGRESS.toString('latin1'), '\0\0\0\x01p');
  });
});

describe('a text', () => {
  const cases: [string, Parameters<typeof reply>, string][] = [
    ['one line', [450, '4.7.1', 'Later'], '450 4.7.1 Later'],
    ['lines', [550, '5.7.1', 'a', 'b', 'c'], '550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1 c'],
    ['percent signs doubled', [550, '5.7.1', '100% of %s and %%'], '550 5.7.1 100%% of %%s and %%%%'],
    ['no line end inside', [550, '5.7.1', 'a\r\n250 Ok\0'], '550 5.7.1 a??250 Ok?'],
    ['no terminal moved, no octets beyond ASCII', [550, '5.7.1', '\x1b[2Jé\t!'], '550 5.7.1 ?[2J?\t!'],
    ['no status', [550, '', 'x'], '550 5.0.0 x'],
    ['a status that is none', [451, '4.7', 'x'], '451 4.0.0 x'],
    ['a status of another class', [450, '5.7.1', 'x'], '450 4.7.1 x'],
    ['and the other way', [550, '4.7.1', 'x'], '550 5.7.1 x'],
    ['a status of success', [550, '2.0.0', 'x'], '550 5.0.0 x'],
    ['no words', [550, '5.7.1', ''], '550 5.7.1'],
    ['no lines', [550, '5.7.1'], '550 5.7.1'],
    ['the lowest code', [400, '4.0.0', 'x'], '400 4.0.0 x'],
    ['the highest code', [599, '5.0.0', 'x'], '599 5.0.0 x'],
  ];
  for (const [name, given, expected] of cases) {
    it(name, () => assert.equal(replyText(reply(...given)), expected));
  }

  it('is a refusal', () => {
    for (const code of [250, 354, 399, 600, 450.5, Number.NaN]) {
      assert.throws(() => replyText(reply(code, '', 'x')), /no code of a refusal/);
    }
  });

  it('has lines up to their length and number', () => {
    for (const [given, kept] of [
      [MAX_REPLY_TEXT_OCTETS - 1, MAX_REPLY_TEXT_OCTETS - 1],
      [MAX_REPLY_TEXT_OCTETS, MAX_REPLY_TEXT_OCTETS],
      [MAX_REPLY_TEXT_OCTETS + 1, MAX_REPLY_TEXT_OCTETS],
    ] as const) {
      assert.equal(replyText(reply(550, '5.7.1', 'x'.repeat(given))).length, '550 5.7.1 '.length + kept);
    }
    const doubled = replyText(reply(550, '5.7.1', '%'.repeat(MAX_REPLY_TEXT_OCTETS + 1)));
    assert.equal(doubled.length, '550 5.7.1 '.length + 2 * MAX_REPLY_TEXT_OCTETS, 'no sign is left alone');
    for (const [given, kept] of [
      [MAX_REPLY_LINES, MAX_REPLY_LINES],
      [MAX_REPLY_LINES + 1, MAX_REPLY_LINES],
    ] as const) {
      const lines = replyText(reply(550, '5.7.1', ...Array.from({ length: given }, () => 'x'))).split('\r\n');
      assert.equal(lines.length, kept);
      assert.match(lines.at(-1) ?? '', /^550 /);
    }
  });
});
