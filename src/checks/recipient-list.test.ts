import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import type { Json } from '../core/check.ts';
import { buildLists, type ListEntry } from '../core/lists.ts';
import type { Ports } from '../core/ports.ts';
import { COSTS } from '../core/stage.ts';
import { reply } from '../mail/reply.ts';
import { LADDER } from './ladder.ts';
import { recipientList } from './recipient-list.ts';
import { recipients } from './recipients.ts';

const from = 'a@example.net';

/** Ports with a store, at once or later, and our own list of mailboxes. */
function portsOf(mailboxes: readonly string[] = [], kept = new Map<string, Json>(), isShared = false) {
  const entries = mailboxes.map((recipient): ListEntry => ({ kind: 'mailbox', recipient, source: 'list:1' }));
  const ports: Partial<Ports> = {
    lists: buildLists([...entries, { kind: 'block', recipient: 'blocked@example.org', source: 'list:9' }]),
    store: {
      recall: (space, key) => {
        const value = kept.get(`${space} ${key}`);
        return isShared ? Promise.resolve(value) : value;
      },
      remember: (space, key, value) => void kept.set(`${space} ${key}`, value),
      forget: () => undefined,
    },
  };
  return { ports, kept };
}

describe('recipient-list', () => {
  const listed: [to: string, code: string][] = [
    ['user@example.org', 'listed'],
    ['USER@example.org', 'listed'],
    ['other@example.org', 'unlisted'],
    ['any@a.sub.example.org', 'listed'],
    ['blocked@example.org', 'unlisted'],
    // RFC 5321 4.5.1: whether or not the operator thought of them.
    ['postmaster@example.org', 'always'],
    ['PostMaster@example.org', 'always'],
    ['abuse@example.org', 'always'],
    ['postmaster@', 'always'],
    ['postmaster@example.com', 'foreign'],
    // Relayed for our own networks: no list of ours says who lives there.
    ['friend@example.com', 'foreign'],
  ];
  for (const [to, code] of listed) {
    it(`known_only: ${to} is ${code}`, async () => {
      const { ports } = portsOf(['user@example.org', '.sub.example.org']);
      const { findings } = await ask(recipientList, { from, to }, ports, { known_only: true });
      const [f] = findings;
      assert.deepEqual([findings.length, f!.code], [1, code]);
      assert.deepEqual(
        [f!.result, f!.enhanced],
        code === 'unlisted' ? ['fail', '5.1.1'] : [code === 'listed' ? 'pass' : 'none', undefined],
      );
    });
  }

  it('holds nothing against anybody where no list is complete', async () => {
    const { ports } = portsOf(['user@example.org']);
    for (const to of ['user@example.org', 'other@example.org']) {
      const { findings } = await ask(recipientList, { from, to }, ports);
      assert.deepEqual([findings[0]!.result, findings[0]!.code], ['none', 'open']);
    }
  });

  for (const isShared of [false, true]) {
    it(`knows what the backend refused a while ago, from ${isShared ? 'a shared' : 'the embedded'} store`, async () => {
      const { ports, kept } = portsOf([], new Map(), isShared);
      const backend = { kind: 'replied', reply: reply(550, '5.1.1', 'No such', 'user') } as const;
      await ask(
        recipients,
        { from, to: 'User@example.org' },
        { ...ports, recipients: { ask: async () => backend } },
      );
      assert.equal(kept.size, 1);
      const { findings } = await ask(recipientList, { from, to: 'user@example.org' }, ports);
      const [f] = findings;
      assert.deepEqual([f!.result, f!.code, f!.enhanced, f!.replyCode], ['fail', 'unknown', '5.1.1', 550]);
      assert.equal(f!.text, 'the mailbox server says of <user@example.org>: No such user');
      const { findings: other } = await ask(recipientList, { from, to: 'other@example.org' }, ports);
      assert.equal(other[0]!.code, 'open');
    });
  }

  it('answers at once from the embedded store: most sessions end here', () => {
    const { ports } = portsOf();
    const facts = {
      session: { client: { address: '192.0.2.7', port: 1 } },
      recipient: { mailbox: { local: 'user', domain: 'example.org' }, parameters: {} },
    };
    const site = { domains: ['example.org'] };
    const evidence = recipientList.gather!(
      facts as never,
      ports as Ports,
      { known_only: false } as never,
      AbortSignal.abort(),
      site as never,
      undefined as never,
    );
    assert.deepEqual(evidence, { listed: null, remembered: null });
  });

  it('does not turn postmaster away for what the backend said', async () => {
    const kept = new Map<string, Json>([
      ['recipients postmaster@example.org', { code: 550, enhanced: '5.1.1', lines: ['No'] }],
    ]);
    const { findings } = await ask(
      recipientList,
      { from, to: 'postmaster@example.org' },
      portsOf([], kept).ports,
    );
    assert.equal(findings[0]!.code, 'always');
  });

  it('passes over what the store holds and is no refusal', async () => {
    const reply = { code: 550, enhanced: '5.1.1', lines: ['No'] };
    for (const value of [
      true,
      'x',
      5,
      null,
      {},
      { code: 550 },
      { ...reply, lines: 5 },
      { ...reply, lines: [5] },
      { ...reply, code: '550' },
      { ...reply, code: 250 },
      { ...reply, enhanced: null },
    ] as Json[]) {
      const { ports } = portsOf([], new Map([['recipients user@example.org', value]]));
      const { findings } = await ask(recipientList, { from, to: 'user@example.org' }, ports);
      assert.equal(findings[0]!.code, 'open');
    }
  });

  it('counts both refusals as guesses', () => {
    assert.deepEqual(recipientList.charges, { unknown: 'guess', unlisted: 'guess' });
  });

  it('stands before every question to DNS', () => {
    const cost = (name: string) => COSTS.indexOf(LADDER.find((check) => check.name === name)!.cost);
    assert.ok(cost('recipient-list') < COSTS.indexOf('dns'));
    assert.ok(cost('recipients') > COSTS.indexOf('network'));
  });
});
