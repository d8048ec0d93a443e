/** What sums say of a span: of whole hours where there are any in it, and of minutes at its ends. */
import { sql, type Kysely, type RawBuilder } from 'kysely';
import {
  OUTCOMES,
  type CheckSummary,
  type DecisionOutcome,
  type JournalSpan,
  type Summary,
} from '../../core/decision.ts';
import { COSTS } from '../../core/stage.ts';
import type { CheckEffect, RungTotal, TrafficPoint, TrafficQuery } from '../../core/traffic.ts';
import { COUNTED, type Tables } from './schema.ts';
import { decisionsBetween, isInSegment } from './segments.ts';
import { addToSketch, emptySketch, mergeSketch, sketchedCount } from './sketch.ts';
import { HOUR, isCheckName, MINUTE_MS, rungOfName, TURNED_AWAY, turnAwayReason } from './sums.ts';

type Db = Kysely<Tables>;

/** Clients of as many decisions are counted one by one, which takes some tens of milliseconds; those of more by sketches. */
const EXACT_CLIENTS = 50_000;
/** More points are no curve, and each costs memory at both ends. */
const MAX_PARTS = 20_000;
const HOUR_MS = HOUR * MINUTE_MS;

/** By minutes: from the first up to before the last. */
interface Minutes {
  readonly from: number;
  readonly to: number;
}

/** Of every minute that the span touches. */
const touched = ({ sinceMs, untilMs }: JournalSpan): Minutes => ({
  from: Math.floor((sinceMs ?? 0) / MINUTE_MS),
  to: Math.ceil((untilMs ?? Number.MAX_SAFE_INTEGER) / MINUTE_MS),
});

/**
 * The first minute of the first hour whose minutes are there: of hours before it there are the hours alone (see `thinSums`). Where there are
 * none at all it lies in the far future.
 */
export async function firstOfMinutes(db: Db): Promise<number> {
  let first = Number.MAX_SAFE_INTEGER;
  for (const table of ['counts', 'outcomes'] as const) {
    const row = await db.selectFrom(table).select('minute').orderBy('minute').limit(1).executeTakeFirst();
    first = Math.min(first, row?.minute ?? first);
  }
  return Math.floor(first / HOUR) * HOUR;
}

/** Rows of the sums of the span, of minutes and of hours together. Where it begins or ends in an hour without minutes: with all of that hour. */
async function sumsOf(db: Db, table: 'counts' | 'outcomes', span: Minutes): Promise<RawBuilder<unknown>> {
  const of = (t: string, first: number, end: number) =>
    sql`SELECT * FROM ${sql.table(t)} WHERE minute >= ${first} AND minute < ${end}`;
  const first = await firstOfMinutes(db);
  const from = span.from < first ? Math.floor(span.from / HOUR) * HOUR : span.from;
  const to = span.to < first ? Math.ceil(span.to / HOUR) * HOUR : span.to;
  const firstHour = Math.ceil(from / HOUR) * HOUR;
  const endHour = Math.floor(to / HOUR) * HOUR;
  if (endHour <= firstHour) return sql`(${of(table, from, to)}) AS sums`;
  return sql`(${of(table, from, firstHour)} UNION ALL ${of(`hourly_${table}`, firstHour, endHour)}
    UNION ALL ${of(table, endHour, to)}) AS sums`;
}

// PostgreSQL gives sums as text.
type Sum = number | string;
type Counted = Readonly<Record<(typeof COUNTED)[number], Sum>> & { readonly check_name: string };
type Ended = Readonly<Record<'tagged' | 'partly' | 'decisions' | 'octets', Sum>> & {
  readonly outcome: string;
};

/** Of what is named like this: `rung:` sorts before `rung;`. */
const RUNGS = sql`check_name >= 'rung:' AND check_name < 'rung;'`;
const ALL_ELSE = sql`(check_name < 'rung:' OR check_name >= 'rung;')`;

async function countsOf(db: Db, minutes: Minutes, which = ALL_ELSE): Promise<readonly Counted[]> {
  const sums = sql.join(COUNTED.map((name) => sql`sum(${sql.ref(name)}) AS ${sql.ref(name)}`));
  const { rows } = await sql<Counted>`SELECT check_name, ${sums} FROM ${await sumsOf(db, 'counts', minutes)}
    WHERE ${which}
    GROUP BY check_name ORDER BY check_name`.execute(db);
  return rows;
}

