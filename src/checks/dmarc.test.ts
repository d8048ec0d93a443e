import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, site, type Said } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import { keyOf, sealed, signed } from '../../test/signing.ts';
import type { ZoneRecords } from '../adapters/dns/zone.ts';
import type { Clues } from '../core/clues.ts';
import { effectOf } from '../core/ladder.ts';
import type { CheckSettings } from '../core/policy.ts';
import type { Finding } from '../core/finding.ts';
import { checkSchema } from '../config/checks.ts';
import { dmarc } from './dmarc.ts';

const from = 'joe@a.example';
const MESSAGE = 'From: joe@a.example\r\nSubject: x\r\n\r\nbody\r\n';
const policy = (p: string): ZoneRecords => ({ '_dmarc.a.example TXT': `v=DMARC1; p=${p}` });
const REJECT = policy('reject');
const SPF = { 'a.example TXT': 'v=spf1 ip4:192.0.2.7 -all' };

interface Asking {
  readonly zone?: ZoneRecords;
  readonly troubles?: Record<string, FakeTrouble>;
  readonly settings?: Record<string, unknown>;
  readonly clues?: Clues;
}
const asked = async (said: Partial<Said>, { zone = REJECT, troubles = {}, settings, clues }: Asking = {}) => {
  const dns = fakeResolver(zone, troubles);
  const { findings } = await ask(
    dmarc,
    { from, helo: 'h.example', message: MESSAGE, ...said },
    { dns },
    settings,
    clues,
  );
  return { findings, dns };
};
const codes = async (said: Partial<Said>, asking?: Asking): Promise<string> =>
  (await asked(said, asking)).findings.map(({ code }) => code).join();
const spfSaid = (result: string): Clues => ({
  suspicion: 0,
  found: (check) =>
    check === 'spf'
      ? [{ result: 'none', code: 'x', text: 'x', authentication: [{ method: 'spf', result }] }]
      : [],
});

