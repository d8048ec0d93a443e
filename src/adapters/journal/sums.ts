/**
 * What is counted when a decision is recorded, so that nobody has to read them all to say how the day was: by check, by rung of the ladder
 * and by outcome, each by the minute; the writer adds the same to the hours.
 */
import type { Decision, Step } from '../../core/decision.ts';
import { COSTS, type Cost } from '../../core/stage.ts';
import { standingKind } from '../../core/standing.ts';
import type { DecisionRow } from './rows.ts';

export const MINUTE_MS = 60_000;
/** Minutes of an hour: the sums of an hour stand under its first minute. */
export const HOUR = 60;

/** What one check did in the decisions that began in one minute; or one rung, or the door. */
export interface Counts {
  readonly minute: number;
  readonly check_name: string;
  asked: number;
  failed: number;
  temperror: number;
  refused: number;
  deferred: number;
  took_ms: number;
  lookups: number;
  alone: number;
  overlap: number;
  on_good_standing: number;
}

/** How many decisions that began in one minute ended like this. */
export interface OutcomeCount {
  readonly minute: number;
  /** Or `TURNED_AWAY`: connections that came to no decision. */
  readonly outcome: string;
  readonly tagged: number;
  readonly partly: number;
  decisions: number;
  octets: number;
}

export const TURNED_AWAY = 'turned-away';

/** By minute and check: a key of both together would have to be made, and looked for, for every step. */
export type Sums = Map<number, MinuteSums>;

interface MinuteSums {
  readonly checks: Map<string, Noted>;
  readonly outcomes: OutcomeCount[];
}

/** `seenIn`: the last decision that was counted here, for what counts once in each. */
interface Noted {
  readonly counts: Counts;
  /** The rung that the check stands on, and its place in the ladder. */
  readonly rung: Noted | undefined;
  readonly place: number;
  seenIn: Decision | undefined;
  overlapIn: Decision | undefined;
}

export type RungOf = (check: string) => Cost | undefined;

/** Adds what the decision's checks did, and what became of it, to the sums of its minute. */
export function count(d: Decision, row: DecisionRow, sums: Sums, rungOf?: RungOf): void {
  const minute = Math.floor(row.at_ms / MINUTE_MS);
  const ofMinute = sumsOf(minute, sums);
  if (row.left_out === 0) {
    const outcome = outcomeOf(minute, row, ofMinute);
    outcome.decisions++;
    outcome.octets += row.size_octets;
  }
  const stopped = d.check !== undefined && (d.outcome === 'refused' || d.outcome === 'deferred');
  const isGood = d.steps.some(saysGoodStanding);
  let othersFailed = false;
  let highest = -1;
  for (const step of d.steps) {
    const { check, tookMs, lookups = 0 } = step;
    const noted = notedOf(check, minute, ofMinute, rungOf);
    const { counts, rung } = noted;
    counts.asked++;
    counts.took_ms += tookMs;
    counts.lookups += lookups;
    for (const { result } of step.findings) {
      if (result !== 'temperror') continue;
      counts.temperror++;
      break;
    }
    if (hasFailed(step)) {
      counts.failed++;
      const isOther = stopped && check !== d.check;
      if (isOther && step.action !== 'exempt') othersFailed = true;
      if ((isOther || isGood) && noted.overlapIn !== d) {
        noted.overlapIn = d;
        if (isOther) counts.overlap++;
        if (isGood) counts.on_good_standing++;
      }
    }
    if (rung === undefined) continue;
    if (noted.place > highest) highest = noted.place;
    rung.counts.took_ms += tookMs;
    rung.counts.lookups += lookups;
    if (rung.seenIn === d) continue;
    rung.seenIn = d;
    rung.counts.asked++;
  }
  if (!stopped) return;
  const what = d.outcome === 'refused' ? 'refused' : 'deferred';
  const { counts } = notedOf(d.check, minute, ofMinute, rungOf);
  counts[what]++;
  if (!othersFailed) counts.alone++;
  // The sum of many signs is no check of a rung: it stopped on the last that was climbed.
  const rung = rungOf?.(d.check) ?? COSTS[highest];
  if (rung !== undefined) notedOf(RUNG_NAMES[rung], minute, ofMinute).counts[what]++;
}

