import type { StatementSync } from 'node:sqlite';
import type { Batch } from './batch.ts';
import { Rows } from './rows.ts';

/** Charges that are not yet a block: each kind a table, with a bound of its own. */
export const TALLIES = ['strikes', 'guesses', 'bounced_guesses', 'reached']
  .map(
    (table) => `
  CREATE TABLE ${table} (key TEXT PRIMARY KEY, n INTEGER NOT NULL, ends_ms INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX ${table}_by_end ON ${table} (ends_ms);`,
  )
  .join('');

/** Counts in windows that begin with their first event, in the file: an operator looks them up and clears them while the gate runs. */
export class Tally {
  readonly rows: Rows;
  readonly #batch: Batch;
  readonly #nowMs: () => number;
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #keys: StatementSync;

  constructor(batch: Batch, nowMs: () => number, table: string, max: number) {
    const { db } = batch;
    this.#batch = batch;
    this.#nowMs = nowMs;
    this.rows = new Rows(batch, nowMs, { table, key: 'key', end: 'ends_ms', unitMs: 1, max });
    this.#find = db.prepare(`SELECT n, ends_ms FROM ${table} WHERE key = ?`);
    this.#put = db.prepare(`INSERT OR REPLACE INTO ${table} (key, n, ends_ms) VALUES (?, ?, ?)`);
    this.#delete = db.prepare(`DELETE FROM ${table} WHERE key = ?`);
    this.#keys = db.prepare(`SELECT key FROM ${table} WHERE key >= ? AND key < ?`);
  }

  add(key: string, windowMs: number): number {
    const nowMs = this.#nowMs();
    let n = this.count(key) + 1;
    this.#batch.write(() => {
      // Again, now that no other program can write.
      const row = this.#find.get(key);
      const runs = row !== undefined && Number(row['ends_ms']) > nowMs;
      n = runs ? Number(row['n']) + 1 : 1;
      this.#put.run(key, n, runs ? Number(row['ends_ms']) : Math.ceil(nowMs + windowMs));
      if (row === undefined) this.rows.added();
    });
    return n;
  }

  count(key: string): number {
    const row = this.#find.get(key);
    return row === undefined || Number(row['ends_ms']) <= this.#nowMs() ? 0 : Number(row['n']);
  }

  keysFrom(begin: string): readonly string[] {
    return this.#keys.all(begin, `${begin}\uffff`).map((row) => String(row['key']));
  }

  /** False where there was nothing. */
  forgive(key: string): boolean {
    let forgiven = this.count(key) > 0;
    this.#batch.write(() => {
      const { changes } = this.#delete.run(key);
      this.rows.removed(changes);
      forgiven = changes !== 0;
    });
    return forgiven;
  }
}
