import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import type { ZoneRecords } from '../adapters/dns/zone.ts';
import { senderMx } from './sender-mx.ts';

const from = 'joe@a.example';
// Documentation addresses are reserved, as they should be; these stand for public ones.
const GOOD = '9.9.9.1';
const OTHER = '9.9.9.2';
const mx = { 'a.example MX': '10 mx.a.example' };
const reverse = { '1.9.9.9.in-addr.arpa PTR': 'mx.a.example' };
const sane: ZoneRecords = { ...mx, ...reverse, 'mx.a.example A': GOOD };

describe('sender-mx', () => {
  const cases: [
    what: string,
    zone: ZoneRecords,
    troubles: Record<string, FakeTrouble>,
    ...findings: string[],
  ][] = [
    ['a real host', sane, {}, 'pass ok'],
    ['one address of two is public', { ...sane, 'mx.a.example A': ['10.0.0.1', GOOD] }, {}, 'pass ok'],
    [
      'the second exchanger is public',
      { ...sane, 'a.example MX': ['10 lo.a.example', '20 mx.a.example'], 'lo.a.example A': '127.0.0.1' },
      {},
      'pass ok',
    ],
    ['the reverse name of the second address', { ...sane, 'mx.a.example A': [OTHER, GOOD] }, {}, 'pass ok'],
    ...[
      '127.0.0.1',
      '10.1.2.3',
      '192.168.1.1',
      '169.254.1.1',
      '0.0.0.0',
      '224.0.0.1',
      '192.0.2.1',
      '100.64.0.1',
    ].map((address): (typeof cases)[number] => [
      address,
      { ...mx, 'mx.a.example A': address },
      {},
      'fail bogus',
    ]),
    ...['::1', 'fe80::1', 'fd00::1', '::', '2001:db8::1'].map((address): (typeof cases)[number] => [
      address,
      { ...mx, 'mx.a.example AAAA': address },
      {},
      'fail bogus',
    ]),
    ['no address', { ...mx, 'mx.a.example TXT': 'x' }, {}, 'fail unresolved'],
    ['no such host', mx, {}, 'fail unresolved'],
    ['an address for a name', { 'a.example MX': '10 9.9.9.1' }, {}, 'fail unresolved'],
    [
      'an alias',
      { ...mx, ...reverse, 'mx.a.example CNAME': 'b.example', 'b.example A': GOOD },
      {},
      'fail cname',
    ],
    ['no reverse name', { ...mx, 'mx.a.example A': GOOD }, {}, 'fail no-fcrdns'],
    ['a borrowed reverse name', { ...sane, '1.9.9.9.in-addr.arpa PTR': 'b.example' }, {}, 'fail no-fcrdns'],
    ['MX: no answer', sane, { 'a.example MX': 'timeout' }, 'temperror temperror'],
    ['MX: SERVFAIL', sane, { 'a.example MX': 'servfail' }, 'temperror temperror'],
    [
      'private, and an answer missing',
      { ...mx, 'mx.a.example A': '10.0.0.1' },
      { 'mx.a.example AAAA': 'timeout' },
      'temperror temperror',
    ],
    ['public, and an answer missing', sane, { 'mx.a.example AAAA': 'servfail' }, 'pass ok'],
    ['CNAME: no answer', sane, { 'mx.a.example CNAME': 'timeout' }, 'pass ok'],
    ['PTR: no answer', sane, { '1.9.9.9.in-addr.arpa PTR': 'timeout' }, 'temperror temperror'],
    ['no MX', { 'a.example A': GOOD }, {}, 'none no-mx'],
    ['no domain', {}, {}, 'none no-mx'],
    ['null MX', { 'a.example MX': '0 .' }, {}, 'none no-mx'],
  ];
  for (const [what, zone, troubles, ...expected] of cases) {
    it(`${expected.join(', ')}: ${what}`, async () => {
      const { findings } = await ask(senderMx, { from }, { dns: fakeResolver(zone, troubles) });
      assert.deepEqual(
        findings.map((f) => `${f.result} ${f.code}`),
        expected,
      );
    });
  }

  it('refuses bogus addresses with 5.1.8 and names one', async () => {
    const { findings } = await ask(
      senderMx,
      { from },
      { dns: fakeResolver({ ...mx, 'mx.a.example A': '127.0.0.1' }) },
    );
    assert.deepEqual(findings, [
      {
        result: 'fail',
        code: 'bogus',
        text: 'the mail exchangers of a.example have no public address (127.0.0.1)',
        enhanced: '5.1.8',
      },
    ]);
  });

  for (const [sender, code] of [
    ['<>', 'null-sender'],
    ['joe@[192.0.2.7]', 'literal'],
    ['joe@example.org', 'ours'],
    ['joe@x.sub.example.org', 'ours'],
  ] as const) {
    it(`asks nothing for ${sender}`, async () => {
      const dns = fakeResolver({});
      const { findings } = await ask(senderMx, { from: sender }, { dns });
      assert.deepEqual([findings[0]?.result, findings[0]?.code, dns.asked], ['none', code, []]);
    });
  }

  it('looks at the five best exchangers and two addresses, whatever there are', async () => {
    const many = Array.from({ length: 40 }, (_, i) => `${40 - i} mx${40 - i}.a.example`);
    const zone: Record<string, string | string[]> = { 'a.example MX': many };
    for (let i = 1; i <= 40; i++) {
      zone[`mx${i}.a.example A`] = Array.from({ length: 30 }, (_, j) => `9.9.${i}.${j + 1}`);
    }
    const dns = fakeResolver(zone);
    await ask(senderMx, { from }, { dns });
    const asked = dns.asked.filter((question) => question.endsWith('.a.example A'));
    assert.deepEqual(
      asked,
      [1, 2, 3, 4, 5].map((i) => `mx${i}.a.example A`),
    );
    assert.equal(dns.asked.filter((question) => question.endsWith(' PTR')).length, 2);
    assert.equal(dns.asked.length, 1 + 3 * 5 + 2);
  });
});
