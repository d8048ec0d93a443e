/**
 * Finding decisions, those recorded last first: from the newest segment back, as far as it takes to fill a page. Segments that hold nothing
 * of what is looked for are passed over. In those that may, what is rare (an id, most mailboxes and clients) is looked up in an index, some
 * segments at a time; all else is found by going through their decisions. Others have their turn in between, and a page ends with what it
 * has when its time is over. Its cursor is the place that was reached: what is recorded meanwhile moves nothing.
 */
import { setImmediate } from 'node:timers/promises';
import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { Decision, FoundPage, JournalQuery, JournalSpan } from '../../core/decision.ts';
import type { JournalPage } from '../../core/traffic.ts';
import { parseNetwork } from '../../mail/ip.ts';
import { clientKeys, pathKeys, type Keys } from './rows.ts';
import type { Tables } from './schema.ts';
import { firstOf, SEGMENT, segmentOf } from './segments.ts';
import { decisionsOf } from './texts.ts';

type Db = Kysely<Tables>;

/** A page's search goes back for so long; then it is a short one. */
const PAGE_MS = 150;
const PAGE_ROWS = 100;
/** Segments that are looked into at once by an index: from the first number to the second, as long as that is quick. */
const FIRST_GROUP = 1;
const LARGEST_GROUP = 32;
const QUICK_MS = 20;
/** Of more than this part of the decisions each is looked at: in an index they would have to be sorted first. */
const RARE = 1 / 16;

export async function findDecisions(db: Db, query: JournalQuery): Promise<Decision[]> {
  const { seqs } = await search(db, query, query.limit ?? PAGE_ROWS, Infinity);
  return decisionsOf(db, seqs);
}

export async function findPage(db: Db, query: JournalQuery, pageMs = PAGE_MS): Promise<FoundPage> {
  const { seqs, reached } = await search(db, query, query.limit ?? PAGE_ROWS, pageMs);
  const decisions = await decisionsOf(db, seqs);
  return { decisions, before: reached === undefined ? undefined : String(reached) };
}

/** `reached`: what comes next was recorded before this one; absent where nothing does. */
interface Found {
  readonly seqs: readonly number[];
  readonly reached?: number | undefined;
}

/** A condition that an index answers. */
interface Indexed {
  readonly holds: (column: RawBuilder<unknown>) => RawBuilder<boolean>;
  /** Where it may hold: one of them is enough. */
  readonly places: readonly Place[];
}

interface Place {
  readonly table: 'decisions' | 'recipients';
  readonly column: 'id' | 'session' | 'client' | 'sender' | 'recipient';
}

const PLACES: Readonly<Record<'id' | 'client' | 'sender' | 'recipient', readonly Place[]>> = {
  id: [
    { table: 'decisions', column: 'id' },
    { table: 'decisions', column: 'session' },
  ],
  client: [{ table: 'decisions', column: 'client' }],
  sender: [{ table: 'decisions', column: 'sender' }],
  recipient: [
    { table: 'decisions', column: 'recipient' },
    { table: 'recipients', column: 'recipient' },
  ],
};

interface Conditions {
  readonly check?: string | undefined;
  readonly outcome?: string | undefined;
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  readonly indexed: readonly Indexed[];
  /** By the order of recording. */
  readonly before: number;
}

function conditionsOf(query: JournalQuery): Conditions {
  const { id, client, sender, recipient, before } = query;
  const indexed: Indexed[] = [];
  if (id !== undefined) indexed.push({ holds: isAmong([id].flat()), places: PLACES.id });
  if (client !== undefined) {
    const network = parseNetwork(client);
    if (network.kind === 'bad') throw new Error(network.problem);
    indexed.push({ holds: isWithin(clientKeys(network)), places: PLACES.client });
  }
  if (sender !== undefined) indexed.push({ holds: isWithin(pathKeys(sender)), places: PLACES.sender });
  if (recipient !== undefined)
    indexed.push({ holds: isWithin(pathKeys(recipient)), places: PLACES.recipient });
  if (before !== undefined && !/^\d{1,15}$/.test(before))
    throw new Error('`before` is none that a page has given');
  return { ...query, indexed, before: before === undefined ? Number.MAX_SAFE_INTEGER : Number(before) };
}

