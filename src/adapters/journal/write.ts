import type { DatabaseSync } from 'node:sqlite';
import { packed } from './chunk.ts';
import type { Counts, DecisionRow, Name } from './rows.ts';

/** What is written in one transaction. Made where the decisions are, so that their texts need not be parsed again. */
export interface Batch {
  readonly chunks: readonly Chunk[];
  readonly counts: readonly Counts[];
}

export interface Chunk {
  /** See `chunk.ts`. */
  readonly text: string;
  /** JSON of `Row[]`, in the order of the text. */
  readonly rows: string;
}

export interface Row {
  readonly decision: DecisionRow;
  readonly names: readonly Name[];
}

export interface Writer {
  write(batch: Batch): void;
  /** Part of the transaction that is open, if one is. */
  dropName(name: Name, seq: number): void;
}

/** Statements prepared once: what kysely takes to put one together is several times what SQLite takes to run it. */
export function createWriter(db: DatabaseSync): Writer {
  const last = db.prepare('SELECT coalesce(max(seq), 0) AS seq FROM decisions');
  const decision = db.prepare('INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  const name = db.prepare('INSERT INTO names VALUES (?, ?, ?)');
  const unname = db.prepare('DELETE FROM names WHERE kind = ? AND name = ? AND seq = ?');
  const body = db.prepare('INSERT INTO bodies VALUES (?, ?)');
  const counts = db.prepare(
    `INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (minute, check_name) DO UPDATE SET asked = counts.asked + excluded.asked,
       failed = counts.failed + excluded.failed, temperror = counts.temperror + excluded.temperror,
       refused = counts.refused + excluded.refused, deferred = counts.deferred + excluded.deferred,
       took_ms = counts.took_ms + excluded.took_ms`,
  );
  const insert = ({ chunks, counts: sums }: Batch): void => {
    let seq = Number(last.get()?.['seq']);
    for (const { text, rows } of chunks) {
      body.run(seq + 1, packed(text));
      for (const { decision: d, names: all } of JSON.parse(rows) as readonly Row[]) {
        seq++;
        decision.run(
          seq,
          d.at_ms,
          d.client,
          d.outcome,
          d.check_name,
          d.size_octets,
          d.tagged,
          d.partly,
          d.left_out,
          d.bare,
        );
        for (const n of all) name.run(n.kind, n.name, seq);
      }
    }
    for (const c of sums)
      counts.run(c.minute, c.check_name, c.asked, c.failed, c.temperror, c.refused, c.deferred, c.took_ms);
  };
  return {
    write(batch) {
      db.exec('BEGIN IMMEDIATE');
      try {
        insert(batch);
        db.exec('COMMIT');
      } catch (error) {
        // SQLite has rolled back by itself where the disk is full.
        if (db.isTransaction) db.exec('ROLLBACK');
        throw error;
      }
    },
    dropName: (n, seq) => void unname.run(n.kind, n.name, seq),
  };
}
