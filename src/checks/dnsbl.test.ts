import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, factsOf, site } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import type { ZoneRecords } from '../adapters/dns/zone.ts';
import { checkSchema } from '../config/checks.ts';
import type { CommonSettings } from '../core/settings.ts';
import { askZone } from './dns-zones.ts';
import { dnsbl } from './dnsbl.ts';

const zen = { zone: 'zen.example', weight: 8, codes: ['127.0.0.2-11'] };
const weak = { zone: 'weak.example', weight: 4 };
const LISTED = { '7.2.0.192.zen.example A': '127.0.0.4' };
const WEAK = { '7.2.0.192.weak.example A': '127.0.0.2' };

describe('dnsbl', () => {
  type Case = [string, zones: object[], ZoneRecords, Record<string, FakeTrouble>, findings: string[]];
  const cases: Case[] = [
    ['nothing', [zen, weak], {}, {}, ['pass not-listed']],
    ['a heavy list', [zen, weak], LISTED, {}, ['fail listed 8']],
    ['a light list', [zen, weak], WEAK, {}, ['fail suspected 4']],
    [
      'two light lists',
      [weak, { ...weak, zone: 'weak2.example' }],
      { ...WEAK, '7.2.0.192.weak2.example A': '127.0.0.2' },
      {},
      ['fail listed 4', 'fail listed 4'],
    ],
    ['both', [zen, weak], { ...LISTED, ...WEAK }, {}, ['fail listed 8', 'fail listed 4']],
    ['another code', [zen], { '7.2.0.192.zen.example A': '127.0.0.12' }, {}, ['pass not-listed']],
    [
      'several codes',
      [zen],
      { '7.2.0.192.zen.example A': ['127.0.0.12', '127.0.0.3'] },
      {},
      ['fail listed 8'],
    ],
    [
      'no codes given: 127.0.0.2',
      [weak],
      { '7.2.0.192.weak.example A': '127.0.0.3' },
      {},
      ['pass not-listed'],
    ],
    [
      'one zone in two tables',
      [zen, { ...zen, codes: ['127.0.0.10-11'], weight: 3 }],
      { '7.2.0.192.zen.example A': ['127.0.0.4', '127.0.0.10'] },
      {},
      ['fail listed 8', 'fail listed 3'],
    ],
    [
      'a mask',
      [{ ...zen, codes: ['127.0.0.0/24&0.0.0.4'] }],
      { '7.2.0.192.zen.example A': '127.0.0.6' },
      {},
      ['fail listed 8'],
    ],
    ['an A-less name', [zen], { '7.2.0.192.zen.example TXT': 'x' }, {}, ['pass not-listed']],
    ['no answer', [zen], LISTED, { '7.2.0.192.zen.example': 'timeout' }, ['temperror temperror']],
    ['SERVFAIL', [zen], LISTED, { '7.2.0.192.zen.example': 'servfail' }, ['temperror temperror']],
    [
      'one answers, one does not',
      [zen, weak],
      LISTED,
      { '7.2.0.192.weak.example': 'timeout' },
      ['fail listed 8', 'temperror temperror'],
    ],
    [
      'a refusal',
      [zen, weak],
      { '7.2.0.192.zen.example A': '127.255.255.254', ...WEAK },
      {},
      ['fail suspected 4', 'none suspended'],
    ],
    [
      'a refusal among listings',
      [zen],
      { '7.2.0.192.zen.example A': ['127.0.0.2', '127.255.255.255'] },
      {},
      ['none suspended'],
    ],
    ['a parked domain', [zen], { '*.zen.example A': '192.0.2.80' }, {}, ['none suspended']],
    [
      'its own refusal',
      [{ ...zen, refusals: ['127.0.0.9'] }],
      { '7.2.0.192.zen.example A': '127.0.0.9' },
      {},
      ['none suspended'],
    ],
  ];
  for (const [what, zones, records, troubles, expected] of cases) {
    it(what, async () => {
      const { findings } = await ask(dnsbl, {}, { dns: fakeResolver(records, troubles) }, { zones });
      assert.deepEqual(
        findings.map((f) => [f.result, f.code, f.weight].filter((x) => x !== undefined).join(' ')),
        expected,
      );
    });
  }

  it('refuses from the weight that is set', async () => {
    for (const [refuse_at_weight, code] of [
      [4, 'listed'],
      [5, 'suspected'],
    ] as const) {
      const { findings } = await ask(
        dnsbl,
        {},
        { dns: fakeResolver(WEAK) },
        { zones: [weak], refuse_at_weight },
      );
      assert.equal(findings[0]?.code, code);
    }
  });

  it('suspects by default what it does not refuse', () => {
    const settings = checkSchema(dnsbl).parse({}) as CommonSettings;
    assert.equal(settings.on_fail, 'refuse');
    assert.equal(settings.actions['suspected'], 'suspect');
  });

  it('does not wait for a zone that is silent: temporary trouble at once', async () => {
    const dns = fakeResolver(WEAK);
    const zones = {
      suspended: () => undefined,
      suspend: () => assert.fail('silence is no nonsense'),
      silent: (zone: string) => (zone === 'zen.example' ? 'it has been silent for a while' : undefined),
      asking: () => () => undefined,
    };
    const { findings } = await ask(dnsbl, {}, { dns, zones }, { zones: [zen, weak] });
    assert.deepEqual(dns.asked, ['7.2.0.192.weak.example A']);
    assert.deepEqual(
      findings.map(({ result, code }) => [result, code]),
      [
        ['fail', 'suspected'],
        ['temperror', 'temperror'],
      ],
    );
    assert.equal(findings[1]?.text, 'the list zen.example did not answer: it has been silent for a while');
  });

  it('tells of silence, but not of a client that left', async () => {
    const heard: [string, boolean][] = [];
    const zones = {
      suspended: () => undefined,
      suspend: () => undefined,
      silent: () => undefined,
      asking: (zone: string) => (answered: boolean) => void heard.push([zone, answered]),
    };
    const dns = fakeResolver(WEAK, { '7.2.0.192.zen.example': 'timeout' });
    await ask(dnsbl, {}, { dns, zones }, { zones: [zen, weak] });
    assert.deepEqual(heard, [
      ['zen.example', false],
      ['weak.example', true],
    ]);
    heard.length = 0;
    const entry = { ...zen, codes: [], refusals: [], ask_text: false, self_test: true };
    await askZone([entry], '7.2.0.192', { dns, zones }, AbortSignal.abort());
    assert.deepEqual(heard, []);
  });

  it('suspends a zone that answers nonsense, and does not ask a suspended one', async () => {
    const told: string[][] = [];
    const dns = fakeResolver({ '*.zen.example A': '127.255.255.254', ...WEAK });
    const zones = {
      suspended: (zone: string) => (zone === 'weak.example' ? 'does not list its test point' : undefined),
      suspend: (zone: string, reason: string) => void told.push([zone, reason]),
      silent: () => undefined,
      asking: () => () => undefined,
    };
    const { findings } = await ask(dnsbl, {}, { dns, zones }, { zones: [zen, weak] });
    assert.deepEqual(told, [
      ['zen.example', 'answered 127.255.255.254: it refuses questions through a public resolver'],
    ]);
    assert.deepEqual(dns.asked, ['7.2.0.192.zen.example A']);
    assert.deepEqual(
      findings.map((f) => f.text),
      [
        'the list zen.example is not asked: it answered 127.255.255.254: it refuses questions through a public resolver',
        'the list weak.example is not asked: it does not list its test point',
      ],
    );
  });

  it('hides access keys everywhere', async () => {
    const keyed = { zone: 'k3y.dq.example', shown_as: 'dq.example', weight: 8, ask_text: true };
    const records = {
      '7.2.0.192.k3y.dq.example A': '127.0.0.2',
      '7.2.0.192.k3y.dq.example TXT': 'see k3y.dq.example.',
    };
    for (const troubles of [{}, { '7.2.0.192.k3y.dq.example': 'timeout' as const }]) {
      const asked = await ask(dnsbl, {}, { dns: fakeResolver(records, troubles) }, { zones: [keyed] });
      assert.ok(!JSON.stringify(asked).includes('k3y'), JSON.stringify(asked));
      assert.ok(JSON.stringify(asked).includes('dq.example'));
    }
  });

  it('quotes the text of a listing, cleaned and cut, if told to', async () => {
    const records = { ...LISTED, '7.2.0.192.zen.example TXT': `Bl\u00f6cked\r\n${'x'.repeat(400)}` };
    const quiet = fakeResolver(records);
    const { findings: short } = await ask(dnsbl, {}, { dns: quiet }, { zones: [zen] });
    assert.equal(short[0]?.text, '192.0.2.7 is listed by zen.example (127.0.0.4)');
    assert.deepEqual(quiet.asked, ['7.2.0.192.zen.example A']);
    const { findings } = await ask(
      dnsbl,
      {},
      { dns: fakeResolver(records) },
      { zones: [{ ...zen, ask_text: true }] },
    );
    assert.equal(
      findings[0]?.text,
      `192.0.2.7 is listed by zen.example (127.0.0.4): Bl?cked??${'x'.repeat(151)}`,
    );
    const silent = fakeResolver(records, { '7.2.0.192.zen.example TXT': 'timeout' });
    const without = await ask(dnsbl, {}, { dns: silent }, { zones: [{ ...zen, ask_text: true }] });
    assert.deepEqual(without.findings, short);
  });

  it('asks about IPv6 clients only where that is wanted', async () => {
    const name = `7.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.zen.example`;
    const dns = fakeResolver({ [`${name} A`]: '127.0.0.2' });
    const client = '2001:db8::7';
    assert.equal((await ask(dnsbl, { client }, { dns }, { zones: [zen] })).findings[0]?.code, 'listed');
    const dnsOff = fakeResolver({ [`${name} A`]: '127.0.0.2' });
    const off = await ask(dnsbl, { client }, { dns: dnsOff }, { zones: [{ ...zen, v6: false }] });
    assert.deepEqual([off.findings[0]?.result, off.findings[0]?.code], ['none', 'not-asked']);
    assert.deepEqual(dnsOff.asked, []);
    const half = [
      { ...zen, v6: false },
      { ...zen, weight: 2 },
    ];
    const { findings } = await ask(dnsbl, { client }, { dns }, { zones: half });
    assert.deepEqual(
      findings.map((f) => [f.code, f.weight]),
      [['suspected', 2]],
    );
  });

  it('says so when it judges evidence that lacks a zone', async () => {
    const { evidence } = await ask(dnsbl, {}, {}, { zones: [zen] });
    const other = checkSchema(dnsbl).parse({ zones: [weak] }) as CommonSettings;
    assert.equal(dnsbl.judge(factsOf({}) as never, evidence, other, site)[0]?.code, 'not-asked');
  });

  it('is idle without zones', () => {
    const idle = (zones: object[]) =>
      dnsbl.idle?.(checkSchema(dnsbl).parse({ zones }) as CommonSettings, site);
    assert.equal(idle([]), 'no zones are configured');
    assert.equal(idle([zen]), undefined);
  });

  const bad: [object, RegExp][] = [
    [{ zone: 'zen..example' }, /wants a domain name/],
    [{ zone: `${'a.'.repeat(95)}example` }, /wants a domain name/],
    [{ zone: 'zen.example', codes: ['2'] }, /is no answer code/],
    [{ zone: 'zen.example', codes: ['127.0.0.2/24'] }, /the network is 127\.0\.0\.0\/24/],
    [{ zone: 'zen.example', weight: -1 }, /weight/],
    [{ zone: 'zen.example', shown_as: 'two words' }, /wants a name/],
    [{ zone: 'zen.example', colour: 'red' }, /colour/],
  ];
  for (const [zone, message] of bad) {
    it(`takes no ${JSON.stringify(zone).slice(0, 60)}`, () => {
      assert.throws(() => checkSchema(dnsbl).parse({ zones: [zone] }), message);
    });
  }

  it('takes no two zones under one shown name', () => {
    const zones = [
      { zone: 'a.example', shown_as: 'list' },
      { zone: 'b.example', shown_as: 'list' },
    ];
    assert.throws(() => checkSchema(dnsbl).parse({ zones }), /shown as list/);
  });
});
