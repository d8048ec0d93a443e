/**
 * Promise P5 over the whole ladder: whatever the facts, the lists, the DNS and the state were, and whatever the settings, a
 * decision that has been through the journal is judged again to the same verdicts, and nothing is asked for it.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { messagePort, site } from '../../test/fakes/ask.ts';
import { LADDER } from '../checks/ladder.ts';
import { decisionOf, recordOf } from '../adapters/journal/record.ts';
import { checkSchema } from '../config/checks.ts';
import { hasPlaceAt, type Json } from '../core/check.ts';
import type { Decision } from '../core/decision.ts';
import { buildLists, type ListEntry } from '../core/lists.ts';
import type { CheckSettings, Policy } from '../core/policy.ts';
import type { BackendAnswer, DnsAnswer, DnsRecords, DnsType, GreylistState, Ports } from '../core/ports.ts';
import type { Recipient } from '../core/recipient.ts';
import { replies } from '../core/replies.ts';
import type { ScanFailure, Scanner, VirusVerdict } from '../core/scanners.ts';
import { ACTIONS } from '../core/settings.ts';
import { COSTS } from '../core/stage.ts';
import type { Verdict } from '../core/verdict.ts';
import { UNANSWERED } from './judge.ts';
import { replay } from './replay.ts';
import { Session } from './session.ts';
import { whatIf } from './what-if.ts';

/** Draws one of them, the same for the same seed and question. */
type Draw = <T>(what: string, from: readonly [T, ...T[]]) => T;

function drawer(seed: number): Draw {
  return (what, from) => {
    // FNV-1a: the answer to a question must not depend on the order in which checks of one rung ask.
    let hash = (seed ^ 0x811c9dc5) >>> 0;
    for (let i = 0; i < what.length; i++) hash = Math.imul(hash ^ what.charCodeAt(i), 0x01000193) >>> 0;
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
    return from[((hash ^ (hash >>> 13)) >>> 0) % from.length] ?? from[0];
  };
}

const NAMES: readonly [string, ...string[]] = [
  'mail.example.net',
  'example.net',
  'pool-192-0-2-7.dsl.example.net',
  'mx.example.org',
  'a\0b.example.net',
  '..',
  'localhost',
  `${'x'.repeat(63)}.example.net`,
];
const ADDRESSES: readonly [string, ...string[]] = [
  '192.0.2.7',
  '127.0.0.2',
  '127.0.0.10',
  '127.255.255.254',
  '10.0.0.1',
  '203.0.113.9',
];
const TEXTS: readonly [string, ...string[]] = [
  'v=spf1 mx -all',
  'v=spf1 ip4:192.0.2.0/24 ~all',
  'v=spf1 include:example.net ?all',
  'v=spf1 exists:%{i}.example.net -all',
  'v=spf1 a:',
  'no record at all \u00e9\0',
];

const RECORDS: { readonly [T in DnsType]: (draw: Draw, of: string) => DnsRecords[T] } = {
  A: (draw, of) => draw(of, ADDRESSES),
  AAAA: (draw, of) => draw(of, ['2001:db8::7', '::1', '2001:db8:25::25']),
  PTR: (draw, of) => draw(of, NAMES),
  CNAME: (draw, of) => draw(of, NAMES),
  NS: (draw, of) => draw(of, NAMES),
  MX: (draw, of) => ({ exchange: draw(of, ['', ...NAMES]), priority: draw(of, [0, 10, 65_535]) }),
  TXT: (draw, of) => draw(of, TEXTS),
};

function answerOf<T extends DnsType>(draw: Draw, name: string, type: T): DnsAnswer<DnsRecords[T]> {
  const of = `${name.toLowerCase()} ${type}`;
  switch (draw(`kind ${of}`, ['found', 'found', 'found', 'no-data', 'nxdomain', 'servfail', 'timeout'])) {
    case 'servfail':
      return { kind: 'servfail', reason: 'SERVFAIL' };
    case 'timeout':
      return { kind: 'timeout' };
    case 'no-data':
      return { kind: 'no-data' };
    case 'nxdomain':
      return { kind: 'nxdomain' };
    default: {
      const many = draw(`many ${of}`, [1, 1, 2, 40]);
      return {
        kind: 'found',
        records: Array.from({ length: many }, (_, i) => RECORDS[type](draw, `${of} ${i}`)),
      };
    }
  }
}

