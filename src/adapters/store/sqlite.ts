import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Json } from '../../core/check.ts';
import type { StorePort } from '../../core/ports.ts';
import { openDatabase } from '../sqlite.ts';

const MIGRATIONS = [
  `CREATE TABLE entries (
     space TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, ends_ms INTEGER NOT NULL,
     PRIMARY KEY (space, key)
   ) WITHOUT ROWID;
   CREATE INDEX entries_by_end ON entries (ends_ms);`,
];

export interface StoreOptions {
  readonly nowMs?: () => number;
  /** Beyond it the entries that end first make room. About 130 octets each. */
  readonly maxEntries?: number;
}

/** Opens the store, and makes it where there is none. Throws with the remedy where the file cannot be used. */
export function openStore(file: string, options: StoreOptions = {}): SqliteStore {
  return new SqliteStore(file, options);
}

/** A hundred rows at a time keep the event loop free: a few hundred microseconds. */
const STEP_ROWS = 100;
/** With the rows of a step: the store keeps up with 1,000 entries a second that end. */
const COLLECT_EVERY_MS = 100;

/**
 * The embedded store. It runs on the program's own thread: a look-up or an upsert takes a few microseconds, less than
 * handing it to another thread would.
 */
export class SqliteStore implements StorePort {
  readonly #db: DatabaseSync;
  readonly #nowMs: () => number;
  readonly #maxEntries: number;
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteEnded: StatementSync;
  readonly #deleteFirst: StatementSync;
  readonly #timer: NodeJS.Timeout;
  #entries: number;

  constructor(file: string, { nowMs = Date.now, maxEntries = 5_000_000 }: StoreOptions) {
    const db = openDatabase(file, MIGRATIONS);
    this.#db = db;
    this.#nowMs = nowMs;
    this.#maxEntries = maxEntries;
    this.#find = db.prepare('SELECT value FROM entries WHERE space = ? AND key = ? AND ends_ms > ?');
    this.#insert = db.prepare(
      'INSERT OR IGNORE INTO entries (space, key, value, ends_ms) VALUES (?, ?, ?, ?)',
    );
    this.#update = db.prepare('UPDATE entries SET value = ?, ends_ms = ? WHERE space = ? AND key = ?');
    this.#delete = db.prepare('DELETE FROM entries WHERE space = ? AND key = ?');
    const some = (where: string) =>
      `DELETE FROM entries WHERE (space, key) IN (SELECT space, key FROM entries ${where} ORDER BY ends_ms LIMIT ?)`;
    this.#deleteEnded = db.prepare(some('WHERE ends_ms <= ?'));
    this.#deleteFirst = db.prepare(some(''));
    this.#entries = Number(db.prepare('SELECT count(*) AS n FROM entries').get()?.['n']);
    this.#timer = setInterval(() => this.collect(), COLLECT_EVERY_MS).unref();
  }

  get entries(): number {
    return this.#entries;
  }

  async recall(space: string, key: string): Promise<Json | undefined> {
    const row = this.#find.get(space, key, this.#nowMs());
    return row === undefined ? undefined : (JSON.parse(String(row['value'])) as Json);
  }

  async remember(space: string, key: string, value: Json, keptMs: number): Promise<void> {
    const text = JSON.stringify(value);
    const endsMs = Math.ceil(this.#nowMs() + keptMs);
    if (this.#insert.run(space, key, text, endsMs).changes === 0) this.#update.run(text, endsMs, space, key);
    else if (++this.#entries > this.#maxEntries) this.#entries -= Number(this.#deleteFirst.run(1).changes);
  }

  async forget(space: string, key: string): Promise<void> {
    this.#entries -= Number(this.#delete.run(space, key).changes);
  }

  /** Drops some of what has ended and says whether there may be more: call it again a moment later. */
  collect(): boolean {
    const dropped = Number(this.#deleteEnded.run(this.#nowMs(), STEP_ROWS).changes);
    this.#entries -= dropped;
    return dropped === STEP_ROWS;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#db.close();
  }
}