async function search(db: Db, query: JournalQuery, limit: number, pageMs: number): Promise<Found> {
  const c = conditionsOf(query);
  const untilTime = performance.now() + pageMs;
  const segments = await segmentsOf(db, c);
  const seqs: number[] = [];
  let size = FIRST_GROUP;
  for (let at = 0; at < segments.length;) {
    const begunMs = performance.now();
    let group = segments.slice(at, at + size);
    const driver = await rarest(db, c, group);
    if (driver === undefined) {
      group = group.slice(0, 1);
      size = FIRST_GROUP;
    }
    if (driver !== 'none') {
      const wanted = limit + 1 - seqs.length;
      seqs.push(
        ...(driver === undefined
          ? await goThrough(db, c, group, wanted)
          : await lookUp(db, c, group, driver, wanted)),
      );
    }
    if (seqs.length > limit) return { seqs: seqs.slice(0, limit), reached: seqs[limit - 1] };
    at += group.length;
    const nowMs = performance.now();
    if (at < segments.length && nowMs >= untilTime) return { seqs, reached: firstOf(group.at(-1) ?? 0) };
    if (driver !== undefined)
      size =
        nowMs - begunMs < QUICK_MS ? Math.min(LARGEST_GROUP, size * 2) : Math.max(FIRST_GROUP, size >> 1);
    await setImmediate();
  }
  return { seqs };
}

/** Those that may have what is looked for, the newest first. */
async function segmentsOf(db: Db, c: Conditions): Promise<readonly number[]> {
  let rows = db.selectFrom('segments').select('segments.segment');
  if (c.before < Number.MAX_SAFE_INTEGER) rows = rows.where('segment', '<=', segmentOf(c.before - 1));
  if (c.sinceMs !== undefined) rows = rows.where('last_ms', '>=', c.sinceMs);
  if (c.untilMs !== undefined) rows = rows.where('first_ms', '<', c.untilMs);
  const { check, outcome } = c;
  if (check !== undefined || outcome !== undefined)
    rows = rows.where((w) => {
      let endings = w
        .selectFrom('endings')
        .select('endings.segment')
        .whereRef('endings.segment', '=', 'segments.segment');
      if (outcome !== undefined) endings = endings.where('outcome', '=', outcome);
      if (check !== undefined) endings = endings.where('check_name', '=', check);
      return w.exists(endings);
    });
  const found = await rows.orderBy('segments.segment', 'desc').execute();
  return found.map(({ segment }) => segment);
}

const listOf = (segments: readonly number[]) => sql.join(segments.map((segment) => sql.lit(segment)));

const isWithin =
  ({ first, last }: Keys): Indexed['holds'] =>
  (column) =>
    sql<boolean>`${column} >= ${first} AND ${column} <= ${last}`;

const isAmong =
  (ids: readonly string[]): Indexed['holds'] =>
  (column) =>
    sql<boolean>`${column} IN (${sql.join(ids)})`;

/** The seqs of those that meet it, by its indexes. */
const matching = ({ holds, places }: Indexed, segments: readonly number[]): RawBuilder<unknown> =>
  sql.join(
    places.map(
      ({ table, column }) =>
        sql`SELECT seq FROM ${sql.table(table)}
          WHERE segment IN (${listOf(segments)}) AND ${holds(sql.ref(column))}`,
    ),
    sql` UNION ALL `,
  );

/** The condition that fewest meet, if it is few; `none` where nothing meets one of them. */
async function rarest(
  db: Db,
  { indexed }: Conditions,
  segments: readonly number[],
): Promise<Indexed | 'none' | undefined> {
  let least = Math.ceil(segments.length * SEGMENT * RARE);
  let driver: Indexed | undefined;
  for (const condition of indexed) {
    const { rows } = await sql<{ readonly n: number | string }>`
      SELECT count(*) AS n FROM (SELECT 1 FROM (${matching(condition, segments)}) AS every LIMIT ${least}) AS some`.execute(
      db,
    );
    const n = Number(rows[0]?.n);
    if (n === 0) return 'none';
    if (n >= least) continue;
    least = n;
    driver = condition;
  }
  return driver;
}

