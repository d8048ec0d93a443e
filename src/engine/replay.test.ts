import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { emptyPorts, site } from '../../test/fakes/ask.ts';
import { fakeResolver } from '../../test/fakes/resolver.ts';
import { callout } from '../checks/callout.ts';
import { dnsbl } from '../checks/dnsbl.ts';
import { dnswl } from '../checks/dnswl.ts';
import { fcrdns } from '../checks/fcrdns.ts';
import { greylistNull } from '../checks/greylist-null.ts';
import { greylist } from '../checks/greylist.ts';
import { recipientList } from '../checks/recipient-list.ts';
import { rhsbl } from '../checks/rhsbl.ts';
import { checkSchema } from '../config/checks.ts';
import { buildLists } from '../core/lists.ts';
import type { CheckSettings, Policy } from '../core/policy.ts';
import type { GreylistState, Ports } from '../core/ports.ts';
import { recipientOf } from '../core/recipient.ts';
import { replies } from '../core/replies.ts';
import { COSTS } from '../core/stage.ts';
import { reply } from '../mail/reply.ts';
import { replay, type ReplayedVerdict } from './replay.ts';
import { Session } from './session.ts';

const CHECKS = [recipientList, fcrdns, dnsbl, dnswl, rhsbl, greylist, greylistNull, callout];
type Said = Readonly<Record<string, Record<string, unknown>>>;

function policy(said: Said, hash: string): Policy {
  const checks = CHECKS.filter(({ name }) => name in said)
    .map((check) => ({ check, settings: checkSchema(check).parse(said[check.name]) as CheckSettings }))
    .toSorted((a, b) => COSTS.indexOf(a.check.cost) - COSTS.indexOf(b.check.cost));
  return { site, checks, refuseAtSuspicion: 10, checksTimeoutMs: 1000, hash };
}

interface Case {
  readonly then: Said;
  readonly now: Said;
  readonly client?: string;
  readonly null?: true;
  readonly state?: GreylistState;
  readonly good?: number;
  readonly zone?: Record<string, string[]>;
  /** What it comes to now: of the message for a bounce, else of the recipient. */
  readonly expected: string;
}

async function again(c: Case): Promise<ReplayedVerdict | undefined> {
  const ports: Ports = {
    ...emptyPorts(),
    dns: fakeResolver(c.zone ?? {}),
    greylist: { attempt: () => c.state ?? { kind: 'new', waitMs: 180_000 } },
    standing: { of: () => ({ good: c.good ?? 0, bad: 0 }), note: () => undefined },
    lists: buildLists([{ kind: 'mailbox', recipient: 'bob@example.org', source: 'x:1' }]),
    callout: { ask: async () => [{ kind: 'replied', reply: reply(550, '5.1.1', 'No such user') }] },
  };
  const session = new Session(
    {
      policy: policy(c.then, 'then'),
      ports,
      nowMs: () => 1_000_000,
      newId: () => 'ID',
      trouble: (what, error) => assert.fail(`${what}: ${String(error)}`),
    },
    {
      door: 'gateway',
      client: { address: c.client ?? '192.0.2.7', port: 4711 },
      server: { address: '198.51.100.25', port: 25 },
    },
  );
  await session.helo('EHLO', 'mail.example.net');
  await session.mail(c.null === true ? null : { local: 'anna', domain: 'example.net' }, {});
  const recipient = recipientOf({ local: 'user', domain: 'example.org' }, site, 0);
  const verdict = await session.rcpt(recipient, {});
  assert.notEqual(verdict.kind, 'other-transaction');
  session.recipientAnswered(recipient, 'reply' in verdict ? verdict.reply : replies.recipientOk());
  if (verdict.kind === 'go-on') await session.data();
  const decision = session.transactionEnded();
  assert.ok(decision);
  const { recipients, message } = await replay(
    JSON.parse(JSON.stringify(decision)) as typeof decision,
    policy(c.now, 'now'),
  );
  return c.null === true ? message : recipients[0];
}

const BAD = { fcrdns: { on_fail: 'suspect', weight: 3 } };
const EARLY: GreylistState = { kind: 'early', waitMs: 110_000, sinceFirstMs: 70_000 };
const PASSED: GreylistState = { kind: 'passed', sinceFirstMs: 70_000 };
const CLASSIC = { greylist: { mode: 'classic' } };
const list = (...zones: string[]) => ({ zones: zones.map((zone) => ({ zone, v6: true })) });
const MX = { 'example.net MX': ['10 mail.example.net'] };

