import { Worker } from 'node:worker_threads';
import type { CheckpointAnswer, CheckpointData, CheckpointRequest } from './checkpoint.ts';

/** Rows written between two checkpoints: about as many pages. */
const ROWS_BETWEEN = 500;
/** From so long a log on the writer does what the thread left over, so that the log can begin anew: 32 MiB. */
const LONG_PAGES = 8000;
/** It waits for the thread to catch up, but not beyond this. */
const TOO_LONG_PAGES = 24_000;

export interface CheckpointsOptions {
  readonly file: string;
  /** The thread has nearly caught up and the log is long: a last checkpoint between two writes costs little now. */
  readonly finish: () => void;
  readonly onTrouble: (error: unknown) => void;
}

/** Asks the thread for checkpoints. It is started when there is enough to do: a command that adds an entry needs none. */
export class Checkpoints {
  readonly #options: CheckpointsOptions;
  #worker: Worker | undefined;
  #rows = 0;
  #underway = false;
  #closed = false;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
  }

  committed(rows: number): void {
    this.#rows += rows;
    if (this.#rows < ROWS_BETWEEN || this.#underway || this.#closed) return;
    this.#rows = 0;
    this.#underway = true;
    this.#worker ??= this.#start();
    this.#worker.postMessage('checkpoint' satisfies CheckpointRequest);
  }

  close(): void {
    this.#closed = true;
    this.#worker?.postMessage('close' satisfies CheckpointRequest);
  }

  #start(): Worker {
    // The build turns the names of imports, not of URLs.
    const name = import.meta.url.endsWith('.ts') ? './checkpoint.ts' : './checkpoint.js';
    const workerData: CheckpointData = { file: this.#options.file };
    const worker = new Worker(new URL(name, import.meta.url), { workerData });
    worker.on('message', ({ pages, caughtUp }: CheckpointAnswer) => {
      this.#underway = false;
      if (!this.#closed && pages >= (caughtUp ? LONG_PAGES : TOO_LONG_PAGES)) this.#options.finish();
    });
    worker.on('error', (error) => this.#options.onTrouble(error));
    // It died; the next rows start another.
    worker.on('exit', () => {
      this.#worker = undefined;
      this.#underway = false;
    });
    worker.unref();
    return worker;
  }
}
