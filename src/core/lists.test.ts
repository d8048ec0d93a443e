import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  buildLists,
  conditionKey,
  covering,
  joinedLists,
  type ListEntry,
  type ListQuestion,
} from './lists.ts';

const entry = (fields: Partial<ListEntry>): ListEntry => ({
  kind: 'block',
  source: 'postern.toml:1',
  ...fields,
});
const mailbox = (text: string) => ({
  local: text.slice(0, text.lastIndexOf('@')),
  domain: text.slice(text.lastIndexOf('@') + 1),
});
const from = (text: string): Pick<ListQuestion, 'sender'> => ({
  sender: { path: text === '<>' ? null : mailbox(text) },
});
const to = (text: string): Pick<ListQuestion, 'recipient'> => ({ recipient: mailbox(text) });

describe('joinedLists', () => {
  it('asks all of them, the first first, as they are at the moment', () => {
    const client = '192.0.2.7';
    const first = buildLists([entry({ client, source: 'a:1' })]);
    let second = buildLists([]);
    const all = joinedLists([
      first,
      {
        get size() {
          return second.size;
        },
        get namesHosts() {
          return second.namesHosts;
        },
        find: (question) => second.find(question),
      },
    ]);
    const sources = () => all.find({ client }).map(({ source }) => source);
    assert.deepEqual([sources(), all.size, all.namesHosts], [['a:1'], 1, false]);
    second = buildLists([entry({ client, source: 'b:1' }), entry({ host: 'a.example' })]);
    assert.deepEqual([sources(), all.size, all.namesHosts], [['a:1', 'b:1'], 3, true]);
    assert.deepEqual(all.find({ client: '192.0.2.8' }), []);
  });
});

describe('conditionKey', () => {
  const same: [Partial<ListEntry>, Partial<ListEntry>][] = [
    [{ client: '192.0.2.7' }, { client: '192.0.2.7/32' }],
    [{ client: '2001:DB8::7' }, { client: '2001:db8:0::7/128' }],
    [{ host: 'MX.example.net.' }, { host: 'mx.example.net' }],
    [{ sender: '"Joe"@Example.net' }, { sender: 'joe@example.net' }],
  ];
  for (const [a, b] of same)
    it(`takes ${JSON.stringify(a)} for ${JSON.stringify(b)}`, () =>
      assert.equal(conditionKey(a), conditionKey(b)));
  const other: [Partial<ListEntry>, Partial<ListEntry>][] = [
    [{ client: '192.0.2.0/24' }, { client: '192.0.2.0/25' }],
    [{ host: 'example.net' }, { host: '.example.net' }],
    [{ sender: 'example.net' }, { recipient: 'example.net' }],
    [{ sender: 'example.net' }, { host: 'example.net' }],
    [{ client: '192.0.2.7', sender: 'example.net' }, { sender: 'example.net' }],
  ];
  for (const [a, b] of other)
    it(`tells ${JSON.stringify(a)} from ${JSON.stringify(b)}`, () =>
      assert.notEqual(conditionKey(a), conditionKey(b)));

  it('says what is wrong, and no place where it would stand', () => {
    assert.throws(() => conditionKey({ host: 'a b' }), /^Error: "a b" is no host name/);
    assert.throws(() => conditionKey({}), /^Error: names no client/);
  });
});

describe('covering', () => {
  const cases: [wide: Partial<ListEntry>, narrow: Partial<ListEntry>, isSo: boolean][] = [
    [{ client: '192.0.2.7' }, { client: '192.0.2.7' }, true],
    [{ client: '192.0.2.0/24' }, { client: '192.0.2.7' }, true],
    [{ client: '192.0.2.7' }, { client: '192.0.2.0/24' }, false],
    [{ client: '192.0.2.0/24' }, { client: '198.51.100.7' }, false],
    [{ client: '192.0.2.7' }, { client: '192.0.2.7', sender: 'a@b.example' }, true],
    [{ client: '192.0.2.7', sender: 'a@b.example' }, { client: '192.0.2.7' }, false],
    [{ client: '192.0.2.7' }, { sender: 'a@b.example' }, false],
    [{ sender: 'b.example' }, { sender: 'A@B.example' }, true],
    [{ sender: '.example' }, { sender: 'a@b.example' }, true],
    [{ sender: '.example' }, { sender: '.b.example' }, true],
    [{ sender: 'a@b.example' }, { sender: 'b.example' }, false],
    [{ sender: 'b.example' }, { recipient: 'b.example' }, false],
    [{ sender: '<>' }, { sender: '<>' }, true],
    [{ host: '.example' }, { host: 'mx.example' }, true],
  ];
  for (const [wide, narrow, isSo] of cases)
    it(`${JSON.stringify(wide)} ${isSo ? 'covers' : 'does not cover'} ${JSON.stringify(narrow)}`, () =>
      assert.equal(covering(narrow)(wide), isSo));
});

