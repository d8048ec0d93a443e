import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { policyOver as policy, recorded, type Said, type Then } from '../../test/fakes/recorded.ts';
import type { Decision } from '../core/decision.ts';
import type { Listed } from '../core/listed.ts';
import { buildLists, type ListEntry } from '../core/lists.ts';
import { replies } from '../core/replies.ts';
import { reply } from '../mail/reply.ts';
import { isJudged, listsThen, whatIf } from './what-if.ts';

const LISTED = { dnsbl: { zones: [{ zone: 'bl.example', weight: 8 }] } };
const LISTS = { 'client-list': {}, 'envelope-list': {} };
const SPF = { spf: { on_fail: 'refuse' } };
const block = (entry: Partial<ListEntry>): ListEntry => ({ kind: 'block', source: 't:1', ...entry });

describe('what if', () => {
  const cases: [name: string, then: Then, now: Said, lists: readonly ListEntry[], expected: string][] = [
    [
      'nothing changes',
      { said: LISTED },
      LISTED,
      [],
      'same: refused by dnsbl:listed → refused by dnsbl:listed',
    ],
    ['a check is off', { said: LISTED }, {}, [], 'newly-accepted: refused by dnsbl:listed → accepted'],
    [
      'a check tags',
      { said: LISTED },
      { dnsbl: { ...LISTED.dnsbl, on_fail: 'tag' } },
      [],
      'newly-accepted: refused by dnsbl:listed → accepted',
    ],
    [
      'a check observed, and would refuse',
      { said: { dnsbl: { ...LISTED.dnsbl, on_fail: 'observe' } } },
      LISTED,
      [],
      'newly-refused: accepted → refused by dnsbl:listed',
    ],
    [
      'a check observed, and would defer',
      { said: { dnsbl: { ...LISTED.dnsbl, on_fail: 'observe' } } },
      { dnsbl: { ...LISTED.dnsbl, on_fail: 'defer' } },
      [],
      'newly-refused: accepted → deferred by dnsbl:listed',
    ],
    [
      'it refused, and would defer',
      { said: LISTED },
      { dnsbl: { ...LISTED.dnsbl, on_fail: 'defer' } },
      [],
      'newly-accepted: refused by dnsbl:listed → deferred by dnsbl:listed',
    ],
    [
      'another refuses in its place',
      { said: { ...LISTED, helo: { on_fail: 'observe' } }, helo: 'localhost' },
      { helo: {} },
      [],
      'same: refused by dnsbl:listed → refused by helo:not-fqdn',
    ],
    [
      'a check was never asked',
      { said: LISTED },
      SPF,
      [],
      'unknown: refused by dnsbl:listed → unknown: would ask spf',
    ],
    [
      'a check is new',
      { said: {} },
      { ...SPF, greylist: { mode: 'classic' } },
      [],
      'unknown: accepted → unknown: would ask spf, greylist',
    ],
    [
      'a check is new, and stops nobody',
      { said: {} },
      { spf: { on_fail: 'observe', actions: { fail: 'tag' } } },
      [],
      'same: accepted → accepted',
    ],
    [
      'nobody asked whether there is such a mailbox',
      { said: { ...LISTED, recipients: {} } },
      { recipients: {} },
      [],
      'newly-accepted: refused by dnsbl:listed → accepted (if the mail server has the mailbox)',
    ],
    [
      'a list of mailboxes is one of ours',
      { said: { 'recipient-list': {} } },
      { 'recipient-list': { known_only: true } },
      [],
      'unknown: accepted → unknown: would ask recipient-list',
    ],
    [
      'the message was never seen',
      { said: LISTED },
      { 'header-form': { on_fail: 'refuse' } },
      [],
      'newly-accepted: refused by dnsbl:listed → accepted (its message was never seen)',
    ],
    [
      'an entry lets the client in',
      { said: LISTED },
      LISTED,
      [{ kind: 'allow', client: '192.0.2.0/24', source: 't:1' }],
      'newly-accepted: refused by dnsbl:listed → accepted',
    ],
    [
      'an entry blocks the client, though nobody asked before',
      { said: {} },
      { 'client-list': {} },
      [block({ client: '192.0.2.7' })],
      'newly-refused: accepted → refused by client-list:listed',
    ],
    [
      'an entry is gone',
      { said: { 'client-list': {} }, lists: [block({ client: '192.0.2.7' })] },
      { 'client-list': {} },
      [],
      'newly-accepted: refused by client-list:listed → accepted',
    ],
    [
      'one of three recipients',
      {
        said: { 'recipient-list': { known_only: true } },
        to: ['user', 'bob', 'tim'],
        lists: ['user', 'bob'].map((local) => ({
          kind: 'mailbox',
          recipient: `${local}@example.org`,
          source: 't:1',
        })),
      },
      {},
      [],
      'newly-accepted: refused by recipient-list:unlisted → accepted, 1 of 3 recipients',
    ],
    [
      'refused before there was a recipient',
      { said: { helo: { refuse_at: 'earliest' }, ...LISTED }, helo: 'localhost' },
      LISTED,
      [],
      'unknown: refused by helo:not-fqdn → unknown: would ask dnsbl',
    ],
    [
      'the same, and nothing else would be asked',
      { said: { helo: { refuse_at: 'earliest' } }, helo: 'localhost' },
      {},
      [],
      'newly-accepted: refused by helo:not-fqdn → accepted (it had named no recipient yet)',
    ],
    [
      'the backend refused the message',
      {
        said: { dnsbl: { ...LISTED.dnsbl, on_fail: 'observe' } },
        final: reply(554, '5.6.0', 'No thanks'),
      },
      LISTED,
      [],
      'same: refused by the mail server → the same',
    ],
    [
      'the client left before DATA',
      { said: { dnsbl: { ...LISTED.dnsbl, on_fail: 'observe' } }, stopsBefore: 'data' },
      LISTED,
      [],
      'newly-refused: accepted → refused by dnsbl:listed',
    ],
    [
      'our own stop',
      { said: LISTED, stopsBefore: 'mail', final: replies.stopping('mx') },
      {},
      [],
      'left out',
    ],
    ['nothing was judged', { said: LISTED, stopsBefore: 'mail' }, {}, [], 'left out'],
    [
      'waited for too long',
      { said: {}, stopsBefore: 'data', final: replies.timedOut() },
      LISTED,
      [],
      'left out',
    ],
  ];
  for (const [name, then, now, entries, expected] of cases) {
    it(`${name}: ${expected}`, async () => {
      const decision = await recorded(then);
      const found = await whatIf(decision, {
        policyFor: () => policy(now, 'now'),
        listsFor: () => buildLists(entries),
      });
      assert.equal(
        found === undefined ? 'left out' : `${found.kind}: ${found.before} → ${found.after}`,
        expected,
      );
      assert.equal(isJudged(decision), found !== undefined);
    });
  }

  it('keeps who was let in by its name', async () => {
    const host: ListEntry = { kind: 'allow', host: 'mail.example.net', source: 't:1' };
    const decision = await recorded({ said: {} });
    const treatment = {
      exemptions: [{ reason: 'a friend', source: 't:1', lifts: 'all' as const, about: 'client' as const }],
      refusalsAreTags: false,
    };
    const letIn = { ...decision, recipients: decision.recipients.map((r) => ({ ...r, treatment })) };
    const found = await whatIf(letIn, {
      policyFor: () => policy(LISTED, 'now'),
      listsFor: () => buildLists([host]),
    });
    assert.equal(found?.kind, 'same');
  });

  it('goes by what was listed then', async () => {
    const decision = await recorded({ said: LISTED });
    const entry = (sinceMs: number): Listed => ({
      kind: 'allow',
      client: '192.0.2.7',
      id: 1,
      by: 'ann',
      sinceMs,
      source: 'listed by ann, 2026-11-21',
    });
    const kindWith = async (listed: readonly Listed[], then = decision) =>
      (
        await whatIf(then, {
          policyFor: () => policy(LISTED, 'now'),
          listsFor: listsThen(buildLists([]), listed),
        })
      )?.kind;
    assert.equal(await kindWith([]), 'same');
    assert.equal(await kindWith([entry(decision.atMs + 1)]), 'same');
    assert.equal(await kindWith([entry(decision.atMs)]), 'newly-accepted');
    // Let in then, and the entry has ended since.
    const letIn = await recorded({ said: LISTED, lists: [entry(0)] });
    assert.equal(letIn.outcome, 'accepted');
    assert.equal(await kindWith([], letIn), 'same');
  });

  it('keeps who was blocked by what was listed then', async () => {
    const block = (sinceMs: number, rest: Partial<Listed> = {}): Listed => ({
      ...{ kind: 'block', client: '192.0.2.7', id: 1, by: 'ann', sinceMs },
      source: 'listed by ann, 2026-11-21',
      ...rest,
    });
    const sender = { client: undefined, sender: 'example.net' } as unknown as Partial<Listed>;
    const told = async (then: Decision, listed: readonly Listed[], lists: readonly ListEntry[] = []) => {
      const found = await whatIf(then, {
        policyFor: () => policy(LISTS, 'now'),
        listsFor: listsThen(buildLists(lists), listed),
      });
      return `${found?.kind}: ${found?.after}`;
    };
    for (const [rest, refused] of [
      [{}, 'refused by client-list:listed'],
      [sender, 'refused by envelope-list:sender'],
    ] as const) {
      const then = await recorded({ said: LISTS, lists: [block(0, rest)] });
      assert.equal(then.outcome, 'refused');
      assert.equal(await told(then, [block(0, rest)]), `same: ${refused}`, 'still there');
      assert.equal(await told(then, []), `same: ${refused}`, 'removed, or over');
      const anew = block(then.atMs + 1, { ...rest, reason: 'anew' });
      assert.equal(await told(then, [anew]), `same: ${refused}`, 'written anew');
    }
    // Those of the configuration are what is asked about.
    const entry: ListEntry = { kind: 'block', client: '192.0.2.7', source: 't:1' };
    const byConfig = await recorded({ said: LISTS, lists: [entry] });
    assert.equal(await told(byConfig, []), 'newly-accepted: accepted');
    const letIn = await recorded({ said: LISTS });
    assert.equal(await told(letIn, [], [entry]), 'newly-refused: refused by client-list:listed');
  });
});
