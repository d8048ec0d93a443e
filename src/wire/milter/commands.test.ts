import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readQuestion, type Question } from './commands.ts';

const read = (command: Question, payload: string | Buffer, leadingSpace = true) =>
  readQuestion(command, typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload, {
    limits: { arguments: 4 },
    leadingSpace,
  });

describe('connect', () => {
  const port25 = '\0\x19';
  const cases: [string, string, object | 'malformed'][] = [
    [
      'an IPv4 client',
      `c.example.net\x004${port25}192.0.2.7\0`,
      { hostName: 'c.example.net', family: 'inet', address: '192.0.2.7', port: 25 },
    ],
    [
      'an IPv6 client, as Postfix writes it',
      `unknown\x006\xc0\x012001:DB8:0::7\0`,
      { hostName: 'unknown', family: 'inet6', address: '2001:db8::7', port: 49153 },
    ],
    [
      'an IPv6 client, as Sendmail writes it',
      `[IPv6:2001:db8::7]\x006${port25}IPv6:2001:db8::7\0`,
      { hostName: '[IPv6:2001:db8::7]', family: 'inet6', address: '2001:db8::7', port: 25 },
    ],
    [
      'an IPv6 client with a zone',
      `u\x006${port25}fe80::1%eth0\0`,
      { hostName: 'u', family: 'inet6', address: 'fe80::1', port: 25 },
    ],
    [
      'an IPv4 client mapped into IPv6',
      `u\x006${port25}::ffff:192.0.2.7\0`,
      { hostName: 'u', family: 'inet', address: '192.0.2.7', port: 25 },
    ],
    [
      'a local client',
      'localhost\0L\0\0/run/x\0',
      { hostName: 'localhost', family: 'unix', address: '/run/x', port: 0 },
    ],
    [
      'a client of whom nothing is known',
      'localhost\0U',
      { hostName: 'localhost', family: 'unknown', address: '', port: 0 },
    ],
    [
      'octets behind the last field',
      `u\x004${port25}192.0.2.7\0more`,
      { hostName: 'u', family: 'inet', address: '192.0.2.7', port: 25 },
    ],
    ['nothing', '', 'malformed'],
    ['a name without its NUL', 'c.example.net', 'malformed'],
    ['no family', 'c\0', 'malformed'],
    ['no port', 'c\x004', 'malformed'],
    ['half a port', 'c\x004\0', 'malformed'],
    ['no address', `c\x004${port25}`, 'malformed'],
    ['an address without its NUL', `c\x004${port25}192.0.2.7`, 'malformed'],
    ['an IPv6 address as IPv4', `c\x004${port25}2001:db8::7\0`, 'malformed'],
    ['an IPv4 address as IPv6', `c\x006${port25}192.0.2.7\0`, 'malformed'],
    ['no address at all', `c\x004${port25}example.net\0`, 'malformed'],
    ['an IPv6 address that is none', `c\x006${port25}IPv6:::::\0`, 'malformed'],
    ['a family that nobody knows', `c\0X${port25}192.0.2.7\0`, 'malformed'],
  ];
  for (const [name, payload, expected] of cases) {
    it(`${name}: ${expected === 'malformed' ? expected : JSON.stringify(expected)}`, () => {
      assert.deepEqual(
        read('connect', payload),
        expected === 'malformed' ? expected : { kind: 'connect', ...expected },
      );
    });
  }
});

describe('helo and unknown', () => {
  it('are one string', () => {
    assert.deepEqual(read('helo', 'c.example.net\0'), { kind: 'helo', name: 'c.example.net' });
    assert.deepEqual(read('helo', '\0'), { kind: 'helo', name: '' });
    assert.deepEqual(read('unknown', 'XYZZY now\0'), { kind: 'unknown', line: 'XYZZY now' });
  });
  it('are malformed without the NUL', () => {
    assert.equal(read('helo', 'c.example.net'), 'malformed');
    assert.equal(read('unknown', ''), 'malformed');
  });
  it('have no control characters', () => {
    assert.deepEqual(read('helo', 'a\rb\n\0'), { kind: 'helo', name: 'a?b?' });
    assert.deepEqual(read('unknown', 'X\x1b\0'), { kind: 'unknown', line: 'X?' });
  });
  it('are UTF-8, or octets', () => {
    assert.deepEqual(read('helo', Buffer.from('bücher.example\0')), { kind: 'helo', name: 'bücher.example' });
    assert.deepEqual(read('helo', 'b\xfccher\0'), { kind: 'helo', name: 'bücher' });
  });
});

