import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Judgement, MarksPort } from '../../core/desk.ts';

export const MARKS = `
  CREATE TABLE marks (
    decision TEXT PRIMARY KEY, judgement TEXT NOT NULL, by TEXT NOT NULL, at_ms INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX marks_by_time ON marks (at_ms);`;

/** Set by hand; at the bound the oldest make room. */
const MAX_MARKS = 100_000;
const MAX_WORD = 100;
/** Dropped at a time, so that other programs find the file unlocked soon. */
const STEP = 1000;

/** What postmasters have said of decisions. */
export class Marks implements MarksPort {
  readonly #nowMs: () => number;
  readonly #keptMs: number;
  readonly #max: number;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #find: StatementSync;
  readonly #list: StatementSync;
  readonly #surplus: StatementSync;
  readonly #expire: StatementSync;

  constructor(db: DatabaseSync, nowMs: () => number, keptMs: number, max = MAX_MARKS) {
    this.#nowMs = nowMs;
    this.#keptMs = keptMs;
    this.#max = max;
    this.#put = db.prepare(
      'INSERT OR REPLACE INTO marks (decision, judgement, by, at_ms) VALUES (?, ?, ?, ?)',
    );
    this.#delete = db.prepare('DELETE FROM marks WHERE decision = ?');
    this.#find = db.prepare('SELECT judgement FROM marks WHERE decision = ?');
    this.#list = db.prepare(
      'SELECT decision, judgement FROM marks WHERE at_ms >= ? ORDER BY at_ms DESC, decision',
    );
    this.#surplus = db.prepare(
      `DELETE FROM marks WHERE decision IN
       (SELECT decision FROM marks ORDER BY at_ms, decision LIMIT max(0, (SELECT count(*) FROM marks) - ?))`,
    );
    this.#expire = db.prepare(
      'DELETE FROM marks WHERE decision IN (SELECT decision FROM marks WHERE at_ms < ? ORDER BY at_ms LIMIT ?)',
    );
  }

  set(decision: string, judgement: Judgement | undefined, by: string): void {
    const name = decision.slice(0, MAX_WORD);
    if (judgement === undefined) {
      this.#delete.run(name);
      return;
    }
    this.#put.run(name, judgement, by.slice(0, MAX_WORD), this.#nowMs());
    this.#surplus.run(this.#max);
  }

  of(decisions: readonly string[]): ReadonlyMap<string, Judgement> {
    const found = new Map<string, Judgement>();
    for (const decision of decisions) {
      const row = this.#find.get(decision);
      if (row !== undefined) found.set(decision, judgementOf(row['judgement']));
    }
    return found;
  }

  list(sinceMs: number): ReadonlyMap<string, Judgement> {
    return new Map(
      this.#list.all(sinceMs).map((row) => [String(row['decision']), judgementOf(row['judgement'])]),
    );
  }

  expire(): void {
    this.#expire.run(this.#nowMs() - this.#keptMs, STEP);
  }
}

const judgementOf = (value: SQLOutputValue | undefined): Judgement =>
  value === 'wanted' ? 'wanted' : 'unwanted';
