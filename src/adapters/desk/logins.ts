import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Login, LoginsPort } from '../../core/desk.ts';

export const LOGINS = `
  CREATE TABLE logins (
    token_hash TEXT PRIMARY KEY, user TEXT NOT NULL, csrf TEXT NOT NULL, ends_ms INTEGER NOT NULL,
    fingerprint TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX logins_by_end ON logins (ends_ms);`;

/** At the bound those that end soonest make room. */
const MAX_LOGINS = 1000;

/** Who is logged in to the dashboard. */
export class Logins implements LoginsPort {
  readonly #nowMs: () => number;
  readonly #max: number;
  readonly #put: StatementSync;
  readonly #surplus: StatementSync;
  readonly #find: StatementSync;
  readonly #end: StatementSync;
  readonly #endAll: StatementSync;
  readonly #expire: StatementSync;

  constructor(db: DatabaseSync, nowMs: () => number, max = MAX_LOGINS) {
    this.#nowMs = nowMs;
    this.#max = max;
    this.#put = db.prepare(
      'INSERT OR REPLACE INTO logins (token_hash, user, csrf, ends_ms, fingerprint) VALUES (?, ?, ?, ?, ?)',
    );
    // Never the one that has just begun, however soon it ends: a login that does not last cannot be understood.
    this.#surplus = db.prepare(
      `DELETE FROM logins WHERE token_hash IN (
         SELECT token_hash FROM logins WHERE token_hash <> ?1
         ORDER BY ends_ms LIMIT max(0, (SELECT count(*) FROM logins) - ?2))`,
    );
    this.#find = db.prepare(
      'SELECT user, csrf, ends_ms, fingerprint FROM logins WHERE token_hash = ? AND ends_ms > ?',
    );
    this.#end = db.prepare('DELETE FROM logins WHERE token_hash = ?');
    this.#endAll = db.prepare('DELETE FROM logins WHERE user = ?');
    this.#expire = db.prepare('DELETE FROM logins WHERE ends_ms <= ?');
  }

  begin(tokenHash: string, { user, endsMs, csrf, fingerprint }: Login): void {
    this.expire();
    this.#put.run(tokenHash, user, csrf, Math.trunc(endsMs), fingerprint);
    this.#surplus.run(tokenHash, this.#max);
  }

  find(tokenHash: string): Login | undefined {
    const row = this.#find.get(tokenHash, this.#nowMs());
    if (row === undefined) return undefined;
    return {
      user: String(row['user']),
      endsMs: Number(row['ends_ms']),
      csrf: String(row['csrf']),
      fingerprint: String(row['fingerprint']),
    };
  }

  end(tokenHash: string): void {
    this.#end.run(tokenHash);
  }

  endAll(user: string): void {
    this.#endAll.run(user);
  }

  expire(): void {
    this.#expire.run(this.#nowMs());
  }
}
