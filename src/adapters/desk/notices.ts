import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { KeptNotice, Notice, NoticesPort } from '../../core/notice.ts';

export const NOTICES = `
  CREATE TABLE notices (
    id INTEGER PRIMARY KEY,
    about TEXT NOT NULL,
    state TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    notice TEXT,
    waiting INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX notices_about ON notices (about, id);
  CREATE INDEX notices_at ON notices (at_ms);
  CREATE INDEX notices_waiting ON notices (id) WHERE waiting = 1;
`;

// More than this many in a day are a fault, not news.
const MAX_LISTED = 1000;
const EXPIRED_AT_ONCE = 1000;

export class Notices implements NoticesPort {
  readonly #nowMs: () => number;
  readonly #keptMs: number;
  readonly #change: StatementSync;
  readonly #standing: StatementSync;
  readonly #waiting: StatementSync;
  readonly #told: StatementSync;
  readonly #since: StatementSync;
  readonly #expire: StatementSync;

  constructor(db: DatabaseSync, nowMs: () => number, keptMs: number) {
    this.#nowMs = nowMs;
    this.#keptMs = keptMs;
    // One statement: of two programs that see the same alert one alone tells it.
    this.#change = db.prepare(
      `INSERT INTO notices (about, state, at_ms, notice, waiting) SELECT $about, $state, $at, $notice, $notice IS NOT NULL
       WHERE coalesce((SELECT state FROM notices WHERE about = $about ORDER BY id DESC LIMIT 1), '') <> $state`,
    );
    this.#standing = db.prepare('SELECT state, at_ms FROM notices WHERE about = ? ORDER BY id DESC LIMIT 1');
    this.#waiting = db.prepare(
      `SELECT id, state, notice FROM notices AS n WHERE waiting = 1
       AND NOT EXISTS (SELECT 1 FROM notices WHERE about = n.about AND id > n.id) ORDER BY id LIMIT ${MAX_LISTED}`,
    );
    this.#told = db.prepare('UPDATE notices SET waiting = 0 WHERE id = ?');
    this.#since = db.prepare(
      `SELECT id, state, notice FROM notices WHERE at_ms >= ? AND notice IS NOT NULL ORDER BY id LIMIT ${MAX_LISTED}`,
    );
    // The last word on anything stays: without it an old alert would be told anew.
    this.#expire = db.prepare(
      `DELETE FROM notices WHERE id IN (SELECT id FROM notices AS n WHERE at_ms < ?
       AND EXISTS (SELECT 1 FROM notices WHERE about = n.about AND id > n.id) LIMIT ${EXPIRED_AT_ONCE})`,
    );
  }

  change(about: string, state: string, notice?: Notice): number | undefined {
    const { changes, lastInsertRowid } = this.#change.run({
      about,
      state,
      at: this.#nowMs(),
      notice: notice === undefined ? null : JSON.stringify(notice),
    });
    return Number(changes) === 0 ? undefined : Number(lastInsertRowid);
  }

  standing(about: string): { readonly state: string; readonly atMs: number } | undefined {
    const row = this.#standing.get(about);
    return row === undefined ? undefined : { state: String(row['state']), atMs: Number(row['at_ms']) };
  }

  waiting(): readonly KeptNotice[] {
    return this.#waiting.all().map(keptNotice);
  }

  told(id: number): void {
    this.#told.run(id);
  }

  since(sinceMs: number): readonly KeptNotice[] {
    return this.#since.all(sinceMs).map(keptNotice);
  }

  expire(): void {
    this.#expire.run(this.#nowMs() - this.#keptMs);
  }
}

const keptNotice = (row: Record<string, unknown>): KeptNotice => ({
  id: Number(row['id']),
  state: String(row['state']),
  notice: JSON.parse(String(row['notice'])) as Notice,
});