/** To the millisecond: of the minutes (hours) in which the span begins and ends, its decisions themselves are counted. */
async function outcomesOf(db: Db, since: number, until: number): Promise<readonly Ended[]> {
  const first = await firstOfMinutes(db);
  const unitAt = (ms: number) => (ms < first * MINUTE_MS ? HOUR : 1);
  const from = Math.ceil(since / MINUTE_MS / unitAt(since)) * unitAt(since);
  const to = Math.floor(until / MINUTE_MS / unitAt(until)) * unitAt(until);
  const ofRows = (first: number, end: number) => sql`SELECT outcome, tagged, partly, count(*) AS decisions,
    sum(size_octets) AS octets FROM ${decisionsBetween(first, end)}
    WHERE left_out = 0 GROUP BY outcome, tagged, partly`;
  if (from >= to) return (await sql<Ended>`${ofRows(since, until)}`.execute(db)).rows;
  const { rows } = await sql<Ended>`
    SELECT outcome, tagged, partly, decisions, octets FROM ${await sumsOf(db, 'outcomes', { from, to })}
      WHERE outcome <> ${TURNED_AWAY}
    UNION ALL SELECT * FROM (${ofRows(since, from * MINUTE_MS)}) AS first
    UNION ALL SELECT * FROM (${ofRows(to * MINUTE_MS, until)}) AS last`.execute(db);
  return rows;
}

export async function summarize(db: Db, span: JournalSpan): Promise<Summary> {
  const { sinceMs, untilMs } = span;
  const since = sinceMs ?? 0;
  const until = untilMs ?? Number.MAX_SAFE_INTEGER;
  const outcomes = await outcomesOf(db, since, until);
  const checks = await countsOf(db, touched({ sinceMs: since, untilMs: until }));
  const total = (of: (row: Ended) => boolean, what: 'decisions' | 'octets' = 'decisions'): number =>
    outcomes.reduce((sum, row) => sum + (of(row) ? Number(row[what]) : 0), 0);
  const isDelivered = (r: Ended) => r.outcome === 'accepted' || r.outcome === 'relayed';
  const received = total(() => true);
  const { clients, isEstimate } = await clientsOf(db, since, until, received);
  return {
    received,
    delivered: total((r) => r.outcome === 'accepted'),
    relayed: total((r) => r.outcome === 'relayed'),
    rejected: total((r) => r.outcome === 'refused'),
    deferred: total((r) => r.outcome === 'deferred'),
    abandoned: total((r) => r.outcome === 'abandoned'),
    ham: total((r) => isDelivered(r) && Number(r.tagged) === 0),
    tagged: total((r) => isDelivered(r) && Number(r.tagged) === 1),
    partly: total((r) => Number(r.partly) === 1),
    deliveredOctets: total(isDelivered, 'octets'),
    clients,
    ...(isEstimate ? { clientsEstimated: true as const } : {}),
    byCheck: checks.filter((c) => isCheckName(c.check_name)).map(checkSummary),
    turnedAway: Object.fromEntries(
      checks.flatMap((c) => {
        const reason = turnAwayReason(c.check_name);
        return reason === undefined ? [] : [[reason, Number(c.deferred)] as const];
      }),
    ),
    ...(checks.length > 0 && (await cutsHours(db, span)) ? { byWholeHours: true as const } : {}),
  };
}

/** Whether it begins or ends within an hour that has no minutes any more. */
async function cutsHours(db: Db, { sinceMs, untilMs }: JournalSpan): Promise<boolean> {
  const first = await firstOfMinutes(db);
  return [sinceMs, untilMs].some((ms) => ms !== undefined && ms < first * MINUTE_MS && ms % HOUR_MS !== 0);
}

/** Exactly where they are few, or their hours have no sketches. */
async function clientsOf(
  db: Db,
  since: number,
  until: number,
  received: number,
): Promise<{ readonly clients: number; readonly isEstimate: boolean }> {
  if (received > EXACT_CLIENTS && (await areSketched(db, since))) {
    const firstHour = Math.ceil(since / HOUR_MS);
    const endHour = Math.floor(until / HOUR_MS);
    const sketch = emptySketch();
    const add = async (first: number, end: number) => {
      const rows = await db
        .selectFrom('hourly_clients')
        .select('sketch')
        .where('minute', '>=', first * HOUR)
        .where('minute', '<', end * HOUR)
        .execute();
      for (const row of rows) mergeSketch(sketch, row.sketch);
    };
    // An hour that the span cuts: of its clients those in the span, unless they are many.
    const addPart = async (first: number, end: number, hour: number) => {
      if (first >= end) return;
      const { rows } = await sql<Pick<Tables['decisions'], 'client'>>`
        SELECT client FROM ${decisionsBetween(first, end)} WHERE left_out = 0 LIMIT ${EXACT_CLIENTS}`.execute(
        db,
      );
      if (rows.length === EXACT_CLIENTS) await add(hour, hour + 1);
      else for (const { client } of rows) addToSketch(sketch, client);
    };
    if (firstHour <= endHour) {
      await add(firstHour, endHour);
      await addPart(since, firstHour * HOUR_MS, firstHour - 1);
      await addPart(endHour * HOUR_MS, until, endHour);
    } else await addPart(since, until, endHour);
    return { clients: sketchedCount(sketch), isEstimate: true };
  }
  const { rows } = await sql<{ readonly n: Sum }>`
    SELECT count(DISTINCT client) AS n FROM ${decisionsBetween(since, until)} WHERE left_out = 0`.execute(db);
  return { clients: Number(rows[0]?.n), isEstimate: false };
}

