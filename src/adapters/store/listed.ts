import type { StatementSync } from 'node:sqlite';
import {
  LISTED_BY,
  LISTED_KINDS,
  type Listed,
  type ListedPort,
  type ListedQuery,
  type NewListed,
} from '../../core/listed.ts';
import { conditionKey, type Conditions, type ListEntry } from '../../core/lists.ts';
import { MAX_REASON } from '../../core/operator-block.ts';
import type { Slices } from '../../core/slices.ts';
import { dayText } from '../../core/wall-clock.ts';
import { networkName, parseNetwork } from '../../mail/ip.ts';
import { harmless } from '../harmless.ts';
import type { Batch } from './batch.ts';

// `key` is what it names, in one form: one entry of a kind for the same. An id is never given twice: who removes an entry that
// somebody has replaced since must not hit another.
export const LISTED = `
  CREATE TABLE listed (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, client TEXT, host TEXT, sender TEXT,
    recipient TEXT, lifts TEXT, reason TEXT, by TEXT NOT NULL, decision TEXT, since_ms INTEGER NOT NULL, ends_ms INTEGER,
    UNIQUE (kind, key)
  );
  CREATE INDEX listed_by_end ON listed (ends_ms) WHERE ends_ms IS NOT NULL;
  INSERT INTO counts VALUES ('listed changes', 0), ('listed ended', 0);`;

/** What `list` gives at most, unless asked for another number. */
const SHOWN = 1000;
/** Rows of a slice: some milliseconds. */
const SLICE = 2000;
/** What ended and was not collected yet, looked at for `version`: ten seconds of collecting. */
const MAX_ENDED = 5000;
const MAX_BY = 100;
// RFC 5321 4.5.3.1: 64 octets, an at sign, 255 octets.
const MAX_CONDITION = 320;
const MAX_LIFTS = 100;
const LIFTS_NOTHING_KNOWN = 'what it lifts is no list of checks';
const KINDS: readonly string[] = LISTED_KINDS;
const CONDITIONS = ['client', 'host', 'sender', 'recipient'] as const;
const COLUMNS = `kind, client, host, sender, recipient, lifts, reason, by, decision, since_ms, ends_ms`;
const ANYWHERE = ['client', 'host', 'sender', 'recipient', 'reason', 'by', 'decision']
  .map((column) => `coalesce(${column}, '')`)
  .join(` || char(10) || `);

/** The lists that people keep while the gate runs. Every change is counted, so that other programs find out cheaply. */
export class ListedEntries implements ListedPort {
  /** Told of each change made here, at once. */
  onChange: (() => void) | undefined;
  readonly #batch: Batch;
  readonly #nowMs: () => number;
  readonly #max: number;
  readonly #list: StatementSync;
  readonly #shapes: StatementSync;
  readonly #page: StatementSync;
  readonly #insert: StatementSync;
  readonly #replaced: StatementSync;
  readonly #delete: StatementSync;
  readonly #number: StatementSync;
  readonly #anyEnded: StatementSync;
  readonly #dropEnded: StatementSync;
  readonly #count: StatementSync;
  readonly #counts: StatementSync;

