import { Worker } from 'node:worker_threads';
import type {
  Decision,
  FoundPage,
  Journal,
  JournalQuery,
  JournalSpan,
  Summary,
} from '../../core/decision.ts';
import type { CheckEffect, JournalPage, RungTotal, TrafficPoint, TrafficQuery } from '../../core/traffic.ts';
import { openDatabase, openToRead } from '../sqlite.ts';
import { CHUNK } from './chunk.ts';
import { recordOf } from './record.ts';
import { decisionRow, moreRecipients } from './rows.ts';
import { SQLITE_MIGRATIONS } from './schema.ts';
import { count, countsIn, countTurnedAway, outcomesIn, type RungOf, type Sums } from './sums.ts';
import type { Answer, Numbered, Question, Request } from './worker.ts';
import { toRow, type Chunk, type Row } from './write.ts';

export interface JournalOptions {
  readonly nowMs?: () => number;
  /** The rung on which a check stands; without it nothing is counted by the rung. */
  readonly rungOf?: RungOf;
  /** Told when decisions could not be written, at most once for each batch; and when the journal's thread died. */
  readonly onTrouble?: (reason: string, lost: number) => void;
  /** Decisions that may wait, here and on their way to the disk; some kilobytes each. What comes beyond is dropped. */
  readonly maxQueued?: number;
  /** The pause before the thread is started for the nth time after it died (1 is the first). */
  readonly pauseMs?: (deaths: number) => number;
  /** Of a journal that a gate writes: nothing in the file changes, and what a gate of an earlier version writes is left to that gate. */
  readonly readOnly?: boolean;
  /** For tests, which end it. */
  readonly onThread?: (thread: Worker) => void;
}

/** A decision can be lost for this long at a crash of the whole program. */
const FLUSH_MS = 100;
/** As many are written at once without waiting for the time; more where the disk is slower than the mail. */
const BATCH = 1024;
const DROP_ROWS = 500;
/** Older sums are kept by the hour alone. A week by the minute can be looked at, whatever is asked first. */
const MINUTES_KEPT_MS = 8 * 86_400_000;

/** Opens the journal, and makes it where there is none to be written. Throws with the remedy where the file cannot be used. */
export function openJournal(file: string, options: JournalOptions = {}): Journal {
  // Tried here first, so that a damaged or locked file stops the start and is no surprise of the worker's.
  (options.readOnly === true ? openToRead : openDatabase)(file, SQLITE_MIGRATIONS).close();
  return new SqliteJournal(file, options);
}

