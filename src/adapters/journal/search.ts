/**
 * Finding decisions, newest first. What is known to be rare (an id, a mailbox, a client) is looked up and sorted; all else is found by going
 * back in time, along the index that leaves the fewest to look at, a slice at a time: others have their turn in between, and a page ends
 * with what it has when its time is over. Its cursor is the place that was reached: what is recorded meanwhile moves nothing.
 */
import { setImmediate } from 'node:timers/promises';
import { sql, type Kysely, type RawBuilder, type SelectQueryBuilder } from 'kysely';
import type { Decision, FoundPage, JournalQuery, JournalSpan } from '../../core/decision.ts';
import type { JournalPage } from '../../core/traffic.ts';
import { parseNetwork } from '../../mail/ip.ts';
import { clientRange, NAMES, pathKey, type Name } from './rows.ts';
import type { Tables } from './schema.ts';
import { decisionsOf } from './texts.ts';

type Db = Kysely<Tables>;
type Found = SelectQueryBuilder<Tables, 'decisions', Place>;

interface Place {
  readonly seq: number;
  readonly at_ms: number;
}

/** As many are looked up and sorted without further thought: a hundred milliseconds at most. */
const RARE = 80_000;
const FIRST_SLICE = 2000;
const LARGEST_SLICE = 30_000;
/** A page's search goes back for so long; then it is a short one. */
const PAGE_MS = 150;
const PAGE_ROWS = 100;

export async function findDecisions(db: Db, query: JournalQuery): Promise<Decision[]> {
  const { places } = await search(db, query, query.limit ?? PAGE_ROWS, Infinity);
  return decisionsOf(
    db,
    places.map(({ seq }) => seq),
  );
}

export async function findPage(db: Db, query: JournalQuery, pageMs = PAGE_MS): Promise<FoundPage> {
  const limit = query.limit ?? PAGE_ROWS;
  const { places, reached } = await search(db, query, limit, pageMs);
  const decisions = await decisionsOf(
    db,
    places.map(({ seq }) => seq),
  );
  return { decisions, before: reached === undefined ? undefined : `${reached.at_ms}-${reached.seq}` };
}

/** `reached`: where the search ended, unless there is nothing beyond. */
interface Search {
  readonly places: readonly Place[];
  readonly reached?: Place | undefined;
}

async function search(db: Db, query: JournalQuery, limit: number, pageMs: number): Promise<Search> {
  const conditions = conditionsOf(query);
  const rare = await rarestOf(db, conditions);
  if (rare === undefined) return goBack(db, conditions, limit, pageMs);
  if (rare === 'none') return { places: [] };
  const places = await newestFirst(matching(db, conditions, rare), conditions.before, limit + 1, rare);
  return places.length > limit ? { places: places.slice(0, limit), reached: places[limit - 1] } : { places };
}

interface Conditions {
  readonly check?: string | undefined;
  readonly outcome?: string | undefined;
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  readonly names: readonly Name[];
  readonly client: { readonly first: string; readonly last: string } | undefined;
  readonly before: Place | undefined;
}

function conditionsOf({ id, client, sender, recipient, before, ...rest }: JournalQuery): Conditions {
  const names: Name[] = [];
  if (id !== undefined) names.push({ kind: NAMES.id, name: id });
  if (sender !== undefined) names.push(pathKey('sender', sender));
  if (recipient !== undefined) names.push(pathKey('recipient', recipient));
  const network = client === undefined ? undefined : parseNetwork(client);
  if (network?.kind === 'bad') throw new Error(network.problem);
  const [, atMs, seq] = /^(\d{1,15})-(\d{1,15})$/.exec(before ?? '') ?? [];
  if (before !== undefined && seq === undefined) throw new Error('`before` is none that a page has given');
  return {
    names,
    client: network && clientRange(network),
    before: before === undefined ? undefined : { at_ms: Number(atMs), seq: Number(seq) },
    ...rest,
  };
}

/** The condition by which rows are found; all others are looked at in each. */
type Driver = Name | 'client' | 'check' | 'outcome' | 'time';

interface Counted {
  readonly n: number | string;
}

async function rarestOf(db: Db, { names, client }: Conditions): Promise<Driver | 'none' | undefined> {
  let rarest: Driver | undefined;
  let least = RARE + 1;
  const consider = async (driver: Driver, some: RawBuilder<unknown>) => {
    if (least === 0) return;
    const { rows } = await sql<Counted>`SELECT count(*) AS n FROM (${some} LIMIT ${least}) AS some`.execute(
      db,
    );
    const n = Number(rows[0]?.n);
    if (n >= least) return;
    least = n;
    rarest = driver;
  };
  for (const name of names)
    await consider(name, sql`SELECT 1 FROM names WHERE kind = ${name.kind} AND name = ${name.name}`);
  if (client !== undefined) {
    const { first, last } = client;
    await consider('client', sql`SELECT 1 FROM decisions WHERE client >= ${first} AND client <= ${last}`);
  }
  return least === 0 ? 'none' : rarest;
}

const seqsOf = (db: Db, { kind, name }: Name) =>
  db.selectFrom('names').select('names.seq').where('kind', '=', kind).where('name', '=', name);