const REPLIES: readonly [BackendAnswer, ...BackendAnswer[]] = [
  { kind: 'replied', reply: { code: 250, enhanced: '2.1.5', lines: ['Ok'] } },
  { kind: 'replied', reply: { code: 550, enhanced: '5.1.1', lines: ['No such user'] } },
  { kind: 'replied', reply: { code: 451, enhanced: '4.3.0', lines: ['Later'] } },
  { kind: 'unreachable', reason: 'refused' },
];

function portsOf(draw: Draw, lists: readonly ListEntry[], asked: string[]): Ports {
  const noted = <T>(what: string, value: T): T => {
    asked.push(what);
    return value;
  };
  const remembered = new Map<string, Json>();
  let times = 0;
  const state = (what: string): GreylistState =>
    draw<GreylistState>(`greylist ${what}`, [
      { kind: 'new', waitMs: 180_000 },
      { kind: 'early', waitMs: 60_000, sinceFirstMs: 120_000 },
      { kind: 'passed', sinceFirstMs: 200_000 },
      { kind: 'known' },
      { kind: 'client-known' },
    ]);
  return {
    dns: { resolve: async (name, type) => noted(`dns ${name}`, answerOf(draw, name, type)) },
    store: {
      recall: (space, key) => noted(`recall ${space}`, remembered.get(`${space} ${key}`)),
      remember: (space, key, value) => void remembered.set(`${space} ${key}`, value),
      forget: (space, key) => void remembered.delete(`${space} ${key}`),
    },
    greylist: {
      attempt: ({ client, recipient }) => noted('greylist', state(`${client} ${recipient} ${times++}`)),
    },
    standing: {
      of: (n) => noted('standing', { good: draw(n, [0, 5, 50]), bad: draw(n, [0, 0, 3]) }),
      note: () => undefined,
    },
    blocks: {
      covering: (address) =>
        noted(
          'blocks',
          draw(`block ${address}`, [
            undefined,
            undefined,
            {
              network: address,
              reason: 'a trap',
              evidence: 'E1',
              by: 'spam-trap',
              convictions: 2,
              sinceMs: 0,
              endsMs: 9e12,
            },
          ]),
        ),
      convict: ({ network, reason, evidence, by }) => ({
        network,
        reason,
        evidence,
        by,
        convictions: 1,
        sinceMs: 0,
        endsMs: 9e12,
      }),
    },
    rates: {
      add: (space) => noted(`rate ${space}`, 1),
      count: (space, key) => noted(`rate ${space}`, draw(`${space} ${key}`, [0, 3, 100])),
    },
    callout: {
      ask: async (hosts, recipients) =>
        noted(
          'callout',
          recipients.map((r) => draw(`callout ${hosts.join()} ${r.local}`, REPLIES)),
        ),
    },
    lists: buildLists(lists),
    zones: {
      suspended: () => undefined,
      suspend: () => undefined,
      silent: () => undefined,
      asking: () => () => undefined,
    },
    scanners: {
      clamav: scanner('clamav', noted, () =>
        draw<VirusVerdict | ScanFailure>('clamav', [{ kind: 'clean' }, { kind: 'infected', name: 'V' }, ILL]),
      ),
      spamassassin: scanner('spamassassin', noted, () => {
        const score = draw('spamassassin', [1, 6, 20, -1]);
        return score < 0 ? ILL : { kind: 'scored', spam: score > 5, score, required: 5, tests: ['A'] };
      }),
    },
    classifier: {
      recall: (tokens) =>
        noted('classifier', {
          trained: { ham: 500, spam: 500 },
          seen: [...tokens].map((token) => ({ token, ham: 0, spam: 0, [draw(token, ['ham', 'spam'])]: 9 })),
        }),
    },
    recipients: { ask: async ({ local }) => noted('backend', draw(`backend ${local} ${times++}`, REPLIES)) },
  };
}

const ILL: ScanFailure = { kind: 'failed', reason: 'refused' };

