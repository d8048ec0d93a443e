import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { QueueHistoryPort, QueueSample } from '../../core/desk.ts';

export const QUEUE = `
  CREATE TABLE queue (
    at_ms INTEGER PRIMARY KEY, messages INTEGER NOT NULL, by_queue TEXT, oldest_ms INTEGER
  );`;

const DAY_MS = 86_400_000;
/** Older ones are thinned: the greatest of each part of ten minutes stays. */
const WHOLE_MS = 2 * DAY_MS;
const PART_MS = 600_000;
/** Points of a chart, unless asked for another number, and at most. */
const POINTS = 500;
const MOST_POINTS = 5000;
/** Looked at by one `expire`: half a day of a sample every second. */
const STEP = 43_200;
/** After so many samples they are thinned whether anybody asks for it or not. */
const THINNED_EVERY = 10_000;
/** Queues that a mail server may name. */
const MAX_QUEUES = 20;
const MAX_NAME = 40;

/** The history of the backend's queue (O8). */
export class QueueHistory implements QueueHistoryPort {
  readonly #nowMs: () => number;
  readonly #keptMs: number;
  readonly #put: StatementSync;
  readonly #last: StatementSync;
  readonly #between: StatementSync;
  readonly #step: StatementSync;
  readonly #thin: StatementSync;
  readonly #expire: StatementSync;
  /** All before it are thinned. */
  #thinnedMs = 0;
  #added = 0;

  constructor(db: DatabaseSync, nowMs: () => number, keptMs: number) {
    this.#nowMs = nowMs;
    this.#keptMs = keptMs;
    this.#put = db.prepare(
      'INSERT OR REPLACE INTO queue (at_ms, messages, by_queue, oldest_ms) VALUES (?, ?, ?, ?)',
    );
    this.#last = db.prepare('SELECT * FROM queue ORDER BY at_ms DESC LIMIT 1');
    // SQLite takes the other columns from the row that has the max(). A bound number is a float: only CAST divides whole.
    this.#between = db.prepare(
      `SELECT at_ms, max(messages) AS messages, by_queue, oldest_ms FROM queue
       WHERE at_ms >= ?1 AND at_ms < ?2 GROUP BY CAST((at_ms - ?1) / ?3 AS INTEGER) ORDER BY at_ms`,
    );
    this.#step = db.prepare(
      'SELECT max(at_ms) AS at_ms FROM (SELECT at_ms FROM queue WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms LIMIT ?)',
    );
    this.#thin = db.prepare(
      `DELETE FROM queue WHERE at_ms IN (
         SELECT at_ms FROM (
           SELECT at_ms, row_number() OVER (PARTITION BY at_ms / ${PART_MS} ORDER BY messages DESC, at_ms) AS place
           FROM queue WHERE at_ms >= ? AND at_ms < ?)
         WHERE place > 1)`,
    );
    this.#expire = db.prepare(
      'DELETE FROM queue WHERE at_ms IN (SELECT at_ms FROM queue WHERE at_ms < ? ORDER BY at_ms LIMIT ?)',
    );
  }

  add({ atMs, messages, byQueue, oldestMs }: QueueSample): void {
    this.#put.run(
      Math.trunc(atMs),
      Math.trunc(messages),
      byQueue === undefined ? null : JSON.stringify(bounded(byQueue)),
      oldestMs === undefined ? null : Math.trunc(oldestMs),
    );
    if (++this.#added % THINNED_EVERY === 0) this.expire();
  }

  last(): QueueSample | undefined {
    const row = this.#last.get();
    return row === undefined ? undefined : sampleOf(row);
  }

  between(sinceMs: number, untilMs: number, points = POINTS): readonly QueueSample[] {
    const since = Math.trunc(sinceMs);
    const until = Math.ceil(untilMs);
    if (!(since < until)) return [];
    const wanted = Math.min(Math.max(1, Math.trunc(points)), MOST_POINTS);
    return this.#between.all(since, until, Math.ceil((until - since) / wanted)).map(sampleOf);
  }

  expire(): void {
    this.#expire.run(this.#nowMs() - this.#keptMs, STEP);
    // Whole parts only: the greatest of a part may be still to come.
    const end = partOf(this.#nowMs() - WHOLE_MS);
    const last = this.#step.get(this.#thinnedMs, end, STEP)?.['at_ms'];
    if (last === undefined || last === null) return;
    const until = partOf(Number(last)) + PART_MS;
    this.#thin.run(this.#thinnedMs, until);
    this.#thinnedMs = until;
  }
}

const partOf = (atMs: number): number => Math.floor(atMs / PART_MS) * PART_MS;

/** What a mail server, or a command, said of its queues. */
function bounded(byQueue: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(byQueue)
      .slice(0, MAX_QUEUES)
      .map(([name, messages]) => [name.slice(0, MAX_NAME), messages]),
  );
}

function sampleOf(row: Record<string, SQLOutputValue>): QueueSample {
  const byQueue = row['by_queue'];
  const oldestMs = row['oldest_ms'];
  return {
    atMs: Number(row['at_ms']),
    messages: Number(row['messages']),
    ...(typeof byQueue === 'string' ? { byQueue: JSON.parse(byQueue) as Record<string, number> } : {}),
    ...(oldestMs === null || oldestMs === undefined ? {} : { oldestMs: Number(oldestMs) }),
  };
}
