import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ask } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import { checkSchema } from '../config/checks.ts';
import type { DnsAnswer, DnsPort } from '../core/ports.ts';
import { spf } from './spf.ts';

const zone = (record: string) => ({ 'a.example TXT': record });
const around = (record: string) => ({
  ...zone(record),
  'h.example A': '198.51.100.9',
  'all.example TXT': 'v=spf1 +all',
});
const from = 'joe@a.example';

describe('spf', () => {
  const cases: [record: string, result: string, code: string, enhanced: string | undefined, text: string][] =
    [
      [
        'v=spf1 ip4:192.0.2.7 -all',
        'pass',
        'pass',
        undefined,
        'the SPF record of a.example permits 192.0.2.7',
      ],
      ['v=spf1 -all', 'fail', 'fail', '5.7.23', '192.0.2.7 is not permitted by the SPF record of a.example'],
      [
        'v=spf1 ~all',
        'fail',
        'softfail',
        '5.7.23',
        '192.0.2.7 is probably not permitted by the SPF record of a.example',
      ],
      ['v=spf1 ?all', 'none', 'neutral', undefined, 'the SPF record of a.example is neutral on 192.0.2.7'],
      ['v=spf2', 'none', 'none', undefined, 'a.example has no SPF record'],
      [
        'v=spf1 al',
        'fail',
        'permerror',
        '5.7.24',
        'the SPF record of a.example is broken: Unknown mechanism "al"',
      ],
    ];
  for (const [record, result, code, enhanced, text] of cases) {
    it(`${code}: ${record}`, async () => {
      const { findings } = await ask(spf, { from, helo: 'h.example' }, { dns: fakeResolver(zone(record)) });
      const vouched = code === 'pass' ? { domain: 'a.example' } : {};
      const comment = code === 'permerror' ? { comment: 'Unknown mechanism "al"' } : {};
      const properties = { 'smtp.mailfrom': 'joe@a.example' };
      const authentication = [{ method: 'spf', result: code, ...comment, properties }];
      assert.deepEqual(findings, [
        { result, code, text, ...(enhanced === undefined ? {} : { enhanced }), ...vouched, authentication },
      ]);
    });
  }

  const vouching: [record: string, said: { from: string; helo: string }, domain: string | undefined][] = [
    ['v=spf1 ip4:192.0.2.0/24 -all', { from, helo: 'h.example' }, 'a.example'],
    ['v=spf1 ip4:192.0.0.0/8 -all', { from, helo: 'h.example' }, 'a.example'],
    ['v=spf1 mx a:all.example ip4:192.0.2.7 ?all', { from, helo: 'h.example' }, 'a.example'],
    ['v=spf1 ip4:192.0.2.7 -all', { from: '<>', helo: 'a.example' }, 'a.example'],
    ['v=spf1 +all', { from, helo: 'h.example' }, undefined],
    ['v=spf1 mx all', { from, helo: 'h.example' }, undefined],
    ['v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all', { from, helo: 'h.example' }, undefined],
    ['v=spf1 ip4:192.0.2.7 ip6:::/0 -all', { from, helo: 'h.example' }, undefined],
    ['v=spf1 a:h.example/0 -all', { from, helo: 'h.example' }, undefined],
    ['v=spf1 ip4:192.0.2.7 a//8 mx/24//0 -all', { from, helo: 'h.example' }, undefined],
    ['v=spf1 exists:h.example -all', { from, helo: 'h.example' }, undefined],
    ['v=spf1 include:all.example -all', { from, helo: 'h.example' }, undefined],
    ['v=spf1 redirect=all.example', { from, helo: 'h.example' }, undefined],
    [
      'v=spf1 ip4:192.0.2.7 exists:%{i}.h.example a/24 mx/28//64 -all',
      { from, helo: 'h.example' },
      'a.example',
    ],
  ];
  for (const [record, said, domain] of vouching) {
    it(`${record} vouches for ${domain ?? 'nobody'} (${said.from})`, async () => {
      const [finding] = (await ask(spf, said, { dns: fakeResolver(around(record)) })).findings;
      assert.deepEqual([finding?.result, finding?.domain], ['pass', domain]);
    });
  }

  for (const trouble of ['servfail', 'timeout'] as const satisfies FakeTrouble[]) {
    it(`temperror: ${trouble}`, async () => {
      const dns = fakeResolver({}, { 'a.example TXT': trouble });
      const { findings } = await ask(spf, { from, helo: 'h.example' }, { dns });
      assert.deepEqual(
        findings.map((f) => [f.result, f.code, f.enhanced, f.replyCode]),
        [['temperror', 'temperror', '5.7.24', 451]],
      );
    });
  }

  it('says whose words an explanation is', async () => {
    const dns = fakeResolver({ ...zone('v=spf1 -all exp=e.example'), 'e.example TXT': 'see %{d}/why.' });
    const { findings } = await ask(spf, { from, helo: 'h.example' }, { dns });
    const text =
      '192.0.2.7 is not permitted by the SPF record of a.example (a.example says: see a.example/why)';
    assert.equal(findings[0]?.text, text);
  });

  it('says in the header whose name was asked about', async () => {
    const dns = fakeResolver({ 'h.example TXT': 'v=spf1 +all', 'a.example TXT': 'v=spf1 -all' });
    const said = async (sender: string) =>
      (await ask(spf, { from: sender, helo: 'h.example' }, { dns }, { ask_helo: true })).findings[0]
        ?.authentication;
    const byHelo = { method: 'spf', result: 'pass', properties: { 'smtp.helo': 'h.example' } };
    assert.deepEqual(await said('<>'), [byHelo]);
    const byMailFrom = { method: 'spf', result: 'fail', properties: { 'smtp.mailfrom': '"j e"@a.example' } };
    assert.deepEqual(await said('j e@a.example'), [byMailFrom, byHelo]);
  });

  it('judges the null sender by its HELO name', async () => {
    const dns = fakeResolver({ 'h.example TXT': 'v=spf1 -all' });
    for (const [helo, code] of [
      ['h.example', 'fail'],
      ['[192.0.2.7]', 'none'],
      [undefined, 'none'],
    ] as const) {
      const said = helo === undefined ? { from: '<>' } : { from: '<>', helo };
      assert.equal((await ask(spf, said, { dns })).findings[0]?.code, code);
    }
  });

  it('keeps the result of HELO where it is asked for, and judges by MAIL FROM', async () => {
    const records = { ...zone('v=spf1 +all'), 'h.example TXT': 'v=spf1 -all' };
    for (const ask_helo of [false, true]) {
      const dns = fakeResolver(records);
      const { findings, evidence } = await ask(spf, { from, helo: 'h.example' }, { dns }, { ask_helo });
      assert.equal(findings[0]?.code, 'pass');
      const { helo } = evidence as { helo?: { result: string } };
      assert.equal(helo?.result, ask_helo ? 'fail' : undefined);
      assert.equal(dns.asked.length, ask_helo ? 2 : 1);
    }
  });

  it('only looks at what forwarders bring', async () => {
    const settings = { forwarders: ['192.0.2.0/25', '2001:db8::/32'] };
    const codeOf = async (client: string, record: string, troubles = {}) => {
      const dns = fakeResolver(zone(record), troubles);
      const [finding] = (await ask(spf, { client, from, helo: 'h.example' }, { dns }, settings)).findings;
      return `${finding?.result} ${finding?.code}`;
    };
    for (const record of ['v=spf1 -all', 'v=spf1 ~all', 'v=spf1 al']) {
      assert.equal(await codeOf('192.0.2.127', record), 'none forwarded');
      assert.equal(await codeOf('2001:db8::1', record), 'none forwarded');
      assert.match(await codeOf('192.0.2.128', record), /^fail /);
    }
    assert.equal(await codeOf('192.0.2.7', '', { 'a.example TXT': 'timeout' }), 'none forwarded');
    assert.equal(await codeOf('192.0.2.7', 'v=spf1 +all'), 'pass pass');
  });

  it('refuses a setting that is no network', () => {
    assert.equal(checkSchema(spf).safeParse({ forwarders: ['192.0.2.0/33'] }).success, false);
    assert.equal(
      checkSchema(spf).safeParse({ forwarders: Array.from({ length: 257 }, () => '::1') }).success,
      false,
    );
  });

  it('has room for its reply whatever the names', async () => {
    const domain = `${`${'d'.repeat(60)}.`.repeat(4)}example`;
    const dns = fakeResolver({
      [`${domain} TXT`]: 'v=spf1 -all exp=e.example',
      'e.example TXT': 'x'.repeat(400),
    });
    const { findings } = await ask(spf, { from: `joe@${domain}`, helo: 'h.example' }, { dns });
    assert.equal(findings[0]?.code, 'fail');
  });

  it('takes any answer without throwing', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc
        .array(
          fc.constantFrom(
            '-all',
            'mx',
            'ptr',
            'a:%{l}.x',
            'exp=%{i}',
            'redirect=%{d2}',
            '%{',
            'ip4:1/33',
            '\0',
          ),
          { maxLength: 12 },
        )
        .map((terms) => `v=spf1 ${terms.join(' ')}`),
    );
    const answer = fc.oneof(
      fc.constantFrom<DnsAnswer<string>>(
        { kind: 'nxdomain' },
        { kind: 'no-data' },
        { kind: 'timeout' },
        { kind: 'servfail', reason: 'X' },
        { kind: 'found', records: [] },
      ),
      fc.array(text, { maxLength: 3 }).map((records): DnsAnswer<string> => ({ kind: 'found', records })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(answer, { minLength: 1, maxLength: 6 }), text, async (answers, local) => {
        let n = 0;
        const dns: DnsPort = {
          resolve: async (_name, type) => {
            const next = answers[n++ % answers.length]!;
            if (type !== 'MX' || next.kind !== 'found') return next as never;
            return {
              kind: 'found',
              records: next.records.map((exchange) => ({ exchange, priority: 1 })),
            } as never;
          },
        };
        await ask(spf, { from: `${local}@a.example`, helo: local }, { dns });
      }),
      { numRuns: 200 },
    );
  });
});
