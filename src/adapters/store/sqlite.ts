/**
 * The embedded store: one SQLite file for what is remembered between sessions. It runs on the program's own thread: a look-up or
 * an upsert takes a few microseconds, less than handing it to another thread would. One file a table; here they are opened
 * together, and what has ended is collected.
 */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { BOUNCED_GUESSES, GUESSES, REACHED, STRIKES } from '../../core/charges.ts';
import type { Ports } from '../../core/ports.ts';
import { MAX_LISTED } from '../../core/listed.ts';
import { contains, formatIp, parseNetwork, type Network } from '../../mail/ip.ts';
import { openDatabase } from '../sqlite.ts';
import { Batch } from './batch.ts';
import { BLOCKS, BLOCKS_BY_OPERATORS, BLOCKS_BY_OWNER, Blocks } from './blocks.ts';
import { Checkpoints } from './checkpoints.ts';
import { ENTRIES, Entries } from './entries.ts';
import { GREYLIST, Greylist } from './greylist.ts';
import { LISTED, ListedEntries } from './listed.ts';
import { Rates } from './rates.ts';
import { COUNTS } from './rows.ts';
import { STANDING, STANDING_BAD_SINCE, Standings } from './standing.ts';
import { TALLIES, Tally } from './tallies.ts';

/** Never changed, only added to: each is what the step from one `user_version` to the next does. */
const MIGRATIONS = [
  ENTRIES,
  `${COUNTS} INSERT INTO counts SELECT 'entries', count(*) FROM entries; ${GREYLIST} ${STANDING} ${BLOCKS}`,
  BLOCKS_BY_OWNER,
  `${STANDING_BAD_SINCE} ${TALLIES}`,
  `${BLOCKS_BY_OPERATORS} ${LISTED}`,
];

export interface StoreOptions {
  readonly nowMs?: () => number;
  /** A trial: answers what would be answered and changes nothing; where there is no file, as an empty store, and makes none. */
  readonly readOnly?: boolean;
  /**
   * For every program but the gate: what has ended is left to the gate, so are checkpoints, and each write is committed before its call
   * returns. A guest that is stopped or gets no processor time has no lock that mail would wait for.
   */
  readonly guest?: boolean;
  /** Told when writes that nobody waits for begin to fail: the end of a batch, the collection. */
  readonly onTrouble?: (error: unknown) => void;
  /** How long a write waits for another program's, and the whole program with it. A command can wait longer than a gate. */
  readonly waitMs?: number;
  readonly standingHalfLifeMs?: number;
  /** Beyond the bounds the rows that end first make room. About 130 octets each. */
  readonly maxEntries?: number;
  /** About 160 octets each; those that never came back make room first. */
  readonly maxTriplets?: number;
  /** Clients that the greylist knows. */
  readonly maxClients?: number;
  /** Networks whose standing is known. */
  readonly maxStandings?: number;
  readonly maxBlocks?: number;
  /** Of the lists that people keep while the gate runs; the gate holds them in memory. */
  readonly maxListed?: number;
  /** Counts of each kind; those in memory take about 150 octets each. */
  readonly maxRates?: number;
  /** Pages of 4 KiB that the file may have: for tests, a full disk. */
  readonly maxPages?: number;
}

/** Rows between two looks at the clock. */
const STEP_ROWS = 50;
/** So much of the event loop's time the collection takes at once. */
const STEP_MS = 2;
const COLLECT_EVERY_MS = 100;
/** Keeps the upper levels of a large table's tree in memory. */
const CACHE_KIB = 32_768;
/** Where the thread for checkpoints does not keep up or cannot start, the writer makes them from this length of the log on: 128 MiB. */
const LOG_PAGES = 32_768;
/** A log that begins anew is cut to this. */
const LOG_OCTETS = 67_108_864;

/** Opens the store, and makes it where there is none. Throws with the remedy where the file cannot be used. */
export function openStore(file: string, options: StoreOptions = {}): State {
  const db = options.readOnly === true ? openTrial(file) : openDatabase(file, MIGRATIONS);
  db.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA max_page_count = ${options.maxPages ?? 0xfffffffe}`);
  // The last to close the file makes a checkpoint in any case.
  const checkpointFrom = options.guest === true ? 0 : LOG_PAGES;
  db.exec(`PRAGMA wal_autocheckpoint = ${checkpointFrom}; PRAGMA journal_size_limit = ${LOG_OCTETS}`);
  return new State(file, db, options);
}

function openTrial(file: string): DatabaseSync {
  if (file === ':memory:' || !existsSync(file)) return openDatabase(':memory:', MIGRATIONS);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { readOnly: true });
    const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
    if (version > MIGRATIONS.length) throw new Error('it was written by a newer version of this program');
    if (version === MIGRATIONS.length) return db;
  } catch (error) {
    db?.close();
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${file}: cannot be read (${reason})`, { cause: error });
  }
  // Before the gate's first start with a new version there are no tables of its own to be read.
  db.close();
  return openDatabase(':memory:', MIGRATIONS);
}

/** What is held against a client, or speaks for it there, by the space of the rates. */
const TABLES = [
  [STRIKES, 'strikes'],
  [GUESSES, 'guesses'],
  [BOUNCED_GUESSES, 'bounced_guesses'],
  [REACHED, 'reached'],
] as const;

