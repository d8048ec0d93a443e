import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { DnsType } from '../../core/ports.ts';
import { DnsResolver, type ResolverOptions } from './resolver.ts';
import { ZoneServer } from './zone-server.ts';

const never = new AbortController().signal;

const ZONE = {
  'mail.example.org A': ['192.0.2.1', '192.0.2.2'],
  'mail.example.org AAAA': '2001:db8::1',
  'alias.example.org CNAME': 'mail.example.org',
  'example.org MX': ['20 B.example.org', '10 a.example.org.'],
  'example.org NS': 'ns.example.org',
  'example.org TXT': ['v=spf1 -all', 'x'.repeat(600)],
  'null.example MX': '0 .',
  '7.2.0.192.in-addr.arpa PTR': ['Mail.Example.ORG', 'bad name.example', 'ok.example'],
  'many.example A': Array.from({ length: 150 }, (_, i) => `192.0.2.${i}`),
  'huge.example TXT': Array.from({ length: 20 }, (_, i) => `${i} ${'x'.repeat(240)}`),
  'odd.example PTR': 'bad name.example',
  'odd+name.example A': ['192.0.2.1', '192.0.2.2'],
  'odd+name.example AAAA': '2001:db8::1',
  'odd+name.example MX': ['10 mx+1.example', '20 .', '30 "x".example'],
  'odd+name.example PTR': ['a=b.example', 'bad name.example'],
  'odd+name.example TXT': ['v=spf1 -all', 'x'.repeat(600)],
  'odd+alias.example CNAME': 'odd+name.example',
  'odd+many.example A': Array.from({ length: 150 }, (_, i) => `192.0.2.${i}`),
};

