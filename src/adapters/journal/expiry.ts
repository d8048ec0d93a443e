import { sql, type Kysely } from 'kysely';
import { packed, unpacked } from './chunk.ts';
import { hoursOf, type Tables } from './schema.ts';
import { firstOf, segmentOf } from './segments.ts';
import { HOUR, MINUTE_MS } from './sums.ts';
import { firstOfMinutes } from './totals.ts';

/** Drops what began before, at most `rows` of it, from the segment recorded first on; gives the number dropped. */
export async function dropOld(
  db: Kysely<Tables>,
  { beforeMs, rows }: { readonly beforeMs: number; readonly rows: number },
): Promise<number> {
  return inTransaction(db, async (trx) => {
    await dropSums(trx, beforeMs);
    for (;;) {
      const oldest = await trx
        .selectFrom('segments')
        .select('segment')
        .where('first_ms', '<', beforeMs)
        .orderBy('segment')
        .limit(1)
        .executeTakeFirst();
      if (oldest === undefined) return 0;
      const old = await trx
        .selectFrom('decisions')
        .select('seq')
        .where('seq', '>=', firstOf(oldest.segment))
        .where('seq', '<', firstOf(oldest.segment + 1))
        .where(sql<number>`(at_ms + 0)`, '<', beforeMs)
        .orderBy('seq')
        .limit(rows)
        .execute();
      if (old.length > 0) {
        const seqs = old.map((row) => row.seq);
        await dropDecisions(trx, seqs);
        return seqs.length;
      }
      await closeSegment(trx, oldest.segment);
    }
  });
}

/**
 * Drops some where there is too much: the oldest of the bare connections, for a flood is made of them, and what was recorded first only when
 * none of those is left. Gives the number dropped.
 */
export async function dropBeyond(db: Kysely<Tables>, { rows }: { readonly rows: number }): Promise<number> {
  return inTransaction(db, async (trx) => {
    const some = () => trx.selectFrom('decisions').select(['seq', 'at_ms']).limit(rows);
    // Written out, for the index is of these alone.
    const bare = await some()
      .where(sql<boolean>`bare = 1`)
      .orderBy('at_ms')
      .execute();
    const dropped = bare.length > 0 ? bare : await some().orderBy('seq').execute();
    const last = dropped.at(-1);
    if (last === undefined) return 0;
    await dropDecisions(
      trx,
      dropped.map((row) => row.seq),
    );
    if (bare.length === 0) {
      // The clock may have been ahead when one of them was recorded: what is left keeps its sums.
      const left = await trx
        .selectFrom('segments')
        .select((e) => e.fn.min<number | null>('first_ms').as('first'))
        .executeTakeFirst();
      await dropSums(trx, Math.min(left?.first ?? Infinity, last.at_ms));
    }
    return dropped.length;
  });
}

/** Where the disk is full SQLite has rolled back by itself, and that there is nothing left to roll back is not what to tell of. */
async function inTransaction<T>(db: Kysely<Tables>, work: (trx: Kysely<Tables>) => Promise<T>): Promise<T> {
  let failed: { readonly reason: unknown } | undefined;
  try {
    return await db.transaction().execute(async (trx) => {
      try {
        return await work(trx);
      } catch (reason) {
        failed = { reason };
        throw reason;
      }
    });
  } catch (error) {
    throw failed === undefined ? error : failed.reason;
  }
}

/** By whole minutes; what was dropped for want of space still counts for as long as its minute is not the oldest. */
async function dropSums(db: Kysely<Tables>, beforeMs: number): Promise<void> {
  const minute = Math.floor(beforeMs / MINUTE_MS);
  const hour = Math.floor(minute / HOUR) * HOUR;
  // An hour that has no minutes any more goes as a whole, when the last of it is over.
  const isThinned = hour < (await firstOfMinutes(db));
  if (!(await dropMinutes(db, minute)) && !isThinned) return;
  await db.deleteFrom('hourly_counts').where('minute', '<', hour).execute();
  await db.deleteFrom('hourly_outcomes').where('minute', '<', hour).execute();
  await db.deleteFrom('hourly_clients').where('minute', '<', hour).execute();
  if (hour === minute || isThinned) return;
  // The hour that the minutes left of it belong to is what they make now.
  await db.deleteFrom('hourly_counts').where('minute', '=', hour).execute();
  await db.deleteFrom('hourly_outcomes').where('minute', '=', hour).execute();
  for (const insert of hoursOf(`minute >= ${hour} AND minute < ${hour + HOUR}`))
    await sql.raw(insert).execute(db);
}

