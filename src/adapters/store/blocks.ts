import type { StatementSync } from 'node:sqlite';
import type { Block, BlocksPort, Conviction } from '../../core/ports.ts';
import {
  contains,
  networkAround,
  networkName,
  parseIp,
  parseNetwork,
  type Ip,
  type Network,
} from '../../mail/ip.ts';
import type { Batch } from './batch.ts';
import { Rows } from './rows.ts';

// `length` is the prefix length, IPv6_LENGTHS more for IPv6. `kept_ms`: until then convictions are remembered.
export const BLOCKS = `
  CREATE TABLE blocks (
    network TEXT PRIMARY KEY, length INTEGER NOT NULL, reason TEXT NOT NULL, evidence TEXT NOT NULL,
    by TEXT NOT NULL, convictions INTEGER NOT NULL, since_ms INTEGER NOT NULL, ends_ms INTEGER NOT NULL,
    kept_ms INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX blocks_by_length ON blocks (length);
  CREATE INDEX blocks_by_kept ON blocks (kept_ms);`;

// What strangers can bring about must not crowd out what the operator wants: at the bound convictions make room first.
export const BLOCKS_BY_OWNER = `
  DROP INDEX blocks_by_kept;
  CREATE INDEX blocks_by_owner ON blocks ((by = 'operator'), kept_ms);`;
// `operator`, or `operator ann` where it is known who: one part for all of them.
export const BLOCKS_BY_OPERATORS = `
  DROP INDEX blocks_by_owner;
  CREATE INDEX blocks_by_operators ON blocks ((substr(by, 1, 8) = 'operator'), kept_ms);`;
const PARTS = ["(substr(by, 1, 8) = 'operator') = 0", "(substr(by, 1, 8) = 'operator') = 1"] as const;

const IPV6_LENGTHS = 1000;
/** What `list` gives at most, unless asked for another number. */
const LISTED = 1000;
/** What a command adds while the gate runs is seen after so long. */
const LOOK_EVERY_MS = 500;
const COLUMNS = 'network, reason, evidence, by, convictions, since_ms, ends_ms';

export interface BlockQuery {
  /** Only entries that cover it, or lie within it: an address or a network. */
  readonly network?: string;
  readonly by?: string;
  /** Also those that have ended and are remembered, for the next one to be longer. */
  readonly ended?: boolean;
  readonly limit?: number;
}

export interface OperatorBlock {
  /** An address or a network; throws with the operator's message where it is neither. */
  readonly network: string;
  readonly reason: string;
  readonly endsMs: number;
  readonly by: string;
}

/** The short-term block list (C2). */
export class Blocks implements BlocksPort {
  readonly rows: Rows;
  readonly #batch: Batch;
  readonly #nowMs: () => number;
  readonly #max: number;
  readonly #anyConvicted: StatementSync;
  readonly #version: StatementSync;
  readonly #lengthsInUse: StatementSync;
  readonly #find: StatementSync;
  readonly #list: StatementSync;
  readonly #broughtBy: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  /** Prefix lengths that entries have: each is one probe of a look-up. Some may be out of use. */
  #lengths: ReadonlySet<number> = new Set();
  #versionSeen: unknown;
  #lookedMs = -Infinity;

