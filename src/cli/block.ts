/**
 * `postern block list|add|remove`: the short-term block list (C2), also while the gate runs: it sees what is written here at its next
 * look-up. Exit codes: 0 done, 1 nothing found or removed, 64 bad use, 66 no store yet. Reasons quote what clients once sent.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Blocks } from '../adapters/store/blocks.ts';
import { openStore } from '../adapters/store/sqlite.ts';
import type { Config } from '../config/config.ts';
import type { Block } from '../core/ports.ts';
import { formatNetwork, parseNetwork, type Network } from '../mail/ip.ts';
import { CommandError, EX_NOINPUT } from './exit.ts';
import { formatTable } from './table.ts';
import { formatTime } from './times.ts';

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
  const of = network === undefined ? {} : { network: textOf(networkOf(network)) };
  const found = withBlocks(where, 'read', (blocks) =>
    blocks.list({ ...of, ended: all, limit: Number(limit) }),
  );
  if (json) for (const block of found) write(`${JSON.stringify(block)}\n`);
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
  const widest = network.base.family === 4 ? WIDEST_V4 : WIDEST_V6;
  if (network.prefix < widest)
    throw new CommandError(
      `${textOf(network)} is too wide; nothing wider than /${widest} is blocked. Typed wrongly?`,
    );
  const { reason = '' } = options;
  if (reason.trim() === '')
    throw new CommandError('--reason is missing: those who are refused read it, and so will you in a month');
  if (reason.length > MAX_REASON) throw new CommandError(`--reason is longer than ${MAX_REASON} characters`);
  const endsMs = Date.now() + lastingMs(options.for);
  const block = withBlocks(where, 'write', (blocks) =>
    blocks.add({ network: textOf(network), reason, endsMs, by: 'operator' }),
  );
  write(`${block.network} is blocked until ${formatTime(block.endsMs)}\n`);
  const { networks, relays } = where.site;
  const address = textOf(network).split('/')[0] ?? '';
  if (networks.has(address) || relays.has(address))
    write('Note: `networks` and `relays` of the configuration are never refused, whatever is blocked.\n');
  return 0;
}

export async function blockRemoveCommand(where: Where, network: string, write = toStdout): Promise<number> {
  const text = textOf(networkOf(network));
  const around = withBlocks(where, 'write', (blocks) =>
    blocks.remove(text) ? undefined : blocks.list({ network: text }),
  );
  if (around === undefined) {
    write(`${text} is no longer blocked, and its convictions are forgotten\n`);
    return 0;
  }
  write(`There is no entry for ${text}\n`);
  // Who wants one address let in has to know of the entry that covers it.
  if (around.length > 0) write(`These entries overlap it:\n${formatBlocks(around, Date.now())}`);
  return 1;
}

/** Newest first, as the store lists them. */
export function formatBlocks(blocks: readonly Block[], nowMs: number): string {
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

// Wider ones are typing mistakes, and shut half the world out.
const WIDEST_V4 = 8;
const WIDEST_V6 = 16;
const MAX_REASON = 200;
const MAX_DAYS = 3650;
const UNIT_MS: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

function lastingMs(text: string): number {
  const m = /^(\d{1,7})([mhdw])$/.exec(text);
  const ms = m === null ? 0 : Number(m[1]) * (UNIT_MS[m[2] ?? ''] ?? 0);
  if (ms > 0 && ms <= MAX_DAYS * 86_400_000) return ms;
  throw new CommandError(`--for "${text}" is no time; it wants 30m, 12h, 1d or 2w, at most ${MAX_DAYS}d`);
}

function networkOf(text: string): Network {
  const network = parseNetwork(text);
  if (network.kind === 'network') return network;
  throw new CommandError(`${network.problem}; NETWORK is an address or CIDR such as 192.0.2.0/24`);
}

/** As the store names it: a single address goes without its prefix length. */
function textOf(network: Network): string {
  const text = formatNetwork(network);
  const whole = network.base.family === 4 ? '/32' : '/128';
  return text.endsWith(whole) ? text.slice(0, -whole.length) : text;
}

// A gate holds the file for milliseconds; an operator can wait for that.
const WAIT_MS = 5000;

/** A command does not make the store: it would belong to whoever ran the command, and not to the gate. */
function withBlocks<T>({ dataDir }: Where, to: 'read' | 'write', use: (blocks: Blocks) => T): T {
  const file = join(dataDir, 'store.sqlite');
  if (!existsSync(file))
    throw new CommandError(
      `${file}: there is no store yet; has the gate run with this data_dir?`,
      EX_NOINPUT,
    );
  let store: ReturnType<typeof openStore>;
  try {
    store = openStore(file, { waitMs: WAIT_MS, readOnly: to === 'read' });
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error), EX_NOINPUT);
  }
  try {
    const used = use(store.blocks);
    // Throws where it cannot be written: closing would keep that to itself.
    store.commit();
    return used;
  } catch (error) {
    throw new CommandError(`${file}: ${error instanceof Error ? error.message : String(error)}`, EX_NOINPUT);
  } finally {
    store.close();
  }
}
