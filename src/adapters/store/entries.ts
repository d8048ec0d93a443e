import type { StatementSync } from 'node:sqlite';
import type { Json } from '../../core/check.ts';
import type { StorePort } from '../../core/ports.ts';
import type { Batch } from './batch.ts';
import { Rows } from './rows.ts';

export const ENTRIES = `
  CREATE TABLE entries (
    space TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, ends_ms INTEGER NOT NULL,
    PRIMARY KEY (space, key)
  ) WITHOUT ROWID;
  CREATE INDEX entries_by_end ON entries (ends_ms);`;

/** Small facts with an end date: answers of backends, of callouts. */
export class Entries implements StorePort {
  readonly rows: Rows;
  readonly #batch: Batch;
  readonly #nowMs: () => number;
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;

  constructor(batch: Batch, nowMs: () => number, max: number) {
    const { db } = batch;
    this.#batch = batch;
    this.#nowMs = nowMs;
    this.rows = new Rows(batch, nowMs, {
      table: 'entries',
      key: 'space, key',
      end: 'ends_ms',
      unitMs: 1,
      max,
    });
    this.#find = db.prepare('SELECT value FROM entries WHERE space = ? AND key = ? AND ends_ms > ?');
    this.#insert = db.prepare(
      'INSERT OR IGNORE INTO entries (space, key, value, ends_ms) VALUES (?, ?, ?, ?)',
    );
    this.#update = db.prepare('UPDATE entries SET value = ?, ends_ms = ? WHERE space = ? AND key = ?');
    this.#delete = db.prepare('DELETE FROM entries WHERE space = ? AND key = ?');
  }

  recall(space: string, key: string): Json | undefined {
    const row = this.#find.get(space, key, this.#nowMs());
    return row === undefined ? undefined : (JSON.parse(String(row['value'])) as Json);
  }

  remember(space: string, key: string, value: Json, keptMs: number): void {
    const text = JSON.stringify(value);
    const endsMs = Math.ceil(this.#nowMs() + keptMs);
    this.#batch.write(() => {
      if (this.#insert.run(space, key, text, endsMs).changes === 0)
        this.#update.run(text, endsMs, space, key);
      else this.rows.added();
    });
  }

  forget(space: string, key: string): void {
    this.#batch.write(() => this.rows.removed(this.#delete.run(space, key).changes));
  }
}
