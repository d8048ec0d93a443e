/** `postern log`: finds decisions in the journal (O1). Exit codes: 0 found some, 1 found none, 64 bad use (EX_USAGE). */
import { refusedBeside } from '../adapters/log.ts';
import { painter } from '../adapters/paint.ts';
import { LADDER } from '../checks/ladder.ts';
import type { Config } from '../config/config.ts';
import { nearest } from '../config/nearest.ts';
import type { Decision, DecisionOutcome, JournalQuery } from '../core/decision.ts';
import { parseNetwork } from '../mail/ip.ts';
import { formatMailbox } from '../mail/mailbox.ts';
import { CommandError } from './exit.ts';
import { withJournal } from './journal.ts';
import { formatStory, senderOf } from './story.ts';
import { formatTable } from './table.ts';
import { formatTime, readTime } from './times.ts';

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

export async function logCommand(
  config: Pick<Config, 'dataDir'>,
  options: LogOptions,
  write = toStdout,
): Promise<number> {
  const query = queryOf(options, Date.now());
  const found = await withJournal(config, (journal) => journal.find(query));
  if (found.length === 0) checkCheckName(options.check);
  if (options.json === true) for (const decision of found) write(`${JSON.stringify(decision)}\n`);
  else if (found.length === 0) write('Nothing found.\n');
  else if (options.id !== undefined) {
    const paint = painter(process.stdout);
    write(found.map((decision) => formatStory(decision, paint)).join('\n'));
  } else write(formatDecisions(found));
  return found.length === 0 ? 1 : 0;
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

export function formatDecisions(decisions: readonly Decision[]): string {
  const rows = decisions.map((d) => {
    const more = d.recipients.length > 1 ? ` +${d.recipients.length - 1}` : '';
    return [
      formatTime(d.atMs),
      d.id,
      d.session.client.address,
      senderOf(d),
      d.recipients[0] === undefined ? '-' : formatMailbox(d.recipients[0].mailbox) + more,
      d.outcome + refusedBeside(d),
      d.check === undefined ? '-' : `${d.check}${d.code === undefined ? '' : `:${d.code}`}`,
      d.reply === undefined ? '-' : `${d.reply.code} ${d.reply.enhanced}`.trim(),
    ];
  });
  const columns = ['time', 'id', 'client', 'from', 'to', 'outcome', 'decided by', 'reply'];
  return formatTable(
    columns.map((title) => ({ title, max: 44 })),
    rows,
  );
}
