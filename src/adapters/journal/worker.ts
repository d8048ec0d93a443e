/**
 * The journal's own thread: it alone touches the database, so that neither a slow disk nor a long question holds up a
 * dialogue. Requests come in order and are done one after the other; a long clean-up is cut into steps by its caller.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Kysely } from 'kysely';
import type { JournalQuery, JournalSpan } from '../../core/decision.ts';
import { openDatabase } from '../sqlite.ts';
import { dropBeyond, dropOld, findDecisions, SQLITE_MIGRATIONS, summarize, type Tables } from './queries.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import { createWriter, type Batch, type Writer } from './write.ts';

export type Request =
  | { readonly kind: 'record'; readonly batch: Batch }
  | { readonly kind: 'find'; readonly query: JournalQuery }
  | { readonly kind: 'summary'; readonly span: JournalSpan }
  | { readonly kind: 'drop-old'; readonly beforeMs: number; readonly rows: number }
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
    case 'summary':
      return summarize(db, request.span);
    case 'drop-old':
      return dropOld(db, (name, seq) => writer().dropName(name, seq), request);
    case 'drop-beyond':
      return usedOctets() <= request.octets
        ? 0
        : dropBeyond(db, (name, seq) => writer().dropName(name, seq), request);
    case 'close':
      return db.destroy();
    default:
      return request satisfies never;
  }
}

// What fails here ends the thread; the other side is told by the thread's error, and starts it again.
const { file } = workerData as { readonly file: string };
const sqlite = openDatabase(file, SQLITE_MIGRATIONS);
// The pages that new rows fall on are few and change with each batch: kept in memory (32 MiB), and copied from the log
// into the database once in 16 MiB, most of their changes cost nothing.
sqlite.exec(
  'PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 67108864;',
);
// Prepared when first needed: a reader needs none, and what is wrong with a table costs its batch, not the thread.
let prepared: Writer | undefined;
const writer = (): Writer => (prepared ??= createWriter(sqlite));
/** Without the pages that are free to be written on: the file itself never gets smaller. */
function usedOctets(): number {
  const pragma = (name: string) => Number(sqlite.prepare(`PRAGMA ${name}`).get()?.[name]);
  return (pragma('page_count') - pragma('freelist_count')) * pragma('page_size');
}
const db = new Kysely<Tables>({ dialect: sqliteDialect(sqlite) });
let last = Promise.resolve();
port.on('message', ({ number, request }: Numbered) => {
  last = last.then(async () => {
    try {
      const value = await answer(request);
      port.postMessage({ number, kind: 'done', value } satisfies Answer);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      port.postMessage({ number, kind: 'failed', reason } satisfies Answer);
    }
    if (request.kind === 'close') port.close();
  });
});
