import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import {
  MAX_CONTACT,
  MAX_REPORT_TEXT,
  type NewReport,
  type Report,
  type ReportsPort,
  type ReportState,
} from '../../core/desk.ts';

// AUTOINCREMENT: an id that was given to one sender is never another's.
export const REPORTS = `
  CREATE TABLE reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT, decision TEXT NOT NULL, checked TEXT, at_ms INTEGER NOT NULL,
    network TEXT NOT NULL, refused TEXT NOT NULL, contact TEXT NOT NULL, text TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'open',
    answer TEXT, answered_by TEXT, answered_ms INTEGER
  );
  CREATE INDEX reports_by_decision ON reports (decision);
  CREATE INDEX reports_by_state ON reports (state);
  CREATE INDEX reports_by_network ON reports (network, at_ms);
  CREATE INDEX reports_by_refused ON reports (refused, at_ms);
  CREATE INDEX reports_open_by_refused ON reports (refused) WHERE state = 'open';
  CREATE INDEX reports_by_time ON reports (at_ms);`;

/**
 * At the bound the oldest that are answered make room; where all are open, the oldest of the client network that most of them are about,
 * and where that has no two, no more are taken.
 */
const MAX_REPORTS = 100_000;
const MAX_WORD = 100;
/** A page of a list, unless asked for another number, and at most. */
const LISTED = 50;
const MOST_LISTED = 1000;
/** Dropped at a time, so that other programs find the file unlocked soon. */
const STEP = 1000;
const HOUR_MS = 3_600_000;

export interface ReportLimits {
  readonly keptMs: number;
  /** Of one client network in an hour, of refusals of one, and of all. */
  readonly reportsPerHour?: number;
  readonly reportsPerHourInAll?: number;
  readonly max?: number;
}

/** Mistakes that refused senders tell of (O5). */
export class Reports implements ReportsPort {
  readonly #db: DatabaseSync;
  readonly #nowMs: () => number;
  readonly #limits: Required<ReportLimits>;
  readonly #openOf: StatementSync;
  readonly #lately: StatementSync;
  readonly #latelyOf: StatementSync;
  readonly #latelyOfRefused: StatementSync;
  readonly #count: StatementSync;
  readonly #dropAnswered: StatementSync;
  readonly #dropOpen: StatementSync;
  readonly #insert: StatementSync;
  readonly #list: StatementSync;
  readonly #listState: StatementSync;
  readonly #of: StatementSync;
  readonly #find: StatementSync;
  readonly #answer: StatementSync;
  readonly #open: StatementSync;
  readonly #byCheck: StatementSync;
  readonly #expire: StatementSync;

