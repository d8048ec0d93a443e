/** What all doors share, in a world of fakes: a policy of the checks that are named, ports that answer from memory, and the books. */
import { checkSchema } from '../../src/config/checks.ts';
import { convictionsOf } from '../../src/config/convictions.ts';
import { hasPlaceAt, type AnyCheck, type Json } from '../../src/core/check.ts';
import type { Decision } from '../../src/core/decision.ts';
import type { SessionFacts } from '../../src/core/facts.ts';
import { buildLists, type ListEntry } from '../../src/core/lists.ts';
import type { CheckSettings, Policy } from '../../src/core/policy.ts';
import type { Ports } from '../../src/core/ports.ts';
import type { Site } from '../../src/core/site.ts';
import { NO_STANDING } from '../../src/core/standing.ts';
import type { JudgeSettings } from '../../src/doors/session.ts';
import type { NetworkSet } from '../../src/mail/networks.ts';
import { networkSet } from '../../src/mail/networks.ts';
import { emptyPorts, site } from './ask.ts';

export interface FakeJudgeOptions {
  /** Besides the defaults of each. */
  readonly checks?: readonly (readonly [AnyCheck, Record<string, unknown>?])[];
  readonly site?: Partial<Site>;
  readonly times?: Partial<Pick<Policy, 'checksTimeoutMs' | 'recipientTimeoutMs'>>;
  readonly entries?: readonly ListEntry[];
  readonly ports?: Partial<Ports>;
}

export interface FakeJudge {
  /** Good deliveries and charges by client network, as the gate noted them. */
  readonly standings: Map<string, { good: number; bad: number }>;
  /** With the checks that have a place there. */
  at(door: SessionFacts['door']): JudgeSettings;
}

export function fakeJudge(options: FakeJudgeOptions, proxies: NetworkSet = networkSet([])): FakeJudge {
  const remembered = new Map<string, Json>();
  const standings = new Map<string, { good: number; bad: number }>();
  const checks = (options.checks ?? []).map(([check, own = {}]) => ({
    check,
    settings: checkSchema(check).parse(own) as CheckSettings,
  }));
  const ports: JudgeSettings['ports'] = {
    ...emptyPorts(),
    store: {
      recall: async (space, key) => remembered.get(`${space} ${key}`),
      remember: async (space, key, value) => void remembered.set(`${space} ${key}`, value),
      forget: async (space, key) => void remembered.delete(`${space} ${key}`),
    },
    standing: {
      of: (network) => standings.get(network) ?? NO_STANDING,
      note: (network, what) => {
        const { good, bad } = standings.get(network) ?? NO_STANDING;
        standings.set(network, what === 'good' ? { good: good + 1, bad } : { good, bad: bad + 1 });
      },
    },
    lists: buildLists(options.entries ?? []),
    ...options.ports,
  };
  return {
    standings,
    at: (door) => ({
      policy: {
        site: { ...site, ...options.site },
        checks: checks.filter(({ check }) => hasPlaceAt(check, door)),
        convictions: convictionsOf(checks, [proxies]),
        refuseAtSuspicion: 100,
        checksTimeoutMs: 2_000,
        hash: 'fake',
        ...options.times,
      },
      ports,
    }),
  };
}

export interface FakeBooks {
  readonly decisions: Decision[];
  readonly troubles: { readonly what: string; readonly error: unknown }[];
  readonly record: (decision: Decision) => void;
  readonly trouble: (what: string, error: unknown) => void;
  /** Resolves once `count` decisions are there. */
  readonly decided: (count: number) => Promise<readonly Decision[]>;
}

export function fakeBooks(): FakeBooks {
  const decisions: Decision[] = [];
  const troubles: { what: string; error: unknown }[] = [];
  const waiting = new Set<() => void>();
  return {
    decisions,
    troubles,
    record: (decision) => {
      decisions.push(decision);
      for (const look of waiting) look();
    },
    trouble: (what, error) => void troubles.push({ what, error }),
    decided: (count) =>
      new Promise((resolve) => {
        const look = () => {
          if (decisions.length < count) return;
          waiting.delete(look);
          resolve(decisions);
        };
        waiting.add(look);
        look();
      }),
  };
}
