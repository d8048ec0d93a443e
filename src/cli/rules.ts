/** A configuration as `whatIf` wants it, with the lists that people keep beside it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Decision } from '../core/decision.ts';
import type { Listed } from '../core/listed.ts';
import { buildLists } from '../core/lists.ts';
import type { Policy } from '../core/policy.ts';
import { listsThen, type Rules } from '../engine/what-if.ts';
import { policyOf } from './in-force.ts';
import { withStore } from './store.ts';

export function rulesOf(config: Config, listed: readonly Listed[]): Rules {
  const policies = new Map<Decision['session']['door'], Policy>();
  return {
    policyFor(door) {
      const policy = policies.get(door) ?? policyOf(config, door);
      policies.set(door, policy);
      return policy;
    },
    listsFor: listsThen(buildLists(config.listEntries), listed),
  };
}

// As many as the store takes.
const MAX_LISTED = 100_000;

/** Nothing where the gate has not run yet. */
export function listedIn(config: Pick<Config, 'dataDir'>): readonly Listed[] {
  if (!existsSync(join(config.dataDir, 'store.sqlite'))) return [];
  return withStore(config, 'read', ({ listed }) => listed.list({ limit: MAX_LISTED }));
}
