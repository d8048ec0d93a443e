/**
 * How loaded we are (C6). Four measures are looked at once a second; each has two marks. At the first, new mail is
 * deferred, at the second connections are refused. A level is entered when a mark has been met for a while, so that one
 * slow moment is none, and left when everything has stayed well below its mark for longer, so that it does not flap.
 */

export type LoadLevel = 'calm' | 'defer' | 'refuse';

/** What the machine says of itself. */
export interface MachineLoad {
  /** Of the last minute, per core. */
  readonly loadAverage: number;
  /** How late the event loop came to its work in the last second, on average. */
  readonly eventLoopDelayMs: number;
  /** Of what this process may use, per cent. */
  readonly memoryPercent: number;
}

export interface LoadSample extends MachineLoad {
  /** Connections open, per cent of how many may be. */
  readonly sessionsPercent: number;
}

export type LoadMeasure = keyof LoadSample;

/** 0 switches a mark off. */
export type LoadMarks = Readonly<
  Record<LoadMeasure, { readonly deferAt: number; readonly refuseAt: number }>
>;

const OFF = { deferAt: 0, refuseAt: 0 };
export const NO_MARKS: LoadMarks = {
  loadAverage: OFF,
  eventLoopDelayMs: OFF,
  memoryPercent: OFF,
  sessionsPercent: OFF,
};

export interface LoadState {
  readonly level: LoadLevel;
  /** Where it is going, if that lasts. */
  readonly pending?: { readonly level: LoadLevel; readonly sinceMs: number };
}

export const CALM: LoadState = { level: 'calm' };

// Three samples in a row: a list being loaded or a large message being parsed is no load.
export const ENTERED_AFTER_MS = 2_000;
export const LEFT_AFTER_MS = 10_000;
/** A mark holds on to its level until the value has fallen below this share of it. */
export const LEFT_BELOW = 0.8;

const DEPTH = { calm: 0, defer: 1, refuse: 2 } as const satisfies Record<LoadLevel, number>;

export function nextLevel(
  previous: LoadState,
  sample: LoadSample,
  marks: LoadMarks,
  nowMs: number,
): LoadState {
  const { level } = previous;
  const met = levelOf(sample, marks, 1);
  const held = levelOf(sample, marks, LEFT_BELOW);
  const rises = DEPTH[met] > DEPTH[level];
  if (!rises && DEPTH[held] >= DEPTH[level]) return { level };
  const wanted = rises ? met : held;
  // The same direction as before goes on from where it began, as far as all samples since then agree.
  const before = previous.pending;
  const goesOn = before !== undefined && DEPTH[before.level] > DEPTH[level] === rises;
  // A clock that was put back must not make it wait for ever.
  const sinceMs = goesOn ? Math.min(before.sinceMs, nowMs) : nowMs;
  const agreed = goesOn && DEPTH[before.level] < DEPTH[wanted] === rises ? before.level : wanted;
  if (nowMs - sinceMs >= (rises ? ENTERED_AFTER_MS : LEFT_AFTER_MS)) return { level: agreed };
  return { level, pending: { level: agreed, sinceMs } };
}

function levelOf(sample: LoadSample, marks: LoadMarks, share: number): LoadLevel {
  let level: LoadLevel = 'calm';
  for (const measure of MEASURES) {
    const { deferAt, refuseAt } = marks[measure];
    if (meets(sample[measure], refuseAt * share)) return 'refuse';
    if (meets(sample[measure], deferAt * share)) level = 'defer';
  }
  return level;
}

const MEASURES = [
  'loadAverage',
  'eventLoopDelayMs',
  'memoryPercent',
  'sessionsPercent',
] as const satisfies readonly LoadMeasure[];

const meets = (value: number, mark: number): boolean => mark > 0 && value >= mark;

/** For the operator, once a change. */
export interface LoadChange {
  readonly level: LoadLevel;
  readonly before: LoadLevel;
  readonly sample: LoadSample;
  /** Measures at or above the mark of the new level. */
  readonly because: readonly LoadMeasure[];
  /** Connections turned away, and transactions deferred, since the last change. */
  readonly turnedAway: number;
  readonly deferred: number;
}

/** Keeps the level between samples, and counts what it cost. */
export class LoadMonitor {
  #state: LoadState = CALM;
  turnedAway = 0;
  deferred = 0;

  get level(): LoadLevel {
    return this.#state.level;
  }

  /** What there is to tell, if the level has changed. */
  look(sample: LoadSample, marks: LoadMarks, nowMs: number): LoadChange | undefined {
    const before = this.#state.level;
    this.#state = nextLevel(this.#state, sample, marks, nowMs);
    const { level } = this.#state;
    if (level === before) return undefined;
    const mark = level === 'refuse' ? 'refuseAt' : 'deferAt';
    const because =
      level === 'calm' ? [] : MEASURES.filter((measure) => meets(sample[measure], marks[measure][mark]));
    const { turnedAway, deferred } = this;
    this.turnedAway = 0;
    this.deferred = 0;
    return { level, before, sample, because, turnedAway, deferred };
  }
}