describe('mail and rcpt', () => {
  const cases: [string, string, readonly string[] | 'malformed'][] = [
    ['a path', '<a@example.net>\0', ['<a@example.net>']],
    ['the null path', '<>\0', ['<>']],
    [
      'parameters',
      '<a@example.net>\0SIZE=10\0BODY=8BITMIME\0',
      ['<a@example.net>', 'SIZE=10', 'BODY=8BITMIME'],
    ],
    ['as many strings as may be', '<>\0a\0b\0c\0', ['<>', 'a', 'b', 'c']],
    ['one more, which is passed over', '<>\0a\0b\0c\0d\0', ['<>', 'a', 'b', 'c']],
    ['nothing', '', 'malformed'],
    ['no NUL', '<a@example.net>', 'malformed'],
    ['a parameter without its NUL', '<a@example.net>\0SIZE=1', 'malformed'],
  ];
  for (const kind of ['mail', 'rcpt'] as const) {
    for (const [name, payload, expected] of cases) {
      it(`${kind}: ${name}`, () => {
        const [path, ...parameters] = expected === 'malformed' ? [] : expected;
        assert.deepEqual(
          read(kind, payload),
          expected === 'malformed' ? 'malformed' : { kind, path, parameters },
        );
      });
    }
  }
});

describe('header', () => {
  const cases: [string, string, string, string][] = [
    ['a value with its space', 'Subject\0 Hello\0', ' Hello', '  Hello'],
    ['a value without', 'Subject\0Hello\0', 'Hello', ' Hello'],
    ['folded lines', 'To\0 a,\n\tb,\n c\0', ' a,\r\n\tb,\r\n c', '  a,\r\n\tb,\r\n c'],
    ['lines with CRLF already', 'To\0 a,\r\n b\0', ' a,\r\n b', '  a,\r\n b'],
    ['a bare CR', 'To\0a\rb\0', 'a\rb', ' a\rb'],
    ['a tab behind the colon', 'Subject\0\tHello\0', '\tHello', '\tHello'],
    ['a value on the next line', 'Subject\0\n Hello\0', '\r\n Hello', '\r\n Hello'],
    ['no value', 'Subject\0\0', '', ''],
    ['octets that are no UTF-8', 'Subject\0 \xe9\0', ' \xe9', '  \xe9'],
    ['no name', '\0x\0', 'malformed', 'malformed'],
    ['a name that is two lines', 'A\nB\0x\0', 'malformed', 'malformed'],
    ['a name with a colon', 'A: b\0x\0', 'malformed', 'malformed'],
    ['one string', 'Subject\0', 'malformed', 'malformed'],
    ['a value without its NUL', 'Subject\0Hello', 'malformed', 'malformed'],
    ['nothing', '', 'malformed', 'malformed'],
  ];
  for (const [name, payload, exact, guessed] of cases) {
    for (const [leadingSpace, expected] of [
      [true, exact],
      [false, guessed],
    ] as const) {
      it(`${name}, ${leadingSpace ? 'with' : 'without'} SMFIP_HDR_LEADSPC`, () => {
        const event = read('header', payload, leadingSpace);
        if (event === 'malformed' || event.kind !== 'header') {
          assert.equal(event, expected);
          return;
        }
        assert.equal(event.value.toString('latin1'), expected);
        assert.equal(event.exact, leadingSpace);
        assert.equal(event.name, payload.slice(0, payload.indexOf('\0')));
      });
    }
  }
});

describe('the rest', () => {
  it('has its octets, or none that count', () => {
    const bytes = Buffer.from('a\r\n');
    assert.deepEqual(read('body', bytes), { kind: 'body', bytes });
    assert.deepEqual(read('end-of-message', bytes), { kind: 'end-of-message', bytes });
    assert.deepEqual(read('data', bytes), { kind: 'data' });
    assert.deepEqual(read('end-of-header', bytes), { kind: 'end-of-header' });
  });
});

it('nothing makes it throw', () => {
  const commands: Question[] = ['connect', 'helo', 'mail', 'rcpt', 'unknown', 'header', 'body', 'data'];
  const octets = fc.array(
    fc.constantFrom('\0', '4', '6', 'L', 'U', ':', '1', '.', '%', '\n', '\r', ' ', 'é', 'a'),
  );
  fc.assert(
    fc.property(fc.constantFrom(...commands), octets, fc.boolean(), (command, parts, leadingSpace) => {
      read(command, parts.join(''), leadingSpace);
    }),
    { numRuns: 500 },
  );
});
