/**
 * `postern list show|add|remove`: the allow and block lists that people keep while the gate runs; it goes by what is written here within a
 * second. Exit codes: 0 done, 1 nothing found or removed, 64 bad use, 66 no store yet.
 */
import { userInfo } from 'node:os';
import { jsonText } from '../adapters/harmless.ts';
import { LADDER } from '../checks/ladder.ts';
import type { CheckConfig, Config } from '../config/config.ts';
import { isOff } from '../config/off.ts';
import { entryWords } from '../core/entry-words.ts';
import { LISTED_KINDS, MAX_LISTED, type Listed, type NewListed } from '../core/listed.ts';
import { conditionKey, type Conditions } from '../core/lists.ts';
import { blockNotes } from '../core/overruled.ts';
import { reasonProblem, sweepingProblem } from '../core/operator-block.ts';
import { atOnce } from '../core/slices.ts';
import { parseNetwork } from '../mail/ip.ts';
import { CommandError } from './exit.ts';
import { lastingMs } from './lasting.ts';
import { withStore } from './store.ts';
import { formatTable } from './table.ts';
import { formatTime } from '../core/wall-clock.ts';

type Where = Pick<Config, 'dataDir' | 'site'> &
  Partial<Pick<Config, 'listEntries'>> & {
    readonly checks?: readonly Pick<CheckConfig, 'check' | 'settings'>[];
  };
type Write = (text: string) => void;
const toStdout: Write = (text) => void process.stdout.write(text);

export interface ShowOptions {
  readonly text?: string;
  readonly kind?: string;
  readonly json?: boolean;
  readonly limit?: string;
}

export async function listShowCommand(where: Where, options: ShowOptions, write = toStdout): Promise<number> {
  const { text = '', json = false, limit = '1000' } = options;
  if (!/^\d{1,6}$/.test(limit) || Number(limit) < 1 || Number(limit) > MAX_LISTED)
    throw new CommandError(`--limit "${limit}" is no count; it wants 1 to ${MAX_LISTED}`);
  const kind = options.kind === undefined ? undefined : kindOf(options.kind);
  const found = withStore(where, 'read', ({ listed }) => listed.list({ kind, text, limit: Number(limit) }));
  if (json) for (const entry of found) write(`${jsonText(entry)}\n`);
  else write(found.length === 0 ? 'Nothing is listed.\n' : formatListed(found));
  return found.length === 0 ? 1 : 0;
}

export interface ListAddOptions extends Conditions {
  readonly lifts?: readonly string[];
  readonly for?: string;
  readonly reason: string;
  readonly decision?: string;
  /** Also what would let in or shut out nearly everybody. */
  readonly really?: boolean;
}

export async function listAddCommand(
  where: Where,
  kind: string,
  options: ListAddOptions,
  write = toStdout,
): Promise<number> {
  const entry = entryOf(kindOf(kind), options, where.site);
  const listed = withStore(where, 'write', (store) => store.listed.add(entry));
  const until = listed.endsMs === undefined ? 'for good' : `until ${formatTime(listed.endsMs)}`;
  write(`${listed.id}: ${listed.kind} ${entryWords(listed)}, ${until}\n`);
  if (kind === 'block') for (const text of notesOn(where, listed)) write(`Note: ${text}.\n`);
  return 0;
}

function notesOn(where: Where, block: Conditions): string[] {
  const { site, checks = [], listEntries = [] } = where;
  const listed = withStore(where, 'read', (store) =>
    (['allow', 'list-host'] as const).map((kind) => store.listed.list({ kind, limit: MAX_LISTED })),
  );
  const isOffByName = (name: string) => checks.some((c) => c.check.name === name && isOff(c));
  const beside = { site, isOff: isOffByName, checks: LADDER, lists: [...listed, listEntries] };
  return atOnce(blockNotes(block, beside));
}

export async function listRemoveCommand(where: Where, id: string, write = toStdout): Promise<number> {
  if (!/^[1-9]\d{0,14}$/.test(id))
    throw new CommandError(`"${id}" is no number of an entry; \`postern list show\` prints them`);
  const removed = withStore(where, 'write', ({ listed }) => listed.remove(Number(id)));
  write(removed ? `${id} is no longer listed\n` : `There is no entry ${id}\n`);
  return removed ? 0 : 1;
}

/** What is typed wrongly is told before the store is opened. */
function entryOf(kind: Listed['kind'], options: ListAddOptions, site: Where['site']): NewListed {
  const { client, host, sender, recipient, lifts, reason, decision } = options;
  const problem = reasonProblem(reason, '--reason');
  if (problem !== undefined) throw new CommandError(problem);
  if (lifts !== undefined && kind !== 'allow')
    throw new CommandError('--lifts goes with allow: only an allow entry lifts checks');
  for (const name of lifts ?? []) {
    if (!LADDER.some((check) => check.name === name))
      throw new CommandError(
        `--lifts "${name}": there is no such check; \`postern check-config --explain\` names them`,
      );
  }
  const conditions = {
    ...(client === undefined ? {} : { client }),
    ...(host === undefined ? {} : { host }),
    ...(sender === undefined ? {} : { sender }),
    ...(recipient === undefined ? {} : { recipient }),
  };
  if (Object.keys(conditions).length === 0)
    throw new CommandError(
      'at least one of --client, --host, --sender, --recipient has to say whom it is about',
    );
  const network = client === undefined ? undefined : parseNetwork(client);
  if (network?.kind === 'bad') throw new CommandError(`--client: ${network.problem}`);
  try {
    conditionKey(conditions);
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error));
  }
  const sweeping = options.really === true ? undefined : sweepingProblem(kind, conditions, site);
  if (sweeping !== undefined) throw new CommandError(`${sweeping}\nNothing is listed; with --really it is.`);
  return {
    kind,
    ...conditions,
    ...(lifts === undefined ? {} : { lifts }),
    reason,
    by: whoAmI(),
    ...(options.for === undefined ? {} : { endsMs: Date.now() + lastingMs(options.for) }),
    ...(decision === undefined ? {} : { decision }),
  };
}

function kindOf(text: string): Listed['kind'] {
  const kind = LISTED_KINDS.find((known) => known === text);
  if (kind === undefined)
    throw new CommandError(`there is no list "${text}"; there are ${LISTED_KINDS.join(', ')}`);
  return kind;
}

/** Who used sudo is told rather than root. */
function whoAmI(): string {
  const behind = process.env['SUDO_USER'];
  if (behind !== undefined && /^[\w.-]{1,60}$/.test(behind)) return behind;
  try {
    return userInfo().username.slice(0, 60);
  } catch {
    // A container's user may have no name.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

function formatListed(entries: readonly Listed[]): string {
  const rows = entries.map((e) => [
    String(e.id),
    e.kind,
    entryWords(e),
    e.lifts === undefined ? '-' : e.lifts.join(', '),
    e.endsMs === undefined ? 'for good' : formatTime(e.endsMs),
    e.by,
    formatTime(e.sinceMs),
    e.decision ?? '-',
    e.reason ?? '',
  ]);
  return formatTable(
    [
      { title: 'id', align: 'right' },
      { title: 'list' },
      { title: 'about', max: 120 },
      { title: 'lifts' },
      { title: 'until' },
      { title: 'by' },
      { title: 'since' },
      { title: 'decision' },
      { title: 'reason', max: 120 },
    ],
    rows,
  );
}