describe('dmarc', () => {
  it('reject: says why, and what it looked at', async () => {
    const properties = { 'header.from': 'a.example', 'policy.dmarc': 'reject' };
    assert.deepEqual((await asked({})).findings, [
      {
        result: 'fail',
        code: 'reject',
        text: 'no DKIM signature and no SPF result of a.example stands behind the message, and it asks to refuse such mail (DMARC)',
        enhanced: '5.7.1',
        authentication: [{ method: 'dmarc', result: 'fail', comment: 'p=reject', properties }],
      },
    ]);
  });

  it('reject: says of a signature of the domain why it does not hold', async () => {
    const message = `${await signed(MESSAGE, 'mail.a.example')}footer\r\n`;
    const zone = { ...REJECT, ...keyOf('mail.a.example') };
    const [finding] = (await asked({ message }, { zone })).findings;
    assert.match(
      finding?.text ?? '',
      /stands behind the message \(mail\.a\.example signed it, but: body hash did not verify\), and it asks/,
    );
    const foreign = `${await signed(MESSAGE, 'b.example')}footer\r\n`;
    const [other] = (await asked({ message: foreign }, { zone: { ...REJECT, ...keyOf('b.example') } }))
      .findings;
    assert.doesNotMatch(other?.text ?? '', /signed it/);
  });

  it('pass: by a signature, and it vouches for the domain', async () => {
    const message = await signed(MESSAGE, 'a.example');
    const { findings } = await asked({ message }, { zone: { ...REJECT, ...keyOf('a.example') } });
    assert.deepEqual(
      findings.map(({ code, domain, text }) => [code, domain, text]),
      [['pass', 'a.example', 'a DKIM signature of a.example stands behind the message']],
    );
  });

  it('pass: by SPF', async () => {
    const { findings } = await asked({}, { zone: { ...REJECT, ...SPF } });
    assert.equal(findings[0]?.text, 'SPF of a.example stands behind the message');
  });

  const cases: [code: string, said: Partial<Said>, asking: Asking][] = [
    ['quarantine', {}, { zone: policy('quarantine') }],
    ['monitor', {}, { zone: policy('none') }],
    ['none', {}, { zone: {} }],
    ['no-author', { message: 'Subject: x\r\n\r\n' }, {}],
    ['no-author', { message: 'From: nobody\r\n\r\n' }, {}],
    ['reject,none,several-authors', { message: 'From: a@a.example, b@b.example\r\n\r\n' }, {}],
    ['reject,several-authors', { message: `From: x@a.example\r\n${MESSAGE}` }, {}],
    ['none,reject,several-authors', { message: 'From: C <x@b.example> <ceo@a.example>\r\n\r\n' }, {}],
    ['none', { message: 'From: ceo@a.example <x@b.example>\r\n\r\n' }, {}],
    ['reject', { message: `X: y\r\nno field\r\n${MESSAGE}` }, {}],
    ['reject', { from: '<>' }, {}],
    ['pass', { from: '<>', helo: 'a.example' }, { zone: { ...REJECT, ...SPF } }],
    ['exempt', { client: '10.1.2.3' }, {}],
    ['temperror', {}, { troubles: { '_dmarc.a.example': 'timeout' } }],
    ['temperror', {}, { troubles: { 'a.example TXT': 'servfail' } }],
    ['monitor', {}, { zone: policy('none'), troubles: { 'a.example TXT': 'servfail' } }],
  ];
  for (const [code, said, asking] of cases) {
    it(`${code}: ${JSON.stringify(said)} ${JSON.stringify(asking)}`, async () =>
      assert.equal(await codes(said, asking), code));
  }

  it('takes what SPF found already, and asks only where it was not asked', async () => {
    const zone = { ...REJECT, ...SPF };
    const known = await asked({}, { zone, clues: spfSaid('fail') });
    assert.deepEqual([known.findings[0]?.code, known.dns.asked.includes('a.example TXT')], ['reject', false]);
    const passed = await asked({}, { clues: spfSaid('pass') });
    assert.equal(passed.findings[0]?.code, 'pass');
    assert.equal(await codes({}, { clues: spfSaid('temperror') }), 'temperror');
  });

  describe('trusted sealers', () => {
    const zone = { ...REJECT, ...keyOf('l.example'), ...keyOf('m.example'), ...keyOf('a.example') };
    const SAW = 'l.example; dmarc=pass header.from=a.example';
    const settings = { trusted_sealers: ['L.example', 'm.example'] };
    const byList = (said = SAW) => sealed(MESSAGE, 'l.example', said);
    const then = (message: string, sealer: string) => sealed(message, sealer, `${sealer}; dmarc=fail`, 2);

    it('are believed', async () => {
      const { findings } = await asked({ message: await byList() }, { zone, settings });
      assert.deepEqual(
        findings.map(({ result, code, text }) => [result, code, text]),
        [['none', 'vouched', 'DMARC of a.example fails, but l.example sealed that it passed there']],
      );
      assert.equal(findings[0]?.authentication?.[0]?.result, 'fail');
    });

    const others: [name: string, message: () => Promise<string>, code: string][] = [
      ['one after another', async () => then(await byList(), 'm.example'), 'vouched'],
      ['an unknown one behind it', async () => then(await byList(), 'a.example'), 'reject'],
      [
        'an unknown one before it',
        async () => then(await sealed(MESSAGE, 'a.example', SAW), 'm.example'),
        'reject',
      ],
      ['that it failed there', () => byList('l.example; dmarc=fail header.from=a.example'), 'reject'],
      ['that another passed', () => byList('l.example; dmarc=pass header.from=b.example'), 'reject'],
      ['a broken chain', async () => (await byList()).replace('body', 'corpse'), 'reject'],
    ];
    for (const [name, message, code] of others) {
      it(`${code}: ${name}`, async () =>
        assert.equal(await codes({ message: await message() }, { zone, settings }), code));
    }
    it('are none by default', async () =>
      assert.equal(await codes({ message: await byList() }, { zone }), 'reject'));
  });

  describe('by default', () => {
    const settings = checkSchema(dmarc).parse({}) as unknown as CheckSettings;
    const effect = (code: string, refusalsAreTags = false) =>
      effectOf({ result: 'fail', code, text: 'x' } satisfies Finding, dmarc, settings, {
        exemptions: [],
        refusalsAreTags,
      });
    it('does what the domain asks for', () => {
      assert.deepEqual(effect('reject'), { kind: 'refuse' });
      assert.deepEqual(effect('quarantine'), { kind: 'suspect', weight: 3 });
      assert.deepEqual(effect('monitor'), { kind: 'observe' });
    });
    it('tags list hosts, and is lifted by nothing that does not name it', () => {
      assert.deepEqual(effect('reject', true), { kind: 'tag' });
      assert.equal(dmarc.lifted, 'by-name');
    });
  });

  it('leaves what is ours alone', async () => {
    const facts = (session: object) =>
      ({ session: { client: { address: '192.0.2.7' }, ...session } }) as never;
    const judged = (session: object, at = site) =>
      dmarc.judge(facts(session), null, {} as never, at).map(({ code }) => code);
    const relays = { ...site, relays: { has: () => true } as never };
    assert.deepEqual(judged({ authenticated: { mechanism: 'PLAIN', identity: 'joe' } }), ['exempt']);
    assert.deepEqual(judged({}, relays), ['exempt']);
    assert.deepEqual(judged({}), []);
  });
});
