/**
 * The three doors give the same verdict for the same facts: one table of cases runs through all of them, over real sockets, with the real
 * checks. Where a protocol cannot carry what another can, the case says so, and why.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bounceTag } from '../src/checks/bounce-tag.ts';
import { clamav } from '../src/checks/clamav.ts';
import { clientList } from '../src/checks/client-list.ts';
import { dmarc } from '../src/checks/dmarc.ts';
import { dnsbl } from '../src/checks/dnsbl.ts';
import { envelopeList } from '../src/checks/envelope-list.ts';
import { greylistNull } from '../src/checks/greylist-null.ts';
import { greylist } from '../src/checks/greylist.ts';
import { headerForm } from '../src/checks/header-form.ts';
import { helo } from '../src/checks/helo.ts';
import { recipientList } from '../src/checks/recipient-list.ts';
import { recipients } from '../src/checks/recipients.ts';
import { relay } from '../src/checks/relay.ts';
import { senderDomain } from '../src/checks/sender-domain.ts';
import { shortTermBlock } from '../src/checks/short-term-block.ts';
import { spf } from '../src/checks/spf.ts';
import type { Decision } from '../src/core/decision.ts';
import type { ListEntry } from '../src/core/lists.ts';
import type { Ports } from '../src/core/ports.ts';
import type { ScanFailure, VirusVerdict } from '../src/core/scanners.ts';
import {
  byGateway,
  byMilter,
  byPolicy,
  ZONE,
  type Came,
  type Visitor,
  type Where,
} from './fakes/three-doors.ts';

interface Told {
  readonly at: Where;
  /** `550 5.7.1 text`, with `ID` in place of the decision's id; empty where it was let in. */
  readonly reply: string;
  readonly outcome: Decision['outcome'];
  /** `check:code`. */
  readonly by?: string | undefined;
}

interface Case extends Visitor {
  readonly name: string;
  readonly told: Told;
  /** Where it is told otherwise, and why. */
  readonly milter?: Partial<Told> & { readonly why: string };
  readonly policy?: Partial<Told> & { readonly why: string };
}

const CONTACT = 'Mistake? Write to postmaster@example.org with id ID';
const PAGE = 'Mistake? https://mx.example.org/r/ID';
const LET_IN: Told = { at: 'let in', reply: '', outcome: 'accepted' };
const UNSEEN = { ...LET_IN, by: undefined, why: 'a policy service is not shown the message' } as const;
const LATER = 'a policy service has no greeting to refuse in, and keeps the code that the finding has';

/** `text`: the reply without how a mistake is told of. */
const refused = (at: Where, by: string, text: string, how = CONTACT): Told => ({
  at,
  reply: `${text}. ${how}`,
  outcome: 'refused',
  by,
});

const OF_HOST_NAME = {
  ...refused(
    'rcpt',
    'envelope-list:sender',
    '550 5.7.1 Refused: sender <root@mx.example.org> is on our block list (envelope-list)',
  ),
  why: 'the MTA took it, and puts its own domain there',
} as const;

const blocked = (entry: Partial<ListEntry>): readonly ListEntry[] => [
  { kind: 'block', source: 'postern.toml:1', ...entry },
];

/** 192.0.2.7, a client on a DNSBL. */
const ON_DNSBL = {
  checks: [[dnsbl, { zones: [{ zone: 'bl.example', weight: 10 }], on_fail: 'refuse' }]],
  zone: { ...ZONE, '7.2.0.192.bl.example A': '127.0.0.2' },
} as const satisfies Visitor;
const SPF_FAILS = {
  checks: [[spf, { on_fail: 'refuse' }]],
  zone: { ...ZONE, 'example.net TXT': 'v=spf1 ip4:203.0.113.1 -all' },
  told: refused(
    'rcpt',
    'spf:fail',
    '550 5.7.23 Refused: 192.0.2.7 is not permitted by the SPF record of example.net (spf)',
  ),
} as const satisfies Partial<Case>;

const clamavThat = (says: VirusVerdict | ScanFailure): Ports['scanners'] => ({
  clamav: { scan: async () => says, probe: async () => undefined },
});

