/**
 * When a queue is worth telling people of, as a pure machine: samples in, the alert's state out. It fires when the queue has been above the
 * threshold for so long without a break, or when a percentile of the samples of that time is above it; it is over only once the queue has
 * stayed below a lower mark for a short while.
 */
import type { QueueAlertConfig } from '../../config/admin.ts';
import type { QueueSample } from '../../core/desk.ts';

export interface AlertState {
  readonly firing: boolean;
  /** Of `firing`: since when it has been above; the time itself where that is not known any more. */
  readonly sinceMs?: number;
  /** Without a break, by what was sampled. */
  readonly aboveSinceMs?: number;
  readonly belowSinceMs?: number;
  readonly last?: QueueSample;
  /** Of `percentile`: the samples of the time, counted in parts of it. */
  readonly parts: readonly Part[];
}

/** Counts suffice to say on which side of a mark a percentile is, however many samples there are. */
interface Part {
  readonly startMs: number;
  readonly samples: number;
  readonly notAbove: number;
  readonly below: number;
}

export const QUIET: AlertState = { firing: false, parts: [] };

/** More parts, and a slow `every` would leave some of them empty. */
const PARTS = 20;
/** Of the parts of the time: with fewer nobody knows what the queue was like. */
const COVERED = 0.7;
const LONGEST_SETTLE_MS = 300_000;
/** So many samples may be missing before it is a break. */
const MISSED = 3;

/** Samples come in order; one that does not (the clock was set back) begins all counts anew. */
export function nextState(
  alert: QueueAlertConfig,
  everyMs: number,
  state: AlertState,
  sample: QueueSample,
  breakMs = (MISSED + 1.5) * everyMs,
): AlertState {
  const broken = state.last !== undefined && isBreak(state.last, sample, breakMs);
  const back = state.last !== undefined && sample.atMs < state.last.atMs;
  const parts =
    alert.percentile === undefined ? [] : counted(alert, everyMs, back ? [] : state.parts, sample);
  const level =
    alert.percentile === undefined
      ? levelOf(alert, sample.messages)
      : levelOfParts(alert, everyMs, parts, sample.atMs);
  const aboveSinceMs =
    level === 'above' ? ((broken ? undefined : state.aboveSinceMs) ?? sample.atMs) : undefined;
  const belowSinceMs =
    level === 'below' ? ((broken ? undefined : state.belowSinceMs) ?? sample.atMs) : undefined;
  const aboveForMs = aboveSinceMs === undefined ? -1 : sample.atMs - aboveSinceMs;
  const belowForMs = belowSinceMs === undefined ? -1 : sample.atMs - belowSinceMs;
  // A percentile is about the time already.
  const fires = aboveForMs >= (alert.percentile === undefined ? alert.forMs : 0);
  const ends = belowForMs >= settleMs(alert, everyMs);
  const firing = state.firing ? !ends : fires;
  const sinceMs = state.firing ? state.sinceMs : aboveSinceMs;
  return {
    firing,
    ...(firing && sinceMs !== undefined ? { sinceMs } : {}),
    ...(aboveSinceMs === undefined ? {} : { aboveSinceMs }),
    ...(belowSinceMs === undefined ? {} : { belowSinceMs }),
    last: sample,
    parts,
  };
}

/** How it stands after a restart: `toldSinceMs` where people have been told that it fires, and since when. */
export function rebuiltState(
  alert: QueueAlertConfig,
  everyMs: number,
  history: readonly QueueSample[],
  toldSinceMs: number | undefined,
  breakMs?: number,
): AlertState {
  const begun: AlertState =
    toldSinceMs === undefined ? QUIET : { ...QUIET, firing: true, sinceMs: toldSinceMs };
  return history.reduce((state, sample) => {
    const next = nextState(alert, everyMs, state, sample, breakMs);
    // What came to an end before has been told, or is told by the sample that comes next.
    return toldSinceMs === undefined || next.firing ? next : { ...next, firing: true, sinceMs: toldSinceMs };
  }, begun);
}

/** How much of the history matters. */
export const horizonMs = ({ forMs }: QueueAlertConfig, everyMs: number): number =>
  forMs + LONGEST_SETTLE_MS + (MISSED + 2) * everyMs;

/** It has to stay below for at least two samples, and as long as it took to fire, up to five minutes. A tenth for timers that are early. */
export const settleMs = ({ forMs }: QueueAlertConfig, everyMs: number): number =>
  Math.max(everyMs * 0.9, Math.min(forMs, LONGEST_SETTLE_MS));

const isBreak = (last: QueueSample, sample: QueueSample, breakMs: number): boolean =>
  sample.atMs < last.atMs || sample.atMs - last.atMs > breakMs;

type Level = 'above' | 'between' | 'below';

function levelOf({ above, clearBelow }: QueueAlertConfig, messages: number): Level {
  if (messages > above) return 'above';
  return isBelow(clearBelow, above, messages) ? 'below' : 'between';
}

/** A `clear_below` beyond `above` would leave no place between firing and being over. */
const isBelow = (clearBelow: number, above: number, messages: number): boolean =>
  messages < clearBelow && messages <= above;

const partMs = ({ forMs }: QueueAlertConfig, everyMs: number): number => Math.max(everyMs, forMs / PARTS);

function counted(
  alert: QueueAlertConfig,
  everyMs: number,
  parts: readonly Part[],
  { atMs, messages }: QueueSample,
): readonly Part[] {
  const lengthMs = partMs(alert, everyMs);
  const startMs = Math.floor(atMs / lengthMs) * lengthMs;
  const kept = parts.filter((part) => part.startMs > atMs - alert.forMs - lengthMs && part.startMs < startMs);
  const now = parts.find((part) => part.startMs === startMs);
  const level = levelOf(alert, messages);
  return [
    ...kept,
    {
      startMs,
      samples: (now?.samples ?? 0) + 1,
      notAbove: (now?.notAbove ?? 0) + (level === 'above' ? 0 : 1),
      below: (now?.below ?? 0) + (level === 'below' ? 1 : 0),
    },
  ];
}

/**
 * The percentile p by nearest rank: it is above where less than p per cent of the samples are not. Each part counts by its time, for old
 * samples are kept thinner than new ones.
 */
function levelOfParts(
  alert: QueueAlertConfig,
  everyMs: number,
  parts: readonly Part[],
  nowMs: number,
): Level {
  const { forMs, percentile = 100 } = alert;
  const lengthMs = partMs(alert, everyMs);
  if (parts.length < COVERED * (forMs / lengthMs)) return 'between';
  const weightOf = ({ startMs }: Part): number => Math.min(1, (nowMs - startMs + everyMs) / lengthMs);
  const weight = parts.reduce((sum, part) => sum + weightOf(part), 0);
  const share = (of: (part: Part) => number): number =>
    parts.reduce((sum, part) => sum + (weightOf(part) * of(part)) / part.samples, 0) / weight;
  const rank = percentile / 100 - ROUNDING;
  if (share(({ notAbove }) => notAbove) < rank) return 'above';
  return share(({ below }) => below) >= rank ? 'below' : 'between';
}

const ROUNDING = 1e-9;