  constructor(batch: Batch, nowMs: () => number, max: number) {
    const { db } = batch;
    this.#batch = batch;
    this.#nowMs = nowMs;
    this.#max = max;
    const inForce = '(ends_ms IS NULL OR ends_ms > ?)';
    this.#list = db.prepare(
      `SELECT id, ${COLUMNS} FROM listed
       WHERE ${inForce} AND (? = '' OR kind = ?) AND (? = '' OR instr(lower(${ANYWHERE}), ?) > 0)
       ORDER BY id DESC LIMIT ?`,
    );
    // A number beyond 2^53, which only somebody else can have put there, must not cost us all other rows.
    this.#list.setReadBigInts(true);
    this.#shapes = db.prepare(
      `SELECT id, ${COLUMNS} FROM listed WHERE id IN
         (SELECT max(id) FROM listed WHERE kind = ? AND ${inForce}
          GROUP BY client IS NULL, host IS NULL, sender IS NULL, recipient IS NULL)
       ORDER BY id DESC`,
    );
    this.#shapes.setReadBigInts(true);
    this.#page = db.prepare(
      `SELECT id, ${COLUMNS} FROM listed WHERE id < ? AND ${inForce} ORDER BY id DESC LIMIT ${SLICE}`,
    );
    this.#page.setReadBigInts(true);
    this.#insert = db.prepare(
      `INSERT INTO listed (key, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#replaced = db.prepare('DELETE FROM listed WHERE kind = ? AND key = ?');
    this.#delete = db.prepare(`DELETE FROM listed WHERE id = ? AND ${inForce}`);
    this.#number = db.prepare('SELECT count(*) AS n FROM listed');
    this.#anyEnded = db.prepare('SELECT 1 FROM listed WHERE ends_ms <= ? LIMIT 1');
    this.#dropEnded = db.prepare(
      'DELETE FROM listed WHERE id IN (SELECT id FROM listed WHERE ends_ms <= ? LIMIT ?)',
    );
    this.#count = db.prepare('UPDATE counts SET n = n + ? WHERE name = ?');
    this.#counts = db.prepare(
      `SELECT (SELECT n FROM counts WHERE name = 'listed changes') AS changes,
         (SELECT n FROM counts WHERE name = 'listed ended') AS dropped,
         (SELECT count(*) FROM (SELECT 1 FROM listed WHERE ends_ms <= ? LIMIT ${MAX_ENDED})) AS ended`,
    );
  }

  /** Newest first; without what the gate leaves out. */
  list({ kind, text = '', limit = SHOWN }: ListedQuery = {}): readonly Listed[] {
    const its = kind ?? '';
    const part = text.toLowerCase();
    const rows = this.#list.all(this.#nowMs(), its, its, part, part, limit);
    return rows.flatMap((row) => (unreadable(row) === undefined ? [listedOf(row)] : []));
  }

  /**
   * Of the entries of a kind that name the same conditions one at least, the newest as a rule: what sort of entries there are, without
   * reading them all.
   */
  shapes(kind: Listed['kind']): readonly Listed[] {
    const rows = this.#shapes.all(kind, this.#nowMs());
    // Behind one that cannot be read there may be others of its sort.
    if (rows.some((row) => unreadable(row) !== undefined)) return this.list({ kind, limit: this.#max });
    return rows.map(listedOf);
  }

  /** All that the gate goes by, newest first. A row that cannot be read, or matches nothing, is left out and told. */
  *reading(leftOut: (problem: string) => void = () => undefined): Slices<readonly ListEntry[]> {
    const entries: ListEntry[] = [];
    for (let before = Number.MAX_SAFE_INTEGER; ;) {
      const rows = this.#page.all(before, this.#nowMs());
      for (const row of rows) {
        const problem = unreadable(row);
        if (problem === undefined) entries.push(entryOf(row));
        else leftOut(`entry ${Number(row['id'])}: ${problem}`);
      }
      if (rows.length < SLICE) return entries;
      before = Number(rows.at(-1)?.['id']);
      yield;
    }
  }

  add(given: NewListed): Listed {
    const nowMs = this.#nowMs();
    const problem = problemOf(given, nowMs);
    if (problem !== undefined) throw new Error(problem);
    const conditions = conditionsOf(given);
    const key = conditionKey(conditions);
    const sinceMs = Math.floor(nowMs);
    const { kind, by, lifts, decision } = given;
    const endsMs = given.endsMs === undefined ? null : Math.ceil(given.endsMs);
    const reason = given.reason?.trim() ?? '';
    const row = [
      kind,
      ...CONDITIONS.map((name) => conditions[name] ?? null),
      lifts === undefined ? null : JSON.stringify(lifts),
      reason === '' ? null : reason,
      by,
      decision ?? null,
    ];
    let id = 0;
    this.#batch.write(() => {
      const replaced = Number(this.#replaced.run(kind, key).changes);
      if (replaced === 0 && Number(this.#number.get()?.['n']) >= this.#max)
        throw new Error(`the lists are full: ${this.#max} entries; remove some first`);
      id = Number(this.#insert.run(key, ...row, sinceMs, endsMs).lastInsertRowid);
      this.#count.run(1 + replaced, 'listed changes');
    });
    // Rare, and people wait for it: other programs see it from now on.
    this.#batch.commit();
    this.onChange?.();
    return {
      id,
      kind,
      ...conditions,
      ...(lifts === undefined ? {} : { lifts }),
      ...(reason === '' ? {} : { reason }),
      ...(endsMs === null ? {} : { endsMs }),
      by,
      sinceMs,
      ...(decision === undefined ? {} : { decision }),
      source: sourceOf(by, sinceMs),
    };
  }

  remove(id: number): boolean {
    if (!Number.isSafeInteger(id)) return false;
    let removed = false as boolean;
    this.#batch.write(() => {
      removed = this.#delete.run(id, this.#nowMs()).changes !== 0;
      if (removed) this.#count.run(1, 'listed changes');
    });
    this.#batch.commit();
    if (removed) this.onChange?.();
    return removed;
  }

  /** Grows with every change, also with the end of an entry: some microseconds. */
  version(): number {
    const { changes, dropped, ended } = this.#countsNow();
    return changes + dropped + ended;
  }

  /** Grows with what people do alone: whoever looks at the end of each entry needs no more. */
  changes(): number {
    return this.#countsNow().changes;
  }

  dropEnded(rows: number): number {
    const nowMs = this.#nowMs();
    // Asked first: a write takes the lock, and mostly there is nothing to do.
    if (this.#anyEnded.get(nowMs) === undefined) return 0;
    let dropped = 0;
    this.#batch.write(() => {
      dropped = Number(this.#dropEnded.run(nowMs, rows).changes);
      this.#count.run(dropped, 'listed ended');
    }, rows);
    return dropped;
  }

  #countsNow() {
    const row = this.#counts.get(this.#nowMs());
    const of = (name: string) => Number(row?.[name] ?? 0);
    return { changes: of('changes'), dropped: of('dropped'), ended: of('ended') };
  }
}

