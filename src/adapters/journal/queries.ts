import { sql, type Kysely } from 'kysely';
import type { Decision, JournalQuery, JournalSpan, Summary } from '../../core/decision.ts';
import { parseNetwork } from '../../mail/ip.ts';
import { packed, unpacked } from './chunk.ts';
import {
  clientRange,
  MINUTE_MS,
  NAMES,
  namesOf,
  pathNames,
  turnAwayReason,
  type Counts,
  type DecisionRow,
  type Name,
} from './rows.ts';

/**
 * The journal's tables and questions, in SQL that SQLite and PostgreSQL share (there `names.name` and
 * `decisions.client` want COLLATE "C", for they are searched by range).
 */
export interface Tables {
  /** In the order of recording. Small rows: a summary reads all of its span. */
  decisions: DecisionRow & { readonly seq: number };
  names: Name & { readonly seq: number };
  /** The chunk whose first decision is `seq`; its others follow without a gap. */
  bodies: { readonly seq: number; readonly body: Uint8Array };
  counts: Readonly<Counts>;
}

// Ids and mailboxes come in no order, and each index over them costs a page or so to write for each decision: one tree
// has them all, and there is no other but those by time and by client, which few pages of are in use at a time.
// Outcome and check are looked for newest first: what decides nothing for long is not worth an index.
export const SQLITE_MIGRATIONS = [
  `CREATE TABLE decisions (
     seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, client TEXT NOT NULL, outcome TEXT NOT NULL, check_name TEXT,
     size_octets INTEGER NOT NULL, tagged INTEGER NOT NULL
   );
   CREATE INDEX decisions_by_time ON decisions (at_ms);
   CREATE INDEX decisions_by_client ON decisions (client);
   CREATE TABLE names (
     kind INTEGER NOT NULL, name TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (kind, name, seq)
   ) WITHOUT ROWID;
   CREATE TABLE bodies (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
   CREATE TABLE counts (
     minute INTEGER NOT NULL, check_name TEXT NOT NULL, asked INTEGER NOT NULL, failed INTEGER NOT NULL,
     temperror INTEGER NOT NULL, refused INTEGER NOT NULL, deferred INTEGER NOT NULL, took_ms REAL NOT NULL,
     PRIMARY KEY (minute, check_name)
   ) WITHOUT ROWID;`,
  `ALTER TABLE decisions ADD COLUMN partly INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE decisions ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0;`,
  `ALTER TABLE decisions ADD COLUMN bare INTEGER NOT NULL DEFAULT 0;
   CREATE INDEX decisions_bare ON decisions (at_ms) WHERE bare = 1;`,
];

export async function findDecisions(db: Kysely<Tables>, query: JournalQuery): Promise<Decision[]> {
  let rows = db.selectFrom('decisions').select('seq');
  const { id, client, sender, recipient, check, outcome, sinceMs, untilMs, limit } = query;
  const named = (kind: Name['kind'], first: string, last = first): void => {
    rows = rows.where('seq', 'in', (w) =>
      w
        .selectFrom('names')
        .select('names.seq')
        .where('kind', '=', kind)
        .where('name', '>=', first)
        .where('name', '<=', last),
    );
  };
  if (id !== undefined) named(NAMES.id, id);
  if (client !== undefined) {
    const network = parseNetwork(client);
    if (network.kind === 'bad') throw new Error(network.problem);
    const { first, last } = clientRange(network);
    rows = rows.where('client', '>=', first).where('client', '<=', last);
  }
  for (const [kind, path] of [
    [NAMES.sender, sender],
    [NAMES.recipient, recipient],
  ] as const) {
    if (path === undefined) continue;
    const { first, last } = pathNames(path);
    named(kind, first, last);
  }
  if (check !== undefined) rows = rows.where('check_name', '=', check);
  if (outcome !== undefined) rows = rows.where('outcome', '=', outcome);
  // Where something rare is looked for, the index by time must not be walked for it: an expression keeps it out.
  const isRare = id !== undefined || client !== undefined || sender !== undefined || recipient !== undefined;
  const time = isRare ? sql<number>`(at_ms + 0)` : sql<number>`at_ms`;
  if (sinceMs !== undefined) rows = rows.where(time, '>=', sinceMs);
  if (untilMs !== undefined) rows = rows.where(time, '<', untilMs);
  const found = await rows
    .orderBy(time, 'desc')
    .orderBy('seq', 'desc')
    .limit(limit ?? 100)
    .execute();
  const texts = await textsOf(
    db,
    found.map((row) => row.seq),
  );
  return found.map(({ seq }) => JSON.parse(texts.get(seq) ?? '') as Decision);
}

