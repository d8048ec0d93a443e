import { sql, type Kysely } from 'kysely';
import type { Decision } from '../../core/decision.ts';
import { packed, unpacked } from './chunk.ts';
import { namesOf, withDomains, type Name } from './rows.ts';
import { hoursOf, type Tables } from './schema.ts';
import { HOUR, MINUTE_MS } from './sums.ts';
import { firstOfMinutes } from './totals.ts';
import { textsOf } from './texts.ts';

type DropName = (name: Name, seq: number) => void | Promise<void>;

/** Drops the oldest of what began before, at most `rows` of it; gives the number dropped. `dropName`: there are many. */
export async function dropOld(
  db: Kysely<Tables>,
  dropName: DropName,
  { beforeMs, rows }: { readonly beforeMs: number; readonly rows: number },
): Promise<number> {
  return db.transaction().execute(async (trx) => {
    await dropSums(trx, beforeMs);
    const old = await trx
      .selectFrom('decisions')
      .select('seq')
      .where('at_ms', '<', beforeMs)
      .orderBy('at_ms')
      .limit(rows)
      .execute();
    const seqs = old.map((row) => row.seq);
    if (seqs.length > 0) await dropDecisions(trx, dropName, seqs);
    return seqs.length;
  });
}

/**
 * Drops some where there is too much: the oldest of the bare connections, for a flood is made of them, and the oldest decisions only when
 * none of those is left. Gives the number dropped.
 */
export async function dropBeyond(
  db: Kysely<Tables>,
  dropName: DropName,
  { rows }: { readonly rows: number },
): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const oldest = () => trx.selectFrom('decisions').select(['seq', 'at_ms']).orderBy('at_ms').limit(rows);
    // Written out, for the index is of these alone.
    const bare = await oldest()
      .where(sql<boolean>`bare = 1`)
      .execute();
    const dropped = bare.length > 0 ? bare : await oldest().execute();
    const seqs = dropped.map((row) => row.seq);
    if (seqs.length === 0) return 0;
    await shrinkBodies(trx, await dropDecisions(trx, dropName, seqs), new Set(seqs));
    const last = dropped.at(-1);
    if (bare.length === 0 && last !== undefined) await dropSums(trx, last.at_ms);
    return seqs.length;
  });
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
  return db.transaction().execute((trx) => dropMinutes(trx, Math.min(before, first + THINNED_AT_ONCE)));
}

const THINNED_AT_ONCE = 12 * HOUR;

/** Gives the chunks that they were in: the seq of the first of each, and how many it has. */
async function dropDecisions(
  db: Kysely<Tables>,
  dropName: DropName,
  seqs: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  // A decision says itself by which names it is found: an index from decisions to names would cost each of them.
  const chunks = new Map<number, number>();
  for (const [seq, text] of await textsOf(db, seqs, (first, size) => chunks.set(first, size))) {
    for (const name of withDomains(namesOf(JSON.parse(text) as Decision))) await dropName(name, seq);
  }
  await db.deleteFrom('decisions').where('seq', 'in', seqs).execute();
  for (const [first, size] of chunks) {
    await db
      .deleteFrom('bodies')
      .where('seq', '=', first)
      .where((w) =>
        w.not(
          w.exists(
            w
              .selectFrom('decisions')
              .select('decisions.seq')
              .where('decisions.seq', '>=', first)
              .where('decisions.seq', '<', first + size),
          ),
        ),
      )
      .execute();
  }
  return chunks;
}

/** What is left of a chunk keeps its place in it, and what is dropped leaves an empty line. */
async function shrinkBodies(
  db: Kysely<Tables>,
  chunks: ReadonlyMap<number, number>,
  dropped: ReadonlySet<number>,
): Promise<void> {
  for (const first of chunks.keys()) {
    const row = await db.selectFrom('bodies').selectAll().where('seq', '=', first).executeTakeFirst();
    if (row === undefined) continue;
    const lines = unpacked(row.body).map((line, i) => (dropped.has(first + i) ? '' : line));
    await db
      .updateTable('bodies')
      .set({ body: packed(lines.join('\n')) })
      .where('seq', '=', first)
      .execute();
  }
}
