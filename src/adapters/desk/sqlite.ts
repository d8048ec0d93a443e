/** The postmaster's desk in one SQLite file: reports, marks, the history of the queue, who is logged in. One file a table. */
import type { DatabaseSync } from 'node:sqlite';
import type { Desk } from '../../core/desk.ts';
import { openDatabase } from '../sqlite.ts';
import { Logins, LOGINS } from './logins.ts';
import { Marks, MARKS } from './marks.ts';
import { Notices, NOTICES } from './notices.ts';
import { QueueHistory, QUEUE } from './queue.ts';
import { Reports, REPORTS } from './reports.ts';

/** Never changed, only added to. */
const MIGRATIONS = [`${REPORTS} ${MARKS} ${QUEUE} ${LOGINS}`, NOTICES];

export interface DeskOptions {
  readonly nowMs?: () => number;
  /** Reports of one client network in an hour, and of all. */
  readonly reportsPerHour?: number;
  readonly reportsPerHourInAll?: number;
  /** How long reports, marks and samples are kept. */
  readonly keptMs?: number;
}

/** Opens the desk, and makes it where there is none. Throws with the remedy where the file cannot be used. */
export function openDesk(file: string, options: DeskOptions = {}): Desk {
  const db = openDatabase(file, MIGRATIONS);
  return new SqliteDesk(db, options);
}

class SqliteDesk implements Desk {
  readonly reports: Reports;
  readonly marks: Marks;
  readonly queue: QueueHistory;
  readonly logins: Logins;
  readonly notices: Notices;
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync, { nowMs = Date.now, keptMs = KEPT_MS, ...limits }: DeskOptions) {
    this.#db = db;
    this.reports = new Reports(db, nowMs, { keptMs, ...limits });
    this.marks = new Marks(db, nowMs, keptMs);
    this.queue = new QueueHistory(db, nowMs, keptMs);
    this.logins = new Logins(db, nowMs);
    this.notices = new Notices(db, nowMs, keptMs);
  }

  expire(): void {
    this.reports.expire();
    this.marks.expire();
    this.queue.expire();
    this.logins.expire();
    this.notices.expire();
  }

  close(): void {
    this.#db.close();
  }
}

const KEPT_MS = 400 * 86_400_000;
