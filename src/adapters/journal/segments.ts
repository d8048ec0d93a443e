/**
 * Decisions recorded one after the other are segments of a journal. Each index begins with the segment: what is written now falls on the few
 * pages of one, however large the journal is, and a search goes from the newest back and ends when it has enough. What a segment holds at
 * all stands beside it, so that most of them are passed over unopened.
 */
import type { DatabaseSync } from 'node:sqlite';
import { sql, type RawBuilder } from 'kysely';

/** Decisions in a segment. Half as many would be twice as many places to look for what is rare. */
export const SEGMENT = 8192;
export const segmentOf = (seq: number): number => Math.floor(seq / SEGMENT);
/** The first that it can have. */
export const firstOf = (segment: number): number => segment * SEGMENT;

/** What a batch adds to its segments. */
export type Noted = Map<number, NotedSegment>;

interface NotedSegment {
  first: number;
  last: number;
  /** Outcomes, by the check that decided, or nothing. */
  readonly endings: Map<string, Set<string>>;
}

export function note(noted: Noted, segment: number, atMs: number, outcome: string, check: string): void {
  let n = noted.get(segment);
  if (n === undefined)
    noted.set(segment, (n = { first: atMs, last: atMs, endings: new Map<string, Set<string>>() }));
  if (atMs < n.first) n.first = atMs;
  if (atMs > n.last) n.last = atMs;
  const outcomes = n.endings.get(check);
  if (outcomes === undefined) n.endings.set(check, new Set([outcome]));
  else outcomes.add(outcome);
}

export function segmentWriter(db: DatabaseSync): (noted: Noted) => void {
  const extent = db.prepare(
    `INSERT INTO segments (segment, first_ms, last_ms) VALUES (?, ?, ?)
     ON CONFLICT (segment) DO UPDATE SET
       first_ms = min(segments.first_ms, excluded.first_ms), last_ms = max(segments.last_ms, excluded.last_ms)`,
  );
  const ending = db.prepare(
    'INSERT INTO endings (segment, outcome, check_name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  return (noted) => {
    for (const [segment, { first, last, endings }] of noted) {
      extent.run(segment, first, last);
      for (const [check, outcomes] of endings)
        for (const outcome of outcomes) ending.run(segment, outcome, check);
    }
  };
}

/** Of a decision `d` and a segment `s`: by the number, for of each segment the decisions stand together. */
export const isInSegment = sql`d.seq >= s.segment * ${sql.lit(SEGMENT)} AND d.seq < (s.segment + 1) * ${sql.lit(SEGMENT)}`;

/** To select from: the decisions that began in the span, of the segments that have any. */
export const decisionsBetween = (sinceMs: number, untilMs: number): RawBuilder<unknown> =>
  sql`(SELECT d.* FROM segments AS s CROSS JOIN decisions AS d
    WHERE s.last_ms >= ${sinceMs} AND s.first_ms < ${untilMs}
      AND ${isInSegment}
      AND d.at_ms >= ${sinceMs} AND d.at_ms < ${untilMs}) AS decisions`;
