/** Loaded into a gate before all else (`--import`): its journal is there, and what it is given to record is dropped. */
import { isMainThread } from 'node:worker_threads';
import { openJournal } from '../src/adapters/journal/sqlite.ts';
import type { Journal } from '../src/core/decision.ts';

// The journal's own thread is started with the same arguments.
if (isMainThread) {
  const journal = openJournal(':memory:');
  (Object.getPrototypeOf(journal) as { record: Journal['record'] }).record = () => undefined;
  await journal.close();
}