function problemOf(entry: NewListed, nowMs: number): string | undefined {
  if (!KINDS.includes(entry.kind)) return `there is no list "${harmless(entry.kind.slice(0, 40))}"`;
  for (const name of CONDITIONS) {
    const text = entry[name];
    if (text === undefined) continue;
    if (text.length > MAX_CONDITION) return `the ${name} is longer than ${MAX_CONDITION} characters`;
    if (harmless(text) !== text) return `the ${name} holds characters that cannot be seen`;
  }
  const { kind, lifts, reason = '', by, endsMs, decision } = entry;
  if (reason.length > MAX_REASON) return `the reason is longer than ${MAX_REASON} characters`;
  if (harmless(reason) !== reason) return 'the reason holds characters that cannot be seen';
  if (by.trim() === '' || by.length > MAX_BY || harmless(by) !== by)
    return `who adds it has no name of 1 to ${MAX_BY} characters`;
  if (lifts !== undefined && kind !== 'allow') return 'only an allow entry lifts checks';
  if (
    lifts !== undefined &&
    (lifts.length > MAX_LIFTS || !lifts.every((name) => /^[a-z0-9-]{1,60}$/.test(name)))
  )
    return LIFTS_NOTHING_KNOWN;
  if (endsMs !== undefined && !(endsMs > nowMs && endsMs <= Number.MAX_SAFE_INTEGER))
    return 'it would have ended already';
  if (decision !== undefined && !/^[\w-]{1,40}$/.test(decision)) return 'that is no id of a decision';
  return undefined;
}

/** As the list shows them: one form for one network. What is none is complained of with the other conditions. */
function conditionsOf(entry: NewListed): Conditions {
  const network = parseNetwork(entry.client ?? '');
  const client = network.kind === 'bad' ? entry.client : networkName(network);
  return {
    ...(client === undefined ? {} : { client }),
    ...(entry.host === undefined ? {} : { host: entry.host }),
    ...(entry.sender === undefined ? {} : { sender: entry.sender }),
    ...(entry.recipient === undefined ? {} : { recipient: entry.recipient }),
  };
}

const sourceOf = (by: string, sinceMs: number): string => `${LISTED_BY}${by}, ${dayText(sinceMs)}`;

type Row = Readonly<Record<string, unknown>>;

/** What is wrong with a row that this program would not have written so; another version, or somebody with a tool, has. */
export function unreadable(row: Row): string | undefined {
  try {
    const entry = entryOf(row);
    if (!KINDS.includes(entry.kind)) return `there is no list "${harmless(entry.kind.slice(0, 40))}"`;
    const lifts: unknown = entry.lifts ?? [];
    if (!Array.isArray(lifts) || !lifts.every((name) => typeof name === 'string')) return LIFTS_NOTHING_KNOWN;
    conditionKey(entry);
    return undefined;
  } catch (error) {
    return harmless(error instanceof Error ? error.message : String(error)).slice(0, MAX_CONDITION);
  }
}

export function entryOf(row: Row): ListEntry & { readonly kind: Listed['kind'] } {
  const text = (name: string): Record<string, string> => {
    const value = textIn(row, name);
    return value === undefined ? {} : { [name]: value };
  };
  const lifts = textIn(row, 'lifts');
  return {
    kind: String(row['kind']) as Listed['kind'],
    ...text('client'),
    ...text('host'),
    ...text('sender'),
    ...text('recipient'),
    ...(lifts === undefined ? {} : { lifts: JSON.parse(lifts) as string[] }),
    ...text('reason'),
    ...(row['ends_ms'] === null ? {} : { endsMs: Number(row['ends_ms']) }),
    source: sourceOf(String(row['by']), Number(row['since_ms'])),
  };
}

/** Throws on octets: an entry with one condition fewer would be about more. */
function textIn(row: Row, name: string): string | undefined {
  const value = row[name];
  if (value === null) return undefined;
  if (typeof value !== 'string') throw new Error(`its ${name} is no text`);
  return value;
}

function listedOf(row: Row): Listed {
  const { decision } = row;
  return {
    id: Number(row['id']),
    ...entryOf(row),
    by: String(row['by']),
    sinceMs: Number(row['since_ms']),
    ...(typeof decision === 'string' ? { decision } : {}),
  };
}
