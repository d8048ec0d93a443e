import { Worker } from 'node:worker_threads';
import type { Decision, Journal, JournalQuery, JournalSpan, Summary } from '../../core/decision.ts';
import { openDatabase } from '../sqlite.ts';
import { SQLITE_MIGRATIONS } from './queries.ts';
import type { Answer, Numbered, Request } from './worker.ts';

export interface JournalOptions {
  readonly nowMs?: () => number;
  /** Told when decisions could not be written; at most once for each batch. */
  readonly onTrouble?: (reason: string, lost: number) => void;
  /** Decisions that may wait, here and on their way to the disk; some kilobytes each. What comes beyond is dropped. */
  readonly maxQueued?: number;
}

const BATCH = 256;
/** A decision can be lost for this long at a crash of the whole program. */
const FLUSH_MS = 100;
const DROP_ROWS = 500;

/** Opens the journal, and makes it where there is none. Throws with the remedy where the file cannot be used. */
export function openJournal(file: string, options: JournalOptions = {}): Journal {
  // Tried here first, so that a damaged or locked file stops the start and is no surprise of the worker's.
  openDatabase(file, SQLITE_MIGRATIONS).close();
  return new SqliteJournal(file, options);
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

class SqliteJournal implements Journal {
  readonly #options: JournalOptions;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #queue: Decision[] = [];
  /** Handed to the worker and not answered for yet. */
  #underway = 0;
  #timer: NodeJS.Timeout | undefined;
  #lastNumber = 0;
  #recorded = 0;
  #dropped = 0;
  /** Why nothing can be written any more. */
  #ended: string | undefined;

  constructor(file: string, options: JournalOptions) {
    this.#options = options;
    // The build turns the names of imports, not of URLs.
    const name = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    this.#worker = new Worker(new URL(name, import.meta.url), { workerData: { file } });
    this.#worker.on('message', (answer: Answer) => this.#settle(answer));
    this.#worker.on('error', (error) => this.#end(error instanceof Error ? error.message : String(error)));
    this.#worker.on('exit', () => this.#end('the journal is closed'));
    this.#worker.unref();
  }

  get counts(): Journal['counts'] {
    return { recorded: this.#recorded, dropped: this.#dropped };
  }

  record(decision: Decision): void {
    if (
      this.#ended !== undefined ||
      this.#queue.length + this.#underway >= (this.#options.maxQueued ?? 10_000)
    ) {
      this.#dropped++;
      return;
    }
    this.#queue.push(decision);
    if (this.#queue.length >= BATCH) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
  }

  async find(query: JournalQuery): Promise<readonly Decision[]> {
    this.#flush();
    return (await this.#ask({ kind: 'find', query })) as Decision[];
  }

  async summary(span: JournalSpan): Promise<Summary> {
    this.#flush();
    return (await this.#ask({ kind: 'summary', span })) as Summary;
  }

  async expire(keptMs: number): Promise<number> {
    const beforeMs = (this.#options.nowMs ?? Date.now)() - keptMs;
    let dropped = 0;
    for (;;) {
      // Each step is a request of its own, so that what is recorded meanwhile comes in between.
      const step = Number(await this.#ask({ kind: 'drop-old', beforeMs, rows: DROP_ROWS }));
      dropped += step;
      if (step < DROP_ROWS) return dropped;
    }
  }

  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    this.#flush();
    const exited = new Promise((resolve) => this.#worker.once('exit', resolve));
    await this.#ask({ kind: 'close' });
    // Its last answer is in, so nothing else keeps the program up until it is gone.
    this.#worker.ref();
    await exited;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#queue;
    if (batch.length === 0) return;
    this.#queue = [];
    this.#underway += batch.length;
    const settled = (lost: number) => {
      this.#underway -= batch.length;
      this.#recorded += batch.length - lost;
      this.#dropped += lost;
    };
    this.#ask({ kind: 'record', text: JSON.stringify(batch) }).then(
      () => settled(0),
      (error: unknown) => {
        settled(batch.length);
        this.#options.onTrouble?.(error instanceof Error ? error.message : String(error), batch.length);
      },
    );
  }

  async #ask(request: Request): Promise<unknown> {
    if (this.#ended !== undefined) throw new Error(this.#ended);
    const number = ++this.#lastNumber;
    const answered = new Promise((resolve, reject) => this.#waiting.set(number, { resolve, reject }));
    // The program stays up for an answer it waits for, not for the journal as such.
    this.#worker.ref();
    this.#worker.postMessage({ number, request } satisfies Numbered);
    return answered;
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.number);
    this.#waiting.delete(answer.number);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (answer.kind === 'done') waiting?.resolve(answer.value);
    else waiting?.reject(new Error(answer.reason));
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    clearTimeout(this.#timer);
    this.#dropped += this.#queue.length;
    this.#queue = [];
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
  }
}
