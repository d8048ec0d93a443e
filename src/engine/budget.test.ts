import assert from 'node:assert/strict';
import { it } from 'node:test';
import { z } from 'zod';
import { emptyPorts, site } from '../../test/fakes/ask.ts';
import { defineCheck } from '../core/check.ts';
import type { Policy } from '../core/policy.ts';
import { Session } from './session.ts';

const UNTIL_THE_END = defineCheck({
  name: 'slow',
  summary: '',
  stage: 'endOfMessage',
  cost: 'scanner',
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

for (const [name, budget, kind] of [
  ['has a budget of its own', { messageChecksTimeoutMs: 20_000 }, 'go-on'],
  ['has that of the other stages where none is set', {}, 'defer'],
] as const) {
  it(`the end of the message ${name}`, async () => {
    const settings = {
      on_fail: 'refuse',
      on_temperror: 'defer',
      weight: 1,
      refuse_at: 'rcpt',
      actions: {},
    } as const;
    const policy: Policy = {
      site,
      checks: [{ check: UNTIL_THE_END, settings }],
      refuseAtSuspicion: 10,
      checksTimeoutMs: 20,
      hash: 'h',
      ...budget,
    };
    const session = new Session(
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
    await session.mail({ local: 'anna', domain: 'example.net' }, {});
    const verdict = await session.endOfMessage({ sizeOctets: 1 });
    assert.equal(verdict.kind, kind);
  });
}
