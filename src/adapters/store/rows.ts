import type { StatementSync } from 'node:sqlite';
import type { Batch, Watcher } from './batch.ts';

export interface RowsOptions {
  readonly table: string;
  /** Its primary key's columns. */
  readonly key: string;
  /** The column, with an index, that says when a row has ended, in units of `unitMs`. */
  readonly end: string;
  readonly unitMs: number;
  /** Parts of the table, each with its rows in the index by end; at the bound the first part makes room before the next. */
  readonly parts?: readonly string[];
  readonly max: number;
}

export const COUNTS = `CREATE TABLE counts (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;`;

/**
 * How many rows a table has, its bound, and the way out for rows that have ended. The number is kept in the database: counting
 * millions of rows would hold up the start. Other programs add and remove rows too: it is read again when they have written.
 */
export class Rows implements Watcher {
  readonly #batch: Batch;
  readonly #options: RowsOptions;
  readonly #nowMs: () => number;
  readonly #count: StatementSync;
  readonly #addCount: StatementSync;
  readonly #parts: readonly Part[];
  #n = 0;
  #uncommitted = 0;

  constructor(batch: Batch, nowMs: () => number, options: RowsOptions) {
    const { table, key, end } = options;
    const { db } = batch;
    this.#batch = batch;
    this.#nowMs = nowMs;
    this.#options = options;
    this.#count = db.prepare('SELECT n FROM counts WHERE name = ?');
    this.#addCount = db.prepare(
      'INSERT INTO counts (name, n) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n',
    );
    this.#parts = (options.parts ?? ['true']).map((part) => {
      const drop = (where: string) =>
        db.prepare(
          `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE ${where} ORDER BY ${end} LIMIT ?)`,
        );
      return {
        anyEnded: db.prepare(`SELECT 1 FROM ${table} WHERE ${part} AND ${end} <= ? LIMIT 1`),
        dropEnded: drop(`${part} AND ${end} <= ?`),
        dropFirst: drop(part),
      };
    });
    this.reread();
    batch.watch(this);
  }

  get n(): number {
    return this.#n;
  }

  /** Inside a write, when there is one row more; beyond the bound the row that ends first makes room. */
  added(): void {
    this.#change(1);
    for (const { dropFirst } of this.#parts) {
      if (this.#n <= this.#options.max) return;
      this.#change(-Number(dropFirst.run(this.#n - this.#options.max).changes));
    }
  }

  removed(rows: number | bigint): void {
    this.#change(-Number(rows));
  }

  /** Drops at most so many rows that have ended, and says how many. */
  dropEnded(rows: number): number {
    const end = Math.floor(this.#nowMs() / this.#options.unitMs);
    let dropped = 0;
    for (const { anyEnded, dropEnded } of this.#parts) {
      // Asked first: a write takes the lock, and mostly there is nothing to do.
      if (dropped === rows || anyEnded.get(end) === undefined) continue;
      this.#batch.write(() => {
        const { changes } = dropEnded.run(end, rows - dropped);
        this.removed(changes);
        dropped += Number(changes);
      }, rows);
    }
    return dropped;
  }

  beforeCommit(): void {
    if (this.#uncommitted !== 0) this.#addCount.run(this.#options.table, this.#uncommitted);
    this.#uncommitted = 0;
  }

  reread(): void {
    this.#uncommitted = 0;
    this.#n = Number(this.#count.get(this.#options.table)?.['n'] ?? 0);
  }

  #change(by: number): void {
    this.#n += by;
    this.#uncommitted += by;
  }
}

interface Part {
  readonly anyEnded: StatementSync;
  readonly dropEnded: StatementSync;
  readonly dropFirst: StatementSync;
}
