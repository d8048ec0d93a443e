import type { StatementSync } from 'node:sqlite';
import type { StandingPort } from '../../core/ports.ts';
import { NO_STANDING, type ClientStanding } from '../../core/standing.ts';
import type { Batch } from './batch.ts';
import { Rows } from './rows.ts';

export const STANDING = `
  CREATE TABLE standing (
    network TEXT PRIMARY KEY, good REAL NOT NULL, bad REAL NOT NULL, at_s INTEGER NOT NULL,
    good_s INTEGER NOT NULL, ends_s INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX standing_by_end ON standing (ends_s);`;

/** Good deliveries count once in this time: nobody earns a good name in an afternoon. */
const GOOD_COUNTS_EVERY_S = 3600;
/** Below it a count says nothing any more. */
const NEGLIGIBLE = 0.05;

export interface StandingBounds {
  /** After it a count weighs half. */
  readonly halfLifeMs: number;
  readonly maxNetworks: number;
}

interface Row extends ClientStanding {
  /** When the last good one was counted, in seconds; without meaning where none was. */
  readonly goodS: number;
}

/** The conduct of client networks: two counts that decay. About 80 octets a network. */
export class Standings implements StandingPort {
  readonly rows: Rows;
  readonly #batch: Batch;
  readonly #nowMs: () => number;
  readonly #halfLifeS: number;
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;

  constructor(batch: Batch, nowMs: () => number, { halfLifeMs, maxNetworks }: StandingBounds) {
    const { db } = batch;
    this.#batch = batch;
    this.#nowMs = nowMs;
    this.#halfLifeS = halfLifeMs / 1000;
    this.rows = new Rows(batch, nowMs, {
      table: 'standing',
      key: 'network',
      end: 'ends_s',
      unitMs: 1000,
      max: maxNetworks,
    });
    this.#find = db.prepare('SELECT good, bad, at_s, good_s FROM standing WHERE network = ?');
    this.#insert = db.prepare('INSERT OR IGNORE INTO standing VALUES (?, ?, ?, ?, ?, ?)');
    this.#update = db.prepare(
      'UPDATE standing SET good = ?, bad = ?, at_s = ?, good_s = ?, ends_s = ? WHERE network = ?',
    );
  }

  of(network: string): ClientStanding {
    const row = this.#row(network, this.#nowMs() / 1000);
    return row === undefined ? NO_STANDING : { good: row.good, bad: row.bad };
  }

  note(network: string, what: 'good' | 'bad'): void {
    const nowS = Math.floor(this.#nowMs() / 1000);
    const row = this.#row(network, nowS);
    if (what === 'good' && row !== undefined && row.good > 0) {
      if (Math.abs(nowS - row.goodS) < GOOD_COUNTS_EVERY_S) return;
    }
    const good = (row?.good ?? 0) + (what === 'good' ? 1 : 0);
    const bad = (row?.bad ?? 0) + (what === 'bad' ? 1 : 0);
    const goodS = what === 'good' ? nowS : (row?.goodS ?? 0);
    const endsS = Math.ceil(nowS + this.#halfLifeS * Math.log2(Math.max(good, bad) / NEGLIGIBLE));
    this.#batch.write(() => {
      if (this.#insert.run(network, good, bad, nowS, goodS, endsS).changes === 0)
        this.#update.run(good, bad, nowS, goodS, endsS, network);
      else this.rows.added();
    });
  }

  #row(network: string, nowS: number): Row | undefined {
    const row = this.#find.get(network);
    if (row === undefined) return undefined;
    // A clock that was set back must not make the counts grow.
    const decay = 0.5 ** (Math.max(0, nowS - Number(row['at_s'])) / this.#halfLifeS);
    return {
      good: Number(row['good']) * decay,
      bad: Number(row['bad']) * decay,
      goodS: Number(row['good_s']),
    };
  }
}