/** A second, then twice as long each time, at most a minute: a full disk is not tried to death. */
export function pauseMs(deaths: number): number {
  return Math.min(60_000, 1000 * 2 ** Math.min(deaths - 1, 6));
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

class SqliteJournal implements Journal {
  readonly #file: string;
  readonly #options: JournalOptions;
  readonly #waiting = new Map<number, Waiting>();
  /** Absent while it is dead and rests. */
  #worker: Worker | undefined;
  #deaths = 0;
  #reason = '';
  #rest: NodeJS.Timeout | undefined;
  /** Not turned into text yet: that is done a chunk at a time, so that no dialogue waits for a whole batch of it. */
  #queue: Decision[] = [];
  #chunks: Chunk[] = [];
  #counts: Sums = new Map();
  /** Decisions in `#queue` and `#chunks`. */
  #queued = 0;
  /** Handed to the worker and not answered for yet. */
  #underway = 0;
  #timer: NodeJS.Timeout | undefined;
  #lastNumber = 0;
  #recorded = 0;
  #dropped = 0;
  #closed = false;

  constructor(file: string, options: JournalOptions) {
    this.#file = file;
    this.#options = options;
    this.#start();
  }

  get counts(): Journal['counts'] {
    return { recorded: this.#recorded, dropped: this.#dropped };
  }

  record(decision: Decision): void {
    if (this.#closed || this.#queued + this.#underway >= (this.#options.maxQueued ?? 10_000)) {
      this.#dropped++;
      return;
    }
    this.#queued++;
    this.#queue.push(decision);
    if (this.#queue.length >= CHUNK) this.#cutChunk();
    if (this.#queued >= BATCH) this.#flush();
    this.#flushSoon();
  }

  turnedAway(atMs: number, reason: string, connections: number): void {
    if (this.#closed) return;
    countTurnedAway(atMs, reason, connections, this.#counts);
    this.#flushSoon();
  }

  #flushSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, FLUSH_MS).unref();
  }

  async find(query: JournalQuery): Promise<readonly Decision[]> {
    return (await this.#read({ kind: 'find', query })) as Decision[];
  }

  async findPage(query: JournalQuery): Promise<FoundPage> {
    return (await this.#read({ kind: 'find-page', query })) as FoundPage;
  }

  async summary(span: JournalSpan): Promise<Summary> {
    return (await this.#read({ kind: 'summary', span })) as Summary;
  }

  async traffic(query: TrafficQuery): Promise<readonly TrafficPoint[]> {
    return (await this.#read({ kind: 'traffic', query })) as TrafficPoint[];
  }

  async effect(span: Required<JournalSpan>): Promise<readonly CheckEffect[]> {
    return (await this.#read({ kind: 'effect', span })) as CheckEffect[];
  }

  async stoppedBy(query: TrafficQuery): Promise<Readonly<Record<string, readonly number[]>>> {
    return (await this.#read({ kind: 'stopped-by', query })) as Record<string, readonly number[]>;
  }

  async rungs(span: Required<JournalSpan>): Promise<readonly RungTotal[]> {
    return (await this.#read({ kind: 'rungs', span })) as RungTotal[];
  }

  async page(query: Parameters<Journal['page']>[0]): Promise<JournalPage<Decision>> {
    return (await this.#read({ kind: 'page', query })) as JournalPage<Decision>;
  }

  async newest(): Promise<number> {
    return Number(await this.#read({ kind: 'newest' }));
  }

  /** What was recorded before is found. */
  #read(question: Question): Promise<unknown> {
    this.#send();
    return this.#ask(question);
  }

  async expire(keptMs: number, sizeOctets?: number): Promise<number> {
    const nowMs = (this.#options.nowMs ?? Date.now)();
    const beforeMs = nowMs - keptMs;
    let dropped = 0;
    this.#send();
    // Each step is a request of its own, so that what is recorded meanwhile comes in between.
    for (let step = 1; step > 0; dropped += step)
      step = Number(await this.#ask({ kind: 'drop-old', beforeMs, rows: DROP_ROWS }));
    for (let step = 1; step > 0 && sizeOctets !== undefined; dropped += step)
      step = Number(await this.#ask({ kind: 'drop-beyond', octets: sizeOctets, rows: DROP_ROWS }));
    while ((await this.#ask({ kind: 'thin', beforeMs: nowMs - MINUTES_KEPT_MS })) === true);
    return dropped;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    // What waited for the thread to be started again is given one more chance.
    if (this.#worker === undefined) this.#start();
    this.#send();
    this.#closed = true;
    clearTimeout(this.#timer);
    const worker = this.#worker;
    const exited = new Promise((resolve) => worker?.once('exit', resolve));
    // Its death is told as trouble, and there is nothing left to close.
    await this.#ask({ kind: 'close' }).catch(() => undefined);
    // Its last answer is in, so nothing else keeps the program up until it is gone.
    worker?.ref();
    await exited;
  }

  #start(): void {
    clearTimeout(this.#rest);
    // The build turns the names of imports, not of URLs.
    const name = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    const workerData = { file: this.#file, readOnly: this.#options.readOnly === true };
    const worker = new Worker(new URL(name, import.meta.url), { workerData });
    this.#worker = worker;
    this.#reason = 'the journal’s thread ended';
    worker.on('message', (answer: Answer) => this.#settle(answer));
    worker.on('error', (error) => (this.#reason = error instanceof Error ? error.message : String(error)));
    worker.on('exit', () => this.#died());
    worker.unref();
    this.#options.onThread?.(worker);
  }

  #died(): void {
    this.#worker = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(new Error(this.#reason));
    if (this.#closed) return;
    this.#deaths++;
    this.#options.onTrouble?.(this.#reason, 0);
    const rest = (this.#options.pauseMs ?? pauseMs)(this.#deaths);
    this.#rest = setTimeout(() => {
      this.#start();
      this.#send();
    }, rest).unref();
  }

  #cutChunk(): void {
    const decisions = this.#queue;
    if (decisions.length === 0) return;
    this.#queue = [];
    const rows = decisions.map((d) => {
      const decision = decisionRow(d);
      count(d, decision, this.#counts, this.#options.rungOf);
      return toRow(decision, moreRecipients(d));
    });
    // As text: cloned for the other thread object by object, the rows cost several times as much.
    this.#chunks.push({
      lines: decisions.map((d) => recordOf(d)),
      rows: JSON.stringify(rows satisfies Row[]),
    });
  }

  /** While one batch is being written the next one grows: the larger, the cheaper. */
  #flush(): void {
    if (this.#underway === 0) this.#send();
  }

  #send(): void {
    if (this.#worker === undefined || (this.#queued === 0 && this.#counts.size === 0)) return;
    this.#cutChunk();
    const batch = {
      chunks: this.#chunks,
      counts: countsIn(this.#counts),
      outcomes: outcomesIn(this.#counts),
    };
    const size = this.#queued;
    this.#chunks = [];
    this.#counts = new Map();
    this.#queued = 0;
    this.#underway += size;
    const settled = (lost: number) => {
      this.#underway -= size;
      this.#recorded += size - lost;
      this.#dropped += lost;
      // Its time came while this batch was being written.
      if (this.#timer === undefined || this.#queued >= BATCH) this.#flush();
    };
    this.#ask({ kind: 'record', batch }).then(
      () => {
        this.#deaths = 0;
        settled(0);
      },
      (error: unknown) => {
        settled(size);
        this.#options.onTrouble?.(error instanceof Error ? error.message : String(error), size);
      },
    );
  }

  async #ask(request: Request): Promise<unknown> {
    const worker = this.#worker;
    if (worker === undefined || (this.#closed && request.kind !== 'close'))
      throw new Error(this.#closed ? 'the journal is closed' : this.#reason);
    const number = ++this.#lastNumber;
    const answered = new Promise((resolve, reject) => this.#waiting.set(number, { resolve, reject }));
    // The program stays up for an answer it waits for, not for the journal as such.
    worker.ref();
    worker.postMessage({ number, request } satisfies Numbered);
    return answered;
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.number);
    this.#waiting.delete(answer.number);
    if (this.#waiting.size === 0) this.#worker?.unref();
    if (answer.kind === 'done') waiting?.resolve(answer.value);
    else waiting?.reject(new Error(answer.reason));
  }
}