const CASES: readonly Case[] = [
  { name: 'an honest client', told: LET_IN },
  {
    name: 'a client on the block list, refused at the earliest moment',
    checks: [[clientList, { refuse_at: 'earliest' }]],
    entries: blocked({ client: '192.0.2.7' }),
    told: refused(
      'connect',
      'client-list:listed',
      '554 5.7.1 Refused: 192.0.2.7 is on our block list (client-list)',
    ),
  },
  {
    name: 'the same where a page takes reports of mistakes',
    site: { reportUrl: 'https://mx.example.org' },
    checks: [[clientList, { refuse_at: 'earliest' }]],
    entries: blocked({ client: '192.0.2.7' }),
    told: refused(
      'connect',
      'client-list:listed',
      '554 5.7.1 Refused: 192.0.2.7 is on our block list (client-list)',
      PAGE,
    ),
  },
  {
    name: 'a sender on the block list, where a page takes reports of mistakes',
    site: { reportUrl: 'https://mx.example.org' },
    checks: [[envelopeList]],
    entries: blocked({ sender: 'example.net' }),
    told: refused(
      'rcpt',
      'envelope-list:sender',
      '550 5.7.1 Refused: sender <a@example.net> is on our block list (envelope-list)',
      PAGE,
    ),
  },
  {
    name: 'the same, deferred',
    checks: [[clientList, { refuse_at: 'earliest', on_fail: 'defer' }]],
    entries: blocked({ client: '192.0.2.7' }),
    told: {
      at: 'connect',
      reply: '421 4.7.1 Not now: 192.0.2.7 is on our block list (client-list). Try again later; id ID',
      outcome: 'deferred',
      by: 'client-list:listed',
    },
    policy: {
      reply: '450 4.7.1 Not now: 192.0.2.7 is on our block list (client-list). Try again later; id ID',
      why: LATER,
    },
  },
  {
    name: 'the same at RCPT',
    checks: [[clientList]],
    entries: blocked({ client: '192.0.2.7', reason: 'it sent spam' }),
    told: refused(
      'rcpt',
      'client-list:listed',
      '554 5.7.1 Refused: 192.0.2.7 is on our block list: it sent spam (client-list)',
    ),
  },
  {
    name: 'a HELO name of ours',
    helo: 'mx.example.org',
    checks: [[helo, { refuse_at: 'earliest', on_fail: 'refuse' }]],
    told: refused('helo', 'helo:own-name', '550 5.7.1 Refused: HELO mx.example.org is our own name (helo)'),
  },
  {
    name: 'a sender domain that does not exist',
    from: 'a@nowhere.example',
    checks: [[senderDomain, { refuse_at: 'earliest' }]],
    told: refused(
      'mail',
      'sender-domain:nxdomain',
      '550 5.1.8 Refused: sender domain nowhere.example does not exist (sender-domain)',
    ),
  },
  {
    name: 'a sender domain for which DNS does not answer',
    from: 'a@silent.example',
    checks: [[senderDomain, { refuse_at: 'earliest' }]],
    troubles: { 'silent.example': 'timeout' },
    told: {
      at: 'mail',
      reply:
        '450 4.4.3 Not now: sender domain silent.example could not be looked up (sender-domain). Try again later; id ID',
      outcome: 'deferred',
      by: 'sender-domain:temperror',
    },
  },
  {
    name: 'a client on a DNSBL',
    ...ON_DNSBL,
    told: refused(
      'rcpt',
      'dnsbl:listed',
      '554 5.7.1 Refused: 192.0.2.7 is listed by bl.example (127.0.0.2) (dnsbl)',
    ),
  },
  {
    name: 'too much suspicion',
    checks: [[dnsbl, { zones: [{ zone: 'bl.example', weight: 100 }], on_fail: 'suspect' }]],
    zone: { ...ZONE, '7.2.0.192.bl.example A': '127.0.0.2' },
    told: { at: 'rcpt', reply: '', outcome: 'refused', by: 'suspicion:suspicion' },
  },
  {
    name: 'SPF fails',
    ...SPF_FAILS,
  },
  {
    name: 'a client under a short-term block',
    checks: [[shortTermBlock]],
    ports: {
      blocks: {
        convict: () => assert.fail(),
        covering: () => ({
          network: '192.0.2.7',
          reason: 'it fell into a trap',
          evidence: 'K7Q2MX4D',
          by: 'spam-trap',
          convictions: 1,
          sinceMs: 0,
          endsMs: Date.now() + 3_600_000,
        }),
      },
    },
    told: { at: 'rcpt', reply: '', outcome: 'deferred', by: 'short-term-block:doubtful' },
  },
  {
    name: 'a recipient that no list knows',
    to: ['nobody@example.org'],
    checks: [[recipientList, { known_only: true }]],
    entries: [{ kind: 'mailbox', recipient: 'user@example.org', source: 'known:1' }],
    told: refused(
      'rcpt',
      'recipient-list:unlisted',
      '550 5.1.1 Refused: <nobody@example.org> is no mailbox here (recipients)',
    ),
  },
  {
    name: 'a recipient that the mail server does not have',
    to: ['nobody@example.org'],
    unknown: ['nobody@example.org'],
    checks: [[recipients]],
    told: refused(
      'rcpt',
      'recipients:unknown',
      '550 5.1.1 Refused: <nobody@example.org> is no mailbox here (recipients)',
    ),
    policy: { ...LET_IN, by: undefined, why: 'a policy service is not told whom the MTA refuses' },
  },
  {
    name: 'mail for a domain that is not ours',
    to: ['user@elsewhere.example'],
    checks: [[relay]],
    told: refused(
      'rcpt',
      'relay:denied',
      '554 5.7.1 Refused: we do not relay mail for elsewhere.example (relay)',
    ),
    milter: { ...LET_IN, outcome: 'relayed', by: undefined, why: 'the MTA decides about relaying' },
    policy: { ...LET_IN, by: undefined, outcome: 'relayed', why: 'the MTA decides about relaying' },
  },
  {
    name: 'a sender on the block list',
    from: 'bad@example.net',
    checks: [[envelopeList]],
    entries: blocked({ sender: 'bad@example.net' }),
    told: refused(
      'rcpt',
      'envelope-list:sender',
      '550 5.7.1 Refused: sender <bad@example.net> is on our block list (envelope-list)',
    ),
  },
  {
    name: 'a sender with a local part longer than 64 octets',
    from: `${'x'.repeat(65)}@example.net`,
    ...SPF_FAILS,
  },
  {
    name: 'a recipient with a local part longer than 64 octets',
    to: [`${'x'.repeat(65)}@example.org`],
    told: LET_IN,
  },
  {
    name: 'a sender without a domain',
    from: 'root',
    checks: [[envelopeList]],
    entries: blocked({ sender: 'root@mx.example.org' }),
    told: {
      at: 'mail',
      reply: '',
      outcome: 'abandoned',
    },
    milter: { ...OF_HOST_NAME },
    policy: { ...OF_HOST_NAME },
  },
  {
    name: 'a bounce to a forged tag',
    from: '',
    to: ['prvs=0123abcdef=joe@example.org'],
    checks: [[bounceTag]],
    site: { batvKeys: [{ number: 0, secret: 'a secret of some length' }] },
    told: refused(
      'rcpt',
      'bounce-tag:wrong',
      '550 5.7.1 Refused: <prvs=0123abcdef=joe@example.org> is no bounce address of ours, so we sent nothing that could be returned to it (bounce-tag)',
    ),
  },
  {
    name: 'a greylisted client',
    checks: [[greylist, { mode: 'classic' }]],
    told: {
      at: 'rcpt',
      reply:
        '450 4.7.1 Not now: greylisted, for 192.0.2.0/24 has not brought mail of this sender to this recipient yet; try again in 3 minutes (greylist); id ID',
      outcome: 'deferred',
      by: 'greylist:new',
    },
    policy: {
      reply:
        'DEFER_IF_PERMIT 4.7.1 Not now: greylisted, for 192.0.2.0/24 has not brought mail of this sender to this recipient yet; try again in 3 minutes (greylist); id ID',
      why: 'an unknown recipient is to be refused for good by the MTA, which chooses the code',
    },
  },
  {
    name: 'the same with the null sender, at DATA',
    from: '',
    checks: [[greylistNull, { mode: 'classic' }]],
    told: { at: 'data', reply: '', outcome: 'deferred', by: 'greylist-null:new' },
    policy: { why: 'as above' },
  },
  {
    name: 'a client of our own networks',
    client: '10.1.2.3',
    checks: [
      [dnsbl, { zones: [{ zone: 'bl.example', weight: 10 }], on_fail: 'refuse' }],
      [headerForm, { on_fail: 'refuse' }],
    ],
    zone: { ...ZONE, '3.2.1.10.bl.example A': '127.0.0.2' },
    message: 'Subject: x\r\n\r\nText\r\n',
    told: LET_IN,
  },
  {
    name: 'a client on the allow list',
    ...ON_DNSBL,
    entries: [{ kind: 'allow', client: '192.0.2.7', source: 'postern.toml:1' }],
    told: LET_IN,
  },
  {
    name: 'a list host, which is only tagged',
    ...ON_DNSBL,
    entries: [{ kind: 'list-host', client: '192.0.2.7', source: 'postern.toml:1' }],
    told: LET_IN,
  },
  {
    name: 'two recipients that are to be treated otherwise',
    to: ['user@example.org', 'postmaster@example.org'],
    told: {
      at: 'rcpt',
      reply: '452 4.5.3 Send this recipient in a transaction of its own',
      outcome: 'abandoned',
      by: undefined,
    },
    policy: {
      outcome: 'accepted',
      why: 'nobody tells a policy service that the client has left, and one recipient was let in',
    },
  },
  {
    name: 'a header that is none',
    message: 'Subject: x\r\n\r\nText\r\n',
    checks: [[headerForm, { on_fail: 'refuse', actions: { 'no-from': 'refuse' } }]],
    told: { at: 'message', reply: '', outcome: 'refused', by: 'header-form:no-from' },
    policy: UNSEEN,
  },
  {
    name: 'a message that fails DMARC',
    zone: { ...ZONE, '_dmarc.example.net TXT': 'v=DMARC1; p=reject' },
    checks: [[spf], [dmarc]],
    told: { at: 'message', reply: '', outcome: 'refused', by: 'dmarc:reject' },
    policy: UNSEEN,
  },
  {
    name: 'a message with a virus',
    checks: [[clamav]],
    ports: {
      scanners: clamavThat({ kind: 'infected', name: 'Eicar-Test' }),
      blocks: {
        covering: () => undefined,
        convict: ({ network, reason, evidence, by }) => ({
          ...{ network, reason, evidence, by },
          ...{ convictions: 1, sinceMs: 0, endsMs: 1 },
        }),
      },
    },
    told: refused(
      'message',
      'clamav:infected',
      '554 5.7.1 Refused: the message is infected: ClamAV found Eicar-Test (clamav)',
    ),
    policy: UNSEEN,
  },
  {
    name: 'a scanner that does not answer',
    checks: [[clamav]],
    ports: {
      scanners: clamavThat({ kind: 'failed', reason: 'no answer' }),
    },
    told: { at: 'message', reply: '', outcome: 'deferred', by: 'clamav:temperror' },
    policy: UNSEEN,
  },
];

