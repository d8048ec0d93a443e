import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatMailbox, type Mailbox } from './mailbox.ts';
import { parseForwardPath, parseReversePath, type PathOptions } from './path.ts';

const box = (local: string, domain: string): Mailbox => ({ local, domain });
const local64 = 'l'.repeat(64);
// 256 octets with its brackets.
const longDomain = `${`${'d'.repeat(62)}.`.repeat(3)}${'d'.repeat(62)}`;
const path256 = `<${'l'.repeat(256 - 3 - longDomain.length)}@${longDomain}>`;

const read = (text: string, options?: PathOptions) => {
  const result = parseReversePath(text, options);
  return result.kind === 'path' ? result.path : result.error;
};

describe('a reverse-path', () => {
  const CASES: readonly (readonly [string, Mailbox | null | 'syntax' | 'too-long'])[] = [
    ['<>', null],
    ['<a@example.net>', box('a', 'example.net')],
    ['<A.b+c@EXAMPLE.net>', box('A.b+c', 'example.net')],
    ["<!#$%&'*+-/=?^_`{|}~@example.net>", box("!#$%&'*+-/=?^_`{|}~", 'example.net')],
    ['<"a b"@example.net>', box('a b', 'example.net')],
    ['<"a\\"\\\\b"@example.net>', box('a"\\b', 'example.net')],
    ['<"a>b@c"@example.net>', box('a>b@c', 'example.net')],
    ['<"a\\b"@example.net>', box('ab', 'example.net')],
    ['<""@example.net>', box('', 'example.net')],
    ['<a@[192.0.2.1]>', box('a', '[192.0.2.1]')],
    ['<a@[IPv6:2001:DB8::0:1]>', box('a', '[IPv6:2001:db8::1]')],
    ['<@x.example,@y.example:a@example.net>', box('a', 'example.net')],
    ['<δοκιμή@παράδειγμα.example>', box('δοκιμή', 'xn--hxajbheg2az3al.example')],
    [`<${local64}@example.net>`, box(local64, 'example.net')],
    [`<l${local64}@example.net>`, 'too-long'],
    [path256, box('l'.repeat(256 - 3 - longDomain.length), longDomain)],
    [path256.replace('<', '<@x:'), 'too-long'],
    ['', 'syntax'],
    ['<', 'syntax'],
    ['a@example.net', 'syntax'],
    [' <a@example.net>', 'syntax'],
    ['<a@example.net', 'syntax'],
    ['<a@example.net>x', 'syntax'],
    ['<a@example.net> ', box('a', 'example.net')],
    ['<<a@example.net>>', 'syntax'],
    ['< a@example.net>', 'syntax'],
    ['<a@example.net >', 'syntax'],
    ['<a>', 'syntax'],
    ['<postmaster>', 'syntax'],
    ['<@example.net>', 'syntax'],
    ['<a@>', 'syntax'],
    ['<a@@example.net>', 'syntax'],
    ['<a@b@example.net>', 'syntax'],
    ['<.a@example.net>', 'syntax'],
    ['<a.@example.net>', 'syntax'],
    ['<a..b@example.net>', 'syntax'],
    ['<a b@example.net>', 'syntax'],
    ['<"a"b@example.net>', 'syntax'],
    ['<"a@example.net>', 'syntax'],
    ['<"a\tb"@example.net>', 'syntax'],
    ['<a@ex_ample.net>', 'syntax'],
    ['<a@[192.0.2.300]>', 'syntax'],
    ['<a@[192.0.2.1>', 'syntax'],
    ['<@x.example a@example.net>', 'syntax'],
    ['<@-x:a@example.net>', 'syntax'],
  ];
  for (const [text, path] of CASES) {
    it(JSON.stringify(text).slice(0, 60), () => assert.deepEqual(read(text), path));
  }

  it('hands back what follows it, and whether it needs SMTPUTF8', () => {
    assert.deepEqual(parseReversePath('<a@example.net> SIZE=1'), {
      kind: 'path',
      path: box('a', 'example.net'),
      utf8: false,
      rest: ' SIZE=1',
    });
    const result = parseReversePath('<a@bücher.example>');
    assert.ok(result.kind === 'path');
    assert.equal(result.utf8, true);
  });

  it('has the limit on its local part that is asked for', () => {
    assert.equal(read('<abc@example.net>', { localPartOctets: 2 }), 'too-long');
    assert.deepEqual(read('<ab@example.net>', { localPartOctets: 2 }), box('ab', 'example.net'));
    assert.equal(read('<éé@example.net>', { localPartOctets: 3 }), 'too-long');
  });
});

