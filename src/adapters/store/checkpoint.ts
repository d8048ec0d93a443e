/**
 * The thread that carries what was written from the log (WAL) into the database file: thousands of page writes and the disk's own
 * time, which must not be the event loop's.
 */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

export interface CheckpointData {
  readonly file: string;
}

export type CheckpointRequest = 'checkpoint' | 'close';

export interface CheckpointAnswer {
  /** The log's length. */
  readonly pages: number;
  /** The thread has caught up: what is left is what was written in the last moment. */
  readonly caughtUp: boolean;
}

/**
 * Only a pass in whose time nothing was written makes the disk keep what it carried over. The first takes long and the writer goes on;
 * each has less to do than the one before, until one carries no more than this and most likely fits between two commits.
 */
const FEW_PAGES = 250;
const PASSES = 10;

const db = new DatabaseSync((workerData as CheckpointData).file);
// PASSIVE waits for nobody and keeps nobody waiting.
const pass = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');

parentPort?.on('message', (request: CheckpointRequest) => {
  if (request === 'close') {
    db.close();
    parentPort?.close();
    return;
  }
  let answer: CheckpointAnswer = { pages: 0, caughtUp: false };
  let carried = 0;
  for (let n = 0; n < PASSES && !answer.caughtUp; n++) {
    const row = pass.get();
    const [pages, now] = [Number(row?.['log']), Number(row?.['checkpointed'])];
    // A log that began anew counts from its start.
    answer = { pages, caughtUp: n > 0 && now - (now < carried ? 0 : carried) <= FEW_PAGES };
    carried = now;
  }
  parentPort?.postMessage(answer);
});