async function lookUp(
  db: Db,
  c: Conditions,
  segments: readonly number[],
  driver: Indexed,
  limit: number,
): Promise<readonly number[]> {
  const { rows } = await sql<{ readonly seq: number }>`
    SELECT seq FROM decisions WHERE seq IN (${matching(driver, segments)}) AND ${filterOf(c, segments, driver)}
    ORDER BY seq DESC LIMIT ${limit}`.execute(db);
  return rows.map(({ seq }) => seq);
}

/** One after the other, the newest first. */
async function goThrough(
  db: Db,
  c: Conditions,
  segments: readonly number[],
  limit: number,
): Promise<readonly number[]> {
  const seqs: number[] = [];
  for (const segment of segments) {
    const { rows } = await sql<{ readonly seq: number }>`
      SELECT seq FROM decisions
      WHERE seq >= ${firstOf(segment)} AND seq < ${firstOf(segment + 1)} AND ${filterOf(c, [segment])}
      ORDER BY seq DESC LIMIT ${limit - seqs.length}`.execute(db);
    seqs.push(...rows.map(({ seq }) => seq));
    if (seqs.length === limit) break;
  }
  return seqs;
}

/** Whether a decision meets all the rest: by its columns, as expressions that keep the engine from going by one of their indexes. */
function filterOf(c: Conditions, segments: readonly number[], driver?: Indexed): RawBuilder<boolean> {
  const all = [sql`(seq + 0) < ${c.before}`];
  for (const condition of c.indexed) {
    if (condition === driver) continue;
    const { holds, places } = condition;
    const anywhere = places.map(({ table, column }) =>
      table === 'decisions'
        ? holds(sql`(${sql.ref(column)} || '')`)
        : sql`seq IN (${matching({ holds, places: [{ table, column }] }, segments)})`,
    );
    all.push(sql`(${sql.join(anywhere, sql` OR `)})`);
  }
  if (c.check !== undefined) all.push(sql`check_name = ${c.check}`);
  if (c.outcome !== undefined) all.push(sql`outcome = ${c.outcome}`);
  if (c.sinceMs !== undefined) all.push(sql`(at_ms + 0) >= ${c.sinceMs}`);
  if (c.untilMs !== undefined) all.push(sql`(at_ms + 0) < ${c.untilMs}`);
  return sql<boolean>`${sql.join(all, sql` AND `)}`;
}

/** In the order of recording, a segment at a time: what lies outside of the span is passed over. */
export async function page(
  db: Db,
  { after, limit, sinceMs, untilMs }: { readonly after: number; readonly limit: number } & JournalSpan,
): Promise<JournalPage<Decision>> {
  const span: Conditions = { sinceMs, untilMs, indexed: [], before: Number.MAX_SAFE_INTEGER };
  const segments = await segmentsOf(db, span);
  for (const segment of segments.toReversed()) {
    for (let last = Math.max(after, firstOf(segment) - 1); last < firstOf(segment + 1) - 1;) {
      const { rows } = await sql<{ readonly seq: number }>`
        SELECT seq FROM decisions
        WHERE seq > ${last} AND seq < ${firstOf(segment + 1)} AND ${filterOf(span, [])}
        ORDER BY seq LIMIT ${limit}`.execute(db);
      const seqs = rows.map(({ seq }) => seq);
      const decisions = await decisionsOf(db, seqs);
      last = seqs.at(-1) ?? Infinity;
      if (decisions.length > 0) return { decisions, last };
      // There are none, or all of them were dropped meanwhile.
      await setImmediate();
    }
  }
  return { decisions: [], last: after };
}

export async function newest(db: Db): Promise<number> {
  const last = await db
    .selectFrom('decisions')
    .select('seq')
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return last?.seq ?? 0;
}