/** Sketches that are empty stand where an earlier version ended: only after the last of them all clients are in theirs. */
async function areSketched(db: Db, since: number): Promise<boolean> {
  const firstMs = await firstSince(db, since);
  const sketch = await db
    .selectFrom('hourly_clients')
    .select('minute')
    .where(sql<boolean>`length(sketch) > 0`)
    .where(
      sql<boolean>`minute > coalesce((SELECT max(minute) FROM hourly_clients WHERE length(sketch) = 0), -1)`,
    )
    .orderBy('minute')
    .limit(1)
    .executeTakeFirst();
  return firstMs !== undefined && sketch !== undefined && firstMs >= sketch.minute * MINUTE_MS;
}

/** When the first decision since then began. */
async function firstSince(db: Db, since: number): Promise<number | undefined> {
  const { rows } = await sql<{ readonly first: number | null }>`SELECT min(first) AS first FROM (
    SELECT min(first_ms) AS first FROM segments WHERE first_ms >= ${since}
    UNION ALL SELECT min(d.at_ms) FROM segments AS s CROSS JOIN decisions AS d
      WHERE s.first_ms < ${since} AND s.last_ms >= ${since}
        AND ${isInSegment} AND d.at_ms >= ${since}) AS either`.execute(db);
  return rows[0]?.first ?? undefined;
}

/** The parts of a span, and the sums that they are made of. */
interface Parts {
  readonly minutes: Minutes;
  readonly step: number;
  readonly count: number;
  /** `hourly_`, or nothing. */
  readonly of: string;
}

function partsOf({ sinceMs, untilMs, stepMs }: TrafficQuery): Parts {
  const step = stepMs / MINUTE_MS;
  if (!Number.isInteger(step) || step < 1) throw new Error('`stepMs` wants to be whole minutes');
  const unit = step % HOUR === 0 ? HOUR : 1;
  const from = Math.floor(sinceMs / MINUTE_MS / unit) * unit;
  const count = Math.max(0, Math.ceil((untilMs / MINUTE_MS - from) / step));
  if (count > MAX_PARTS) throw new Error(`${count} parts are too many, at most there are ${MAX_PARTS}`);
  return { minutes: { from, to: from + count * step }, step, count, of: unit === HOUR ? 'hourly_' : '' };
}

/** Of parts shorter than an hour, where there are hours alone: what the decisions themselves say, and that takes its time. */
async function finePart(db: Db, { minutes, of }: Parts): Promise<number> {
  return of === '' ? Math.min(minutes.to, Math.max(minutes.from, await firstOfMinutes(db))) : minutes.from;
}

export async function traffic(db: Db, query: TrafficQuery): Promise<readonly TrafficPoint[]> {
  const parts = partsOf(query);
  const { minutes, step, count, of } = parts;
  const summed = await finePart(db, parts);
  const part = sql`(minute - ${int(minutes.from)}) / ${int(step)}`;
  const { rows } = await sql<Ended & { readonly part: Sum }>`
    SELECT ${part} AS part, outcome, tagged, sum(decisions) AS decisions, sum(octets) AS octets
    FROM (SELECT minute, outcome, tagged, decisions, octets FROM ${sql.table(`${of}outcomes`)}
        WHERE minute >= ${summed} AND minute < ${minutes.to}
      UNION ALL SELECT at_ms / ${int(MINUTE_MS)} AS minute, outcome, tagged, 1, size_octets
        FROM ${decisionsBetween(minutes.from * MINUTE_MS, summed * MINUTE_MS)} WHERE left_out = 0) AS sums
    GROUP BY 1, 2, 3`.execute(db);
  const points = Array.from({ length: count }, (_, i) => ({
    sinceMs: (minutes.from + i * step) * MINUTE_MS,
    outcomes: Object.fromEntries(OUTCOMES.map((o) => [o, 0])) as Record<DecisionOutcome, number>,
    tagged: 0,
    turnedAway: 0,
    deliveredOctets: 0,
  }));
  for (const row of rows) {
    const point = points[Number(row.part)];
    if (point === undefined) continue;
    const n = Number(row.decisions);
    if (row.outcome === TURNED_AWAY) point.turnedAway += n;
    else point.outcomes[row.outcome as DecisionOutcome] += n;
    if (row.outcome !== 'accepted' && row.outcome !== 'relayed') continue;
    point.deliveredOctets += Number(row.octets);
    if (Number(row.tagged) === 1) point.tagged += n;
  }
  for (const { minute, n } of await turnedAwaySpread(db, minutes.from, summed)) {
    const point = points[Math.floor((minute - minutes.from) / step)];
    if (point !== undefined) point.turnedAway += n;
  }
  return points;
}

