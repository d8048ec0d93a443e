/** `postern log`: finds decisions in the journal (O1). Exit codes: 0 found some, 1 found none, 64 bad use (EX_USAGE). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { deciderOf } from '../adapters/decider.ts';
import { jsonText } from '../adapters/harmless.ts';
import { painter } from '../adapters/paint.ts';
import { LADDER } from '../checks/ladder.ts';
import type { Config } from '../config/config.ts';
import { nearest } from '../config/nearest.ts';
import type { Decision, DecisionOutcome, JournalQuery } from '../core/decision.ts';
import type { Block } from '../core/ports.ts';
import { senderOf } from '../core/told.ts';
import { parseNetwork } from '../mail/ip.ts';
import { formatMailbox } from '../mail/mailbox.ts';
import { CommandError } from './exit.ts';
import { withJournal } from './journal.ts';
import { withStore } from './store.ts';
import { formatStory } from './story.ts';
import { formatTable } from './table.ts';
import { formatTime } from '../core/wall-clock.ts';
import { readTime } from './times.ts';

export interface LogOptions {
  readonly id?: string;
  readonly client?: string;
  readonly sender?: string;
  readonly recipient?: string;
  readonly since?: string;
  readonly until?: string;
  readonly check?: string;
  readonly outcome?: DecisionOutcome;
  readonly limit?: string;
  readonly json?: boolean;
}

type Write = (text: string) => void;
const toStdout: Write = (text) => void process.stdout.write(text);
const MAX_ROWS = 100_000;
// Where it is no terminal.
const WIDTH = 100;

export async function logCommand(
  config: Pick<Config, 'dataDir'>,
  options: LogOptions,
  write = toStdout,
  width = process.stdout.isTTY ? process.stdout.columns : WIDTH,
): Promise<number> {
  const query = queryOf(options, Date.now());
  const found = await withJournal(config, (journal) => journal.find(query));
  if (found.length === 0) checkCheckName(options.check);
  if (options.json === true) for (const decision of found) write(`${jsonText(decision)}\n`);
  else if (found.length === 0) write('Nothing found.\n');
  else if (options.id !== undefined) {
    const paint = painter(process.stdout);
    write(found.map((d) => formatStory(d, paint, undefined, laterBlocks(config, d))).join('\n'));
  } else write(formatDecisions(found, width));
  return found.length === 0 ? 1 : 0;
}

/** Who guessed recipients is convicted when the session is over: its last decision may have been written down before. */
function laterBlocks(config: Pick<Config, 'dataDir'>, { id, session }: Decision): readonly Block[] {
  if (session.guesses === undefined || !existsSync(join(config.dataDir, 'store.sqlite'))) return [];
  return withStore(config, 'read', ({ blocks }) => blocks.broughtBy(id));
}

/** An old journal may name checks that there are no more, so a name is doubted only where nothing was found by it. */
function checkCheckName(name: string | undefined): void {
  const known = [...LADDER.map((check) => check.name), 'suspicion'];
  if (name === undefined || known.includes(name)) return;
  const near = nearest(name, known);
  const remedy = near === undefined ? `there are ${known.join(', ')}` : `did you mean "${near}"?`;
  throw new CommandError(`--check "${name}": nothing found, and there is no such check; ${remedy}`);
}

export function queryOf(options: LogOptions, nowMs: number): JournalQuery {
  const { id, client, sender, recipient, check, outcome, since, until } = options;
  const limit = Number(options.limit ?? 50);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_ROWS) {
    throw new CommandError(`--limit "${options.limit ?? ''}" is no count; it wants 1 to ${MAX_ROWS}`);
  }
  const network = client === undefined ? undefined : parseNetwork(client);
  if (network?.kind === 'bad') throw new CommandError(`--client: ${network.problem}`);
  return {
    limit,
    // Ids are read aloud on the telephone: their case does not matter.
    ...(id === undefined ? {} : { id: id.trim().toUpperCase() }),
    ...(client === undefined ? {} : { client }),
    ...(sender === undefined ? {} : { sender }),
    ...(recipient === undefined ? {} : { recipient }),
    ...(check === undefined ? {} : { check }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(since === undefined ? {} : { sinceMs: readTime('since', since, nowMs) }),
    ...(until === undefined ? {} : { untilMs: readTime('until', until, nowMs) }),
  };
}

/** A line a decision, `width` wide at most: what does not fit stands in `--id` and `--json`. */
function formatDecisions(decisions: readonly Decision[], width: number): string {
  const rows = decisions.map((d) => {
    const more = d.recipients.length > 1 ? ` +${d.recipients.length - 1}` : '';
    return [
      shortTime(d.atMs),
      d.id,
      d.session.client.address,
      senderOf(d),
      d.recipients[0] === undefined ? '-' : formatMailbox(d.recipients[0].mailbox) + more,
      outcomeText(d),
      deciderOf(d) ?? watchedText(d.would) ?? tagText(d.tags) ?? '-',
    ];
  });
  return formatTable(COLUMNS, rows, width);
}

/** Without this year. */
function shortTime(ms: number): string {
  const isThisYear = new Date(ms).getFullYear() === new Date().getFullYear();
  return formatTime(ms).slice(isThisYear ? '2026-'.length : 0);
}

// Those that say what it is about give way, and those by which it is found again do not.
const COLUMNS = [
  { title: 'time' },
  { title: 'id' },
  { title: 'client', min: 15 },
  { title: 'from', max: 44, min: 6 },
  { title: 'to', max: 44, min: 6 },
  { title: 'outcome' },
  { title: 'decided by', max: 44, min: 10 },
];

/** `refused 550`; `accepted, 2 of 3` where others of its recipients had no luck. */
function outcomeText({ outcome, reply, recipients }: Decision): string {
  if (outcome !== 'accepted' && outcome !== 'relayed')
    return reply === undefined ? outcome : `${outcome} ${reply.code}`;
  const reached = recipients.filter((r) => r.outcome === outcome).length;
  return reached === recipients.length ? outcome : `${outcome}, ${reached} of ${recipients.length}`;
}

function watchedText(would: Decision['would']): string | undefined {
  if (would?.check === undefined) return undefined;
  return `would ${would.kind}: ${would.check}${would.code === undefined ? '' : `:${would.code}`}`;
}

function tagText(tags: readonly string[] | undefined): string | undefined {
  const more = tags === undefined || tags.length < 2 ? '' : ` +${tags.length - 1}`;
  return tags?.[0] === undefined ? undefined : `tag ${tags[0]}${more}`;
}