describe('DnsResolver', () => {
  let server: ZoneServer;
  const open: DnsResolver[] = [];
  const resolver = (options: ResolverOptions = {}) => {
    const made = new DnsResolver({ servers: [`127.0.0.1:${server.port}`], timeoutMs: 2000, ...options });
    open.push(made);
    return made;
  };
  before(async () => {
    server = await ZoneServer.start(ZONE);
  });
  afterEach(() => {
    for (const r of open.splice(0)) r.close();
    server.troubles.clear();
    server.asked.clear();
    server.ttl = 300;
  });
  after(() => server.stop());

  const found = (...records: unknown[]) => ({ kind: 'found', records });
  const answers: [name: string, type: DnsType, answer: unknown][] = [
    ['mail.example.org', 'A', found('192.0.2.1', '192.0.2.2')],
    ['Mail.Example.org.', 'A', found('192.0.2.1', '192.0.2.2')],
    ['mail.example.org', 'AAAA', found('2001:db8::1')],
    ['alias.example.org', 'A', found('192.0.2.1', '192.0.2.2')],
    ['alias.example.org', 'CNAME', found('mail.example.org')],
    ['example.org', 'NS', found('ns.example.org')],
    ['example.org', 'TXT', found('v=spf1 -all', 'x'.repeat(600))],
    ['null.example', 'MX', found({ exchange: '', priority: 0 })],
    ['7.2.0.192.in-addr.arpa', 'PTR', found('mail.example.org', 'ok.example')],
    ['odd.example', 'PTR', { kind: 'no-data' }],
    ['Odd+Name.example.', 'A', found('192.0.2.1', '192.0.2.2')],
    ['odd+name.example', 'AAAA', found('2001:db8::1')],
    [
      'odd+name.example',
      'MX',
      found({ exchange: 'mx+1.example', priority: 10 }, { exchange: '', priority: 20 }),
    ],
    ['odd+name.example', 'PTR', found('a=b.example')],
    ['odd+name.example', 'TXT', found('v=spf1 -all', 'x'.repeat(600))],
    ['odd+name.example', 'NS', { kind: 'no-data' }],
    ['odd+alias.example', 'A', found('192.0.2.1', '192.0.2.2')],
    ['odd+alias.example', 'CNAME', found('odd+name.example')],
    ['mail.example.org', 'MX', { kind: 'no-data' }],
    ['org', 'A', { kind: 'no-data' }],
    ['nowhere.example.org', 'A', { kind: 'nxdomain' }],
  ];
  for (const [name, type, answer] of answers) {
    it(`answers ${name} ${type}`, async () => {
      assert.deepEqual(await resolver().resolve(name, type, never), answer);
    });
  }

  it('gives MX records with normal names', async () => {
    const answer = await resolver().resolve('example.org', 'MX', never);
    assert.ok(answer.kind === 'found');
    const byPriority = answer.records.toSorted((a, b) => a.priority - b.priority);
    assert.deepEqual(byPriority, [
      { exchange: 'a.example.org', priority: 10 },
      { exchange: 'b.example.org', priority: 20 },
    ]);
  });

  for (const name of ['many.example', 'odd+many.example']) {
    it(`asks again over TCP what does not fit, and gives a bounded number of records: ${name}`, async () => {
      const answer = await resolver().resolve(name, 'A', never);
      assert.ok(answer.kind === 'found');
      assert.equal(answer.records.length, 100);
      assert.equal(server.asked.get(`${name} A`), 2);
    });
  }

  const unaskable = [
    '',
    '.',
    '..',
    'a..b',
    '.a.example',
    `${'x'.repeat(64)}.example`,
    `${'abcdefg.'.repeat(31)}exampl`,
    'a+..example',
    `${'+'.repeat(64)}.example`,
    `${'ü'.repeat(32)}.example`,
    `${'abcdef+.'.repeat(31)}exampl`,
    '\ud800.example',
  ];
  for (const name of unaskable) {
    it(`does not ask for ${JSON.stringify(name.slice(0, 30))}`, async () => {
      for (const type of ['A', 'MX', 'PTR', 'TXT'] as const) {
        assert.deepEqual(await resolver().resolve(name, type, never), { kind: 'nxdomain' });
      }
      assert.equal(server.questions(), 0);
    });
  }

  const odd = [
    'a b.example',
    'a\\.b.example',
    'a\0b.example',
    'bücher.example',
    '%.example',
    'a\r\nb.example',
    'user+tag.example',
    `${'+'.repeat(63)}.example`,
  ];
  for (const name of odd) {
    it(`asks for ${JSON.stringify(name.slice(0, 30))}`, async () => {
      const r = resolver();
      assert.deepEqual(await r.resolve(name, 'TXT', never), { kind: 'nxdomain' });
      server.replace({ [`${name} TXT`]: 'found' });
      // What does not exist is kept as with any name.
      assert.deepEqual(await r.resolve(name, 'TXT', never), { kind: 'nxdomain' });
      assert.deepEqual(await resolver().resolve(name, 'TXT', never), found('found'));
      assert.equal(server.asked.get(`${name} TXT`), 2);
      server.replace(ZONE);
    });
  }

  it('asks for names of 253 octets and labels of 63', async () => {
    const name = `${'x'.repeat(63)}.${'x'.repeat(63)}.${'x'.repeat(63)}.${'x'.repeat(53)}.example`;
    assert.equal(name.length, 253);
    assert.deepEqual(await resolver().resolve(name, 'A', never), { kind: 'nxdomain' });
    assert.equal(server.questions(), 1);
  });

  for (const label of ['plain', 'odd+']) {
    it(`tells SERVFAIL, REFUSED and no answer apart: ${label}`, async () => {
      server.troubles.set(`${label}.sf.example`, 'servfail').set(`${label}.rf.example`, 'refused');
      server.troubles.set(`${label}.to.example`, 'timeout');
      const r = resolver({ timeoutMs: 300 });
      const ask = (name: string) => r.resolve(`${label}.${name}`, 'A', never);
      assert.deepEqual(await ask('sf.example'), { kind: 'servfail', reason: 'SERVFAIL' });
      assert.deepEqual(await ask('rf.example'), { kind: 'servfail', reason: 'REFUSED' });
      assert.deepEqual(await ask('to.example'), { kind: 'timeout' });
    });

    it(`says servfail where no server listens: ${label}`, async () => {
      const gone = await ZoneServer.start({});
      await gone.stop();
      const r = resolver({ servers: [`127.0.0.1:${gone.port}`], timeoutMs: 500 });
      const answer = await r.resolve(`${label}.example`, 'A', never);
      assert.ok(answer.kind === 'servfail' || answer.kind === 'timeout', answer.kind);
    });

    it(`asks the next server where one is silent or gone: ${label}`, async (t) => {
      const ill = await ZoneServer.start({});
      let isUp = true;
      t.after(() => (isUp ? ill.stop() : undefined));
      const name = label === 'plain' ? 'mail.example.org' : 'odd+name.example';
      const servers = [ill, server].map(({ port }) => `127.0.0.1:${port}`);
      for (const trouble of ['timeout', 'gone'] as const) {
        if (trouble === 'gone') {
          isUp = false;
          await ill.stop();
        } else ill.troubles.set('*', trouble);
        const r = resolver({ servers, timeoutMs: 1000 });
        assert.deepEqual(await r.resolve(name, 'A', never), found('192.0.2.1', '192.0.2.2'), trouble);
      }
    });
  }

  it('shares equal questions in flight; who leaves does not take the others along', async () => {
    server.troubles.set('mail.example.org', 100);
    const r = resolver();
    const leaving = new AbortController();
    const first = r.resolve('mail.example.org', 'A', leaving.signal);
    const second = r.resolve('MAIL.example.org', 'A', never);
    leaving.abort();
    assert.deepEqual(await first, { kind: 'timeout' });
    assert.equal((await second).kind, 'found');
    assert.equal(server.questions(), 1);
  });

  it('answers a burst of thousands', async () => {
    const r = resolver({ timeoutMs: 10_000 });
    const asked = Array.from({ length: 3000 }, (_, i) => r.resolve(`n${i}.example.org`, 'A', never));
    const kinds = new Set((await Promise.all(asked)).map((answer) => answer.kind));
    assert.deepEqual([...kinds], ['nxdomain']);
  });

  it('does not ask for somebody who is gone, but tells him what it knows', async () => {
    const r = resolver();
    assert.deepEqual(await r.resolve('mail.example.org', 'A', AbortSignal.abort()), { kind: 'timeout' });
    assert.equal(server.questions(), 0);
    await r.resolve('mail.example.org', 'A', never);
    assert.equal((await r.resolve('mail.example.org', 'A', AbortSignal.abort())).kind, 'found');
  });

  it('gives up at the deadline, and does not keep that', async () => {
    server.troubles.set('mail.example.org', 'timeout');
    const r = resolver({ timeoutMs: 150 });
    assert.deepEqual(await r.resolve('mail.example.org', 'A', never), { kind: 'timeout' });
    server.troubles.clear();
    assert.equal((await r.resolve('mail.example.org', 'A', never)).kind, 'found');
  });

  it('ends questions as timeout when closed', async () => {
    server.troubles.set('mail.example.org', 'timeout').set('odd+name.example', 'timeout');
    const r = resolver();
    const questions = ['mail.example.org', 'odd+name.example'].map((name) => r.resolve(name, 'A', never));
    r.close();
    for (const question of questions) assert.deepEqual(await question, { kind: 'timeout' });
  });

  it('bounds the questions beside c-ares', async () => {
    server.troubles.set('*', 50);
    const r = resolver({ timeoutMs: 2000 });
    const asked = Array.from({ length: 300 }, (_, i) => r.resolve(`n+${i}.example.org`, 'A', never));
    const kinds = (await Promise.all(asked)).map((answer) => answer.kind);
    const late = kinds.filter((kind) => kind === 'timeout').length;
    assert.ok(late >= 0 && late <= 300 - 256, `${late} late`);
    assert.equal(kinds.filter((kind) => kind === 'nxdomain').length, 300 - late);
  });

  describe('cache', () => {
    let now = 0;
    const nowMs = () => now;
    const countAt = async (r: DnsResolver, name: string, type: DnsType, ...timesMs: number[]) => {
      const counts: number[] = [];
      for (const t of timesMs) {
        now = t;
        await r.resolve(name, type, never);
        counts.push(server.asked.get(`${name} ${type}`) ?? 0);
      }
      return counts;
    };
    const cases: [
      what: string,
      name: string,
      type: DnsType,
      ttl: number,
      timesMs: number[],
      counts: number[],
    ][] = [
      ['a short TTL', 'mail.example.org', 'A', 5, [0, 4999, 5000], [1, 1, 2]],
      ['a short TTL of an odd name', 'odd+name.example', 'A', 5, [0, 4999, 5000], [1, 1, 2]],
      ['a long TTL of an odd name, cut', 'odd+name.example', 'MX', 86_400, [0, 59_999, 60_000], [1, 1, 2]],
      ['TTL 0 of an odd name', 'odd+name.example', 'A', 0, [0, 0], [1, 2]],
      ['a long TTL, cut', 'mail.example.org', 'A', 86_400, [0, 59_999, 60_000], [1, 1, 2]],
      ['TTL 0', 'mail.example.org', 'AAAA', 0, [0, 0], [1, 2]],
      ['other types', 'example.org', 'MX', 1, [0, 29_999, 30_000], [1, 1, 2]],
      ['NXDOMAIN', 'no.example.org', 'A', 300, [0, 9999, 10_000], [1, 1, 2]],
      ['no data, which is asked twice', 'example.org', 'A', 300, [0, 9999, 10_000], [2, 2, 4]],
      ['no data of AAAA', 'example.org', 'AAAA', 300, [0, 9999, 10_000], [1, 1, 2]],
      ['answers too large to keep (asked over UDP and TCP)', 'huge.example', 'TXT', 300, [0, 0], [2, 4]],
    ];
    for (const [what, name, type, ttl, timesMs, counts] of cases) {
      it(`keeps ${what}`, async () => {
        server.ttl = ttl;
        assert.deepEqual(await countAt(resolver({ nowMs }), name, type, ...timesMs), counts);
      });
    }

    it('does not keep SERVFAIL', async () => {
      server.troubles.set('sf.example', 'servfail');
      const r = resolver({ nowMs });
      await countAt(r, 'sf.example', 'A', 0);
      server.troubles.clear();
      assert.deepEqual(await r.resolve('sf.example', 'A', never), { kind: 'nxdomain' });
    });
  });

  it('takes the servers it is given, or the system’s', () => {
    assert.deepEqual(resolver({ servers: ['127.0.0.1:5353', '[::1]:53'] }).servers, [
      '127.0.0.1:5353',
      '::1',
    ]);
    assert.deepEqual(resolver({ servers: [] }).servers, new DnsResolver().servers);
    assert.throws(() => new DnsResolver({ servers: ['resolver.example'] }));
  });
});
