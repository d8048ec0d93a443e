import type { Insertable, Kysely } from 'kysely';
import type { Decision, JournalQuery, JournalSpan, Summary } from '../../core/decision.ts';
import { parseIp, parseNetwork, type Network } from '../../mail/ip.ts';
import { mailboxKey } from '../../mail/mailbox.ts';

/**
 * The journal's tables and questions, in SQL that SQLite and PostgreSQL share. The decision itself is kept as it came,
 * as JSON; beside it stand only the columns that it is found by.
 */
export interface Tables {
  decisions: DecisionRow;
  recipients: { decision: string; mailbox: string; domain: string };
  asked: AskedRow;
}

interface DecisionRow {
  id: string;
  session_id: string;
  at_ms: number;
  client: string;
  /** `<>`, or the mailbox's key; null where there was no MAIL. */
  sender: string | null;
  sender_domain: string | null;
  outcome: string;
  check_name: string | null;
  size_octets: number;
  tagged: number;
  body: string;
}

/** One check's part in one decision, its steps added up. */
interface AskedRow {
  decision: string;
  check_name: string;
  asked: number;
  failed: number;
  temperror: number;
  took_ms: number;
}

export const SQLITE_MIGRATIONS = [
  `CREATE TABLE decisions (
     id TEXT PRIMARY KEY, session_id TEXT NOT NULL, at_ms INTEGER NOT NULL, client TEXT NOT NULL, sender TEXT,
     sender_domain TEXT, outcome TEXT NOT NULL, check_name TEXT, size_octets INTEGER NOT NULL, tagged INTEGER NOT NULL,
     body TEXT NOT NULL
   );
   CREATE INDEX decisions_by_time ON decisions (at_ms);
   CREATE INDEX decisions_by_session ON decisions (session_id);
   CREATE INDEX decisions_by_client ON decisions (client, at_ms);
   CREATE INDEX decisions_by_sender ON decisions (sender, at_ms);
   CREATE INDEX decisions_by_sender_domain ON decisions (sender_domain, at_ms);
   CREATE TABLE recipients (decision TEXT NOT NULL, mailbox TEXT NOT NULL, domain TEXT NOT NULL);
   CREATE INDEX recipients_by_decision ON recipients (decision);
   CREATE INDEX recipients_by_mailbox ON recipients (mailbox);
   CREATE INDEX recipients_by_domain ON recipients (domain);
   CREATE TABLE asked (
     decision TEXT NOT NULL, check_name TEXT NOT NULL, asked INTEGER NOT NULL, failed INTEGER NOT NULL,
     temperror INTEGER NOT NULL, took_ms REAL NOT NULL
   );
   CREATE INDEX asked_by_decision ON asked (decision);`,
];

/** Below the number of parameters that SQLite takes in one statement (32,766). */
const ROWS_AT_ONCE = 500;

export async function insertDecisions(db: Kysely<Tables>, decisions: readonly Decision[]): Promise<void> {
  // The same id twice would be the same decision handed in twice: the first stands.
  const byId = new Map(decisions.toReversed().map((d) => [d.id, d]));
  await db.transaction().execute(async (trx) => {
    const fresh: Decision[] = [];
    for (const rows of slices([...byId.values()].map(decisionRow))) {
      const inserted = await trx
        .insertInto('decisions')
        .values(rows)
        .onConflict((c) => c.column('id').doNothing())
        .returning('id')
        .execute();
      for (const { id } of inserted) fresh.push(...[byId.get(id)].filter((d) => d !== undefined));
    }
    for (const rows of slices(fresh.flatMap(recipientRows))) {
      await trx.insertInto('recipients').values(rows).execute();
    }
    for (const rows of slices(fresh.flatMap(askedRows))) await trx.insertInto('asked').values(rows).execute();
  });
}