async function dropMinutes(db: Kysely<Tables>, before: number): Promise<boolean> {
  const counts = await db.deleteFrom('counts').where('minute', '<', before).executeTakeFirst();
  const outcomes = await db.deleteFrom('outcomes').where('minute', '<', before).executeTakeFirst();
  return Number(counts.numDeletedRows) + Number(outcomes.numDeletedRows) > 0;
}

/**
 * Whole hours of minutes that are old: their sums by the hour stay, a minute's take as much space as hundreds of decisions. A few hours at a
 * time; false when none is left.
 */
export async function thinSums(db: Kysely<Tables>, beforeMs: number): Promise<boolean> {
  const before = Math.floor(beforeMs / MINUTE_MS / HOUR) * HOUR;
  const first = await firstOfMinutes(db);
  if (first >= before) return false;
  return inTransaction(db, (trx) => dropMinutes(trx, Math.min(before, first + THINNED_AT_ONCE)));
}

const THINNED_AT_ONCE = 12 * HOUR;

/** And their texts, whoever else is in the same chunk. */
async function dropDecisions(db: Kysely<Tables>, seqs: readonly number[]): Promise<void> {
  const segments = new Set(seqs.map(segmentOf));
  await db
    .deleteFrom('recipients')
    .where('segment', 'in', [...segments])
    .where('seq', 'in', seqs)
    .execute();
  await db.deleteFrom('decisions').where('seq', 'in', seqs).execute();
  for (const segment of segments) await closeSegment(db, segment);
  const dropped = new Set(seqs);
  for (const { first, end } of await chunksOf(db, seqs)) {
    const some = await db
      .selectFrom('decisions')
      .select('seq')
      .where('seq', '>=', first)
      .where('seq', '<', end)
      .limit(1)
      .executeTakeFirst();
    if (some === undefined) await db.deleteFrom('bodies').where('seq', '=', first).execute();
    else await shrinkBody(db, first, dropped);
  }
}

/** What a segment holds now. In what its decisions ended is left until it is empty: a search looks in vain. */
async function closeSegment(db: Kysely<Tables>, segment: number): Promise<void> {
  const { first, last } = await db
    .selectFrom('decisions')
    .where('seq', '>=', firstOf(segment))
    .where('seq', '<', firstOf(segment + 1))
    .select((e) => [
      e.fn.min<number | null>('at_ms').as('first'),
      e.fn.max<number | null>('at_ms').as('last'),
    ])
    .executeTakeFirstOrThrow();
  if (first === null || last === null) {
    await db.deleteFrom('segments').where('segment', '=', segment).execute();
    await db.deleteFrom('endings').where('segment', '=', segment).execute();
    return;
  }
  await db
    .updateTable('segments')
    .set({ first_ms: first, last_ms: last })
    .where('segment', '=', segment)
    .execute();
}

/** Each once: from its first up to before the first of the next. */
async function chunksOf(
  db: Kysely<Tables>,
  seqs: readonly number[],
): Promise<readonly { readonly first: number; readonly end: number }[]> {
  const chunks: { first: number; end: number }[] = [];
  let end = 0;
  for (const seq of seqs.toSorted((a, b) => a - b)) {
    if (seq < end) continue;
    const { rows } = await sql<{ readonly first: number | null; readonly next: number | null }>`SELECT
      (SELECT max(seq) FROM bodies WHERE seq <= ${seq}) AS first,
      (SELECT min(seq) FROM bodies WHERE seq > ${seq}) AS next`.execute(db);
    const [row] = rows;
    end = row?.next ?? Number.MAX_SAFE_INTEGER;
    if (row?.first != null) chunks.push({ first: row.first, end });
  }
  return chunks;
}

/** What is left of a chunk keeps its place in it, and what is dropped leaves an empty line. */
async function shrinkBody(db: Kysely<Tables>, first: number, dropped: ReadonlySet<number>): Promise<void> {
  const row = await db.selectFrom('bodies').selectAll().where('seq', '=', first).executeTakeFirst();
  if (row === undefined) return;
  const lines = unpacked(row.body).map((line, i) => (dropped.has(first + i) ? '' : line));
  await db
    .updateTable('bodies')
    .set({ body: packed(lines) })
    .where('seq', '=', first)
    .execute();
}