  constructor(batch: Batch, nowMs: () => number, max: number) {
    const { db } = batch;
    this.#batch = batch;
    this.#nowMs = nowMs;
    this.rows = new Rows(batch, nowMs, {
      table: 'blocks',
      key: 'network',
      end: 'kept_ms',
      unitMs: 1,
      parts: PARTS,
      max,
    });
    this.#max = max;
    this.#anyConvicted = db.prepare(`SELECT 1 FROM blocks WHERE ${PARTS[0]} LIMIT 1`);
    this.#version = db.prepare('PRAGMA data_version');
    // Jumps from one length to the next in the index, whatever the number of entries.
    this.#lengthsInUse = db.prepare(
      `WITH RECURSIVE used (length) AS (
         SELECT min(length) FROM blocks
         UNION ALL
         SELECT (SELECT min(length) FROM blocks WHERE length > used.length) FROM used WHERE used.length IS NOT NULL
       )
       SELECT length FROM used WHERE length IS NOT NULL`,
    );
    this.#find = db.prepare(`SELECT ${COLUMNS}, kept_ms FROM blocks WHERE network = ?`);
    this.#list = db.prepare(
      `SELECT ${COLUMNS} FROM blocks WHERE ends_ms > ? ORDER BY since_ms DESC, network`,
    );
    this.#broughtBy = db.prepare(`SELECT ${COLUMNS} FROM blocks WHERE evidence = ?`);
    this.#put = db.prepare(
      `INSERT OR REPLACE INTO blocks (length, ${COLUMNS}, kept_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#delete = db.prepare('DELETE FROM blocks WHERE network = ?');
  }

  covering(address: string): Block | undefined {
    const lengths = this.#lengthsNow();
    if (lengths.size === 0) return undefined;
    const ip = parseIp(address);
    if (ip === undefined) return undefined;
    const nowMs = this.#nowMs();
    let last: Block | undefined;
    for (const length of lengths) {
      if (length >= IPV6_LENGTHS !== (ip.family === 6)) continue;
      const row = this.#find.get(nameOf(ip, length % IPV6_LENGTHS));
      if (row !== undefined && Number(row['ends_ms']) > Math.max(nowMs, last?.endsMs ?? 0))
        last = blockOf(row);
    }
    return last;
  }

  convict(conviction: Conviction): Block {
    const named = parsed(conviction.network);
    let block = this.#convicted(named.network, conviction);
    this.#batch.write(() => {
      // Again, now that no other program can write.
      block = this.#convicted(named.network, conviction);
      this.#save(block, named.length, block.endsMs + conviction.forgottenMs);
    });
    return block;
  }

  /** Newest first. */
  list({ network, by, ended = false, limit = LISTED }: BlockQuery = {}): readonly Block[] {
    const around = network === undefined ? undefined : parseNetwork(network);
    if (around?.kind === 'bad') throw new Error(around.problem);
    const found: Block[] = [];
    for (const row of this.#list.iterate(ended ? -1 : this.#nowMs())) {
      if (found.length >= limit) break;
      const block = blockOf(row);
      if (by !== undefined && block.by !== by) continue;
      if (around !== undefined && !overlap(around, block.network)) continue;
      found.push(block);
    }
    return found;
  }

  /** Those that a decision brought, as far as they are remembered. `evidence`: its id. */
  broughtBy(evidence: string): readonly Block[] {
    return this.#broughtBy.all(evidence).map(blockOf);
  }

  /**
   * Stands in the place of an entry of the same network, whose convictions stay remembered. No conviction crowds it out. Throws with
   * the operator's message where the list is full of such entries.
   */
  add({ network, reason, endsMs, by }: OperatorBlock): Block {
    const named = parsed(network);
    const nowMs = this.#nowMs();
    let block: Block = {
      network: named.network,
      reason,
      evidence: '',
      by,
      convictions: 0,
      sinceMs: nowMs,
      endsMs,
    };
    this.#batch.write(() => {
      const before = this.#find.get(named.network);
      if (before === undefined && this.rows.n >= this.#max && this.#anyConvicted.get() === undefined)
        throw new Error(`the list is full: ${this.#max} networks were added by hand; remove some first`);
      block = { ...block, convictions: Number(before?.['convictions'] ?? 0) };
      this.#save(block, named.length, Math.max(endsMs, Number(before?.['kept_ms'] ?? 0)));
    });
    return block;
  }

  /** Forgets the convictions as well. False where there was none. */
  remove(network: string): boolean {
    const named = parsed(network);
    let removed = this.#find.get(named.network) !== undefined;
    this.#batch.write(() => {
      const { changes } = this.#delete.run(named.network);
      this.rows.removed(changes);
      removed = changes !== 0;
    });
    return removed;
  }

  #convicted(network: string, conviction: Conviction): Block {
    const nowMs = this.#nowMs();
    const { reason, evidence, by, firstMs, factor, longestMs, forgottenMs } = conviction;
    const row = this.#find.get(network);
    const before = row === undefined ? undefined : blockOf(row);
    const remembered = before !== undefined && before.endsMs + forgottenMs > nowMs;
    const convictions = remembered ? before.convictions + 1 : 1;
    const endsMs = nowMs + Math.min(longestMs, firstMs * factor ** (convictions - 1));
    // What an operator wants blocked for longer stays his entry.
    if (before?.by.startsWith('operator') === true && before.endsMs > endsMs)
      return { ...before, convictions };
    return {
      network,
      reason,
      evidence,
      by,
      convictions,
      sinceMs: nowMs,
      endsMs: Math.max(endsMs, before?.endsMs ?? 0),
    };
  }

  #save(block: Block, length: number, keptMs: number): void {
    const { network, reason, evidence, by, convictions, sinceMs, endsMs } = block;
    const isNew = this.#find.get(network) === undefined;
    const ms = [sinceMs, endsMs, keptMs].map(Math.ceil);
    this.#put.run(length, network, reason, evidence, by, convictions, ...ms);
    if (isNew) this.rows.added();
    if (!this.#lengths.has(length)) this.#lengths = new Set([...this.#lengths, length]);
  }

  /** Changes when another program has written, and never with our own writes. */
  #lengthsNow(): ReadonlySet<number> {
    const nowMs = this.#nowMs();
    if (nowMs - this.#lookedMs < LOOK_EVERY_MS && nowMs >= this.#lookedMs) return this.#lengths;
    this.#lookedMs = nowMs;
    const version = this.#version.get()?.['data_version'];
    if (version !== this.#versionSeen) {
      this.#versionSeen = version;
      this.#lengths = new Set(this.#lengthsInUse.all().map((row) => Number(row['length'])));
    }
    return this.#lengths;
  }
}

function parsed(text: string): { readonly network: string; readonly length: number } {
  const network = parseNetwork(text);
  if (network.kind === 'bad') throw new Error(network.problem);
  const { base, prefix } = network;
  return { network: nameOf(base, prefix), length: base.family === 6 ? IPV6_LENGTHS + prefix : prefix };
}

const nameOf = (ip: Ip, prefix: number): string => networkName(networkAround(ip, prefix));

function overlap(a: Network, text: string): boolean {
  const b = parseNetwork(text);
  if (b.kind === 'bad') return false;
  return a.prefix <= b.prefix ? contains(a, b.base) : contains(b, a.base);
}

function blockOf(row: Readonly<Record<string, unknown>>): Block {
  return {
    network: String(row['network']),
    reason: String(row['reason']),
    evidence: String(row['evidence']),
    by: String(row['by']),
    convictions: Number(row['convictions']),
    sinceMs: Number(row['since_ms']),
    endsMs: Number(row['ends_ms']),
  };
}
