import { pino, type Logger } from 'pino';
import type { Decision, DecisionOutcome } from '../core/decision.ts';
import { wouldText } from '../core/told.ts';
import { formatMailbox, formatReversePath } from '../mail/mailbox.ts';
import { painter, type Paint } from './paint.ts';
import { harmless, harmlessJson, jsonText } from './harmless.ts';
import { deciderOf } from './decider.ts';
import { gathered } from './gathered-output.ts';

/** What the program says while it runs: one line a decision, and what the operator must know. Never secrets, never content. */
export interface Log {
  decision(decision: Decision): void;
  listening(door: string, host: string, port: number): void;
  /** No more, after a reload. */
  closed(door: string, host: string, port: number): void;
  /** What the configuration in force says that will do harm, a line each. */
  warned(warnings: readonly string[]): void;
  /** Something is wrong that the operator should look into; the mail goes on, or is deferred. */
  trouble(what: string, error: unknown, id?: string): void;
  /** A DNS list answers nonsense or nothing at all, or is good again. */
  zone(
    event:
      | { readonly kind: 'suspended' | 'silent'; readonly zone: string; readonly reason: string }
      | { readonly kind: 'resumed' | 'answers'; readonly zone: string },
  ): void;
  /** Another level of load, or calm again. */
  load(change: LoadChange): void;
  /** Whom the door turned away in the last minute, for one reason. */
  turnedAway(counted: TurnedAway): void;
  /** Empty: the new configuration is in force; else the old one still is. */
  reloaded(problems: readonly string[]): void;
  /** No more mail is taken; what is being taken comes to its end. */
  stopping(): void;
  /** The last line. */
  stopped(): void;
  /** From the next line on. */
  reformat(format: LogFormat): void;
}

export interface LoadChange {
  readonly level: string;
  readonly before: string;
  /** Names of the measures that met their marks, and all measures. */
  readonly because: readonly string[];
  readonly sample: Readonly<Record<string, number>>;
  readonly turnedAway: number;
  readonly deferred: number;
}

export interface TurnedAway {
  readonly reason: string;
  readonly connections: number;
  /** Some of them. */
  readonly networks: readonly string[];
}

export type LogFormat = 'auto' | 'json' | 'text';
type Lines = Omit<Log, 'reformat'>;

/** Where lines go: `process.stdout`, or a test's own. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Octets that are written and not read yet. */
  readonly writableLength?: number;
}

export function createLog(format: LogFormat, output: Output = gathered(process.stdout)): Log {
  const linesOf = (now: LogFormat): Lines =>
    now === 'text' || (now === 'auto' && output.isTTY === true) ? textLog(output) : jsonLog(output);
  let lines = linesOf(format);
  return {
    decision: (d) => lines.decision(d),
    listening: (door, host, port) => lines.listening(door, host, port),
    closed: (door, host, port) => lines.closed(door, host, port),
    warned: (warnings) => lines.warned(warnings),
    trouble: (what, error, id) => lines.trouble(what, error, id),
    zone: (event) => lines.zone(event),
    load: (change) => lines.load(change),
    turnedAway: (counted) => lines.turnedAway(counted),
    reloaded: (problems) => lines.reloaded(problems),
    stopping: () => lines.stopping(),
    stopped: () => lines.stopped(),
    reformat: (now) => void (lines = linesOf(now)),
  };
}

export function silentLog(): Log {
  const nothing = () => undefined;
  return {
    decision: nothing,
    listening: nothing,
    closed: nothing,
    warned: nothing,
    trouble: nothing,
    zone: nothing,
    load: nothing,
    turnedAway: nothing,
    reloaded: nothing,
    stopping: nothing,
    stopped: nothing,
    reformat: nothing,
  };
}