export async function findDecisions(db: Kysely<Tables>, query: JournalQuery): Promise<Decision[]> {
  let rows = db.selectFrom('decisions').select('body');
  const { id, client, sender, recipient, check, outcome, sinceMs, untilMs, limit } = query;
  if (id !== undefined) rows = rows.where((w) => w.or([w('id', '=', id), w('session_id', '=', id)]));
  if (client !== undefined) {
    const network = parseNetwork(client);
    if (network.kind === 'bad') throw new Error(network.problem);
    const { first, last } = clientRange(network);
    rows = rows.where('client', '>=', first).where('client', '<=', last);
  }
  if (sender !== undefined)
    rows = rows.where(
      sender === '<>' || sender.includes('@') ? 'sender' : 'sender_domain',
      '=',
      pathKey(sender),
    );
  if (recipient !== undefined) {
    const column = recipient.includes('@') ? 'mailbox' : 'domain';
    rows = rows.where('id', 'in', (w) =>
      w.selectFrom('recipients').select('decision').where(column, '=', pathKey(recipient)),
    );
  }
  if (check !== undefined) rows = rows.where('check_name', '=', check);
  if (outcome !== undefined) rows = rows.where('outcome', '=', outcome);
  if (sinceMs !== undefined) rows = rows.where('at_ms', '>=', sinceMs);
  if (untilMs !== undefined) rows = rows.where('at_ms', '<', untilMs);
  const found = await rows
    .orderBy('at_ms', 'desc')
    .orderBy('id')
    .limit(limit ?? 100)
    .execute();
  return found.map((row) => JSON.parse(row.body) as Decision);
}

export async function summarize(db: Kysely<Tables>, { sinceMs, untilMs }: JournalSpan): Promise<Summary> {
  const since = sinceMs ?? 0;
  const until = untilMs ?? Number.MAX_SAFE_INTEGER;
  const outcomes = await db
    .selectFrom('decisions')
    .where('at_ms', '>=', since)
    .where('at_ms', '<', until)
    .groupBy(['outcome', 'check_name', 'tagged'])
    .select([
      'outcome',
      'check_name',
      'tagged',
      (e) => e.fn.countAll<number | string>().as('n'),
      (e) => e.fn.sum<number | string>('size_octets').as('octets'),
    ])
    .execute();
  const clients = await db
    .selectFrom('decisions')
    .where('at_ms', '>=', since)
    .where('at_ms', '<', until)
    .select((e) => e.fn.count<number | string>('client').distinct().as('n'))
    .executeTakeFirstOrThrow();
  const asked = await db
    .selectFrom('asked')
    .innerJoin('decisions', 'decisions.id', 'asked.decision')
    .where('at_ms', '>=', since)
    .where('at_ms', '<', until)
    .groupBy('asked.check_name')
    .select((e) => [
      'asked.check_name as check',
      e.fn.sum<number | string>('asked').as('asked'),
      e.fn.sum<number | string>('failed').as('failed'),
      e.fn.sum<number | string>('temperror').as('temperror'),
      e.fn.sum<number | string>('took_ms').as('took'),
    ])
    .execute();

  // PostgreSQL gives sums as text.
  const total = (of: (row: (typeof outcomes)[number]) => boolean): number =>
    outcomes.reduce((sum, row) => sum + (of(row) ? Number(row.n) : 0), 0);
  const deciding = (check: string, outcome: string) =>
    total((r) => r.check_name === check && r.outcome === outcome);
  const isDelivered = (r: (typeof outcomes)[number]) => r.outcome === 'accepted' || r.outcome === 'relayed';
  const names = new Set([...asked.map((a) => a.check), ...outcomes.flatMap((r) => r.check_name ?? [])]);
  return {
    received: total(() => true),
    delivered: total((r) => r.outcome === 'accepted'),
    relayed: total((r) => r.outcome === 'relayed'),
    rejected: total((r) => r.outcome === 'refused'),
    deferred: total((r) => r.outcome === 'deferred'),
    abandoned: total((r) => r.outcome === 'abandoned'),
    ham: total((r) => isDelivered(r) && r.tagged === 0),
    tagged: total((r) => isDelivered(r) && r.tagged === 1),
    deliveredOctets: outcomes.reduce((sum, r) => sum + (isDelivered(r) ? Number(r.octets) : 0), 0),
    clients: Number(clients.n),
    byCheck: [...names].sort().map((check) => {
      const sums = asked.find((a) => a.check === check);
      return {
        check,
        asked: Number(sums?.asked ?? 0),
        failed: Number(sums?.failed ?? 0),
        temperror: Number(sums?.temperror ?? 0),
        refused: deciding(check, 'refused'),
        deferred: deciding(check, 'deferred'),
        tookMs: Number(sums?.took ?? 0),
      };
    }),
  };
}

