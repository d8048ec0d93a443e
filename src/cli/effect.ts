/**
 * `postern effect`: unwanted and wanted mail per hour with no checks, with each alone, with all (O3). Of the journal, or of folders of
 * messages that somebody has sorted. Exit codes: 0 done, 1 no mail to speak of, 64 bad use, 66 no journal or no such folder, 130 stopped by
 * Ctrl-C (what was counted until then is printed).
 */
import { setImmediate as turn } from 'node:timers/promises';
import { jsonText } from '../adapters/harmless.ts';
import type { Config } from '../config/config.ts';
import type { Decision } from '../core/decision.ts';
import type { Desk, Judgement } from '../core/desk.ts';
import { Alone, type Passage } from '../engine/alone.ts';
import { pagesOf } from '../engine/differences.ts';
import { isJudged } from '../engine/what-if.ts';
import { effectOfCorpus } from './effect-corpus.ts';
import { EffectTable, formatEffect, type Kind } from './effect-table.ts';
import { existingDesk } from './existing-desk.ts';
import { CommandError, STOPPED } from './exit.ts';
import { policyOf } from './in-force.ts';
import { withJournal } from './journal.ts';
import { Progress, type ProgressOutput } from './progress.ts';
import { formatTime } from '../core/wall-clock.ts';
import { readTime } from './times.ts';

export interface EffectOptions {
  readonly since?: string;
  readonly until?: string;
  readonly json?: boolean;
  /** Folders of messages, both or neither. */
  readonly ham?: string;
  readonly spam?: string;
  /** False with `--no-dns`. */
  readonly dns?: boolean;
}

export interface EffectStreams {
  readonly out: (text: string) => void;
  readonly progress: ProgressOutput;
  readonly width?: number;
}

/** What was counted, and what there is to say of how. */
export interface EffectResult {
  readonly table: EffectTable;
  readonly hours: number;
  readonly notes: readonly string[];
}

const STANDARD: EffectStreams = {
  out: (text) => void process.stdout.write(text),
  progress: process.stderr,
  ...(process.stdout.isTTY ? { width: process.stdout.columns } : {}),
};

const HOUR_MS = 3_600_000;
// Where it is no terminal.
const WIDTH = 140;

export async function effectCommand(
  config: Config,
  options: EffectOptions,
  streams = STANDARD,
): Promise<number> {
  const { ham, spam } = options;
  if ((ham === undefined) !== (spam === undefined))
    throw new CommandError('--ham and --spam belong together: a folder of each');
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop);
  try {
    const { signal } = stopping;
    const result =
      ham === undefined || spam === undefined
        ? await effectOfJournal(config, options, streams.progress, signal)
        : await effectOfCorpus(config, { ham, spam, dns: options.dns !== false }, streams.progress, signal);
    const { table, hours, notes } = result;
    const said = signal.aborted ? [...notes, 'Stopped: this is what was counted until then.'] : notes;
    if (options.json === true) streams.out(`${jsonText({ hours, rows: table.rows(), notes: said })}\n`);
    else {
      streams.out(`${formatEffect(table, hours, streams.width ?? WIDTH)}\n`);
      for (const note of said) streams.out(`${note}\n`);
    }
    if (signal.aborted) return STOPPED;
    return table.count('wanted') + table.count('unwanted') === 0 ? 1 : 0;
  } finally {
    process.removeListener('SIGINT', stop);
  }
}

async function effectOfJournal(
  config: Config,
  options: EffectOptions,
  output: ProgressOutput,
  signal: AbortSignal,
): Promise<EffectResult> {
  const nowMs = Date.now();
  const span = {
    sinceMs: readTime('since', options.since ?? '7d', nowMs),
    untilMs: options.until === undefined ? nowMs : readTime('until', options.until, nowMs),
  };
  const alone = new Map<Decision['session']['door'], Alone>();
  const aloneAt = (door: Decision['session']['door']): Alone => {
    const found = alone.get(door) ?? new Alone(policyOf(config, door));
    alone.set(door, found);
    return found;
  };
  const table = new EffectTable(policyOf(config).checks.map(({ check }) => check.name));
  const desk = existingDesk(config);
  let [looked, leftOut, told] = [0, 0, 0];
  let firstMs = Infinity;
  try {
    await withJournal(config, async (journal) => {
      const { received } = await journal.summary(span);
      const progress = new Progress(received, output);
      for await (const decisions of pagesOf(journal, span)) {
        for (const decision of decisions) {
          if (signal.aborted) break;
          looked++;
          progress.add(1, () => `${looked} decisions`);
          firstMs = Math.min(firstMs, decision.atMs);
          const said = saidOf(decision, desk);
          const kind = said ?? takenFor(decision);
          if (kind === undefined || !isJudged(decision)) {
            leftOut++;
            continue;
          }
          if (said !== undefined) told++;
          table.add(kind, await aloneAt(decision.session.door).passages(decision), happened(decision));
        }
        // What is judged again waits for no event: Ctrl-C is heard here.
        await turn();
        if (signal.aborted) break;
      }
      progress.end();
    });
  } finally {
    desk?.close();
  }
  // The journal may be younger than the span.
  const beganMs = Math.max(span.sinceMs, Math.min(firstMs, span.untilMs));
  return {
    table,
    hours: Math.max(1, (span.untilMs - beganMs) / HOUR_MS),
    notes: [
      `From ${formatTime(beganMs)} to ${formatTime(span.untilMs)}: ${looked} decisions, ${leftOut} of them left out (deferred, given up, or no check had a say).`,
      `Wanted and unwanted is what people said of ${told} of them, and for the others what the gate made of them: accepted is wanted, refused or scored as spam is unwanted. So the last line is right by definition where nobody said anything, and a check looks good where it agrees with the others. Mark decisions on the dashboard for better numbers.`,
      'Each check alone is judged from what was asked then, as it is set now; "not known" is where it was never asked, because a cheaper check had stopped the mail before. Greylisting alone defers nobody on account of the doubts of others.',
    ],
  };
}

/** People first: a mark, or a report that was answered by letting the sender in. */
function saidOf({ id }: Decision, desk: Pick<Desk, 'marks' | 'reports'> | undefined): Judgement | undefined {
  const mark = desk?.marks.of([id]).get(id);
  if (mark !== undefined) return mark;
  return desk?.reports.of(id)?.state === 'let-in' ? 'wanted' : undefined;
}

function takenFor({ outcome, check, steps }: Decision): Kind | undefined {
  if (outcome === 'accepted' || outcome === 'relayed')
    return steps.some(({ findings }) => findings.some(({ spam }) => spam?.isSpam === true))
      ? 'unwanted'
      : 'wanted';
  return outcome === 'refused' && check !== undefined ? 'unwanted' : undefined;
}

function happened({ outcome }: Decision): Passage {
  if (outcome === 'refused') return 'stopped';
  return outcome === 'deferred' ? 'deferred' : 'let-in';
}