/** The facts of one decision, as the log has them; absent where the session did not get that far. */
export function decisionLine(d: Decision) {
  const { session, transaction, reply } = d;
  const beside = turnedAway(d);
  // One literal: undefined fields are not written, and a spread for each would cost more than the line.
  return {
    id: d.id,
    door: session.door,
    client: session.client.address,
    helo: session.helo === undefined ? undefined : clipped(session.helo.name),
    from: transaction === undefined ? undefined : `<${clipped(formatReversePath(transaction.reversePath))}>`,
    to: d.recipients.slice(0, MAX_RECIPIENTS).map((r) => clipped(formatMailbox(r.mailbox))),
    recipients: d.recipients.length > MAX_RECIPIENTS ? d.recipients.length : undefined,
    refusedRecipients: beside?.refused || undefined,
    deferredRecipients: beside?.deferred || undefined,
    outcome: d.outcome,
    check: d.check,
    code: d.code,
    by: d.check === undefined ? deciderOf(d) : undefined,
    tags: d.tags?.slice(0, MAX_TAGS),
    reply:
      reply === undefined
        ? undefined
        : clipped(`${reply.code} ${reply.enhanced} ${reply.lines[0] ?? ''}`.replace('  ', ' ')),
    suspicion: d.suspicion === 0 ? undefined : d.suspicion,
    would: d.would,
    size: d.sizeOctets,
    ms: Math.round(d.tookMs),
  };
}

/** How many recipients a message did not reach that others got: `outcome` speaks of those who got it. */
function turnedAway({ outcome, recipients }: Decision) {
  if (outcome !== 'accepted' && outcome !== 'relayed') return undefined;
  let refused = 0;
  let deferred = 0;
  for (const r of recipients) {
    if (r.outcome === 'refused') refused++;
    else if (r.outcome === 'deferred') deferred++;
  }
  return refused + deferred === 0 ? undefined : { refused, deferred };
}

/** ` (1 refused, 2 deferred of 5)` behind the outcome; empty where all recipients had the same. */
export function refusedBeside(d: Decision): string {
  const beside = turnedAway(d);
  if (beside === undefined) return '';
  const parts = Object.entries(beside).filter(([, n]) => n > 0);
  return ` (${parts.map(([what, n]) => `${n} ${what}`).join(', ')} of ${d.recipients.length})`;
}

/** A line stays a line: the journal has all of it. */
const MAX_RECIPIENTS = 10;
const MAX_TAGS = 10;
const MAX_TEXT = 300;
const clipped = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text);

let lastMs = 0;
let lastTime = '';
/** A burst of decisions falls into few milliseconds: each is written out once. */
function isoTime(): string {
  const nowMs = Date.now();
  if (nowMs !== lastMs) {
    lastMs = nowMs;
    lastTime = `,"time":"${new Date(nowMs).toISOString()}"`;
  }
  return lastTime;
}

function jsonLog(output: Output): Lines {
  // `msg` stands first in each line, so that a person who greps sees it.
  const options = {
    base: null,
    timestamp: isoTime,
    formatters: { level: (level: string) => ({ level }) },
  };
  const lines: Logger = pino(options, { write: (line: string) => void output.write(harmlessJson(line)) });
  return {
    // As pino would write it: one for every session, it has to cost no more than its text.
    decision: (d) =>
      void output.write(
        `{"level":"info"${isoTime()},"msg":"decision",${jsonText(decisionLine(d)).slice(1)}\n`,
      ),
    listening: (door, host, port) => lines.info({ msg: 'listening', door, address: socketText(host, port) }),
    closed: (door, host, port) => lines.info({ msg: 'closed', door, address: socketText(host, port) }),
    warned: (warnings) => {
      for (const warning of warnings) lines.warn({ msg: 'configuration', warning });
    },
    trouble: (what, error, id) =>
      lines.error({
        msg: 'trouble',
        what,
        ...(id === undefined ? {} : { id }),
        error: reasonOf(error),
        ...stackOf(error),
      }),
    zone: (event) => {
      const { kind, ...facts } = event;
      lines['reason' in event ? 'warn' : 'info']({ msg: `list ${kind}`, ...facts });
    },
    load: ({ sample, ...change }) =>
      lines[change.level === 'calm' ? 'info' : 'warn']({ msg: 'load', ...change, ...rounded(sample) }),
    turnedAway: (counted) => lines.warn({ msg: 'turned away', ...counted }),
    reloaded: (problems) =>
      problems.length === 0
        ? lines.info({ msg: 'reloaded' })
        : lines.error({ msg: 'not reloaded', problems }),
    stopping: () => lines.info({ msg: 'stopping' }),
    stopped: () => lines.info({ msg: 'stopped' }),
  };
}

