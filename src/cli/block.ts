/**
 * `postern block list|show|add|remove`: the short-term block list (C2) and what else is held against a client, also while the gate
 * runs: it sees what is written here at its next look-up. Exit codes: 0 done, 1 nothing found or removed, 64 bad use, 66 no store yet. Reasons quote what clients once sent.
 */
import { jsonText } from '../adapters/harmless.ts';
import { letIn } from '../adapters/store/let-in.ts';
import type { State } from '../adapters/store/sqlite.ts';
import type { Config } from '../config/config.ts';
import { BOUNCED_GUESSES, convictedNetwork, GUESSES, REACHED, STRIKES } from '../core/charges.ts';
import { isOwn, OWN_NOTE } from '../core/overruled.ts';
import { reasonProblem, widthProblem } from '../core/operator-block.ts';
import type { Block } from '../core/ports.ts';
import { clientNetwork } from '../core/site.ts';
import { standingKind } from '../core/standing.ts';
import { formatIp, networkName, parseNetwork, type Network } from '../mail/ip.ts';
import { CommandError } from './exit.ts';
import { lastingMs } from './lasting.ts';
import { withStore } from './store.ts';
import { formatTable } from './table.ts';
import { formatTime } from '../core/wall-clock.ts';

type Where = Pick<Config, 'dataDir' | 'site'>;
type Write = (text: string) => void;
const toStdout: Write = (text) => void process.stdout.write(text);

export interface ListOptions {
  readonly network?: string;
  readonly all?: boolean;
  readonly json?: boolean;
  readonly limit?: string;
}

const MAX_ROWS = 1_000_000;

export async function blockListCommand(
  where: Where,
  options: ListOptions,
  write = toStdout,
): Promise<number> {
  const { network, all = false, json = false, limit = '1000' } = options;
  if (!/^\d{1,7}$/.test(limit) || Number(limit) < 1 || Number(limit) > MAX_ROWS)
    throw new CommandError(`--limit "${limit}" is no count; it wants 1 to ${MAX_ROWS}`);
  const of = network === undefined ? {} : { network: networkName(networkOf(network)) };
  const found = withStore(where, 'read', ({ blocks }) =>
    blocks.list({ ...of, ended: all, limit: Number(limit) }),
  );
  if (json) for (const block of found) write(`${jsonText(block)}\n`);
  else write(found.length === 0 ? 'Nothing is blocked.\n' : formatBlocks(found, Date.now()));
  return found.length === 0 ? 1 : 0;
}

export interface AddOptions {
  readonly network: string;
  readonly for: string;
  readonly reason?: string;
}

export async function blockAddCommand(where: Where, options: AddOptions, write = toStdout): Promise<number> {
  const network = networkOf(options.network);
  const { reason = '' } = options;
  const problem = widthProblem(network) ?? reasonProblem(reason, '--reason');
  if (problem !== undefined) throw new CommandError(problem);
  const endsMs = Date.now() + lastingMs(options.for);
  const block = withStore(where, 'write', ({ blocks }) =>
    blocks.add({ network: networkName(network), reason, endsMs, by: 'operator' }),
  );
  write(`${block.network} is blocked until ${formatTime(block.endsMs)}\n`);
  if (isOwn(where.site, networkName(network).split('/')[0] ?? '')) write(`Note: ${OWN_NOTE}.\n`);
  return 0;
}

/** Lets it in again: what made the entry would make the next one, or turn the client away without one. */
export async function blockRemoveCommand(where: Where, network: string, write = toStdout): Promise<number> {
  const of = networkOf(network);
  const text = networkName(of);
  const { removed, forgiven, around } = withStore(where, 'write', (store) => ({
    ...letIn(store, where.site, of),
    around: store.blocks.list({ network: text }),
  }));
  if (removed) write(`${text} is no longer blocked, and all that was held against it is forgotten\n`);
  else if (forgiven) write(`There is no entry for ${text}; what was held against it is forgotten\n`);
  else write(`There is no entry for ${text}, and nothing is held against it\n`);
  // Who wants one address let in has to know of the entry that covers it.
  if (around.length > 0) write(`These entries overlap it:\n${formatBlocks(around, Date.now())}`);
  return removed || forgiven ? 0 : 1;
}

/** What is known of one client, its network's included: exit code 1 where that is nothing. */
export async function blockShowCommand(where: Where, address: string, write = toStdout): Promise<number> {
  const of = networkOf(address);
  const client = formatIp(of.base);
  if (networkName(of) !== client)
    throw new CommandError(`${address} is a network; \`show\` wants an address`);
  const { lines, block } = withStore(where, 'read', (store) => ({
    lines: heldLines(store, where, client),
    block: store.blocks.covering(client),
  }));
  if (block !== undefined) write(`${formatBlocks([block], Date.now())}\n`);
  else write(`${client} is not blocked\n`);
  if (lines.length > 0) write(lines.map((line) => `  ${line}\n`).join(''));
  return block === undefined && lines.length === 0 ? 1 : 0;
}

function heldLines({ standing, rates }: State, { site }: Where, client: string): string[] {
  const known = clientNetwork(site, client);
  const own = convictedNetwork(site, client);
  const lines: string[] = [];
  const its = standing.of(known);
  if (its.good > 0 || its.bad > 0)
    lines.push(
      `standing   ${standingKind(its)}: ${its.good.toFixed(1)} good deliveries, ${its.bad.toFixed(1)} charges (${known})`,
    );
  const count = (space: string, key: string, text: string) => {
    const n = rates.count(space, key);
    if (n > 0) lines.push(`${text.replace('#', String(n))} (${key})`);
  };
  count(STRIKES, own, 'strikes    #');
  for (const key of new Set([own, known])) {
    count(GUESSES, key, 'guesses    # recipients lately that do not exist');
    count(REACHED, key, '           # recipients got their mail meanwhile');
  }
  count(BOUNCED_GUESSES, known, 'bounces    to # recipients lately that do not exist');
  return lines;
}

/** Newest first, as the store lists them. */
function formatBlocks(blocks: readonly Block[], nowMs: number): string {
  const rows = blocks.map((b) => [
    b.network,
    b.endsMs > nowMs ? formatTime(b.endsMs) : `ended ${formatTime(b.endsMs)}`,
    b.by,
    b.evidence === '' ? '-' : b.evidence,
    b.convictions === 0 ? '-' : String(b.convictions),
    formatTime(b.sinceMs),
    b.reason,
  ]);
  return formatTable(
    [
      { title: 'network' },
      { title: 'until' },
      { title: 'by' },
      { title: 'id' },
      { title: 'convictions', align: 'right' },
      { title: 'since' },
      { title: 'reason', max: 120 },
    ],
    rows,
  );
}

function networkOf(text: string): Network {
  const network = parseNetwork(text);
  if (network.kind === 'network') return network;
  throw new CommandError(`${network.problem}; NETWORK is an address or CIDR such as 192.0.2.0/24`);
}