/**
 * Whether it held something against the mail, whatever followed. A score that is none of spam (`classifier:unsure`) is no failure, even
 * where mail filters are told of it; it is one where it was acted upon.
 */
const hasFailed = ({ findings, action }: Step): boolean =>
  findings.some(
    (f) => f.result === 'fail' && (f.spam?.isSpam !== false || action === 'refuse' || action === 'defer'),
  );

/**
 * Known only where a check asked for it (greylisting of those in doubt, the guessing of recipients): who is stopped by a rung below is not
 * known to have been in good standing.
 */
function saysGoodStanding({ evidence }: Step): boolean {
  if (typeof evidence !== 'object' || evidence === null || !('standing' in evidence)) return false;
  const { standing } = evidence;
  if (standing === 'good') return true;
  if (typeof standing !== 'object' || standing === null || !('good' in standing) || !('bad' in standing))
    return false;
  const { good, bad } = standing;
  return typeof good === 'number' && typeof bad === 'number' && standingKind({ good, bad }) === 'good';
}

// The name of a check has no colon.
const AT_THE_DOOR = 'door:';
const RUNG = 'rung:';
const RUNG_NAMES = Object.fromEntries(COSTS.map((cost) => [cost, `${RUNG}${cost}`])) as Record<Cost, string>;

/** By the reason they stand among the counts of the checks, as those that something deferred. */
export function countTurnedAway(atMs: number, reason: string, connections: number, sums: Sums): void {
  const minute = Math.floor(atMs / MINUTE_MS);
  const ofMinute = sumsOf(minute, sums);
  notedOf(`${AT_THE_DOOR}${reason}`, minute, ofMinute).counts.deferred += connections;
  const row = { outcome: TURNED_AWAY, tagged: 0, partly: 0 };
  outcomeOf(minute, row, ofMinute).decisions += connections;
}

/** For whom the door turned away; undefined for all else. */
export const turnAwayReason = (name: string): string | undefined =>
  name.startsWith(AT_THE_DOOR) ? name.slice(AT_THE_DOOR.length) : undefined;

export const rungOfName = (name: string): string | undefined =>
  name.startsWith(RUNG) ? name.slice(RUNG.length) : undefined;

export const isCheckName = (name: string): boolean => !name.includes(':');

export const countsIn = (sums: Sums): Counts[] =>
  [...sums.values()].flatMap(({ checks }) => [...checks.values()].map(({ counts }) => counts));

export const outcomesIn = (sums: Sums): OutcomeCount[] => [...sums.values()].flatMap((s) => s.outcomes);

function sumsOf(minute: number, sums: Sums): MinuteSums {
  let ofMinute = sums.get(minute);
  if (ofMinute === undefined)
    sums.set(minute, (ofMinute = { checks: new Map<string, Noted>(), outcomes: [] }));
  return ofMinute;
}

function outcomeOf(
  minute: number,
  { outcome, tagged, partly }: Pick<OutcomeCount, 'outcome' | 'tagged' | 'partly'>,
  { outcomes }: MinuteSums,
): OutcomeCount {
  for (const o of outcomes) if (o.outcome === outcome && o.tagged === tagged && o.partly === partly) return o;
  const none = { minute, outcome, tagged, partly, decisions: 0, octets: 0 };
  outcomes.push(none);
  return none;
}

function notedOf(name: string, minute: number, ofMinute: MinuteSums, rungOf?: RungOf): Noted {
  const known = ofMinute.checks.get(name);
  if (known !== undefined) return known;
  const none = { asked: 0, failed: 0, temperror: 0, refused: 0, deferred: 0, took_ms: 0 };
  const effect = { lookups: 0, alone: 0, overlap: 0, on_good_standing: 0 };
  const counts = { minute, check_name: name, ...none, ...effect };
  const cost = rungOf?.(name);
  const noted = {
    counts,
    rung: cost === undefined ? undefined : notedOf(RUNG_NAMES[cost], minute, ofMinute),
    place: cost === undefined ? -1 : COSTS.indexOf(cost),
    seenIn: undefined,
    overlapIn: undefined,
  };
  ofMinute.checks.set(name, noted);
  return noted;
}