export const OUTCOME_COLOURS = {
  accepted: 'green',
  relayed: 'green',
  refused: 'red',
  deferred: 'yellow',
  abandoned: 'dim',
} as const satisfies Record<DecisionOutcome, string>;

function textLog(output: Output): Lines {
  const paint = painter(output);
  const say = (text: string) => void output.write(`${paint('dim', clock())} ${text}\n`);
  return {
    decision: (d) => say(decisionText(d, paint)),
    listening: (door, host, port) => say(`${door} listens on ${socketText(host, port)}`),
    closed: (door, host, port) => say(`${door} listens no more on ${socketText(host, port)}`),
    warned: (warnings) => {
      for (const warning of warnings) say(`${paint('yellow', 'note')} ${harmless(warning)}`);
    },
    trouble: (what, error, id) =>
      say(
        `${paint('red', 'trouble')} ${harmless(`${what}: ${reasonOf(error)}`)}${id === undefined ? '' : ` id=${id}`}`,
      ),
    zone: (event) =>
      say(
        'reason' in event
          ? `${paint('yellow', `list ${event.kind}`)} ${harmless(`${event.zone}: ${event.reason}`)}`
          : `list ${event.kind} ${harmless(event.zone)}`,
      ),
    load: (change) => say(loadText(change, paint)),
    turnedAway: ({ reason, connections, networks }) =>
      say(
        `${paint('yellow', 'turned away')} at the door: ${connections} (${REASONS[reason] ?? reason}), such as ${networks.join(', ')}`,
      ),
    reloaded: (problems) => {
      if (problems.length === 0) say('configuration reloaded');
      else say(paint('red', 'not reloaded, the old configuration stays in force'));
      for (const problem of problems) say(`  ${harmless(problem)}`);
    },
    stopping: () => say('stopping'),
    stopped: () => say('stopped'),
  };
}

function decisionText(d: Decision, paint: Paint): string {
  const line = decisionLine(d);
  const to =
    line.to.length > 1 ? `${line.to[0] ?? ''} and ${d.recipients.length - 1} more` : (line.to[0] ?? '-');
  const decider = deciderOf(d);
  const why = decider === undefined ? '' : ` ${line.check === undefined ? `by ${decider}` : decider}`;
  const tags = line.tags === undefined ? '' : ` tagged ${line.tags.join(',')}`;
  const size = line.size === undefined ? '' : ` ${line.size}B`;
  const who = harmless(`${line.client} helo=${line.helo ?? '-'} ${line.from ?? '-'} → ${to}`);
  return `${paint(OUTCOME_COLOURS[d.outcome], d.outcome.padEnd(9))}${refusedBeside(d)} ${who}${why}${tags}${size}${line.would === undefined ? '' : ` ${wouldText(line.would)}`} ${line.ms}ms id=${line.id}${line.reply === undefined ? '' : ` ${paint('dim', harmless(line.reply))}`}`;
}

/** Of turning a connection away, as people read it. */
export const REASONS: Readonly<Record<string, string>> = {
  full: 'no connection is free for them',
  client: 'too many connections of one client network',
  load: 'load',
  emergency: 'emergency',
  standing: 'bad standing',
};

const LEVELS: Readonly<Record<string, string>> = {
  calm: 'load is calm again',
  defer: 'load: new mail is deferred',
  refuse: 'load: connections are refused',
};

function loadText({ level, sample, because, turnedAway, deferred }: LoadChange, paint: Paint): string {
  const values = rounded(sample);
  const why = because.map((measure) => ` ${measure}=${values[measure] ?? 0}`).join('');
  const cost =
    turnedAway + deferred === 0
      ? ''
      : `; since the last change ${turnedAway} turned away, ${deferred} deferred`;
  return `${paint(level === 'calm' ? 'dim' : 'yellow', LEVELS[level] ?? level)}${why}${cost}`;
}

const rounded = (sample: LoadChange['sample']): Record<string, number> =>
  Object.fromEntries(Object.entries(sample).map(([name, value]) => [name, Math.round(value * 10) / 10]));

const clock = (): string => new Date().toTimeString().slice(0, 8);
const socketText = (host: string, port: number): string =>
  host.startsWith('/') ? `unix:${host}` : host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const stackOf = (error: unknown) =>
  error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