describe('leniency', () => {
  for (const [text, path] of [
    [' <a@example.net>', box('a', 'example.net')],
    ['a@example.net', box('a', 'example.net')],
    ['  a@example.net', box('a', 'example.net')],
    ['<a@ex_ample.net>', box('a', 'ex_ample.net')],
    [' <>', null],
    ['', 'syntax'],
    [' ', 'syntax'],
    ['a@example.net>', 'syntax'],
    ['<a@example.net', 'syntax'],
    ['a..b@example.net', 'syntax'],
  ] as const) {
    it(JSON.stringify(text), () => assert.deepEqual(read(text, { lenient: true }), path));
  }
  it('ends a bare path at the space', () => {
    const result = parseForwardPath('a@example.net NOTIFY=NEVER', { lenient: true });
    assert.ok(result.kind === 'path');
    assert.equal(result.rest, ' NOTIFY=NEVER');
  });
});

describe('a forward-path', () => {
  it('is a mailbox', () => {
    const result = parseForwardPath('<b@example.org>');
    assert.ok(result.kind === 'path');
    assert.deepEqual(result.path, box('b', 'example.org'));
  });
  it('may be the bare postmaster, in any case', () => {
    for (const text of ['<Postmaster>', '<POSTMASTER>', '<postmaster>']) {
      const result = parseForwardPath(text);
      assert.ok(result.kind === 'path');
      assert.deepEqual(result.path, box(text.slice(1, -1), ''));
    }
  });
  it('is not null, and not another bare name', () => {
    assert.deepEqual(parseForwardPath('<>'), { kind: 'error', error: 'null-path' });
    assert.deepEqual(parseForwardPath('<abuse>'), { kind: 'error', error: 'syntax' });
  });
});

describe('properties', () => {
  const ascii = fc.string({
    unit: fc.constantFrom(...Array.from({ length: 95 }, (_x, i) => String.fromCharCode(32 + i))),
    maxLength: 40,
  });
  const utf8 = fc
    .string({ unit: 'grapheme', maxLength: 12 })
    .filter((text) => !/[\x00-\x1f\x7f]/.test(text) && Buffer.byteLength(text) <= 64);
  const domain = fc.oneof(
    fc
      .domain()
      .map((name) => name.toLowerCase())
      .filter((name) => name.length < 150),
    fc.ipV4().map((address) => `[${address}]`),
  );

  it('a mailbox formatted and parsed again is the same', () => {
    fc.assert(
      fc.property(fc.oneof(ascii, utf8), domain, (local, host) => {
        const mailbox = box(local, host);
        assert.deepEqual(read(`<${formatMailbox(mailbox)}>`), mailbox);
      }),
    );
  });

  it('no text makes it throw, and what it takes survives formatting', () => {
    const text = fc
      .array(
        fc.oneof(fc.constantFrom('<', '>', '@', '"', '\\', '.', ':', ',', '[', ']', ' ', 'a', 'é'), ascii),
        { maxLength: 12 },
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.boolean(), (bytes, lenient) => {
        for (const candidate of [bytes, `<${bytes}>`]) {
          const result = parseReversePath(candidate, { lenient });
          if (result.kind === 'path' && result.path !== null) {
            assert.deepEqual(read(`<${formatMailbox(result.path)}>`, { lenient }), result.path);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
