import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Json } from '../core/check.ts';
import { buildLists, type ListEntry } from '../core/lists.ts';
import type { BackendAnswer, Ports } from '../core/ports.ts';
import { reply } from '../mail/reply.ts';
import { ask } from '../../test/fakes/ask.ts';
import { recipients } from './recipients.ts';

interface Kept {
  readonly value: Json;
  readonly keptMs: number;
}

/** Ports with a backend that gives one answer, a store, and our own list of mailboxes. */
function portsOf(answer: BackendAnswer, mailboxes: readonly string[] = []) {
  const kept = new Map<string, Kept>();
  const asked: string[] = [];
  const entries = mailboxes.map((recipient): ListEntry => ({ kind: 'mailbox', recipient, source: 'list:1' }));
  const ports: Partial<Ports> = {
    lists: buildLists([...entries, { kind: 'block', recipient: 'blocked@example.org', source: 'list:9' }]),
    store: {
      recall: async (space, key) => kept.get(`${space} ${key}`)?.value,
      remember: async (space, key, value, keptMs) => void kept.set(`${space} ${key}`, { value, keptMs }),
      forget: async () => undefined,
    },
    recipients: {
      ask: async ({ local, domain }) => {
        asked.push(`${local}@${domain}`);
        return answer;
      },
    },
  };
  return { ports, kept, asked };
}

const says = (code: number, enhanced: string, ...lines: string[]): BackendAnswer => ({
  kind: 'replied',
  reply: reply(code, enhanced, ...lines),
});
const TAKES = says(250, '2.1.5', 'Ok');
const from = 'a@example.net';

describe('recipients', () => {
  const cases: [
    name: string,
    answer: BackendAnswer,
    result: string,
    code: string,
    enhanced?: string,
    reply?: number,
  ][] = [
    ['taken', TAKES, 'pass', 'taken'],
    ['taken without status', says(250, '', 'Ok'), 'pass', 'taken'],
    ['refused', says(550, '5.1.1', 'No such user'), 'fail', 'unknown', '5.1.1', 550],
    ['refused without status', says(553, '', 'No'), 'fail', 'unknown', '5.1.1', 553],
    ['refused for another reason', says(552, '5.2.2', 'Full'), 'fail', 'unknown', '5.2.2', 552],
    ['deferred', says(451, '4.2.1', 'Busy'), 'temperror', 'deferred', '5.2.1'],
    ['deferred without status', says(450, '', 'Busy'), 'temperror', 'deferred', '5.3.0'],
    ['not reached', { kind: 'unreachable', reason: 'refused' }, 'temperror', 'unreachable', '5.4.1'],
  ];
  for (const [name, answer, result, code, enhanced, replyCode] of cases) {
    it(`${name}: ${code}`, async () => {
      const { ports } = portsOf(answer);
      const { findings } = await ask(recipients, { from, to: 'user@example.org' }, ports);
      assert.equal(findings.length, 1);
      const [f] = findings;
      assert.deepEqual([f!.result, f!.code, f!.enhanced, f!.replyCode], [result, code, enhanced, replyCode]);
    });
  }

  it("quotes the backend's words", async () => {
    const { ports } = portsOf(says(550, '5.1.1', 'No such', 'user'));
    const { findings } = await ask(recipients, { from, to: 'user@example.org' }, ports);
    assert.equal(findings[0]!.text, 'the mailbox server says of <user@example.org>: No such user');
  });

  it('remembers a refusal of the mailbox, and asks no more', async () => {
    const { ports, kept, asked } = portsOf(says(550, '5.1.1', 'No such user'));
    const first = await ask(recipients, { from, to: 'User@example.org' }, ports, { unknown_kept: '5m' });
    assert.deepEqual([...kept.keys()], ['recipients user@example.org']);
    assert.equal(kept.get('recipients user@example.org')!.keptMs, 300_000);
    const second = await ask(recipients, { from, to: 'user@example.org' }, ports);
    assert.deepEqual(asked, ['User@example.org']);
    assert.deepEqual([second.findings[0]!.code, second.findings[0]!.replyCode], ['unknown', 550]);
    assert.equal(second.findings[0]!.enhanced, first.findings[0]!.enhanced);
  });

  for (const [name, answer, to] of [
    ['what is no refusal of the mailbox', says(550, '5.7.1', 'You are blocked'), 'user@example.org'],
    ['a refusal of the sender', says(550, '5.1.8', 'Sender domain not found'), 'user@example.org'],
    [
      'a refusal of the transaction',
      { ...says(550, '5.1.1', 'No'), of: 'transaction' } as BackendAnswer,
      'user@example.org',
    ],
    ['a refusal without status', says(550, '', 'No'), 'user@example.org'],
    ['a deferral', says(450, '4.1.1', 'Later'), 'user@example.org'],
    ['an acceptance', TAKES, 'user@example.org'],
    ['what is not ours', says(550, '5.1.1', 'No such user'), 'user@example.com'],
  ] as const) {
    it(`does not remember ${name}`, async () => {
      const { ports, kept, asked } = portsOf(answer);
      await ask(recipients, { from, to }, ports);
      await ask(recipients, { from, to }, ports);
      assert.equal(kept.size, 0);
      assert.equal(asked.length, 2);
    });
  }

  it('passes over what the store holds and is no reply', async () => {
    const { ports, kept } = portsOf(TAKES);
    for (const value of [true, 'x', 5, {}, { code: 550 }, { code: 550, lines: [] }] as Json[]) {
      kept.set('recipients user@example.org', { value, keptMs: 1 });
      const { findings } = await ask(recipients, { from, to: 'user@example.org' }, ports);
      assert.equal(findings[0]!.code, 'taken');
    }
  });

  const listed: [to: string, code: string, asks: boolean][] = [
    ['user@example.org', 'taken', true],
    ['USER@example.org', 'taken', true],
    ['other@example.org', 'unlisted', false],
    ['any@a.sub.example.org', 'taken', true],
    ['blocked@example.org', 'unlisted', false],
    // Relayed for our own networks: no list of ours says who lives there.
    ['friend@example.com', 'taken', true],
  ];
  for (const [to, code, asks] of listed) {
    it(`known_only: ${to} is ${code}`, async () => {
      const { ports, asked } = portsOf(TAKES, ['user@example.org', '.sub.example.org']);
      const { findings } = await ask(recipients, { from, to }, ports, { known_only: true });
      assert.equal(findings[0]!.code, code);
      if (code === 'unlisted')
        assert.deepEqual([findings[0]!.result, findings[0]!.enhanced], ['fail', '5.1.1']);
      assert.equal(asked.length, asks ? 1 : 0);
    });
  }

  it('known_only: <Postmaster> without domain has to stand in the list too', async () => {
    const { ports } = portsOf(TAKES, ['user@example.org']);
    const { findings } = await ask(recipients, { from, to: 'postmaster@' }, ports, { known_only: true });
    assert.equal(findings[0]!.code, 'unlisted');
  });

  it('makes nothing of evidence without an answer', () => {
    const facts = { recipient: { mailbox: { local: 'user', domain: 'example.org' }, parameters: {} } };
    const evidence = { listed: null, remembered: null, backend: null };
    const findings = recipients.judge(facts as never, evidence, {} as never, {} as never);
    assert.deepEqual(
      findings.map((f) => [f.result, f.code]),
      [['none', 'unreachable']],
    );
  });
});
