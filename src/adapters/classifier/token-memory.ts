/**
 * What the classifier was asked about lately, so that somebody who looks at a decision can teach it with one click: the numbers of the
 * message's tokens by the decision's id, for a bounded time. No mail waits for it: writing is done some at a time between other work, and
 * what cannot be written costs the memory alone.
 *
 * In a file of its own: whoever learns thousands of messages keeps `classifier.sqlite` locked, and this one can be thrown away.
 */
import { existsSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { openDatabase } from '../sqlite.ts';

/** Never changed, only added to. */
const MIGRATIONS = [
  `CREATE TABLE seen_messages (
     n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL, keys BLOB NOT NULL
   );`,
];

export interface TokenMemoryOptions {
  readonly nowMs?: () => number;
  readonly onTrouble?: (error: unknown) => void;
  /** The oldest make room. */
  readonly maxMessages?: number;
  /** Of the file; a message of usual length is some 3,000, the longest 28,000. */
  readonly maxOctets?: number;
  /** Octets of messages that wait to be written; what comes beyond is not remembered. */
  readonly maxWaiting?: number;
}

const MAX_MESSAGES = 50_000;
const MAX_OCTETS = 256 * 1_048_576;
const MAX_WAITING = 8 * 1_048_576;
/** A transaction takes a few milliseconds of the program's own thread. */
const BATCH_OCTETS = 131_072;
/** Fewer than may go with each batch: the file does not outgrow its bounds. */
const BATCH_ROWS = 50;
const WRITE_AFTER_MS = 200;
/** So many of the oldest may go at a time. */
const DROP_ROWS = 100;
/** The operator is told once in this time. */
const TELL_EVERY_MS = 60_000;
/** SQLite's primary result codes. BUSY: another program writes; it is tried again. CORRUPT, NOTADB: it is made anew, for it is dear to nobody. */
const BUSY = 5;
const DAMAGED = [11, 26];
/** The log goes into the file a megabyte at a time, and nobody waits for the disk: what a power cut takes is the memory alone. */
const LOG_PAGES = 256;

export class TokenMemory {
  readonly #file: string;
  readonly #options: TokenMemoryOptions;
  readonly #nowMs: () => number;
  readonly #waiting = new Map<string, { readonly atMs: number; readonly keys: Buffer }>();
  #waitingOctets = 0;
  #db: DatabaseSync | undefined;
  #keptMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #toldMs = -Infinity;

  constructor(file: string, options: TokenMemoryOptions = {}) {
    this.#file = file;
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
  }

  /** For so long from now on. 0 forgets all there is, and the file goes. */
  keep(keptMs: number): void {
    this.#keptMs = keptMs;
    this.#tolerant(() => {
      if (keptMs > 0) {
        this.#db ??= this.#open();
        return;
      }
      this.#forgetWaiting();
      this.#letGo();
      this.#remove();
    });
  }

  #open(): DatabaseSync {
    try {
      return opened(this.#file);
    } catch (error) {
      if (!(error instanceof Error) || !DAMAGED.includes(resultCode(error.cause))) throw error;
      this.#remove();
      return opened(this.#file);
    }
  }

  #remove(): void {
    for (const suffix of ['', '-wal', '-shm']) rmSync(this.#file + suffix, { force: true });
  }

  /** `keys`: see `ClassifierStore.keysOf`. Never throws. */
  remember(id: string, keys: Iterable<number>): void {
    if (this.#db === undefined || this.#keptMs === 0) return;
    const packed = packKeys(keys);
    if (this.#waitingOctets + packed.length > (this.#options.maxWaiting ?? MAX_WAITING)) return;
    this.#waitingOctets += packed.length - (this.#waiting.get(id)?.keys.length ?? 0);
    this.#waiting.set(id, { atMs: this.#nowMs(), keys: packed });
    this.#writeSoon();
  }

  /** Drops what is too old or too much, some of it at a time; for quiet hours, when nothing is written. */
  expire(): void {
    this.#tolerant(() => this.#drop());
  }

  close(): void {
    while (this.#waiting.size > 0 && this.#db !== undefined) {
      if (!this.#tolerant(() => this.#writeBatch())) break;
    }
    this.#forgetWaiting();
    this.#letGo();
  }

  #writeSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tolerant(() => this.#writeBatch());
      if (this.#waiting.size > 0) this.#writeSoon();
    }, WRITE_AFTER_MS).unref();
  }

  #writeBatch(): void {
    const db = this.#db;
    if (db === undefined) {
      this.#forgetWaiting();
      return;
    }
    const batch: string[] = [];
    let octets = 0;
    db.exec('BEGIN IMMEDIATE');
    const insert = db.prepare('INSERT OR REPLACE INTO seen_messages (id, at_ms, keys) VALUES (?, ?, ?)');
    for (const [id, { atMs, keys }] of this.#waiting) {
      insert.run(id, atMs, keys);
      batch.push(id);
      octets += keys.length;
      if (octets >= BATCH_OCTETS || batch.length >= BATCH_ROWS) break;
    }
    this.#drop();
    db.exec('COMMIT');
    for (const id of batch) this.#waiting.delete(id);
    this.#waitingOctets = Math.max(0, this.#waitingOctets - octets);
  }

  #drop(): void {
    const db = this.#db;
    if (db === undefined) return;
    const drop = db.prepare(
      `DELETE FROM seen_messages WHERE n IN (SELECT n FROM seen_messages ORDER BY n LIMIT ?)
       AND (at_ms <= ? OR n <= ? OR ?)`,
    );
    const newest = Number(db.prepare('SELECT max(n) AS n FROM seen_messages').get()?.['n'] ?? 0);
    const pragma = (name: string) => Number(db.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
    const octets = (pragma('page_count') - pragma('freelist_count')) * pragma('page_size');
    const tooLarge = octets > (this.#options.maxOctets ?? MAX_OCTETS) ? 1 : 0;
    const from = newest - (this.#options.maxMessages ?? MAX_MESSAGES);
    drop.run(DROP_ROWS, this.#nowMs() - this.#keptMs, from, tooLarge);
  }

  /** False where it could not be done; then the operator knows, and nobody else is held up. */
  #tolerant(step: () => void): boolean {
    try {
      step();
      return true;
    } catch (error) {
      if (this.#db?.isTransaction === true) this.#db.exec('ROLLBACK');
      // Whoever is only in the way is gone in a moment, and what waits is bounded.
      if (resultCode(error) !== BUSY) {
        this.#forgetWaiting();
        this.#tell(error);
      }
      return false;
    }
  }

  #tell(error: unknown): void {
    const nowMs = this.#nowMs();
    if (Math.abs(nowMs - this.#toldMs) < TELL_EVERY_MS) return;
    this.#toldMs = nowMs;
    this.#options.onTrouble?.(error);
  }

  #forgetWaiting(): void {
    this.#waiting.clear();
    this.#waitingOctets = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #letGo(): void {
    this.#db?.close();
    this.#db = undefined;
  }
}

/**
 * The keys of a message that was judged at `sinceMs` or later; undefined where it is not, or no longer, known. Opens the file for the
 * one look: it comes and goes with the setting. Throws where it cannot be read.
 */
export function rememberedKeys(file: string, id: string, sinceMs: number): readonly number[] | undefined {
  if (!existsSync(file)) return undefined;
  const db = new DatabaseSync(file, { readOnly: true, timeout: 1000 });
  try {
    const row = db
      .prepare('SELECT keys FROM seen_messages WHERE id = ? AND at_ms >= ?')
      .get(id, Math.ceil(sinceMs));
    return row === undefined ? undefined : unpackKeys(row['keys'] as Uint8Array);
  } finally {
    db.close();
  }
}

function opened(file: string): DatabaseSync {
  const db = openDatabase(file, MIGRATIONS);
  // No dialogue waits for another program; and what is forgotten is overwritten, not only unlinked.
  db.exec(
    `PRAGMA busy_timeout = 0; PRAGMA secure_delete = ON; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = ${LOG_PAGES}`,
  );
  return db;
}

/** A key has 53 bits. They are as good as random: nothing would make them shorter. */
const KEY_OCTETS = 7;
const HIGH = 2 ** 24;

/** Sorted: the order of the words is nobody's business. */
export function packKeys(keys: Iterable<number>): Buffer {
  const sorted = Float64Array.from(new Set(keys)).sort();
  const packed = Buffer.allocUnsafe(sorted.length * KEY_OCTETS);
  for (let i = 0; i < sorted.length; i++) {
    const key = sorted[i] ?? 0;
    packed.writeUInt32BE(Math.floor(key / HIGH), i * KEY_OCTETS);
    packed.writeUIntBE(key % HIGH, i * KEY_OCTETS + 4, 3);
  }
  return packed;
}

export function unpackKeys(packed: Uint8Array): readonly number[] {
  const octets = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
  return Array.from(
    { length: Math.floor(octets.length / KEY_OCTETS) },
    (_, i) => octets.readUInt32BE(i * KEY_OCTETS) * HIGH + octets.readUIntBE(i * KEY_OCTETS + 4, 3),
  );
}

/** The low byte is the primary one. */
function resultCode(error: unknown): number {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : 0;
}
