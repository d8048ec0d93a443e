import assert from 'node:assert/strict';
import { it } from 'node:test';
import { emptyPorts, site } from '../../test/fakes/ask.ts';
import type { AnyCheck } from '../core/check.ts';
import type { Step } from '../core/decision.ts';
import { NO_TREATMENT } from '../core/exemption.ts';
import type { DnsPort, Ports } from '../core/ports.ts';
import type { Cost } from '../core/stage.ts';
import { climb } from './judge.ts';

const dns: DnsPort = { resolve: () => Promise.resolve({ kind: 'nxdomain' }) };

/** Puts so many questions, then throws if it is to. */
const asking = (name: string, cost: Cost, questions: number, gather?: AnyCheck['gather']): AnyCheck => ({
  name,
  summary: '',
  stage: 'connect',
  cost,
  codes: {},
  settings: undefined as never,
  defaults: { on_fail: 'refuse', on_temperror: 'go-on', weight: 0, refuse_at: 'earliest' },
  lifted: 'by-any',
  gather:
    gather ??
    (async (_facts, ports, _settings, signal) => {
      for (let i = 0; i < questions; i++) await ports.dns.resolve('example.net', 'A', signal);
      if (name === 'throws') throw new Error('no');
      return null;
    }),
  judge: () => [],
});

it('counts the questions that each check puts to DNS, also of those that fail', async () => {
  const seen: Ports[] = [];
  const ports: Ports = { ...emptyPorts(), dns };
  const checks = [
    asking('memory', 'memory', 0, (_facts, given) => (seen.push(given), null)),
    asking('one', 'dns', 1),
    asking('none', 'dns', 0),
    asking('three', 'dns-chain', 3),
    asking('throws', 'network', 2),
  ];
  const steps = new Map<string, Step>();
  await climb({
    policy: {
      site,
      checks: checks.map((check) => ({
        check,
        settings: { on_fail: 'refuse', on_temperror: 'go-on', weight: 0, refuse_at: 'earliest', actions: {} },
      })),
      refuseAtSuspicion: 10,
      checksTimeoutMs: 10_000,
      hash: 'h',
    },
    ports,
    stage: 'connect',
    facts: {
      session: {
        id: 'S',
        door: 'gateway',
        startedAtMs: 0,
        client: { address: '192.0.2.7', port: 4711 },
        server: { address: '192.0.2.1', port: 25 },
        violations: [],
      },
    },
    treatment: NO_TREATMENT,
    steps: {
      get: ({ check }) => steps.get(check.name),
      set: ({ check }, step) => void steps.set(check.name, step),
    },
    signature: { contact: 'postmaster@example.org', id: 'ID' },
    signal: () => new AbortController().signal,
  });
  assert.deepEqual(Object.fromEntries([...steps.values()].map(({ check, lookups }) => [check, lookups])), {
    memory: undefined,
    one: 1,
    none: undefined,
    three: 3,
    throws: 2,
  });
  // Nothing is made for those that ask nobody.
  assert.equal(seen[0], ports);
});
