/**
 * The journal's own thread: it alone touches the database, so that neither a slow disk nor a long question holds up a
 * dialogue. Requests come in order and are done one after the other; a long clean-up is cut into steps by its caller.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Kysely } from 'kysely';
import type { Decision, JournalQuery, JournalSpan } from '../../core/decision.ts';
import { openDatabase } from '../sqlite.ts';
import {
  dropOld,
  findDecisions,
  insertDecisions,
  SQLITE_MIGRATIONS,
  summarize,
  type Tables,
} from './queries.ts';
import { sqliteDialect } from './sqlite-dialect.ts';

export type Request =
  /** Decisions as one JSON text: that is what handing them over costs the other thread. */
  | { readonly kind: 'record'; readonly text: string }
  | { readonly kind: 'find'; readonly query: JournalQuery }
  | { readonly kind: 'summary'; readonly span: JournalSpan }
  | { readonly kind: 'drop-old'; readonly beforeMs: number; readonly rows: number }
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

async function answer(db: Kysely<Tables>, request: Request): Promise<unknown> {
  switch (request.kind) {
    case 'record':
      return insertDecisions(db, JSON.parse(request.text) as Decision[]);
    case 'find':
      return findDecisions(db, request.query);
    case 'summary':
      return summarize(db, request.span);
    case 'drop-old':
      return dropOld(db, request.beforeMs, request.rows);
    case 'close':
      return db.destroy();
    default:
      return request satisfies never;
  }
}

// What fails here ends the thread, and with it the journal: the other side is told by the thread's error.
const { file } = workerData as { readonly file: string };
const db = new Kysely<Tables>({ dialect: sqliteDialect(openDatabase(file, SQLITE_MIGRATIONS)) });
let last = Promise.resolve();
port.on('message', ({ number, request }: Numbered) => {
  last = last.then(async () => {
    try {
      const value = await answer(db, request);
      port.postMessage({ number, kind: 'done', value } satisfies Answer);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      port.postMessage({ number, kind: 'failed', reason } satisfies Answer);
    }
    if (request.kind === 'close') port.close();
  });
});
