import type { DatabaseSync } from 'node:sqlite';
import { packed } from './chunk.ts';
import type { DecisionRow } from './rows.ts';
import { COUNTED } from './schema.ts';
import { note, segmentOf, segmentWriter, type Noted } from './segments.ts';
import { addToSketch, emptySketch, type Sketch } from './sketch.ts';
import { HOUR, MINUTE_MS, type Counts, type OutcomeCount } from './sums.ts';

/** What is written in one transaction. Made where the decisions are, so that their texts need not be parsed again. */
export interface Batch {
  readonly chunks: readonly Chunk[];
  /** By the minute; the writer adds them to the hours as well. */
  readonly counts: readonly Counts[];
  readonly outcomes: readonly OutcomeCount[];
}

export interface Chunk {
  /** See `record.ts`. */
  readonly lines: readonly string[];
  /** JSON of `Row[]`, in the order of the lines. */
  readonly rows: string;
}

/** A row in the order of `decisions`' columns, and its recipients beyond the first: names in every row would be most of the text. */
export type Row = readonly [
  at_ms: number,
  id: string,
  session: string | null,
  client: string,
  sender: string | null,
  recipient: string | null,
  outcome: string,
  check_name: string | null,
  size_octets: number,
  tagged: number,
  partly: number,
  left_out: number,
  bare: number,
  ...more: string[],
];

export const toRow = (d: DecisionRow, more: readonly string[]): Row => [
  d.at_ms,
  d.id,
  d.session,
  d.client,
  d.sender,
  d.recipient,
  d.outcome,
  d.check_name,
  d.size_octets,
  d.tagged,
  d.partly,
  d.left_out,
  d.bare,
  ...more,
];

export interface Writer {
  write(batch: Batch): void;
}

/** Statements prepared once: what kysely takes to put one together is several times what SQLite takes to run it. */
export function createWriter(db: DatabaseSync): Writer {
  // Columns by name: a table that has been given more meanwhile is written all the same.
  const last = db.prepare('SELECT coalesce(max(seq), 0) AS seq FROM decisions');
  const decision = db.prepare(
    `INSERT INTO decisions (seq, segment, at_ms, id, session, client, sender, recipient, outcome, check_name,
       size_octets, tagged, partly, left_out, bare)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const recipient = db.prepare(
    'INSERT INTO recipients (segment, recipient, seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const keepSegments = segmentWriter(db);
  const body = db.prepare('INSERT INTO bodies (seq, body) VALUES (?, ?)');
  const ofMinutes = sumWriter(db, '');
  const ofHours = sumWriter(db, 'hourly_');
  const sketchOf = db.prepare('SELECT sketch FROM hourly_clients WHERE minute = ?');
  const keepSketch = db.prepare('INSERT OR REPLACE INTO hourly_clients (minute, sketch) VALUES (?, ?)');
  // When all were dropped, what is recorded next comes after them all the same: who pages after the newest misses nothing.
  let newest = 0;
  const insert = ({ chunks, counts, outcomes }: Batch): void => {
    const sketches = new Map<number, Sketch>();
    const noted: Noted = new Map();
    let seq = Math.max(newest, Number(last.get()?.['seq']));
    for (const { lines, rows } of chunks) {
      body.run(seq + 1, packed(lines));
      for (const row of JSON.parse(rows) as readonly Row[]) {
        seq++;
        const segment = segmentOf(seq);
        const [
          at,
          id,
          session,
          client,
          sender,
          first,
          outcome,
          check,
          size,
          tagged,
          partly,
          out,
          bare,
          ...more
        ] = row;
        decision.run(
          seq,
          segment,
          at,
          id,
          session,
          client,
          sender,
          first,
          outcome,
          check,
          size,
          tagged,
          partly,
          out,
          bare,
        );
        for (const name of more) recipient.run(segment, name, seq);
        note(noted, segment, at, outcome, check ?? '');
        if (out === 1) continue;
        const hour = hourOf(Math.floor(at / MINUTE_MS));
        let sketch = sketches.get(hour);
        if (sketch === undefined) {
          // A copy: what the database gives is its own. Into an empty one nothing is added (see `schema.ts`).
          sketch = new Uint8Array((sketchOf.get(hour)?.['sketch'] as Sketch | undefined) ?? emptySketch());
          sketches.set(hour, sketch);
        }
        addToSketch(sketch, client);
      }
    }
    keepSegments(noted);
    for (const [hour, sketch] of sketches) keepSketch.run(hour, sketch);
    for (const c of counts) {
      ofMinutes.addCounts(c, c.minute);
      ofHours.addCounts(c, hourOf(c.minute));
    }
    for (const o of outcomes) {
      ofMinutes.addOutcome(o, o.minute);
      ofHours.addOutcome(o, hourOf(o.minute));
    }
    newest = seq;
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
  };
}

const hourOf = (minute: number): number => Math.floor(minute / HOUR) * HOUR;

function sumWriter(db: DatabaseSync, of: '' | 'hourly_') {
  const counts = db.prepare(
    `INSERT INTO ${of}counts (minute, check_name, ${COUNTED.join(', ')}) VALUES (?, ?${', ?'.repeat(COUNTED.length)})
     ON CONFLICT (minute, check_name) DO UPDATE SET
       ${COUNTED.map((name) => `${name} = ${of}counts.${name} + excluded.${name}`).join(', ')}`,
  );
  const outcomes = db.prepare(
    `INSERT INTO ${of}outcomes (minute, outcome, tagged, partly, decisions, octets) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (minute, outcome, tagged, partly) DO UPDATE SET
       decisions = ${of}outcomes.decisions + excluded.decisions, octets = ${of}outcomes.octets + excluded.octets`,
  );
  return {
    addCounts: (c: Counts, minute: number) =>
      void counts.run(minute, c.check_name, ...COUNTED.map((name) => c[name])),
    addOutcome: (o: OutcomeCount, minute: number) =>
      void outcomes.run(minute, o.outcome, o.tagged, o.partly, o.decisions, o.octets),
  };
}
