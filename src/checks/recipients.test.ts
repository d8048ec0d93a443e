import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Json } from '../core/check.ts';
import { ACCEPT_ALL } from '../core/accept-all.ts';
import type { BackendAnswer, Ports } from '../core/ports.ts';
import { reply } from '../mail/reply.ts';
import { ask } from '../../test/fakes/ask.ts';
import { recipients } from './recipients.ts';

interface Kept {
  readonly value: Json;
  readonly keptMs: number;
}

/** Ports with a backend that gives one answer, and a store. */
function portsOf(answer: BackendAnswer) {
  const kept = new Map<string, Kept>();
  const asked: string[] = [];
  const ports: Partial<Ports> = {
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
    ['refused without status', says(553, '', 'Unknown user'), 'fail', 'unknown', '5.1.1', 550],
    ['refused without a word', says(553, '', 'No'), 'fail', 'refused', '5.7.1', 553],
    ['refused by a rule', says(550, '', 'Administrative prohibition'), 'fail', 'refused', '5.7.1', 550],
    ['refused in words of its own', says(550, '5.1.10', 'Not found'), 'fail', 'unknown', '5.1.1', 550],
    ['moved', says(551, '', 'Try <b@example.com>'), 'fail', 'unknown', '5.1.6', 551],
    ['moved away', says(550, '5.1.6', 'Gone'), 'fail', 'unknown', '5.1.6', 550],
    ['refused for another reason', says(552, '5.2.2', 'Full'), 'fail', 'refused', '5.2.2', 552],
    ['refused by policy', says(550, '5.7.1', 'You are blocked'), 'fail', 'refused', '5.7.1', 550],
    ['refused with another code', says(554, '', 'No'), 'fail', 'refused', '5.7.1', 554],
    ['the session refused', says(521, '', 'No mail here'), 'fail', 'refused', '5.7.1', 550],
    [
      'the sender refused',
      { ...says(550, '5.1.1', 'No'), of: 'transaction' } as BackendAnswer,
      'fail',
      'refused',
      '5.1.1',
      550,
    ],
    ['deferred', says(451, '4.2.1', 'Busy'), 'temperror', 'deferred', '5.2.1', 451],
    ['deferred without status', says(450, '', 'Busy'), 'temperror', 'deferred', '5.3.0', 450],
    ['too many', says(452, '4.5.3', 'Enough'), 'temperror', 'deferred', '5.5.3', 452],
    // It would end the client's session as well.
    ['going down', says(421, '4.3.2', 'Bye'), 'temperror', 'deferred', '5.3.2'],
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

  it('refuses what the backend refuses, also where that cannot be remembered', async () => {
    const { ports } = portsOf(says(550, '5.1.1', 'No such user'));
    const full = () => {
      throw new Error('database or disk is full');
    };
    const store = { ...ports.store!, remember: full };
    const { findings } = await ask(recipients, { from, to: 'u@example.org' }, { ...ports, store });
    assert.deepEqual([findings[0]?.result, findings[0]?.code], ['fail', 'unknown']);
  });

  it('remembers a refusal of the mailbox', async () => {
    const { ports, kept, asked } = portsOf(says(550, '5.1.1', 'No such user'));
    await ask(recipients, { from, to: 'User@example.org' }, ports, { unknown_kept: '5m' });
    assert.deepEqual([...kept.keys()], ['recipients user@example.org']);
    assert.deepEqual(kept.get('recipients user@example.org'), {
      value: { code: 550, enhanced: '5.1.1', lines: ['No such user'] },
      keptMs: 300_000,
    });
    // It is `recipient-list` that heeds it; here the backend is asked, as often as the ladder comes here.
    await ask(recipients, { from, to: 'user@example.org' }, ports);
    assert.deepEqual(asked, ['User@example.org', 'user@example.org']);
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

  it('counts unknown mailboxes as guesses, and nothing else', () => {
    assert.deepEqual(recipients.charges, { unknown: 'guess' });
  });

  const known: [name: string, value: Json, to: string, code: string][] = [
    ['takes any', { acceptsAll: true, askedAtMs: 1 }, 'user@example.org', 'accept-all'],
    ['picks', { acceptsAll: false, askedAtMs: 1 }, 'user@example.org', 'taken'],
    ['takes any elsewhere', { acceptsAll: true, askedAtMs: 1 }, 'user@a.sub.example.org', 'taken'],
    ...[true, 5, 'x', {}, { acceptsAll: true }, { acceptsAll: 'yes', askedAtMs: 1 }].map(
      (value): [string, Json, string, string] => [JSON.stringify(value), value, 'user@example.org', 'taken'],
    ),
  ];
  for (const [name, value, to, code] of known) {
    it(`says so when the backend ${name}: ${code}`, async () => {
      const { ports, kept } = portsOf(TAKES);
      kept.set(`${ACCEPT_ALL} example.org`, { value, keptMs: 1 });
      const { findings } = await ask(recipients, { from, to }, ports);
      assert.deepEqual([findings[0]!.result, findings[0]!.code], ['pass', code]);
    });
  }

  it('lets in what the backend took, whatever ails the store', async () => {
    for (const recall of [
      () => Promise.reject(new Error('the store is gone')),
      () => {
        throw new Error('the store is gone');
      },
    ]) {
      const { ports } = portsOf(TAKES);
      const { findings } = await ask(
        recipients,
        { from, to: 'user@example.org' },
        { ...ports, store: { ...ports.store!, recall } },
      );
      assert.equal(findings[0]!.code, 'taken');
    }
  });
});
