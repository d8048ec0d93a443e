import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_LIST_MAILBOXES, parseAddressList } from './addresses.ts';
import { formatMailbox } from './mailbox.ts';

describe('an address list', () => {
  const cases: [value: string, shown: readonly string[], malformed?: number][] = [
    ['', []],
    ['a@b.example', ['|a@b.example']],
    ['<a@B.Example>', ['|a@b.example']],
    ['Ann <a@b.example>, "Lee, Bob" <b@b.example>', ['Ann|a@b.example', 'Lee, Bob|b@b.example']],
    ['a@b.example (Ann (really)), , c@b.example', ['Ann (really)|a@b.example', '|c@b.example']],
    ['=?utf-8?Q?J=C3=BCrgen?= <j@b.example>', ['Jürgen|j@b.example']],
    ['"=?utf-8?B?QW5u?=" <a@b.example>', ['Ann|a@b.example']],
    ['J\xc3\xbcrgen <j@b.example>', ['Jürgen|j@b.example']],
    ['us: a@b.example, Bob <b@b.example>; c@b.example', ['|a@b.example', 'Bob|b@b.example', '|c@b.example']],
    ['undisclosed-recipients:;', []],
    ['"a b"@b.example', ['|"a b"@b.example']],
    ['"a, <b>" <"x y"@b.example>', ['a, <b>|"x y"@b.example']],
    ['a . b @ c . example', ['|a.b@c.example']],
    ['a@[192.0.2.1], b@[IPv6:2001:db8::1]', ['|a@[192.0.2.1]', '|b@[IPv6:2001:db8::1]']],
    ['<@r.example,@s.example:a@b.example>', ['|a@b.example']],
    ['Ann <a@b.example', ['Ann|a@b.example']],
    ['Ann <a@b.example, b@b.example', ['Ann|a@b.example', '|b@b.example']],
    ['a@b.example <c@b.example>', ['a@b.example|c@b.example']],
    ['Ann <>, x, @, a@', [], 4],
    ['"never closed <a@b.example>', [], 1],
    ['(never closed a@b.example', []],
    ['a\\"@b.example', [], 1],
    [`${'x'.repeat(201)}@b.example`, [], 1],
  ];
  for (const [value, shown, malformed = 0] of cases) {
    it(JSON.stringify(value.slice(0, 60)), () => {
      const list = parseAddressList(value);
      assert.deepEqual(
        list.mailboxes.map(({ displayName, mailbox }) => `${displayName}|${formatMailbox(mailbox)}`),
        shown,
      );
      assert.deepEqual([list.malformed, list.cut], [malformed, false]);
    });
  }

  it('has a bound', () => {
    for (const [count, cut] of [
      [MAX_LIST_MAILBOXES - 1, false],
      [MAX_LIST_MAILBOXES, false],
      [MAX_LIST_MAILBOXES + 1, true],
    ] as const) {
      const list = parseAddressList('a@b.example,'.repeat(count));
      assert.deepEqual([list.mailboxes.length, list.cut], [Math.min(count, MAX_LIST_MAILBOXES), cut]);
    }
  });
});