  constructor(
    db: DatabaseSync,
    nowMs: () => number,
    { keptMs, reportsPerHour = 5, reportsPerHourInAll = 200, max = MAX_REPORTS }: ReportLimits,
  ) {
    this.#db = db;
    this.#nowMs = nowMs;
    this.#limits = { keptMs, reportsPerHour, reportsPerHourInAll, max };
    this.#openOf = db.prepare("SELECT 1 FROM reports WHERE decision = ? AND state = 'open'");
    this.#lately = db.prepare('SELECT count(*) AS n FROM reports WHERE at_ms > ?');
    this.#latelyOf = db.prepare('SELECT count(*) AS n FROM reports WHERE network = ? AND at_ms > ?');
    this.#latelyOfRefused = db.prepare('SELECT count(*) AS n FROM reports WHERE refused = ? AND at_ms > ?');
    this.#count = db.prepare('SELECT count(*) AS n FROM reports');
    this.#dropAnswered = db.prepare(
      "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE state <> 'open' ORDER BY id LIMIT ?)",
    );
    this.#dropOpen = db.prepare(
      `DELETE FROM reports WHERE id = (SELECT min(id) FROM reports WHERE state = 'open' AND refused = (
         SELECT refused FROM reports WHERE state = 'open' GROUP BY refused HAVING count(*) > 1 ORDER BY count(*) DESC LIMIT 1
       ))`,
    );
    this.#insert = db.prepare(
      `INSERT INTO reports (decision, checked, at_ms, network, refused, contact, text)
       VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING *`,
    );
    this.#list = db.prepare('SELECT * FROM reports WHERE id < ? ORDER BY id DESC LIMIT ?');
    this.#listState = db.prepare('SELECT * FROM reports WHERE state = ? AND id < ? ORDER BY id DESC LIMIT ?');
    this.#of = db.prepare('SELECT * FROM reports WHERE decision = ? ORDER BY id DESC LIMIT 1');
    this.#find = db.prepare('SELECT * FROM reports WHERE id = ?');
    this.#answer = db.prepare(
      'UPDATE reports SET state = ?, answer = ?, answered_by = ?, answered_ms = ? WHERE id = ? RETURNING *',
    );
    this.#open = db.prepare("SELECT count(*) AS n FROM reports WHERE state = 'open'");
    this.#byCheck = db.prepare(
      `SELECT checked, count(*) AS n FROM reports
       WHERE at_ms >= ? AND checked IS NOT NULL AND state <> 'declined' GROUP BY checked`,
    );
    this.#expire = db.prepare(
      'DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE at_ms < ? ORDER BY at_ms LIMIT ?)',
    );
  }

  file({ decision, check, network, refused, contact, text }: NewReport): Report | 'already' | 'too-many' {
    // IMMEDIATE: of two processes that take the same report only one must find that there is none.
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const filed = this.#room(decision, network, refused);
      const row =
        filed === 'room'
          ? this.#insert.get(
              decision.slice(0, MAX_WORD),
              check?.slice(0, MAX_WORD) ?? null,
              this.#nowMs(),
              network.slice(0, MAX_WORD),
              refused.slice(0, MAX_WORD),
              contact.slice(0, MAX_CONTACT),
              text.slice(0, MAX_REPORT_TEXT),
            )
          : undefined;
      this.#db.exec('COMMIT');
      return row === undefined ? (filed as 'already' | 'too-many') : reportOf(row);
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #room(decision: string, network: string, refused: string): 'room' | 'already' | 'too-many' {
    const { reportsPerHour, reportsPerHourInAll, max } = this.#limits;
    if (this.#openOf.get(decision) !== undefined) return 'already';
    const sinceMs = this.#nowMs() - HOUR_MS;
    if (countOf(this.#latelyOf.get(network, sinceMs)) >= reportsPerHour) return 'too-many';
    if (countOf(this.#latelyOfRefused.get(refused, sinceMs)) >= reportsPerHour) return 'too-many';
    if (countOf(this.#lately.get(sinceMs)) >= reportsPerHourInAll) return 'too-many';
    if (countOf(this.#count.get()) < max) return 'room';
    const isDropped = this.#dropAnswered.run(1).changes > 0 || this.#dropOpen.run().changes > 0;
    return isDropped ? 'room' : 'too-many';
  }

  list({ state, beforeId = Number.MAX_SAFE_INTEGER, limit = LISTED }: ReportsQuery): readonly Report[] {
    const most = Math.min(limit, MOST_LISTED);
    const rows =
      state === undefined ? this.#list.all(beforeId, most) : this.#listState.all(state, beforeId, most);
    return rows.map(reportOf);
  }

  of(decision: string): Report | undefined {
    const row = this.#of.get(decision);
    return row === undefined ? undefined : reportOf(row);
  }

  find(id: number): Report | undefined {
    if (!Number.isSafeInteger(id)) return undefined;
    const row = this.#find.get(id);
    return row === undefined ? undefined : reportOf(row);
  }

  answer(id: number, { state, text, by }: Parameters<ReportsPort['answer']>[1]): Report | undefined {
    if (!Number.isSafeInteger(id)) return undefined;
    const said = text.slice(0, MAX_REPORT_TEXT);
    const row = this.#answer.get(state, said, by.slice(0, MAX_WORD), this.#nowMs(), id);
    return row === undefined ? undefined : reportOf(row);
  }

  open(): number {
    return countOf(this.#open.get());
  }

  byCheck(sinceMs: number): Readonly<Record<string, number>> {
    return Object.fromEntries(
      this.#byCheck.all(sinceMs).map((row) => [String(row['checked']), Number(row['n'])]),
    );
  }

  expire(): void {
    this.#expire.run(this.#nowMs() - this.#limits.keptMs, STEP);
  }
}

type ReportsQuery = Parameters<ReportsPort['list']>[0];
type Row = Record<string, SQLOutputValue>;

const countOf = (row: Row | undefined): number => Number(row?.['n'] ?? 0);

function reportOf(row: Row): Report {
  const answered = row['answered_ms'] !== null;
  return {
    id: Number(row['id']),
    decision: String(row['decision']),
    atMs: Number(row['at_ms']),
    network: String(row['network']),
    contact: String(row['contact']),
    text: String(row['text']),
    state: stateOf(row['state']),
    ...(answered
      ? {
          answer: {
            text: String(row['answer']),
            by: String(row['answered_by']),
            atMs: Number(row['answered_ms']),
          },
        }
      : {}),
  };
}

function stateOf(value: SQLOutputValue | undefined): ReportState {
  return value === 'let-in' || value === 'declined' ? value : 'open';
}
