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

export const STANDING_BAD_SINCE = 'ALTER TABLE standing ADD COLUMN bad_s INTEGER NOT NULL DEFAULT 0;';

/** Good deliveries count once in this time, and charges too: nobody earns a good name in an afternoon, nor loses it for months. */
const COUNTS_EVERY_S = 3600;
/** Charges beyond it add nothing: three half-lives later, the last one forgotten, they are held against nobody. */
const MOST_BAD = 4;
/** Below it a count says nothing any more. */
const NEGLIGIBLE = 0.05;

export interface StandingBounds {
  /** After it a count weighs half. */
  readonly halfLifeMs: number;
  readonly maxNetworks: number;
}

interface Row extends ClientStanding {
  /** When the last one was counted, in seconds; without meaning where none was. */
  readonly goodS: number;
  readonly badS: number;
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
  readonly #delete: StatementSync;
  readonly #networks: StatementSync;

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
    this.#find = db.prepare('SELECT good, bad, at_s, good_s, bad_s FROM standing WHERE network = ?');
    this.#insert = db.prepare(
      'INSERT OR IGNORE INTO standing (good, bad, at_s, good_s, bad_s, ends_s, network) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#update = db.prepare(
      'UPDATE standing SET good = ?, bad = ?, at_s = ?, good_s = ?, bad_s = ?, ends_s = ? WHERE network = ?',
    );
    this.#delete = db.prepare('DELETE FROM standing WHERE network = ?');
    this.#networks = db.prepare('SELECT network FROM standing WHERE network >= ? AND network < ?');
  }

  of(network: string): ClientStanding {
    const row = this.#row(network, this.#nowMs() / 1000);
    return row === undefined ? NO_STANDING : { good: row.good, bad: row.bad };
  }

  note(network: string, what: 'good' | 'bad'): void {
    const nowS = Math.floor(this.#nowMs() / 1000);
    const row = this.#row(network, nowS);
    const [before, lastS] = what === 'good' ? [row?.good, row?.goodS] : [row?.bad, row?.badS];
    if (before !== undefined && before > 0 && Math.abs(nowS - (lastS ?? 0)) < COUNTS_EVERY_S) return;
    const good = (row?.good ?? 0) + (what === 'good' ? 1 : 0);
    const bad = what === 'bad' ? Math.min((row?.bad ?? 0) + 1, MOST_BAD) : (row?.bad ?? 0);
    const goodS = what === 'good' ? nowS : (row?.goodS ?? 0);
    const badS = what === 'bad' ? nowS : (row?.badS ?? 0);
    const endsS = Math.ceil(nowS + this.#halfLifeS * Math.log2(Math.max(good, bad) / NEGLIGIBLE));
    this.#batch.write(() => {
      const values = [good, bad, nowS, goodS, badS, endsS, network] as const;
      if (this.#insert.run(...values).changes === 0) this.#update.run(...values);
      else this.rows.added();
    });
  }

  keysFrom(begin: string): readonly string[] {
    return this.#networks.all(begin, `${begin}\uffff`).map((row) => String(row['network']));
  }

  /** Forgets charges, and keeps what is good. False where there was none. */
  forgive(network: string): boolean {
    const nowS = Math.floor(this.#nowMs() / 1000);
    const row = this.#row(network, nowS);
    if (row === undefined || row.bad === 0) return false;
    const endsS = Math.ceil(nowS + this.#halfLifeS * Math.log2(row.good / NEGLIGIBLE));
    this.#batch.write(() => {
      if (row.good > NEGLIGIBLE) this.#update.run(row.good, 0, nowS, row.goodS, 0, endsS, network);
      else this.rows.removed(this.#delete.run(network).changes);
    });
    return true;
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
      badS: Number(row['bad_s']),
    };
  }
}