interface Collected {
  dropEnded(rows: number): number;
}

/** What is remembered between sessions, in all its uses. */
export class State implements Pick<Ports, 'store' | 'greylist' | 'standing' | 'blocks' | 'rates'> {
  readonly store: Entries;
  readonly greylist: Greylist;
  readonly standing: Standings;
  readonly blocks: Blocks;
  readonly rates: Rates;
  readonly listed: ListedEntries;
  readonly #db: DatabaseSync;
  readonly #batch: Batch;
  readonly #checkpoints: Checkpoints | undefined;
  readonly #tallies: ReadonlyMap<string, Tally>;
  readonly #collected: readonly Collected[];
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(file: string, db: DatabaseSync, options: StoreOptions) {
    const { nowMs = Date.now, readOnly = false, guest = false, onTrouble = () => undefined } = options;
    this.#db = db;
    const batch = new Batch(db, {
      trial: readOnly,
      eachAtOnce: guest,
      waitMs: options.waitMs ?? 50,
      onTrouble,
      onCommit: (rows) => this.#checkpoints?.committed(rows),
    });
    this.#batch = batch;
    if (file !== ':memory:' && !readOnly && !guest) {
      const finish = () =>
        batch.quietly(() => {
          batch.commit();
          db.exec('PRAGMA wal_checkpoint(PASSIVE)');
        });
      this.#checkpoints = new Checkpoints({ file, finish, onTrouble });
    }
    this.store = new Entries(batch, nowMs, options.maxEntries ?? 5_000_000);
    this.greylist = new Greylist(batch, nowMs, {
      maxTriplets: options.maxTriplets ?? 20_000_000,
      maxClients: options.maxClients ?? 2_000_000,
    });
    this.standing = new Standings(batch, nowMs, {
      halfLifeMs: options.standingHalfLifeMs ?? 14 * 86_400_000,
      maxNetworks: options.maxStandings ?? 5_000_000,
    });
    this.blocks = new Blocks(batch, nowMs, options.maxBlocks ?? 1_000_000);
    this.listed = new ListedEntries(batch, nowMs, options.maxListed ?? MAX_LISTED);
    const maxRates = options.maxRates ?? 100_000;
    const tallies = TABLES.map(
      ([space, table]) => [space, new Tally(batch, nowMs, table, maxRates)] as const,
    );
    this.#tallies = new Map(tallies);
    this.rates = new Rates(nowMs, maxRates, this.#tallies);
    this.#collected = [
      this.store.rows,
      this.greylist.triplets,
      this.greylist.clients,
      this.standing.rows,
      this.blocks.rows,
      this.listed,
      this.rates,
      ...tallies.map(([, tally]) => tally.rows),
    ];
    if (!readOnly && !guest) {
      this.#timer = setInterval(() => batch.quietly(() => this.collect()), COLLECT_EVERY_MS).unref();
    }
  }

  /** Drops some of what has ended, for so long at the most, and says whether there may be more: call it again a moment later. */
  collect(budgetMs = STEP_MS): boolean {
    const until = performance.now() + budgetMs;
    // A batch that is open has looked when it began.
    if (!this.#db.isTransaction) this.#batch.look();
    let left = this.#collected;
    // All tables in turn, so that a full one does not keep the others waiting.
    do left = left.filter((table) => table.dropEnded(STEP_ROWS) === STEP_ROWS);
    while (left.length > 0 && performance.now() < until);
    return left.length > 0;
  }

  /**
   * Forgets all that is held against the clients of a network; what is good stays. `also`: by what else their conduct is remembered.
   * False where there was nothing.
   */
  forgive(network: Network, also: readonly string[] = []): boolean {
    const tables = [this.standing, ...this.#tallies.values()];
    let forgiven = false;
    for (const table of tables) {
      for (const key of new Set([...also, ...within(network, table.keysFrom(beginOf(network)))]))
        if (table.forgive(key)) forgiven = true;
    }
    return forgiven;
  }

  /** Ends the batch: other programs see what was written until now. Throws where it cannot be written. */
  commit(): void {
    this.#batch.commit();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#batch.quietly(() => this.#batch.commit());
    this.#checkpoints?.close();
    this.#db.close();
  }
}

function within(network: Network, keys: readonly string[]): readonly string[] {
  return keys.filter((key) => {
    const one = parseNetwork(key);
    return one.kind === 'network' && one.prefix >= network.prefix && contains(network, one.base);
  });
}

/** How the names of all networks within it begin: as far as it fills whole parts of an address, and no zeros are left out of those. */
function beginOf({ base, prefix }: Network): string {
  const [mark, bits] = base.family === 4 ? (['.', 8] as const) : ([':', 16] as const);
  const whole = formatIp(base)
    .split(mark)
    .slice(0, Math.floor(prefix / bits));
  if (base.family === 4)
    return whole.length === 4 ? whole.join(mark) : whole.map((part) => part + mark).join('');
  const zero = whole.findIndex((part) => part === '' || part === '0');
  return whole
    .slice(0, zero < 0 ? whole.length : zero)
    .slice(0, 7)
    .map((part) => part + mark)
    .join('');
}