function scanner<V>(
  name: string,
  noted: <T>(what: string, value: T) => T,
  verdict: () => V | ScanFailure,
): Scanner<V> {
  return { scan: async () => noted(name, verdict()), probe: async () => undefined };
}

const MESSAGES: readonly [string, ...string[]] = [
  'From: a@example.net\r\nTo: user@example.org\r\nSubject: x\r\n\r\nbuy pills now\r\n',
  'From: MAILER-DAEMON@example.net\r\n\r\nNo.\r\n',
  'no header at all \u00e9',
];

const keyed = { ...site, batvKeys: [{ number: 0, secret: 'an old secret of ours' }] };

const OWN: Readonly<Record<string, Record<string, unknown>>> = {
  dnsbl: {
    zones: [
      { zone: 'bl.example', codes: ['127.0.0.2-11'] },
      { zone: 'other.example', weight: 2 },
    ],
  },
  dnswl: { zones: [{ zone: 'wl.example', weight: -5 }] },
  rhsbl: { zones: [{ zone: 'rhs.example' }] },
  'fake-bounce': { batv_keys: ['0:an old secret of ours'] },
  clamav: { address: '127.0.0.1:1' },
  spamassassin: { address: '127.0.0.1:2' },
};

const anyCommon = fc.record(
  {
    on_fail: fc.constantFrom(...ACTIONS),
    on_temperror: fc.constantFrom('defer', 'go-on'),
    weight: fc.integer({ min: -5, max: 12 }),
    refuse_at: fc.constantFrom('earliest', 'rcpt'),
  },
  { requiredKeys: [] },
);

const anyPolicy = fc
  .record({
    changed: fc.dictionary(fc.constantFrom(...LADDER.map((c) => c.name)), anyCommon, { maxKeys: 8 }),
    refuseAtSuspicion: fc.integer({ min: 1, max: 30 }),
  })
  .map(({ changed, refuseAtSuspicion }) => policyOf(changed, refuseAtSuspicion));

function policyOf(
  changed: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  refuseAtSuspicion: number,
  ladder = LADDER,
): Policy {
  const configured = ladder.map((check) => {
    const said = { ...OWN[check.name], ...changed[check.name] };
    return { check, settings: checkSchema(check).parse(said) as CheckSettings };
  });
  return {
    site: keyed,
    checks: configured
      .filter(
        ({ check, settings }) => settings.on_fail !== 'off' && check.idle?.(settings, keyed) === undefined,
      )
      .toSorted((a, b) => COSTS.indexOf(a.check.cost) - COSTS.indexOf(b.check.cost)),
    refuseAtSuspicion,
    checksTimeoutMs: 5_000,
    convictions: {
      ...{
        strikes: 3,
        strikeWindowMs: 1,
        guessWindowMs: 1,
        firstMs: 1,
        factor: 2,
        longestMs: 9,
        forgottenMs: 1,
      },
    },
    hash: 'h',
  };
}

const ENTRIES: readonly ListEntry[] = [
  { kind: 'allow', client: '192.0.2.0/24', recipient: 'bob@example.org', source: 't:1' },
  { kind: 'allow', sender: 'example.net', lifts: ['spf', 'greylist'], source: 't:2' },
  { kind: 'block', client: '203.0.113.0/24', reason: 'spam', source: 't:3' },
  { kind: 'block', sender: '.example.net', source: 't:4' },
  { kind: 'list-host', client: '192.0.2.9', source: 't:5' },
  { kind: 'mailbox', recipient: 'user@example.org', source: 't:6' },
  { kind: 'allow', host: '.example.net', source: 't:7' },
  { kind: 'allow', recipient: 'bob@example.org', source: 't:8' },
  { kind: 'allow', recipient: 'bob@example.org', lifts: ['clamav'], source: 't:9' },
  { kind: 'list-host', recipient: 'user@example.org', source: 't:10' },
];

const mailbox = (local: string, domain: string) => ({ local, domain });

