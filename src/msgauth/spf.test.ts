import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import type { ZoneRecords } from '../adapters/dns/zone.ts';
import type { DnsPort } from '../core/ports.ts';
import { checkHost, MAX_RECORD_OCTETS, type SpfQuestion } from './spf.ts';

const never = new AbortController().signal;
const question: SpfQuestion = {
  client: '192.0.2.7',
  sender: 'joe@a.example',
  helo: 'mail.b.example',
  receiver: 'mx.example.org',
};
const check = (
  zone: ZoneRecords,
  asked: Partial<SpfQuestion> = {},
  troubles: Record<string, FakeTrouble> = {},
) => checkHost(fakeResolver(zone, troubles), { ...question, ...asked }, never);
const record = (terms: string): ZoneRecords => ({ 'a.example TXT': `v=spf1 ${terms}` });
const includes = (n: number) =>
  Object.fromEntries(
    Array.from({ length: n }, (_, i) => [`i${i}.example TXT`, `v=spf1 include:i${i + 1}.example ?all`]),
  );

describe('checkHost', () => {
  const cases: [what: string, zone: ZoneRecords, troubles: Record<string, FakeTrouble>, result: string][] = [
    ['a network', record('ip4:192.0.2.0/24 -all'), {}, 'pass'],
    ['another network', record('ip4:198.51.100.0/24 -all'), {}, 'fail'],
    ['~all', record('~all'), {}, 'softfail'],
    ['?all', record('?all'), {}, 'neutral'],
    ['no end', record('ip4:198.51.100.1'), {}, 'neutral'],
    ['no record', { 'a.example TXT': 'hello' }, {}, 'none'],
    ['no domain', {}, {}, 'none'],
    ['a term that does not exist', record('ip5:1 -all'), {}, 'permerror'],
    ['two records', { 'a.example TXT': ['v=spf1 -all', 'v=spf1 +all'] }, {}, 'permerror'],
    ['an include without record', record('include:b.example -all'), {}, 'permerror'],
    [
      'its MX',
      { ...record('mx -all'), 'a.example MX': '1 m.example', 'm.example A': '192.0.2.7' },
      {},
      'pass',
    ],
    ['a null MX', { ...record('mx -all'), 'a.example MX': '0 .' }, {}, 'fail'],
    ['the record: no answer', record('-all'), { 'a.example TXT': 'timeout' }, 'temperror'],
    ['the record: SERVFAIL', record('-all'), { 'a.example TXT': 'servfail' }, 'temperror'],
    ['a term: SERVFAIL', record('a -all'), { 'a.example A': 'servfail' }, 'temperror'],
    [
      'a name with odd octets',
      { ...record('exists:a%%b%_c.a.example -all'), 'a%b c.a.example A': '127.0.0.2' },
      {},
      'pass',
    ],
    ['a name with odd octets that does not exist', record('exists:a%%b.a.example -all'), {}, 'fail'],
  ];
  for (const [what, zone, troubles, result] of cases) {
    it(`${result}: ${what}`, async () => assert.equal((await check(zone, {}, troubles)).result, result));
  }

  it('asks about the HELO name of the null sender', async () => {
    const found = await check({ 'mail.b.example TXT': 'v=spf1 -all' }, { sender: null });
    assert.deepEqual(found, {
      identity: 'helo',
      domain: 'mail.b.example',
      result: 'fail',
      lookups: 0,
      voidLookups: 0,
      record: 'v=spf1 -all',
    });
    for (const helo of ['[192.0.2.7]', 'localhost', '', '..', 'a b\0c']) {
      assert.equal((await check({}, { sender: null, helo })).result, 'none', helo);
    }
  });

  it('takes a mapped address for the IPv4 address it is, and no address for trouble', async () => {
    const zone = record('ip4:192.0.2.7 -all');
    assert.equal((await check(zone, { client: '::ffff:192.0.2.7' })).result, 'pass');
    assert.equal((await check(zone, { client: 'unix' })).result, 'temperror');
  });

  it('follows ten terms that ask, and not eleven', async () => {
    const at = async (n: number) =>
      check({ ...includes(n), [`i${n}.example TXT`]: 'v=spf1 -all' }, { sender: 'joe@i0.example' });
    assert.deepEqual([(await at(9)).result, (await at(10)).result], ['neutral', 'neutral']);
    const over = await at(11);
    assert.deepEqual([over.result, over.problem], ['permerror', 'Too many DNS requests']);
  });

  it('takes two terms without answer, and not three', async () => {
    const terms = (n: number) => Array.from({ length: n }, (_, i) => `a:no${i}.example`).join(' ');
    assert.deepEqual((await check(record(`${terms(2)} -all`))).result, 'fail');
    const over = await check(record(`${terms(3)} -all`));
    assert.deepEqual([over.result, over.problem], ['permerror', 'Too many void DNS results']);
  });

  it('reads records up to a size', async () => {
    const sized = (octets: number) => record(`ip4:192.0.2.7 -all `.padEnd(octets - 'v=spf1 '.length));
    assert.equal((await check(sized(MAX_RECORD_OCTETS))).result, 'pass');
    assert.equal((await check(sized(MAX_RECORD_OCTETS + 1))).result, 'permerror');
    const beside = { 'a.example TXT': ['v=spf1 -all', 'x'.repeat(60_000)] };
    assert.equal((await check(beside)).result, 'fail');
  });

  it('cleans and cuts what the domain explains', async () => {
    const zone = (text: string) => ({ ...record('-all exp=e.example'), 'e.example TXT': text });
    const explained = async (text: string) => (await check(zone(text))).explanation;
    assert.equal(await explained('Ask %{c} why. '), 'Ask 192.0.2.7 why');
    assert.equal((await explained('x'.repeat(500)))?.length, 120);
    assert.equal(await explained('tab\tand\r\nline'), undefined);
    assert.equal(await explained('...'), undefined);
    assert.equal((await check(zone('%{l}'), { sender: 'j\u00f6\r\n@a.example' })).explanation, undefined);
  });

  it('does not take its own haste for an answer', async () => {
    const gone = new AbortController();
    const zone = fakeResolver(record('ptr -all'));
    const dns: DnsPort = {
      resolve: async (name, type, signal) => {
        if (type === 'PTR') gone.abort();
        return zone.resolve(name, type, signal);
      },
    };
    assert.equal((await checkHost(dns, question, gone.signal)).result, 'temperror');
    // RFC 7208 5.5: where DNS itself fails, the term does not match.
    const failing = fakeResolver(record('ptr -all'), { '7.2.0.192.in-addr.arpa': 'timeout' });
    assert.equal((await checkHost(failing, question, never)).result, 'fail');
  });

  it('asks no more than a bounded number of questions', async () => {
    const many = Array.from({ length: 100 }, (_, i) => `${i} m${i}.example`);
    const dns = fakeResolver({ ...record('mx -all'), 'a.example MX': many });
    assert.equal((await checkHost(dns, question, never)).result, 'permerror');
    assert.ok(dns.asked.length <= 12, String(dns.asked.length));
  });
});