describe('buildLists', () => {
  const client = '192.0.2.7';
  const cases: [name: string, entry: Partial<ListEntry>, question: ListQuestion, matches: boolean][] = [
    ['an address', { client: '192.0.2.7' }, { client }, true],
    ['another address', { client: '192.0.2.8' }, { client }, false],
    ['a network', { client: '192.0.2.0/24' }, { client }, true],
    ['a v6 network', { client: '2001:db8::/32' }, { client: '2001:db8::7' }, true],
    ['a mapped address', { client: '192.0.2.0/24' }, { client: '::ffff:192.0.2.7' }, true],
    ['the other family', { client: '0.0.0.0/0' }, { client: '2001:db8::7' }, false],
    ['a host', { host: 'mx.example.net' }, { client, hosts: ['a.example', 'mx.example.net'] }, true],
    ['a host in capitals', { host: 'MX.Example.NET.' }, { client, hosts: ['mx.example.net'] }, true],
    ['a host not known', { host: 'mx.example.net' }, { client }, false],
    ['a host with another name', { host: 'mx.example.net' }, { client, hosts: ['mx.example.org'] }, false],
    ['hosts below', { host: '.example.net' }, { client, hosts: ['a.b.example.net'] }, true],
    ['hosts below, not itself', { host: '.example.net' }, { client, hosts: ['example.net'] }, false],
    ['hosts below, not a like name', { host: '.example.net' }, { client, hosts: ['badexample.net'] }, false],
    ['a sender', { sender: 'Joe@Example.net' }, { client, ...from('jOE@example.net') }, true],
    ['a sender before MAIL', { sender: 'joe@example.net' }, { client }, false],
    ['another sender', { sender: 'joe@example.net' }, { client, ...from('jim@example.net') }, false],
    ['a sender domain', { sender: 'example.net' }, { client, ...from('jim@example.net') }, true],
    [
      'a sender domain, not below',
      { sender: 'example.net' },
      { client, ...from('jim@a.example.net') },
      false,
    ],
    ['sender domains below', { sender: '.example.net' }, { client, ...from('jim@a.example.net') }, true],
    [
      'a sender domain with umlaut',
      { sender: 'bücher.example' },
      { client, ...from('a@xn--bcher-kva.example') },
      true,
    ],
    [
      'a sender with quotes',
      { sender: '"a \\"b"@example.net' },
      { client, ...from('a "b@example.net') },
      true,
    ],
    ['a sender with @ in quotes', { sender: '"a@b"@c.example' }, { client, ...from('a@b@c.example') }, true],
    ['a sender at a literal', { sender: '[192.0.2.7]' }, { client, ...from('a@[192.0.2.7]') }, true],
    ['below a literal', { sender: '.2' }, { client, ...from('a@[192.0.2.2]') }, false],
    ['the null sender', { sender: '<>' }, { client, ...from('<>') }, true],
    ['the null sender, not others', { sender: '<>' }, { client, ...from('a@example.net') }, false],
    ['a domain, not the null sender', { sender: 'example.net' }, { client, ...from('<>') }, false],
    ['a recipient', { recipient: 'joe@example.org' }, { client, ...to('Joe@example.org') }, true],
    [
      'a recipient before RCPT',
      { recipient: 'joe@example.org' },
      { client, ...from('joe@example.org') },
      false,
    ],
    ['a recipient domain', { recipient: 'example.org' }, { client, ...to('joe@example.org') }, true],
    [
      'all of several',
      { client: '192.0.2.0/24', host: '.net', sender: 'example.net', recipient: 'joe@example.org' },
      { client, hosts: ['a.net'], ...from('x@example.net'), ...to('joe@example.org') },
      true,
    ],
    [
      'client but not recipient',
      { client, recipient: 'joe@example.org' },
      { client, ...to('jim@example.org') },
      false,
    ],
    [
      'recipient but not client',
      { client: '192.0.2.8', recipient: 'joe@example.org' },
      { client, ...to('joe@example.org') },
      false,
    ],
    ['client but host unknown', { client, host: 'mx.example.net' }, { client }, false],
    [
      'sender but not recipient',
      { sender: '<>', recipient: 'joe@example.org' },
      { client, ...from('<>'), ...to('j@example.org') },
      false,
    ],
    ['a question that is no address', { client: '0.0.0.0/0' }, { client: 'unknown' }, false],
  ];
  for (const [name, fields, question, expected] of cases) {
    it(`${expected ? 'matches' : 'does not match'}: ${name}`, () => {
      assert.equal(buildLists([entry(fields)]).find(question).length, expected ? 1 : 0);
    });
  }

  it('gives all that match, in the order of the lists, whatever they are filed under', () => {
    const entries = [
      entry({ client: '192.0.2.0/24', source: '1' }),
      entry({ kind: 'allow', sender: 'example.net', source: '2' }),
      entry({ client: '192.0.2.7', source: '3' }),
      entry({ kind: 'allow', client: '192.0.2.0/24', sender: 'example.net', source: '4' }),
      entry({ client: '192.0.2.0/24', source: '5' }),
      entry({ client: '198.51.100.0/24', source: '6' }),
    ];
    const found = buildLists(entries).find({ client, ...from('joe@example.net') });
    assert.deepEqual(
      found.map((e) => e.source),
      ['1', '2', '3', '4', '5'],
    );
  });

  it('says whether hosts are named', () => {
    assert.equal(buildLists([entry({ client })]).namesHosts, false);
    assert.equal(buildLists([entry({ client }), entry({ host: 'a.example' })]).namesHosts, true);
  });

  const bad: [Partial<ListEntry>, RegExp][] = [
    [{}, /^Error: postern.toml:1: names no client, host, sender or recipient/],
    [{ client: '192.0.2.7/24' }, /postern.toml:1: .*the network is 192\.0\.2\.0\/24/],
    [{ host: '' }, /"" is no host name/],
    [{ host: '*.example.net' }, /no host name/],
    [{ sender: '' }, /no sender such as .*<>/],
    [{ sender: '@example.net' }, /no sender/],
    [{ sender: 'joe@.example.net' }, /no sender/],
    [{ sender: 'joe@' }, /no sender/],
    [{ sender: 'a@@b' }, /"a@@b" is no sender such as user@example.net/],
    [{ sender: 'a@b..example' }, /no sender/],
    [{ sender: '"a"@b@c.example' }, /no sender/],
    [{ sender: 'a"b@c.example' }, /no sender/],
    [{ sender: '<a@c.example>' }, /no sender/],
    [{ recipient: 'x@y@z' }, /"x@y@z" is no recipient such as user@example.net/],
    [{ sender: 'a b.example' }, /no sender/],
    [{ recipient: '<>' }, /no recipient such as user@example.net, example.net or .example.net/],
  ];
  for (const [fields, message] of bad) {
    it(`throws on ${JSON.stringify(fields)}`, () =>
      assert.throws(() => buildLists([entry(fields)]), message));
  }

  it('finds with many entries what one entry alone finds', () => {
    const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
    const domain = fc.constantFrom('a.example', 'b.a.example', 'c.example');
    const path = fc.tuple(fc.constantFrom('joe', 'jim'), domain).map(([l, d]) => `${l}@${d}`);
    const pattern = fc.oneof(
      path,
      domain,
      domain.map((d) => `.${d}`),
      fc.constant('.example'),
    );
    const network = fc.constantFrom(
      '192.0.2.7',
      '192.0.2.0/24',
      '192.0.0.0/16',
      '2001:db8::/32',
      '0.0.0.0/0',
    );
    const anyEntry = fc
      .record({
        client: maybe(network),
        host: maybe(domain),
        sender: maybe(fc.oneof(pattern, fc.constant('<>'))),
        recipient: maybe(pattern),
      })
      .map((f) => entry(Object.fromEntries(Object.entries(f).filter(([, v]) => v !== undefined))))
      .filter(
        (e) =>
          e.client !== undefined ||
          e.host !== undefined ||
          e.sender !== undefined ||
          e.recipient !== undefined,
      );
    const anyQuestion = fc
      .record({
        client: fc.constantFrom('192.0.2.7', '192.0.2.8', '198.51.100.1', '2001:db8::1'),
        hosts: fc.array(domain, { maxLength: 2 }),
        sender: maybe(fc.oneof(path, fc.constant('<>'))),
        recipient: maybe(path),
      })
      .map((q): ListQuestion => ({
        client: q.client,
        hosts: q.hosts,
        ...(q.sender === undefined ? {} : from(q.sender)),
        ...(q.recipient === undefined ? {} : to(q.recipient)),
      }));
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 20 }), anyQuestion, (entries, question) => {
        const alone = entries.filter((e) => buildLists([e]).find(question).length > 0);
        assert.deepEqual(buildLists(entries).find(question), alone);
      }),
      { numRuns: 300 },
    );
  });

  it('does not walk long lists', () => {
    const lists = (count: number) =>
      buildLists(
        Array.from({ length: count }, (_, i) => {
          const address = `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
          if (i % 4 === 0) return entry({ client: address });
          if (i % 4 === 1) return entry({ sender: `user${i}@example.net` });
          if (i % 4 === 2) return entry({ client: '0.0.0.0/0', sender: `user${i}@example.org` });
          return entry({ recipient: 'joe@example.org', sender: `.d${i}.example` });
        }),
      );
    const time = (count: number) => {
      const asked = lists(count);
      let found = 0;
      const rounds = [1, 2, 3].map(() => {
        const begun = process.hrtime.bigint();
        for (let i = 0; i < 2000; i++) {
          const question = {
            client: '10.0.0.4',
            ...from(`user${4 * i + 1}@example.net`),
            ...to('joe@example.org'),
          };
          found += asked.find(question).length;
        }
        return Number(process.hrtime.bigint() - begun);
      });
      assert.ok(found > 0);
      return Math.min(...rounds);
    };
    const small = time(1000);
    const large = time(100_000);
    assert.ok(large < small * 20, `${large} ns against ${small} ns`);
  });
});