const anyDialogue = fc.record({
  seed: fc.integer(),
  door: fc.constantFrom('gateway' as const, 'gateway' as const, 'milter' as const, 'policy' as const),
  client: fc.constantFrom('192.0.2.7', '192.0.2.9', '203.0.113.9', '10.1.2.3', '2001:db8::7'),
  role: fc.constantFrom(undefined, undefined, undefined, 'honeypot' as const),
  helo: fc.constantFrom(
    'mail.example.net',
    'localhost',
    '[192.0.2.7]',
    'mx.example.org',
    'h\u0000',
    'a_b.example.net',
  ),
  sender: fc.constantFrom(
    null,
    mailbox('a', 'example.net'),
    mailbox('prvs=0123abcdef=a', 'sub.example.net'),
    mailbox('é', '[192.0.2.7]'),
  ),
  recipients: fc.array(
    fc.constantFrom(
      mailbox('user', 'example.org'),
      { ...mailbox('user', 'example.org'), tag: 'valid' as const },
      { ...mailbox('bob', 'example.org'), tag: 'expired' as const },
      mailbox('bob', 'example.org'),
      mailbox('postmaster', 'example.org'),
      mailbox('a', 'elsewhere.example'),
      mailbox('nobody', 'x.sub.example.org'),
    ),
    { minLength: 1, maxLength: 4 },
  ),
  violates: fc.constantFrom(undefined, undefined, 'early-talker' as const, 'pipelining' as const),
  authenticated: fc.boolean(),
  lists: fc.subarray([...ENTRIES]),
});

/** Replays what comes of the dialogue; gives the decision. */
async function judgedAgain(policy: Policy, said: Said, draw = drawer(said.seed)): Promise<Decision> {
  const asked: string[] = [];
  const { decisions, early, verdicts, message } = await dialogue(policy, said, draw, asked);
  const decision = decisions.at(-1);
  assert.ok(decision);
  // Nothing that DNS or a backend says makes a check throw.
  const thrown = decisions.flatMap((d) =>
    d.steps.filter((x) => x.findings.some((f) => f.code === UNANSWERED)),
  );
  assert.deepEqual(thrown, []);
  asked.length = 0;
  const journalled = decisionOf(recordOf(decision));
  assert.deepStrictEqual(journalled, JSON.parse(JSON.stringify(decision)));
  const again = await replay(journalled, policy);
  assert.deepEqual(asked, []);
  assert.deepEqual(again.early, early);
  assert.deepEqual(again.recipients, verdicts);
  assert.deepEqual(again.message, message);
  // A policy that says the same under another name would ask nothing that was not asked. Of several recipients a check of the
  // transaction saw what came of the first.
  if (said.recipients.length === 1) {
    const renamed = await replay(decision, { ...policy, hash: 'another' });
    assert.deepEqual(renamed, again);
  }
  // Nothing would be another way under the rules that were in force.
  const lists = buildLists(said.lists);
  const compared = await whatIf(decision, { policyFor: () => policy, listsFor: () => lists });
  assert.ok(
    compared === undefined ? verdicts.length === 0 && early === undefined : compared.kind === 'same',
    JSON.stringify(compared),
  );
  return decision;
}

/** `seen`: to what ends the dialogues came. */
const sameAgain = (seen: Map<string, number>) =>
  fc.asyncProperty(anyPolicy, anyDialogue, async (any, said) => {
    const policy = { ...any, checks: any.checks.filter(({ check }) => hasPlaceAt(check, said.door)) };
    const decision = await judgedAgain(policy, said);
    const outcome = `${decision.outcome} ${decision.check ?? ''}`;
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
  });