export async function summarize(db: Kysely<Tables>, { sinceMs, untilMs }: JournalSpan): Promise<Summary> {
  const since = sinceMs ?? 0;
  const until = untilMs ?? Number.MAX_SAFE_INTEGER;
  const outcomes = await db
    .selectFrom('decisions')
    .where('at_ms', '>=', since)
    .where('at_ms', '<', until)
    .where('left_out', '=', 0)
    .groupBy(['outcome', 'tagged', 'partly'])
    .select([
      'outcome',
      'tagged',
      'partly',
      (e) => e.fn.countAll<number | string>().as('n'),
      (e) => e.fn.sum<number | string>('size_octets').as('octets'),
    ])
    .execute();
  const clients = await db
    .selectFrom('decisions')
    .where('at_ms', '>=', since)
    .where('at_ms', '<', until)
    .where('left_out', '=', 0)
    .select((e) => e.fn.count<number | string>('client').distinct().as('n'))
    .executeTakeFirstOrThrow();
  // By the minute: the whole of those that the span begins and ends in.
  const checks = await db
    .selectFrom('counts')
    .where('minute', '>=', Math.floor(since / MINUTE_MS))
    .where('minute', '<', Math.ceil(until / MINUTE_MS))
    .groupBy('check_name')
    .orderBy('check_name')
    .select((e) => [
      'check_name as check',
      e.fn.sum<number | string>('asked').as('asked'),
      e.fn.sum<number | string>('failed').as('failed'),
      e.fn.sum<number | string>('temperror').as('temperror'),
      e.fn.sum<number | string>('refused').as('refused'),
      e.fn.sum<number | string>('deferred').as('deferred'),
      e.fn.sum<number | string>('took_ms').as('took'),
    ])
    .execute();

  // PostgreSQL gives sums as text.
  const total = (of: (row: (typeof outcomes)[number]) => boolean): number =>
    outcomes.reduce((sum, row) => sum + (of(row) ? Number(row.n) : 0), 0);
  const isDelivered = (r: (typeof outcomes)[number]) => r.outcome === 'accepted' || r.outcome === 'relayed';
  return {
    received: total(() => true),
    delivered: total((r) => r.outcome === 'accepted'),
    relayed: total((r) => r.outcome === 'relayed'),
    rejected: total((r) => r.outcome === 'refused'),
    deferred: total((r) => r.outcome === 'deferred'),
    abandoned: total((r) => r.outcome === 'abandoned'),
    ham: total((r) => isDelivered(r) && r.tagged === 0),
    tagged: total((r) => isDelivered(r) && r.tagged === 1),
    partly: total((r) => r.partly === 1),
    deliveredOctets: outcomes.reduce((sum, r) => sum + (isDelivered(r) ? Number(r.octets) : 0), 0),
    clients: Number(clients.n),
    byCheck: checks
      .filter((c) => turnAwayReason(c.check) === undefined)
      .map((c) => ({
        check: c.check,
        asked: Number(c.asked),
        failed: Number(c.failed),
        temperror: Number(c.temperror),
        refused: Number(c.refused),
        deferred: Number(c.deferred),
        tookMs: Number(c.took),
      })),
    turnedAway: Object.fromEntries(
      checks.flatMap((c) => {
        const reason = turnAwayReason(c.check);
        return reason === undefined ? [] : [[reason, Number(c.deferred)] as const];
      }),
    ),
  };
}

type DropName = (name: Name, seq: number) => void | Promise<void>;

/** Drops the oldest of what began before, at most `rows` of it; gives the number dropped. `dropName`: there are many. */
export async function dropOld(
  db: Kysely<Tables>,
  dropName: DropName,
  { beforeMs, rows }: { readonly beforeMs: number; readonly rows: number },
): Promise<number> {
  return db.transaction().execute(async (trx) => {
    await dropCounts(trx, beforeMs);
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
    if (bare.length === 0 && last !== undefined) await dropCounts(trx, last.at_ms);
    return seqs.length;
  });
}

async function dropCounts(db: Kysely<Tables>, beforeMs: number): Promise<void> {
  await db
    .deleteFrom('counts')
    .where('minute', '<', Math.floor(beforeMs / MINUTE_MS))
    .execute();
}

/** Gives the chunks that they were in: the seq of the first of each, and how many it has. */
async function dropDecisions(
  db: Kysely<Tables>,
  dropName: DropName,
  seqs: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  // A decision says itself by which names it is found: an index from decisions to names would cost each of them.
  const chunks = new Map<number, number>();
  for (const [seq, text] of await textsOf(db, seqs, (first, size) => chunks.set(first, size))) {
    for (const name of namesOf(JSON.parse(text) as Decision)) await dropName(name, seq);
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

/** Whole chunks are read, so each is read once. */
async function textsOf(
  db: Kysely<Tables>,
  seqs: readonly number[],
  onChunk?: (first: number, size: number) => void,
): Promise<Map<number, string>> {
  const texts = new Map<number, string>();
  let chunk: { readonly first: number; readonly lines: readonly string[] } | undefined;
  for (const seq of seqs.toSorted((a, b) => a - b)) {
    if (chunk === undefined || seq >= chunk.first + chunk.lines.length) {
      const row = await db
        .selectFrom('bodies')
        .selectAll()
        .where('seq', '<=', seq)
        .orderBy('seq', 'desc')
        .limit(1)
        .executeTakeFirstOrThrow();
      chunk = { first: row.seq, lines: unpacked(row.body) };
      onChunk?.(chunk.first, chunk.lines.length);
    }
    const text = chunk.lines[seq - chunk.first];
    if (text === undefined) throw new Error(`the journal has lost the text of decision ${seq}`);
    texts.set(seq, text);
  }
  return texts;
}