describe('replay under another configuration', () => {
  const cases: [name: string, c: Case][] = [
    [
      'the greylist was not asked, and would be',
      { then: { greylist: {} }, now: CLASSIC, expected: 'unknown greylist' },
    ],
    [
      'the same of a bounce',
      {
        null: true,
        then: { 'greylist-null': {} },
        now: { 'greylist-null': { mode: 'classic' } },
        expected: 'unknown greylist-null',
      },
    ],
    [
      'it was asked of all, and would be of the doubted',
      { then: CLASSIC, now: { greylist: {} }, expected: 'go-on' },
    ],
    [
      'whose conduct nobody asked for',
      { then: { ...BAD, ...CLASSIC }, now: { ...BAD, greylist: {} }, expected: 'unknown greylist' },
    ],
    [
      'with less doubt',
      {
        then: { ...BAD, greylist: {} },
        now: { fcrdns: { on_fail: 'suspect', weight: 1 }, greylist: {} },
        expected: 'go-on',
      },
    ],
    [
      'with as much',
      { then: { ...BAD, greylist: {} }, now: { ...BAD, greylist: { kept: '30d' } }, expected: 'defer' },
    ],
    [
      'for the good',
      {
        good: 9,
        then: { ...BAD, greylist: {} },
        now: { ...BAD, greylist: { kept: '30d' } },
        expected: 'go-on',
      },
    ],
    [
      'it waited long enough',
      {
        state: PASSED,
        then: { greylist: { mode: 'classic', delay: '1m' } },
        now: CLASSIC,
        expected: 'unknown greylist',
      },
    ],
    [
      'it came too soon',
      {
        state: EARLY,
        then: CLASSIC,
        now: { greylist: { mode: 'classic', delay: '1m' } },
        expected: 'unknown greylist',
      },
    ],
    [
      '… for both',
      { state: EARLY, then: CLASSIC, now: { greylist: { mode: 'classic', kept: '9d' } }, expected: 'defer' },
    ],
    [
      'what only learns lets all pass',
      {
        state: { kind: 'passed', sinceFirstMs: 0 },
        then: { greylist: { mode: 'seed-only' } },
        now: CLASSIC,
        expected: 'unknown greylist',
      },
    ],
    [
      'a list was not read',
      {
        then: { 'recipient-list': {} },
        now: { 'recipient-list': { known_only: true } },
        expected: 'unknown recipient-list',
      },
    ],
    [
      'a list was read',
      {
        then: { 'recipient-list': { known_only: true } },
        now: { 'recipient-list': { known_only: true, weight: 1 } },
        expected: 'refuse',
      },
    ],
    [
      'who stood in no list',
      {
        then: { 'recipient-list': { known_only: true } },
        now: { 'recipient-list': {} },
        expected: 'unknown recipient-list',
      },
    ],
    [
      'a zone is new',
      {
        then: { dnsbl: list('a.example') },
        now: { dnsbl: list('a.example', 'b.example') },
        expected: 'unknown dnsbl',
      },
    ],
    [
      'a zone is gone',
      {
        then: { dnsbl: list('a.example', 'b.example') },
        now: { dnsbl: list('a.example') },
        expected: 'go-on',
      },
    ],
    [
      'a zone for IPv4 alone is new',
      {
        client: '2001:db8::7',
        then: { dnsbl: list('a.example') },
        now: { dnsbl: { zones: [{ zone: 'a.example' }, { zone: 'b.example', v6: false }] } },
        expected: 'go-on',
      },
    ],
    [
      'a zone takes IPv6 now',
      {
        client: '2001:db8::7',
        then: { dnsbl: { zones: [{ zone: 'a.example', v6: false }] } },
        now: { dnsbl: list('a.example') },
        expected: 'unknown dnsbl',
      },
    ],
    [
      'a white list is new',
      {
        then: { dnswl: { zones: [] } },
        now: { dnswl: { zones: [{ zone: 'a.example', weight: -1 }] } },
        expected: 'unknown dnswl',
      },
    ],
    [
      'a list of domains is new',
      {
        then: { rhsbl: { zones: [{ zone: 'a.example' }] } },
        now: { rhsbl: { zones: [{ zone: 'b.example' }] } },
        expected: 'unknown rhsbl',
      },
    ],
    [
      'it asks about other names',
      {
        then: { rhsbl: { zones: [{ zone: 'a.example', of: ['sender'] }] } },
        now: { rhsbl: { zones: [{ zone: 'a.example', of: ['reverse'] }] } },
        expected: 'unknown rhsbl',
      },
    ],
    [
      'the client has no such name',
      {
        then: { rhsbl: { zones: [{ zone: 'a.example', of: ['reverse'] }] } },
        now: { rhsbl: { zones: [{ zone: 'a.example', of: ['reverse'], weight: 9 }] } },
        expected: 'go-on',
      },
    ],
    [
      'the greylist decided for the callout, and would not',
      {
        zone: MX,
        state: { kind: 'known' },
        then: { ...CLASSIC, callout: { on_fail: 'refuse' } },
        now: { callout: { on_fail: 'refuse' } },
        expected: 'unknown callout',
      },
    ],
    [
      'the callout asked, and would not',
      {
        zone: MX,
        good: 9,
        state: { kind: 'known' },
        then: { greylist: {}, callout: { on_fail: 'tag' } },
        now: { callout: { on_fail: 'refuse' } },
        expected: 'refuse',
      },
    ],
  ];
  for (const [name, c] of cases) {
    it(`${name}: ${c.expected}`, async () => {
      const verdict = await again(c);
      const said = verdict?.kind === 'unknown' ? `unknown ${verdict.checks.join(' ')}` : verdict?.kind;
      assert.equal(said, c.expected);
    });
  }
});
