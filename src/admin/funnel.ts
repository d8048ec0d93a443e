/** The ladder as a funnel: how many came to each rung, were stopped there, what it cost, and what stopping there saved. */
import { COSTS, type Cost, type Stage } from '../core/stage.ts';
import type { CheckEffect, RungTotal } from '../core/traffic.ts';
import type { Rung } from './api.ts';

export interface Rungs {
  readonly name: string;
  readonly cost: Cost;
  readonly stage: Stage;
}

/**
 * `messageOctets`: of a message that was delivered, on average. What is saved is reckoned at the price that those paid above who went on:
 * the time and questions of all rungs above, by the number that came to the next one. It is what stopping spared, if those that were
 * stopped are no dearer than the others.
 */
export function funnelOf(
  effects: readonly CheckEffect[],
  totals: readonly Pick<RungTotal, 'cost' | 'came'>[],
  checks: readonly Rungs[],
  messageOctets: number,
): readonly Rung[] {
  const known = new Map(checks.map((check) => [check.name, check]));
  const found = COSTS.flatMap((cost) => {
    const its = effects.filter(({ check }) => known.get(check)?.cost === cost);
    return its.length === 0 ? [] : [{ cost, its }];
  });
  // From the top down: each rung needs to know what the rungs above it cost.
  const rungs: Rung[] = [];
  let aboveMs = 0;
  let aboveLookups = 0;
  let wentOn = 0;
  for (const { cost, its } of found.reverse()) {
    const stopped = sum(its, ({ refused, deferred }) => refused + deferred);
    const beforeData = sum(its, ({ check, refused, deferred }) =>
      known.get(check)?.stage === 'endOfMessage' ? 0 : refused + deferred,
    );
    const tookMs = sum(its, (effect) => effect.tookMs);
    const lookups = sum(its, (effect) => effect.lookups);
    const most = (all: readonly CheckEffect[]) => Math.max(0, ...all.map(({ asked }) => asked));
    // Of what an older version wrote down only the checks are known, and those of recipients are asked once for each.
    const came = totals.find((total) => total.cost === cost)?.came ?? most(its);
    const sawMessages = most(its.filter(({ check }) => known.get(check)?.stage === 'endOfMessage'));
    rungs.unshift({
      cost,
      checks: its.map(({ check }) => check),
      came,
      stopped,
      tookMs,
      lookups,
      octets: Math.round(sawMessages * messageOctets),
      savedMs: wentOn === 0 ? 0 : (stopped * aboveMs) / wentOn,
      savedLookups: wentOn === 0 ? 0 : (stopped * aboveLookups) / wentOn,
      savedOctets: Math.round(beforeData * messageOctets),
    });
    aboveMs += tookMs;
    aboveLookups += lookups;
    wentOn = Math.max(wentOn, came);
  }
  return rungs;
}

const sum = <T>(all: readonly T[], of: (one: T) => number): number =>
  all.reduce((total, one) => total + of(one), 0);