/** Drops the oldest of what began before, at most `rows` of it; gives the number dropped. */
export async function dropOld(db: Kysely<Tables>, beforeMs: number, rows: number): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const old = await trx
      .selectFrom('decisions')
      .select('id')
      .where('at_ms', '<', beforeMs)
      .orderBy('at_ms')
      .limit(rows)
      .execute();
    const ids = old.map((row) => row.id);
    if (ids.length === 0) return 0;
    await trx.deleteFrom('recipients').where('decision', 'in', ids).execute();
    await trx.deleteFrom('asked').where('decision', 'in', ids).execute();
    await trx.deleteFrom('decisions').where('id', 'in', ids).execute();
    return ids.length;
  });
}

function decisionRow(d: Decision): Insertable<DecisionRow> {
  const path = d.transaction?.reversePath;
  return {
    id: d.id,
    session_id: d.sessionId,
    at_ms: Math.round(d.atMs),
    client: clientKey(d.session.client.address),
    sender: path === undefined ? null : path === null ? '<>' : mailboxKey(path),
    sender_domain: path?.domain ?? null,
    outcome: d.outcome,
    check_name: d.check ?? null,
    size_octets: d.sizeOctets ?? 0,
    tagged: d.steps.some((step) => step.action === 'tag' || step.action === 'suspect') ? 1 : 0,
    body: JSON.stringify(d),
  };
}

function recipientRows(d: Decision): Tables['recipients'][] {
  return d.recipients.map(({ mailbox }) => ({
    decision: d.id,
    mailbox: mailboxKey(mailbox),
    domain: mailbox.domain,
  }));
}

function askedRows(d: Decision): AskedRow[] {
  const rows = new Map<string, AskedRow>();
  for (const { check, findings, tookMs } of d.steps) {
    const row = rows.get(check) ?? {
      decision: d.id,
      check_name: check,
      asked: 0,
      failed: 0,
      temperror: 0,
      took_ms: 0,
    };
    row.asked++;
    row.took_ms += tookMs;
    if (findings.some((f) => f.result === 'fail')) row.failed++;
    if (findings.some((f) => f.result === 'temperror')) row.temperror++;
    rows.set(check, row);
  }
  return [...rows.values()];
}

/** Sorts as addresses do, so that a network is a range of keys: `4c0000207`. */
function clientKey(address: string): string {
  const ip = parseIp(address);
  return ip === undefined ? address : `${ip.family}${ip.words.map(hex).join('')}`;
}

function clientRange({ base, prefix }: Network): { first: string; last: string } {
  const last = base.words.map((word, i) => {
    const fixed = Math.min(32, Math.max(0, prefix - 32 * i));
    return fixed === 32 ? word : (word | (0xffff_ffff >>> fixed)) >>> 0;
  });
  return {
    first: `${base.family}${base.words.map(hex).join('')}`,
    last: `${base.family}${last.map(hex).join('')}`,
  };
}

const hex = (word: number): string => word.toString(16).padStart(8, '0');

/** What a postmaster types, as the rows have it. */
const pathKey = (text: string): string => text.replace(/^\./, '').toLowerCase();

function* slices<T>(rows: readonly T[]): Generator<readonly T[]> {
  for (let i = 0; i < rows.length; i += ROWS_AT_ONCE) yield rows.slice(i, i + ROWS_AT_ONCE);
}
