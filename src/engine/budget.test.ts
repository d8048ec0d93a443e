import assert from 'node:assert/strict';
import { it } from 'node:test';
import { z } from 'zod';
import { emptyPorts, site } from '../../test/fakes/ask.ts';
import { defineCheck, type AnyCheck } from '../core/check.ts';
import type { Policy } from '../core/policy.ts';
import type { Cost } from '../core/stage.ts';
import { recipientOf } from '../core/recipient.ts';
import { Session } from './session.ts';

const slow = (stage: 'rcpt' | 'endOfMessage', cost: Cost, name = 'slow') =>
  defineCheck({
    name,
    summary: '',
    stage,
    cost,
    codes: {},
    settings: z.strictObject({}),
    defaults: { on_fail: 'refuse', on_temperror: 'defer', weight: 1, refuse_at: 'rcpt' },
    lifted: 'by-any',
    gather: (_facts, _ports, _settings, signal): Promise<null> =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve(null), 150);
        signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
      }),
    judge: () => [{ result: 'pass', code: 'ok', text: 'x' }],
  });

const settings = {
  on_fail: 'refuse',
  on_temperror: 'defer',
  weight: 1,
  refuse_at: 'rcpt',
  actions: {},
} as const;

/** In a transaction, under these budgets. */
async function session(checks: readonly AnyCheck[], budgets: Partial<Policy>): Promise<Session> {
  const policy: Policy = {
    site,
    checks: checks.map((check) => ({ check, settings })),
    refuseAtSuspicion: 10,
    checksTimeoutMs: 20,
    hash: 'h',
    ...budgets,
  };
  const opened = new Session(
    {
      policy,
      ports: emptyPorts(),
      nowMs: () => 0,
      newId: () => 'ID',
      trouble: (what, error) => assert.fail(`${what}: ${String(error)}`),
    },
    {
      door: 'gateway',
      client: { address: '192.0.2.7', port: 4711 },
      server: { address: '192.0.2.1', port: 25 },
    },
  );
  await opened.mail({ local: 'anna', domain: 'example.net' }, {});
  return opened;
}

for (const [name, budget, kind] of [
  ['has a budget of its own', { messageChecksTimeoutMs: 20_000 }, 'go-on'],
  ['has that of the other stages where none is set', {}, 'defer'],
] as const) {
  it(`the end of the message ${name}`, async () => {
    const opened = await session([slow('endOfMessage', 'scanner')], budget);
    const verdict = await opened.endOfMessage({ sizeOctets: 1 });
    assert.equal(verdict.kind, kind);
  });
}

const DNS = slow('rcpt', 'dns', 'slow-dns');
const BACKEND = slow('rcpt', 'backend', 'slow-backend');
for (const [name, checks, budgets, by] of [
  ['has a budget of its own', [BACKEND], { recipientTimeoutMs: 20_000 }, undefined],
  ['and keeps to it', [BACKEND], { checksTimeoutMs: 20_000, recipientTimeoutMs: 20 }, 'slow-backend'],
  ['has that of the stage where none is set', [BACKEND], {}, 'slow-backend'],
  ['lends it to nobody', [DNS, BACKEND], { recipientTimeoutMs: 20_000 }, 'slow-dns'],
  // Together they take twice as long as either has.
  [
    'has all of it after others',
    [DNS, BACKEND],
    { checksTimeoutMs: 225, recipientTimeoutMs: 20_000 },
    undefined,
  ],
] as const) {
  it(`the backend's answer to a recipient ${name}`, async () => {
    const opened = await session(checks, budgets);
    const verdict = await opened.rcpt({ local: 'user', domain: 'example.org' }, {});
    assert.equal(verdict.kind === 'go-on' ? undefined : 'check' in verdict && verdict.check, by);
  });
}

it('leaves no time running where a check had its answer at once', async () => {
  const atOnce = defineCheck({
    ...slow('rcpt', 'network'),
    gather: (_facts, _ports, _settings, signal) => ({ gone: signal.aborted }),
  });
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const opened = await session([atOnce], { checksTimeoutMs: 60_000 });
  const verdict = opened.rcpt(recipientOf({ local: 'user', domain: 'example.org' }, site, 0), {});
  assert.ok(!(verdict instanceof Promise));
  assert.equal(timers(), before);
});
