import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { reply } from '../../mail/reply.ts';
import { formatAction, MAX_FIELD_OCTETS, MAX_TEXT_OCTETS, type PolicyAction } from './action.ts';

const refuse = (...given: Parameters<typeof reply>): PolicyAction => ({
  kind: 'reply',
  reply: reply(...given),
});

describe('an action', () => {
  const cases: [string, PolicyAction, string][] = [
    ['nothing against it', { kind: 'dunno' }, 'DUNNO'],
    ['a refusal', refuse(550, '5.7.1', 'No'), '550 5.7.1 No'],
    ['a deferral', refuse(450, '4.7.1', 'Later'), '450 4.7.1 Later'],
    ['the end of the session', refuse(421, '4.7.0', 'Enough'), '421 4.7.0 Enough'],
    ['lines', refuse(550, '5.7.1', 'one', 'two'), '550 5.7.1 one two'],
    ['a status of another class', refuse(450, '5.1.8', 'x'), '450 4.1.8 x'],
    ['no status', refuse(550, '', 'x'), '550 5.7.1 x'],
    ['a status that is none', refuse(550, '5.7.1 OK', 'x'), '550 5.7.1 x'],
    ['no words', refuse(550, '5.7.1'), '550 5.7.1'],
    ['percent signs as they are', refuse(550, '5.7.1', '100%'), '550 5.7.1 100%'],
    ['another action inside', refuse(550, '5.7.1', 'no\n\naction=OK\n\n'), '550 5.7.1 no action=OK'],
    ['octets that no reply has', refuse(550, '5.7.1', 'a\0\x1b\té'), '550 5.7.1 a?? ?'],
    [
      'greylisting',
      { kind: 'defer-if-permit', enhanced: '4.7.1', text: 'Try again in 300 seconds' },
      'DEFER_IF_PERMIT 4.7.1 Try again in 300 seconds',
    ],
    ['with no words', { kind: 'defer-if-permit', enhanced: '', text: '' }, 'DEFER_IF_PERMIT 4.7.1'],
    ['a deferral at once', { kind: 'defer', enhanced: '5.7.1', text: 'a\r\nb' }, 'DEFER 4.7.1 a b'],
    ['a field', { kind: 'prepend', name: 'X-A', value: ' b ' }, 'PREPEND X-A: b'],
    ['a folded field', { kind: 'prepend', name: 'X-A', value: 'b;\r\n\tc;\n d' }, 'PREPEND X-A: b; c; d'],
    [
      'a field within a field',
      { kind: 'prepend', name: 'X-A', value: 'b\nBcc: c\0' },
      'PREPEND X-A: b Bcc: c?',
    ],
    [
      'a field in UTF-8',
      { kind: 'prepend', name: 'X-A', value: 'bücher\t\u{1f600}' },
      'PREPEND X-A: bücher\t\u{1f600}',
    ],
  ];
  for (const [name, action, expected] of cases) {
    it(name, () => assert.equal(formatAction(action), `action=${expected}\n\n`));
  }

  it('refuses with the code of a refusal, and names fields of our own making', () => {
    for (const code of [250, 399, 600, 450.5])
      assert.throws(() => formatAction(refuse(code, '', 'x')), /no code/);
    for (const name of ['', 'A B', 'A:', 'A\n', 'x'.repeat(77)]) {
      assert.throws(() => formatAction({ kind: 'prepend', name, value: 'x' }), /no name/);
    }
  });

  it('has a text up to its length', () => {
    for (const [given, kept] of [
      [MAX_TEXT_OCTETS - 1, MAX_TEXT_OCTETS - 1],
      [MAX_TEXT_OCTETS, MAX_TEXT_OCTETS],
      [MAX_TEXT_OCTETS + 1, MAX_TEXT_OCTETS],
    ] as const) {
      const said = formatAction(refuse(550, '5.7.1', 'x'.repeat(given)));
      assert.equal(said.length, 'action=550 5.7.1 \n\n'.length + kept);
    }
  });

  it('has a field up to its length, cut between characters', () => {
    const octets = (value: string) =>
      Buffer.byteLength(formatAction({ kind: 'prepend', name: 'A', value })) - 'action=PREPEND \n\n'.length;
    assert.equal(octets('x'.repeat(MAX_FIELD_OCTETS - 4)), MAX_FIELD_OCTETS - 1);
    assert.equal(octets('x'.repeat(MAX_FIELD_OCTETS - 3)), MAX_FIELD_OCTETS);
    assert.equal(octets('x'.repeat(MAX_FIELD_OCTETS)), MAX_FIELD_OCTETS);
    assert.equal(octets('é'.repeat(600)), MAX_FIELD_OCTETS - 1);
  });

  it('is one line and an empty one, whatever it says', () => {
    const text = fc
      .array(fc.constantFrom('\n', '\r', '\0', ' ', '\t', 'action=OK', 'é', '\ud800', 'x'.repeat(300)), {
        maxLength: 12,
      })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (given) => {
        for (const action of [
          refuse(550, given, given, given),
          { kind: 'defer-if-permit', enhanced: given, text: given },
          { kind: 'defer', enhanced: given, text: given },
          { kind: 'prepend', name: 'X-A', value: given },
        ] as const) {
          assert.match(formatAction(action), /^action=[^\0\r\n]+\n\n$/);
          assert.ok(Buffer.byteLength(formatAction(action)) <= 1100);
        }
      }),
    );
  });
});
