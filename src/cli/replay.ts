/**
 * `postern replay --config NEW.toml`: recorded decisions judged again under another configuration (O4). Asks nobody anything, DNS least of
 * all, and changes nothing. Exit codes: 0 nothing would be another way, 1 something would be refused or let in that was not, 64 bad use, 66 no journal,
 * 78 a bad configuration, 130 stopped by Ctrl-C (what was found until then is printed).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { harmless, jsonText } from '../adapters/harmless.ts';
import type { Config } from '../config/config.ts';
import { load } from '../config/load.ts';
import { formatProblem } from '../config/problems.ts';
import type { AnyCheck } from '../core/check.ts';
import type { Journal } from '../core/decision.ts';
import type { Desk } from '../core/desk.ts';
import { MAX_LISTED, type Listed } from '../core/listed.ts';
import { buildLists } from '../core/lists.ts';
import {
  DIFFERENCE_KINDS,
  differenceOf,
  Differences,
  pagesOf,
  type Difference,
} from '../engine/differences.ts';
import { rulesOf, type Rules } from '../engine/what-if.ts';
import { formatMailbox } from '../mail/mailbox.ts';
import { existingDesk } from './existing-desk.ts';
import { CommandError, EX_CONFIG, STOPPED } from './exit.ts';
import { policyOf } from './in-force.ts';
import { withJournal } from './journal.ts';
import { Progress, type ProgressOutput } from './progress.ts';
import { withStore } from './store.ts';
import { senderOf } from '../core/told.ts';
import { formatTable } from './table.ts';
import { formatTime } from '../core/wall-clock.ts';
import { readTime } from './times.ts';

export interface ReplayOptions {
  /** The file with the configuration as it would be. */
  readonly config: string;
  /** That in force, for its journal; absent: the new one names the same `data_dir`. */
  readonly current?: string;
  readonly checks: readonly AnyCheck[];
  readonly since?: string;
  readonly until?: string;
  readonly limit?: string;
  readonly json?: boolean;
}

export interface ReplayStreams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly progress: ProgressOutput;
  readonly width?: number;
}

const STANDARD: ReplayStreams = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  progress: process.stderr,
  ...(process.stdout.isTTY ? { width: process.stdout.columns } : {}),
};

const MAX_SHOWN = 10_000;
// Where it is no terminal.
const WIDTH = 100;

export async function replayCommand(options: ReplayOptions, streams = STANDARD): Promise<number> {
  const limit = Number(options.limit ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_SHOWN)
    throw new CommandError(`--limit "${options.limit ?? ''}" is no count; it wants 1 to ${MAX_SHOWN}`);
  const nowMs = Date.now();
  const span = {
    sinceMs: readTime('since', options.since ?? '7d', nowMs),
    untilMs: options.until === undefined ? nowMs : readTime('until', options.until, nowMs),
  };
  if (span.sinceMs > nowMs || span.sinceMs >= span.untilMs)
    throw new CommandError(
      `--since "${options.since ?? '7d'}" is ${span.sinceMs > nowMs ? 'in the future' : `not before --until "${options.until ?? ''}"`}; nothing lies between`,
    );
  const files = [options.config, ...(options.current === undefined ? [] : [options.current])];
  const configs: Config[] = [];
  for (const file of files) {
    const loaded = load(file, options.checks);
    if ('config' in loaded) configs.push(loaded.config);
    else for (const problem of loaded.problems) streams.err(`${formatProblem(problem)}\n`);
  }
  const [next, current = next] = configs;
  if (next === undefined || current === undefined || configs.length < files.length) return EX_CONFIG;

  const rules = rulesOf((door) => policyOf(next, door), buildLists(next.listEntries), listedBeside(current));
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop);
  const desk = existingDesk(current);
  try {
    const found = await withJournal(current, (journal) =>
      compareAll(journal, { span, rules, desk, limit, signal: stopping.signal, output: streams.progress }),
    );
    const summary = { policy: next.policy, ...span, ...found };
    streams.out(options.json === true ? asJson(summary) : asText(next, summary, streams.width ?? WIDTH));
    if (stopping.signal.aborted) return STOPPED;
    const { counts } = found.differences;
    return counts['newly-refused'] + counts['newly-accepted'] > 0 ? 1 : 0;
  } finally {
    process.removeListener('SIGINT', stop);
    desk?.close();
  }
}

interface Found {
  readonly looked: number;
  readonly leftOut: number;
  readonly stopped: boolean;
  readonly differences: Differences;
}