describe('the same facts, the same verdict', () => {
  for (const c of CASES) {
    it(c.name, async (t) => {
      const doors = [
        ['gateway', byGateway, undefined],
        ['milter', byMilter, c.milter],
        ['policy', byPolicy, c.policy],
      ] as const;
      let first: Came | undefined;
      for (const [door, run, otherwise] of doors) {
        const { why, ...differing } = otherwise ?? { why: '' };
        const { at, reply, outcome, by } = { ...c.told, ...differing };
        const came = await run(t, c);
        const { decision } = came;
        const said = came.reply.replaceAll(decision.id, 'ID');
        const found = decision.check === undefined ? undefined : `${decision.check}:${decision.code}`;
        const note = `at the ${door} door${why === '' ? '' : ` (${why})`}`;
        assert.equal(decision.session.door, door);
        assert.deepEqual([came.at, decision.outcome, found], [at, outcome, by], note);
        if (reply !== '') assert.equal(said, reply, note);
        // What no door says otherwise is the same word for word, also where the table leaves the words to the check.
        const alike = first === undefined || otherwise !== undefined ? undefined : first;
        if (alike !== undefined) {
          assert.equal(said, alike.reply.replaceAll(alike.decision.id, 'ID'), note);
          assert.equal(decision.suspicion, alike.decision.suspicion, note);
          assert.deepEqual(evidenceOf(decision), evidenceOf(alike.decision), note);
        }
        first ??= came;
      }
    });
  }
});

/** What was found, by whatever check: the journal has to say the same as well. */
function evidenceOf({ steps }: Decision): readonly unknown[] {
  return steps
    .filter(({ check }) => check !== 'relay')
    .map(({ check, stage, action, findings }) => ({ check, stage, action, findings }));
}
