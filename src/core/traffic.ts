import type { CheckSummary, DecisionOutcome, JournalSpan } from './decision.ts';
import type { Cost } from './stage.ts';

/** What the journal says of many decisions at once, from sums that it keeps by the minute and by the hour: never by reading them all. */

/**
 * One part of a span: how many decisions began in it, by what became of them. Parts are whole: the first begins with the minute (with the
 * hour, where `stepMs` is whole hours) that `sinceMs` lies in, and the last holds `untilMs`.
 */
export interface TrafficPoint {
  readonly sinceMs: number;
  readonly outcomes: Readonly<Record<DecisionOutcome, number>>;
  readonly tagged: number;
  readonly turnedAway: number;
  readonly deliveredOctets: number;
}

/** What a check did in a span (O3). */
export interface CheckEffect extends CheckSummary {
  /**
   * Of those that it refused or deferred, being the first to stop them: nothing else that was asked had failed. What would come through
   * (as far as was asked) without it.
   */
  readonly alone: number;
  /** Failed where another check decided. */
  readonly overlap: number;
  /**
   * Failed in decisions whose client was in good standing, as far as a check asked for that (greylisting of those in doubt, guessed
   * recipients): of who was stopped on a rung below it is not known.
   */
  readonly onGoodStanding: number;
  readonly lookups: number;
}

/**
 * What came to a rung of the ladder: counted as such, for a decision that several of its checks were asked about came once. Absent for what
 * was recorded by a version that did not count it.
 */
export interface RungTotal {
  readonly cost: Cost;
  /** Decisions for which something on it was asked. */
  readonly came: number;
  /** Decisions that ended on it. */
  readonly refused: number;
  readonly deferred: number;
  readonly tookMs: number;
  readonly lookups: number;
}

export interface TrafficQuery extends Required<JournalSpan> {
  /** Length of the parts: whole minutes. */
  readonly stepMs: number;
}

/** A page of whole decisions in the order of recording, for those who read them all (replay) or the new ones (live). */
export interface JournalPage<D> {
  readonly decisions: readonly D[];
  /** Pass it as `after` for the next page; where there was nothing, it is the one that was given. */
  readonly last: number;
}
