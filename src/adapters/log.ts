import { pino, type Logger } from 'pino';
import type { Decision, DecisionOutcome } from '../core/decision.ts';
import { formatMailbox, formatReversePath } from '../mail/mailbox.ts';
import { painter, type Paint } from './paint.ts';
import { byTurn } from './turn-output.ts';

/** What the program says while it runs: one line a decision, and what the operator must know. Never secrets, never content. */
export interface Log {
  decision(decision: Decision): void;
  listening(door: string, host: string, port: number): void;
  /** Something is wrong that the operator should look into; the mail goes on, or is deferred. */
  trouble(what: string, error: unknown, id?: string): void;
  zone(
    event:
      | { readonly kind: 'suspended'; readonly zone: string; readonly reason: string }
      | { readonly kind: 'resumed'; readonly zone: string },
  ): void;
  /** Empty: the new configuration is in force; else the old one still is. */
  reloaded(problems: readonly string[]): void;
  stopping(): void;
}

/** Where lines go: `process.stdout`, or a test's own. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export function createLog(format: 'auto' | 'json' | 'text', output: Output = byTurn(process.stdout)): Log {
  const isText = format === 'text' || (format === 'auto' && output.isTTY === true);
  return isText ? textLog(output) : jsonLog(output);
}

export function silentLog(): Log {
  const nothing = () => undefined;
  return {
    decision: nothing,
    listening: nothing,
    trouble: nothing,
    zone: nothing,
    reloaded: nothing,
    stopping: nothing,
  };
}

/** The facts of one decision, as the log has them; absent where the session did not get that far. */
export function decisionLine(d: Decision) {
  const { session, transaction, reply } = d;
  // One literal: undefined fields are not written, and a spread for each would cost more than the line.
  return {
    id: d.id,
    door: session.door,
    client: session.client.address,
    helo: session.helo === undefined ? undefined : clipped(session.helo.name),
    from: transaction === undefined ? undefined : `<${clipped(formatReversePath(transaction.reversePath))}>`,
    to: d.recipients.slice(0, MAX_RECIPIENTS).map((r) => clipped(formatMailbox(r.mailbox))),
    recipients: d.recipients.length > MAX_RECIPIENTS ? d.recipients.length : undefined,
    outcome: d.outcome,
    check: d.check,
    code: d.code,
    reply:
      reply === undefined
        ? undefined
        : clipped(`${reply.code} ${reply.enhanced} ${reply.lines[0] ?? ''}`.replace('  ', ' ')),
    suspicion: d.suspicion === 0 ? undefined : d.suspicion,
    size: d.sizeOctets,
    ms: Math.round(d.tookMs),
  };
}

/** A line stays a line: the journal has all of it. */
const MAX_RECIPIENTS = 10;
const MAX_TEXT = 300;
const clipped = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text);

// C0 and C1 controls, and what hides or turns text round: bidi marks, zero-width characters, line separators, lone surrogates.
const HARMFUL =
  /[\0-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** What a client sent, made safe for a terminal: it can neither move the cursor nor begin a line of its own. */
export function harmless(text: string): string {
  return text.replace(HARMFUL, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function jsonLog(output: Output): Log {
  // `msg` stands first in each line, so that a person who greps sees it.
  const options = {
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level: string) => ({ level }) },
  };
  const lines: Logger = pino(options, { write: (line: string) => void output.write(line) });
  return {
    decision: (d) => lines.info({ msg: 'decision', ...decisionLine(d) }),
    listening: (door, host, port) => lines.info({ msg: 'listening', door, address: socketText(host, port) }),
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
      lines[kind === 'suspended' ? 'warn' : 'info']({ msg: `list ${kind}`, ...facts });
    },
    reloaded: (problems) =>
      problems.length === 0
        ? lines.info({ msg: 'reloaded' })
        : lines.error({ msg: 'not reloaded', problems }),
    stopping: () => lines.info({ msg: 'stopping' }),
  };
}

const COLOURS = {
  accepted: 'green',
  relayed: 'green',
  refused: 'red',
  deferred: 'yellow',
  abandoned: 'dim',
} as const satisfies Record<DecisionOutcome, string>;

function textLog(output: Output): Log {
  const paint = painter(output);
  const say = (text: string) => void output.write(`${paint('dim', clock())} ${text}\n`);
  return {
    decision: (d) => say(decisionText(d, paint)),
    listening: (door, host, port) => say(`${door} listens on ${socketText(host, port)}`),
    trouble: (what, error, id) =>
      say(
        `${paint('red', 'trouble')} ${harmless(`${what}: ${reasonOf(error)}`)}${id === undefined ? '' : ` id=${id}`}`,
      ),
    zone: (event) =>
      say(
        event.kind === 'suspended'
          ? `${paint('yellow', 'list suspended')} ${harmless(`${event.zone}: ${event.reason}`)}`
          : `list resumed ${harmless(event.zone)}`,
      ),
    reloaded: (problems) => {
      if (problems.length === 0) say('configuration reloaded');
      else say(paint('red', 'not reloaded, the old configuration stays in force'));
      for (const problem of problems) say(`  ${harmless(problem)}`);
    },
    stopping: () => say('stopping'),
  };
}

function decisionText(d: Decision, paint: Paint): string {
  const line = decisionLine(d);
  const to =
    line.to.length > 1 ? `${line.to[0] ?? ''} and ${d.recipients.length - 1} more` : (line.to[0] ?? '-');
  const why =
    line.check === undefined ? '' : ` ${line.check}${line.code === undefined ? '' : `:${line.code}`}`;
  const size = line.size === undefined ? '' : ` ${line.size}B`;
  const who = harmless(`${line.client} helo=${line.helo ?? '-'} ${line.from ?? '-'} → ${to}`);
  return `${paint(COLOURS[d.outcome], d.outcome.padEnd(9))} ${who}${why}${size} ${line.ms}ms id=${line.id}${line.reply === undefined ? '' : ` ${paint('dim', harmless(line.reply))}`}`;
}

const clock = (): string => new Date().toTimeString().slice(0, 8);
const socketText = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const stackOf = (error: unknown) =>
  error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
