/**
 * `postern list show|add|remove`: the allow and block lists that people keep while the gate runs; it goes by what is written here within a
 * second. Exit codes: 0 done, 1 nothing found or removed, 64 bad use, 66 no store yet.
 */
import { userInfo } from 'node:os';
import { jsonText } from '../adapters/harmless.ts';
import { LADDER } from '../checks/ladder.ts';
import type { Config } from '../config/config.ts';
import { LISTED_KINDS, MAX_LISTED, type Listed, type NewListed } from '../core/listed.ts';
import { conditionKey, type Conditions } from '../core/lists.ts';
import { winnerText, winningOver } from '../core/overruled.ts';
import { reasonProblem, sweepingProblem } from '../core/operator-block.ts';
import { parseNetwork } from '../mail/ip.ts';
import { CommandError } from './exit.ts';
import { lastingMs } from './lasting.ts';
import { withStore } from './store.ts';
import { formatTable } from './table.ts';
import { formatTime } from '../core/wall-clock.ts';

type Where = Pick<Config, 'dataDir' | 'site'> & Partial<Pick<Config, 'listEntries'>>;
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
  write(`${listed.id}: ${listed.kind} ${conditionsText(listed)}, ${until}\n`);
  const { networks, relays } = where.site;
  const address = listed.client?.split('/')[0] ?? '';
  if (kind === 'block' && (networks.has(address) || relays.has(address)))
    write('Note: `networks` and `relays` of the configuration are never refused, whatever is blocked.\n');
  if (kind === 'block') for (const text of winners(where, listed)) write(`Note: ${text}.\n`);
  return 0;
}

const MAX_WINNERS = 5;

function winners(where: Where, block: Conditions): string[] {
  const wins = winningOver(block, LADDER);
  const listed = (['allow', 'list-host'] as const).flatMap((kind) =>
    withStore(where, 'read', (store) => store.listed.list({ kind, limit: MAX_LISTED })),
  );
  const found: string[] = [];
  for (const entries of [listed, where.listEntries ?? []])
    for (const entry of entries) {
      if (found.length < MAX_WINNERS && wins(entry)) found.push(winnerText(entry));
    }
  return found;
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

/** `client 192.0.2.7, recipient ann@example.org`: all have to match. */
function conditionsText({ client, host, sender, recipient }: Conditions): string {
  return Object.entries({ client, host, sender, recipient })
    .flatMap(([name, text]) => (text === undefined ? [] : [`${name} ${text}`]))
    .join(', ');
}

function formatListed(entries: readonly Listed[]): string {
  const rows = entries.map((e) => [
    String(e.id),
    e.kind,
    conditionsText(e),
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