/** Of hours without minutes: no decision says when it was, so that each minute is given as much of its hour as any other. */
async function turnedAwaySpread(
  db: Db,
  from: number,
  to: number,
): Promise<readonly { readonly minute: number; readonly n: number }[]> {
  if (from >= to) return [];
  const hours = await db
    .selectFrom('hourly_outcomes')
    .select(['minute', 'decisions'])
    .where('minute', '>=', Math.floor(from / HOUR) * HOUR)
    .where('minute', '<', to)
    .where('outcome', '=', TURNED_AWAY)
    .execute();
  return hours.flatMap((hour) =>
    Array.from({ length: HOUR }, (_, i) => ({
      minute: hour.minute + i,
      n: Math.floor(((i + 1) * hour.decisions) / HOUR) - Math.floor((i * hour.decisions) / HOUR),
    })).filter(({ minute, n }) => n > 0 && minute >= from && minute < to),
  );
}

export async function stoppedBy(
  db: Db,
  query: TrafficQuery,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const parts = partsOf(query);
  const { minutes, step, count, of } = parts;
  const summed = await finePart(db, parts);
  const { rows } = await sql<{ check_name: string; part: Sum; stopped: Sum }>`
    SELECT check_name, (minute - ${int(minutes.from)}) / ${int(step)} AS part, sum(stopped) AS stopped
    FROM (SELECT minute, check_name, refused + deferred AS stopped FROM ${sql.table(`${of}counts`)}
        WHERE minute >= ${summed} AND minute < ${minutes.to} AND refused + deferred > 0
      UNION ALL SELECT at_ms / ${int(MINUTE_MS)} AS minute, check_name, 1
        FROM ${decisionsBetween(minutes.from * MINUTE_MS, summed * MINUTE_MS)}
        WHERE check_name IS NOT NULL AND outcome IN ('refused', 'deferred')) AS sums
    GROUP BY 1, 2 ORDER BY 1`.execute(db);
  const stopped = new Map<string, number[]>();
  for (const row of rows) {
    if (!isCheckName(row.check_name)) continue;
    let of = stopped.get(row.check_name);
    if (of === undefined) stopped.set(row.check_name, (of = new Array<number>(count).fill(0)));
    of[Number(row.part)] = Number(row.stopped);
  }
  return Object.fromEntries(stopped);
}

const checkSummary = (c: Counted): CheckSummary => ({
  check: c.check_name,
  asked: Number(c.asked),
  failed: Number(c.failed),
  temperror: Number(c.temperror),
  refused: Number(c.refused),
  deferred: Number(c.deferred),
  tookMs: Number(c.took_ms),
});

// A parameter may be taken for a fraction, and what is divided by it with it.
const int = (n: number) => sql.lit(n);

export async function effect(db: Db, span: Required<JournalSpan>): Promise<readonly CheckEffect[]> {
  const rows = await countsOf(db, touched(span));
  const effects = rows
    .filter((c) => isCheckName(c.check_name))
    .map((c) => ({
      ...checkSummary(c),
      alone: Number(c.alone),
      overlap: Number(c.overlap),
      onGoodStanding: Number(c.on_good_standing),
      lookups: Number(c.lookups),
    }));
  return effects.sort(
    (a, b) => b.refused + b.deferred - a.refused - a.deferred || b.failed - a.failed || b.asked - a.asked,
  );
}

export async function rungs(db: Db, span: Required<JournalSpan>): Promise<readonly RungTotal[]> {
  const rows = await countsOf(db, touched(span), RUNGS);
  return COSTS.flatMap((cost) => {
    const c = rows.find((row) => rungOfName(row.check_name) === cost);
    if (c === undefined) return [];
    return {
      cost,
      came: Number(c.asked),
      refused: Number(c.refused),
      deferred: Number(c.deferred),
      tookMs: Number(c.took_ms),
      lookups: Number(c.lookups),
    };
  });
}