async function compareAll(
  journal: Journal,
  work: {
    readonly span: { readonly sinceMs: number; readonly untilMs: number };
    readonly rules: Rules;
    readonly desk: Pick<Desk, 'marks' | 'reports'> | undefined;
    readonly limit: number;
    readonly signal: AbortSignal;
    readonly output: ProgressOutput;
  },
): Promise<Found> {
  const { span, rules, desk, limit, signal, output } = work;
  const { received } = await journal.summary(span);
  const progress = new Progress(received, output);
  const differences = new Differences(limit);
  let looked = 0;
  let leftOut = 0;
  for await (const decisions of pagesOf(journal, span)) {
    for (const decision of decisions) {
      if (signal.aborted) break;
      const difference = await differenceOf(decision, rules, desk);
      if (difference === undefined) leftOut++;
      else {
        looked++;
        differences.add(difference);
      }
      progress.add(1, () => `${looked + leftOut} looked at, ${looked - differences.counts.same} differ`);
    }
    // Promises of what is there already wait for no event: Ctrl-C is heard here.
    await turn();
    if (signal.aborted) break;
  }
  progress.end();
  return { looked, leftOut, stopped: signal.aborted, differences };
}

// Nothing where the gate has not run yet.
function listedBeside(config: Config): readonly Listed[] {
  if (!existsSync(join(config.dataDir, 'store.sqlite'))) return [];
  return withStore(config, 'read', ({ listed }) => listed.list({ limit: MAX_LISTED }));
}

type Result = Found & { readonly policy: string; readonly sinceMs: number; readonly untilMs: number };

const TITLES = {
  'newly-refused': 'Newly refused or deferred',
  'newly-accepted': 'Newly accepted',
  unknown: 'Unknown: something would be asked that never was',
} as const;

function asText(config: Config, result: Result, width: number): string {
  const { differences, looked, leftOut, stopped, sinceMs, untilMs } = result;
  const { counts } = differences;
  const parts = [
    `Decisions from ${formatTime(sinceMs)} to ${formatTime(untilMs)}, as ${config.file} (policy ${config.policy}) would have them\n`,
  ];
  for (const kind of DIFFERENCE_KINDS) {
    const list = differences.list(kind);
    if (list.length === 0) continue;
    const more = counts[kind] > list.length ? `, ${list.length} of them shown` : '';
    parts.push(`\n${TITLES[kind]}: ${counts[kind]}${more}\n${linesOf(list, width)}`);
  }
  parts.push(
    `\n${looked} judged again: ${counts.same} the same, ${counts['newly-refused']} newly refused or deferred, ` +
      `${counts['newly-accepted']} newly accepted, ${counts.unknown} unknown.\n`,
  );
  if (leftOut > 0) parts.push(`${leftOut} left out: no check had a say in them.\n`);
  if (stopped) parts.push('Stopped: this is what was found until then.\n');
  return parts.join('');
}

const COLUMNS = [
  { title: 'time' },
  { title: 'id' },
  { title: 'client', min: 15 },
  { title: 'from', max: 60, min: 6 },
  { title: 'to', max: 60, min: 6 },
];

/** Two lines each: which it was, and below it what would become of it. */
function linesOf(list: readonly Difference[], width: number): string {
  const rows = list.map(({ decision: d }) => {
    const more = d.recipients.length > 1 ? ` +${d.recipients.length - 1}` : '';
    return [
      formatTime(d.atMs),
      d.id,
      d.session.client.address,
      senderOf(d),
      d.recipients[0] === undefined ? '-' : formatMailbox(d.recipients[0].mailbox) + more,
    ];
  });
  const [titles = '', ...lines] = formatTable(COLUMNS, rows, width).trimEnd().split('\n');
  const told = list.map(({ before, after, mark, reported }, i) => {
    const said = [mark, reported ? 'reported as a mistake' : undefined].filter((word) => word !== undefined);
    const spoken = said.length === 0 ? '' : `  (${said.join(', ')})`;
    return `${lines[i] ?? ''}\n    ${harmless(`${before} → ${after}${spoken}`)}\n`;
  });
  return `${titles}\n${told.join('')}`;
}

/** One object: what `--limit` leaves of each list, and the counts of all. */
function asJson({ differences, policy, sinceMs, untilMs, looked, leftOut, stopped }: Result): string {
  const [newlyRefused, newlyAccepted, unknown] = DIFFERENCE_KINDS.map((kind) =>
    differences.list(kind).map(({ decision, before, after, mark, reported }) => ({
      id: decision.id,
      atMs: decision.atMs,
      client: decision.session.client.address,
      sender: senderOf(decision),
      recipients: decision.recipients.map(({ mailbox }) => formatMailbox(mailbox)),
      before,
      after,
      ...(mark === undefined ? {} : { mark }),
      ...(reported ? { reported } : {}),
    })),
  );
  const { counts } = differences;
  return `${jsonText({
    policy,
    sinceMs,
    untilMs,
    looked,
    leftOut,
    ...(stopped ? { stopped } : {}),
    counts: {
      same: counts.same,
      newlyRefused: counts['newly-refused'],
      newlyAccepted: counts['newly-accepted'],
      unknown: counts.unknown,
    },
    newlyRefused,
    newlyAccepted,
    unknown,
  })}\n`;
}
