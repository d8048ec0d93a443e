import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import type { ZoneRecords } from '../adapters/dns/zone.ts';
import { senderDomain } from './sender-domain.ts';

type Case = [
  string,
  ZoneRecords,
  Record<string, FakeTrouble>,
  result: string,
  code: string,
  enhanced?: string,
];

describe('sender-domain', () => {
  const cases: Case[] = [
    ['MX', { 'a.example MX': '10 mx.a.example' }, {}, 'pass', 'ok'],
    ['A', { 'a.example A': '192.0.2.1' }, {}, 'pass', 'ok'],
    ['AAAA', { 'a.example AAAA': '2001:db8::1' }, {}, 'pass', 'ok'],
    [
      'A while AAAA does not answer',
      { 'a.example A': '192.0.2.1' },
      { 'a.example AAAA': 'timeout' },
      'pass',
      'ok',
    ],
    ['null MX and another', { 'a.example MX': ['0 .', '10 mx.a.example'] }, {}, 'pass', 'ok'],
    ['null MX', { 'a.example MX': '0 .', 'a.example A': '192.0.2.1' }, {}, 'fail', 'null-mx', '5.7.27'],
    ['no such name', {}, {}, 'fail', 'nxdomain', '5.1.8'],
    ['only TXT', { 'a.example TXT': 'hello' }, {}, 'fail', 'no-mail', '5.1.8'],
    ['only names below', { 'www.a.example A': '192.0.2.1' }, {}, 'fail', 'no-mail', '5.1.8'],
    [
      'MX times out',
      { 'a.example A': '192.0.2.1' },
      { 'a.example MX': 'timeout' },
      'temperror',
      'temperror',
      '5.4.3',
    ],
    ['MX fails', {}, { 'a.example MX': 'servfail' }, 'temperror', 'temperror', '5.4.3'],
    [
      'A times out',
      { 'a.example TXT': 'x' },
      { 'a.example A': 'timeout' },
      'temperror',
      'temperror',
      '5.4.3',
    ],
    [
      'AAAA fails',
      { 'a.example TXT': 'x' },
      { 'a.example AAAA': 'servfail' },
      'temperror',
      'temperror',
      '5.4.3',
    ],
  ];
  for (const [what, zone, troubles, result, code, enhanced] of cases) {
    it(`${code}: ${what}`, async () => {
      const { findings } = await ask(
        senderDomain,
        { from: 'joe@a.example' },
        { dns: fakeResolver(zone, troubles) },
      );
      assert.deepEqual(
        findings.map((f) => [f.result, f.code, f.enhanced]),
        [[result, code, enhanced]],
      );
    });
  }

  for (const [from, code] of [
    ['<>', 'null-sender'],
    ['joe@[192.0.2.7]', 'literal'],
  ] as const) {
    it(`asks nothing for ${from}`, async () => {
      const dns = fakeResolver({});
      const { findings } = await ask(senderDomain, { from }, { dns });
      assert.deepEqual([findings[0]?.result, findings[0]?.code], ['none', code]);
      assert.deepEqual(dns.asked, []);
    });
  }

  it('refuses a name without a domain for good: it never will exist', async () => {
    const { findings } = await ask(senderDomain, { from: 'root@localhost' }, { dns: fakeResolver({}) });
    assert.deepEqual([findings[0]?.code, findings[0]?.enhanced], ['nxdomain', '5.1.8']);
  });

  it('keeps a bounded number of exchanges', async () => {
    const many = Array.from({ length: 30 }, (_, i) => `${i} mx${i}.a.example`);
    const { evidence } = await ask(
      senderDomain,
      { from: 'joe@a.example' },
      { dns: fakeResolver({ 'a.example MX': many }) },
    );
    assert.equal((evidence as { exchanges: string[] }).exchanges.length, 10);
  });
});
