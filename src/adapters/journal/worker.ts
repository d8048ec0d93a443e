/**
 * The journal's own thread: it alone touches the database, so that neither a slow disk nor a long question holds up a
 * dialogue. What writes is done one after the other; a long clean-up is cut into steps by its caller. A question is put after all that was
 * written before it, and what takes several steps lets others have theirs in between.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Kysely } from 'kysely';
import type { JournalQuery, JournalSpan } from '../../core/decision.ts';
import type { TrafficQuery } from '../../core/traffic.ts';
import { openDatabase, openToRead } from '../sqlite.ts';
import { dropBeyond, dropOld, thinSums } from './expiry.ts';
import { SQLITE_MIGRATIONS, type Tables } from './schema.ts';
import { findDecisions, findPage, newest, page } from './search.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import { effect, rungs, stoppedBy, summarize, traffic } from './totals.ts';
import { createWriter, type Batch, type Writer } from './write.ts';

export type Question =
  | { readonly kind: 'find' | 'find-page'; readonly query: JournalQuery }
  | { readonly kind: 'summary'; readonly span: JournalSpan }
  | { readonly kind: 'traffic' | 'stopped-by'; readonly query: TrafficQuery }
  | { readonly kind: 'effect' | 'rungs'; readonly span: Required<JournalSpan> }
  | {
      readonly kind: 'page';
      readonly query: { readonly after: number; readonly limit: number } & JournalSpan;
    }
  | { readonly kind: 'newest' };

export type Request =
  | Question
  | { readonly kind: 'record'; readonly batch: Batch }
  | { readonly kind: 'drop-old'; readonly beforeMs: number; readonly rows: number }
  | { readonly kind: 'thin'; readonly beforeMs: number }
  | { readonly kind: 'drop-beyond'; readonly octets: number; readonly rows: number }
  | { readonly kind: 'close' };

export interface Numbered {
  readonly number: number;
  readonly request: Request;
}

export type Answer =
  | { readonly number: number; readonly kind: 'done'; readonly value: unknown }
  | { readonly number: number; readonly kind: 'failed'; readonly reason: string };

const port = parentPort;
if (port === null) throw new Error('the journal runs as a worker');

async function answer(request: Request): Promise<unknown> {
  switch (request.kind) {
    case 'record':
      writer().write(request.batch);
      return undefined;
    case 'find':
      return findDecisions(db, request.query);
    case 'find-page':
      return findPage(db, request.query);
    case 'summary':
      return summarize(db, request.span);
    case 'traffic':
      return traffic(db, request.query);
    case 'stopped-by':
      return stoppedBy(db, request.query);
    case 'effect':
      return effect(db, request.span);
    case 'rungs':
      return rungs(db, request.span);
    case 'page':
      return page(db, request.query);
    case 'newest':
      return newest(db);
    case 'drop-old':
      return dropOld(db, request);
    case 'thin':
      return thinSums(db, request.beforeMs);
    case 'drop-beyond':
      return usedOctets() <= request.octets ? 0 : dropBeyond(db, request);
    case 'close':
      return db.destroy();
    default:
      return request satisfies never;
  }
}

// What fails here ends the thread; the other side is told by the thread's error, and starts it again.
const { file, readOnly } = workerData as { readonly file: string; readonly readOnly: boolean };
const sqlite = (readOnly ? openToRead : openDatabase)(file, SQLITE_MIGRATIONS);
// The pages that new rows fall on are few and change with each batch: kept in memory (32 MiB), and copied from the log
// into the database once in 16 MiB, most of their changes cost nothing.
sqlite.exec(
  'PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 67108864;',
);
// Of a join that is meant to go from segments to their decisions SQLite would rather make an index over all decisions first.
sqlite.exec('PRAGMA automatic_index = OFF');
// Prepared when first needed: a reader needs none, and what is wrong with a table costs its batch, not the thread.
let prepared: Writer | undefined;
const writer = (): Writer => (prepared ??= createWriter(sqlite));
/** Without the pages that are free to be written on: the file itself never gets smaller. */
function usedOctets(): number {
  const pragma = (name: string) => Number(sqlite.prepare(`PRAGMA ${name}`).get()?.[name]);
  return (pragma('page_count') - pragma('freelist_count')) * pragma('page_size');
}
const db = new Kysely<Tables>({ dialect: sqliteDialect(sqlite) });
const WRITES: ReadonlySet<Request['kind']> = new Set(['record', 'drop-old', 'drop-beyond', 'thin', 'close']);
let written = Promise.resolve();
const reading = new Set<Promise<void>>();
port.on('message', ({ number, request }: Numbered) => {
  const done = async () => {
    // What is being read is read to its end.
    if (request.kind === 'close') await Promise.all(reading);
    try {
      const value = await answer(request);
      port.postMessage({ number, kind: 'done', value } satisfies Answer);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      port.postMessage({ number, kind: 'failed', reason } satisfies Answer);
    }
    if (request.kind === 'close') port.close();
  };
  const turn = written.then(done);
  if (WRITES.has(request.kind)) written = turn;
  else {
    reading.add(turn);
    void turn.then(() => reading.delete(turn));
  }
});