/** Only the driver may use an index: an expression keeps the engine from thinking better of it. */
function matching(db: Db, c: Conditions, driver: Driver): Found {
  let rows: Found = db.selectFrom('decisions').select(['seq', 'at_ms']);
  for (const name of c.names) {
    rows =
      name === driver
        ? rows.where('seq', 'in', seqsOf(db, name))
        : rows.where(
            // Not EXISTS, which may become a join from the other side.
            (w) => w(seqsOf(db, name).where('names.seq', '=', sql<number>`decisions.seq`), 'is not', null),
          );
  }
  if (c.client !== undefined) {
    const client = driver === 'client' ? sql<string>`client` : sql<string>`(client || '')`;
    rows = rows.where(client, '>=', c.client.first).where(client, '<=', c.client.last);
  }
  if (c.check !== undefined)
    rows = rows.where(
      driver === 'check' ? sql<string>`check_name` : sql<string>`(check_name || '')`,
      '=',
      c.check,
    );
  if (c.outcome !== undefined)
    rows = rows.where(
      driver === 'outcome' ? sql<string>`outcome` : sql<string>`(outcome || '')`,
      '=',
      c.outcome,
    );
  const time = timeOf(driver);
  if (c.sinceMs !== undefined) rows = rows.where(time, '>=', c.sinceMs);
  if (c.untilMs !== undefined) rows = rows.where(time, '<', c.untilMs);
  return rows;
}

/** The index by which rows are found is sorted by time as well. */
const isByTime = (driver: Driver): boolean => driver === 'check' || driver === 'outcome' || driver === 'time';
const timeOf = (driver: Driver) => (isByTime(driver) ? sql<number>`at_ms` : sql<number>`(at_ms + 0)`);

/** Those before the cursor. */
function newestFirst(
  rows: Found,
  before: Place | undefined,
  limit: number,
  driver: Driver,
): Promise<Place[]> {
  const time = timeOf(driver);
  let older = rows;
  if (before !== undefined)
    older = rows
      .where(time, '<=', before.at_ms)
      .where((w) => w.or([w(LATER, '<', before.at_ms), w(RECORDED, '<', before.seq)]));
  return older.orderBy(time, 'desc').orderBy('seq', 'desc').limit(limit).execute();
}

const LATER = sql<number>`(at_ms + 0)`;
const RECORDED = sql<number>`(seq + 0)`;

async function goBack(db: Db, c: Conditions, limit: number, pageMs: number): Promise<Search> {
  const driver = c.check !== undefined ? 'check' : c.outcome !== undefined ? 'outcome' : 'time';
  // The index alone says how far a slice goes.
  const { check, outcome, sinceMs, untilMs } = c;
  const indexed: Conditions = {
    names: [],
    client: undefined,
    before: undefined,
    ...(driver === 'check' && { check }),
    ...(driver === 'outcome' && { outcome }),
    sinceMs,
    untilMs,
  };
  const isIndexAlone =
    c.names.length === 0 && c.client === undefined && (driver !== 'check' || outcome === undefined);
  const untilTime = performance.now() + pageMs;
  const places: Place[] = [];
  let before = c.before;
  for (let slice = FIRST_SLICE; ; slice = Math.min(LARGEST_SLICE, slice * 3)) {
    const left = limit + 1 - places.length;
    const end = isIndexAlone
      ? undefined
      : (await newestFirst(matching(db, indexed, driver).offset(slice - 1), before, 1, driver))[0];
    let rows = matching(db, c, driver);
    if (end !== undefined)
      rows = rows
        .where('at_ms', '>=', end.at_ms)
        .where((w) => w.or([w(LATER, '>', end.at_ms), w(RECORDED, '>=', end.seq)]));
    places.push(...(await newestFirst(rows, before, left, driver)));
    if (places.length > limit) return { places: places.slice(0, limit), reached: places[limit - 1] };
    if (end === undefined) return { places };
    before = end;
    if (performance.now() >= untilTime) return { places, reached: end };
    await setImmediate();
  }
}

/** In the order of recording, a slice at a time: what lies outside of the span is passed over. */
export async function page(
  db: Db,
  { after, limit, sinceMs, untilMs }: { readonly after: number; readonly limit: number } & JournalSpan,
): Promise<JournalPage<Decision>> {
  const last = await newest(db);
  const oldest = await db.selectFrom('decisions').select('seq').orderBy('seq').limit(1).executeTakeFirst();
  for (let from = Math.max(after, (oldest?.seq ?? 0) - 1); from < last; from += LARGEST_SLICE) {
    let rows = db
      .selectFrom('decisions')
      .select('seq')
      .where('seq', '>', from)
      .where('seq', '<=', from + LARGEST_SLICE);
    if (sinceMs !== undefined) rows = rows.where(sql<number>`(at_ms + 0)`, '>=', sinceMs);
    if (untilMs !== undefined) rows = rows.where(sql<number>`(at_ms + 0)`, '<', untilMs);
    const found = await rows.orderBy('seq').limit(limit).execute();
    const seqs = found.map(({ seq }) => seq);
    const decisions = await decisionsOf(db, seqs);
    if (decisions.length > 0) return { decisions, last: seqs.at(-1) ?? after };
    await setImmediate();
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