describe('replay over the whole ladder', () => {
  it('comes to the same verdicts, and asks nothing', async () => {
    const seen = new Map<string, number>();
    await fc.assert(sameAgain(seen), { numRuns: 250 });
    // Random as they are, the dialogues must come to ends of many kinds: else the test shows nothing.
    assert.ok(seen.size >= 12, [...seen.keys()].join(', '));
    assert.ok([...seen.keys()].some((outcome) => outcome.endsWith(' clamav')));
  });

  const bob = mailbox('bob', 'example.org');
  const expired = { ...bob, tag: 'expired' as const };
  const user = mailbox('user', 'example.org');
  const only = ['bounce-tag', 'recipient-list', 'greylist'];
  const bounce: Said = {
    seed: 0,
    door: 'gateway',
    client: '192.0.2.7',
    role: undefined,
    helo: 'mail.example.net',
    sender: null,
    recipients: [],
    violates: undefined,
    authenticated: false,
    lists: [],
  };
  const cases: readonly [string, Partial<Said>, readonly string[]][] = [
    [
      'the first time on fewer rungs',
      {
        recipients: [expired, bob],
        lists: [{ kind: 'mailbox', recipient: 'user@example.org', source: 't' }],
      },
      ['bounce-tag', 'recipient-list'],
    ],
    ['the second time let in to the message', { recipients: [expired, bob] }, ['bounce-tag', '-']],
    ['and another after it', { recipients: [expired, bob, user], door: 'policy' }, ['bounce-tag', '-', '-']],
    ['each time refused', { recipients: [expired, expired, user] }, ['bounce-tag', 'bounce-tag', '-']],
  ];
  for (const [name, said, expected] of cases) {
    it(`tells apart how one recipient was judged twice: ${name}`, async () => {
      const ladder = LADDER.filter((check) => only.includes(check.name));
      const policy = policyOf({ 'recipient-list': { known_only: said.lists !== undefined } }, 99, ladder);
      const decision = await judgedAgain(policy, { ...bounce, ...said }, (_what, from) => from[0]);
      assert.deepEqual(
        decision.recipients.map(({ check = '-' }) => check),
        expected,
      );
    });
  }
});

interface Said {
  readonly seed: number;
  readonly door: 'gateway' | 'milter' | 'policy';
  readonly client: string;
  readonly role: 'honeypot' | undefined;
  readonly helo: string;
  readonly sender: { local: string; domain: string } | null;
  readonly recipients: readonly Recipient[];
  readonly violates: 'early-talker' | 'pipelining' | undefined;
  readonly authenticated: boolean;
  readonly lists: readonly ListEntry[];
}

async function dialogue(policy: Policy, said: Said, draw: Draw, asked: string[]) {
  let id = 0;
  const ports = portsOf(draw, said.lists, asked);
  const session = new Session(
    {
      policy,
      ports,
      nowMs: () => 1_000_000,
      newId: () => `ID${++id}`,
      trouble: (what, error) => assert.fail(`${what}: ${String(error)}`),
    },
    {
      door: said.door,
      client: { address: said.client, port: 4711 },
      server: { address: '198.51.100.25', port: 25 },
      role: said.role,
    },
  );
  const decisions: Decision[] = [];
  const verdicts: (Verdict | undefined)[] = [];
  let message: Verdict | undefined;
  if (said.violates === 'early-talker') session.violated('early-talker');
  const early = [
    () => session.connect(),
    () => session.helo('EHLO', said.helo),
    () => {
      if (said.authenticated) session.authenticated({ mechanism: 'PLAIN', identity: 'a user' });
      return session.mail(said.sender, {});
    },
  ];
  for (const step of early) {
    const verdict = await step();
    if (verdict.kind === 'go-on') continue;
    const decision = session.ended(verdict.reply);
    assert.ok(decision);
    return { decisions: [decision], early: verdict, verdicts, message };
  }
  for (const [i, recipient] of said.recipients.entries()) {
    if (i === 1 && said.violates === 'pipelining') session.violated('pipelining');
    const verdict = await session.rcpt(recipient, {});
    if (verdict.kind === 'other-transaction') {
      verdicts.push(undefined);
      session.recipientAnswered(recipient, replies.otherTransaction());
      continue;
    }
    verdicts.push(verdict);
    session.recipientAnswered(recipient, verdict.kind === 'go-on' ? replies.recipientOk() : verdict.reply);
  }
  let final = undefined;
  if (session.transactionFacts.recipients.length > 0) {
    const atData = await session.data();
    if (atData.kind === 'go-on') {
      const content = messagePort(Buffer.from(draw('message', MESSAGES)));
      message = await session.endOfMessage({ sizeOctets: content.content.sizeOctets }, content);
      final = message.kind === 'go-on' ? replies.delivered('x') : message.reply;
    } else final = (message = atData).reply;
  }
  const decision = session.transactionEnded(final);
  assert.ok(decision);
  decisions.push(decision);
  return { decisions, early: undefined, verdicts, message };
}
