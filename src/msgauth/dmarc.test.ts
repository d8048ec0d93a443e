import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import type { ZoneRecords } from '../adapters/dns/zone.ts';
import { askDmarc, MAX_AUTHOR_DOMAINS, type DmarcQuestion } from './dmarc.ts';

const never = new AbortController().signal;
const NOBODY: DmarcQuestion = {
  from: ['joe@a.example'],
  fromFields: 1,
  spf: { domain: '', result: 'none' },
  dkim: [],
};
const record = (text: string, domain = 'a.example'): ZoneRecords => ({ [`_dmarc.${domain} TXT`]: text });
const REJECT = record('v=DMARC1; p=reject');

async function said(
  zone: ZoneRecords,
  question: Partial<DmarcQuestion> = {},
  troubles: Record<string, FakeTrouble> = {},
): Promise<string> {
  const { authors, ambiguous } = await askDmarc(
    fakeResolver(zone, troubles),
    { ...NOBODY, ...question },
    never,
  );
  const words = authors.map((a) =>
    [a.author, a.result, a.policy, a.by].filter((w) => w !== undefined).join(' '),
  );
  return words.join(', ') + (ambiguous ? ' ambiguous' : '');
}
const signedBy = (domain: string, result: 'pass' | 'fail' | 'temperror' = 'pass') => ({
  dkim: [{ domain, result }],
});
const sentBy = (domain: string, result: 'pass' | 'softfail' | 'temperror' = 'pass') => ({
  spf: { domain, result },
});

describe('DMARC', () => {
  const cases: [name: string, zone: ZoneRecords, question: Partial<DmarcQuestion>, outcome: string][] = [
    ['no record', {}, {}, 'a.example none'],
    ['nothing aligned', REJECT, {}, 'a.example fail reject'],
    ['a signature of the domain', REJECT, signedBy('a.example'), 'a.example pass reject dkim'],
    ['… of a name below it', REJECT, signedBy('m.a.example'), 'a.example pass reject dkim'],
    ['… that does not hold', REJECT, signedBy('a.example', 'fail'), 'a.example fail reject'],
    ['… of another', REJECT, signedBy('b.example'), 'a.example fail reject'],
    ['SPF of the domain', REJECT, sentBy('a.example'), 'a.example pass reject spf'],
    ['SPF that does not pass', REJECT, sentBy('a.example', 'softfail'), 'a.example fail reject'],
    [
      'strict alignment',
      record('v=DMARC1; p=reject; adkim=s; aspf=s'),
      { ...signedBy('m.a.example'), ...sentBy('m.a.example') },
      'a.example fail reject',
    ],
    ['p=none', record('v=DMARC1; p=none'), {}, 'a.example fail none'],
    ['p=quarantine', record('v=DMARC1; p=quarantine'), {}, 'a.example fail quarantine'],
    ['test mode', record('v=DMARC1; p=reject; t=y'), {}, 'a.example fail quarantine'],
    ['pct, which is read no more', record('v=DMARC1; p=reject; pct=0'), {}, 'a.example fail reject'],
    [
      'the policy for names below',
      record('v=DMARC1; p=reject; sp=none'),
      { from: ['joe@m.a.example'] },
      'm.a.example fail none',
    ],
    [
      'two records',
      { '_dmarc.a.example TXT': ['v=DMARC1; p=reject', 'v=DMARC1; p=none'] },
      {},
      'a.example none',
    ],
    [
      'a record that is too long',
      record(`v=DMARC1; p=reject; x=${'x'.repeat(60_000)}`),
      {},
      'a.example none',
    ],
    ['upper case and a final dot', REJECT, { from: ['Joe@A.EXAMPLE.'] }, 'a.example fail reject'],
    [
      'several authors of one domain',
      REJECT,
      { from: ['a@a.example', 'b@a.example'] },
      'a.example fail reject',
    ],
    ['no author', REJECT, { from: [] }, ''],
    ['an author without domain', REJECT, { from: ['joe@'] }, ' ambiguous'],
    [
      'authors of two domains',
      { ...REJECT, ...record('v=DMARC1; p=none', 'b.example') },
      { from: ['joe@b.example', 'joe@a.example'], ...signedBy('b.example') },
      'b.example pass none dkim, a.example fail reject ambiguous',
    ],
    [
      'two From fields',
      REJECT,
      { fromFields: 2, ...signedBy('a.example') },
      'a.example pass reject dkim ambiguous',
    ],
    [
      'an address with two domains',
      REJECT,
      { from: ['joe@a.example@b.example'] },
      'a.example fail reject, b.example none ambiguous',
    ],
  ];
  for (const [name, zone, question, outcome] of cases) {
    it(name, async () => assert.equal(await said(zone, question), outcome));
  }

  const open: [
    name: string,
    zone: ZoneRecords,
    question: Partial<DmarcQuestion>,
    trouble: string,
    outcome: string,
  ][] = [
    ['the policy', REJECT, {}, '_dmarc.a.example TXT', 'a.example temperror'],
    ['the policy, where nothing depends on it', REJECT, {}, 'b.example TXT', 'a.example fail reject'],
    [
      'a key that might have been the one',
      REJECT,
      signedBy('a.example', 'temperror'),
      '',
      'a.example temperror reject',
    ],
    ['a key of another', REJECT, signedBy('b.example', 'temperror'), '', 'a.example fail reject'],
    [
      'SPF that might have passed',
      REJECT,
      sentBy('a.example', 'temperror'),
      '',
      'a.example temperror reject',
    ],
    [
      'SPF, where a signature holds',
      REJECT,
      { ...sentBy('a.example', 'temperror'), ...signedBy('a.example') },
      '',
      'a.example pass reject dkim',
    ],
  ];
  for (const [name, zone, question, trouble, outcome] of open) {
    for (const kind of ['servfail', 'timeout'] as const) {
      it(`without an answer (${kind}): ${name}`, async () => {
        assert.equal(await said(zone, question, trouble === '' ? {} : { [trouble]: kind }), outcome);
      });
    }
  }

  it('asks for a few domains of From, and a bounded number of questions', async () => {
    const from = Array.from({ length: 50 }, (_, i) => `joe@${'x.'.repeat(40)}a${i}.example`);
    const dns = fakeResolver({});
    const { authors, ambiguous } = await askDmarc(dns, { ...NOBODY, from }, never);
    assert.deepEqual([authors.length, ambiguous], [MAX_AUTHOR_DOMAINS, true]);
    assert.ok(dns.asked.length <= 8 * MAX_AUTHOR_DOMAINS, String(dns.asked.length));
  });

  it('keeps strange domains within bounds', async () => {
    for (const domain of [
      'x'.repeat(5000),
      '\u0000\u0001',
      '[192.0.2.1]',
      'b\u00fccher.example',
      '"',
      '-',
      'a b',
    ]) {
      for (const { author } of (await askDmarc(fakeResolver({}), { ...NOBODY, from: [`j@${domain}`] }, never))
        .authors)
        assert.match(author, /^[\x20-\x7e]{1,255}$/);
    }
  });
});
