import { Worker } from 'node:worker_threads';
import {
  keepSeen,
  MAX_SEEN,
  type ArchiveAnswer,
  type ArchiveFailure,
  type ArchiveQuestion,
  type ArchivesPort,
  type ArchivesSettings,
  type ArchiveTrouble,
  type SeenFile,
} from '../../core/archives.ts';
import type { FileSuspicion } from '../../mail/file-suspicion.ts';
import type { SignatureRule } from '../../mail/signatures.ts';
import { reasonOf, Turns, type Leave } from '../scanners/turns.ts';
import type { Request, Told } from './worker.ts';

/** Beyond its own bound, which it looks at between two files: for the one that it is at, and the first time to start. */
const GRACE_MS = 2_000;

export interface OpenArchives extends ArchivesPort {
  /** Ends the threads that rest; what is under way comes to its own end. */
  close(): void;
}

/**
 * Threads that look into archives, as many as may be at work at one time, begun when there is something to look into. One that is late is
 * ended with all it holds, and what it has told until then counts. Messages wait in the spool, not in memory.
 */
export class Archives implements OpenArchives {
  readonly rules: number;
  readonly #rules: readonly SignatureRule[];
  readonly #settings: ArchivesSettings;
  readonly #turns: Turns;
  /** Of the client networks that have some now: each has half of all turns at most. */
  readonly #shares = new Map<string, Turns>();
  readonly #graceMs: number;
  readonly #resting: Thread[] = [];
  #closed = false;

  /** `graceMs`: for tests. */
  constructor(settings: ArchivesSettings, rules: readonly SignatureRule[], graceMs = GRACE_MS) {
    this.rules = rules.length;
    this.#rules = rules;
    this.#settings = settings;
    this.#turns = new Turns(settings);
    this.#graceMs = graceMs;
  }

  async look(question: ArchiveQuestion, signal: AbortSignal): Promise<ArchiveAnswer> {
    const turn = await this.#turn(question.client, signal);
    if (typeof turn !== 'function') return turn;
    let thread: Thread | undefined;
    try {
      thread = this.#rested() ?? new Thread(this.#rules);
      return await thread.look(question, this.#graceMs, signal);
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    } finally {
      if (thread?.isWell === true && !this.#closed) this.#resting.push(thread);
      else thread?.close();
      turn();
    }
  }

  async #turn(client: string, signal: AbortSignal): Promise<Leave | ArchiveFailure> {
    const { atOnce } = this.#settings;
    const share =
      this.#shares.get(client) ??
      new Turns({ ...this.#settings, atOnce: Math.max(1, Math.floor(atOnce / 2)) });
    this.#shares.set(client, share);
    const forget = () => {
      if (share.taken === 0 && share.waiting === 0) this.#shares.delete(client);
    };
    const own = await share.take(signal);
    const turn = typeof own === 'function' ? await this.#turns.take(signal) : own;
    if (typeof turn === 'function')
      return () => {
        turn();
        if (typeof own === 'function') own();
        forget();
      };
    if (typeof own === 'function') own();
    forget();
    return turn.kind === 'busy' ? turn : { kind: 'failed', reason: 'its turn did not come' };
  }

  /** One that fell while it rested is not asked. */
  #rested(): Thread | undefined {
    let thread = this.#resting.pop();
    while (thread?.isWell === false) thread = this.#resting.pop();
    return thread;
  }

  close(): void {
    this.#closed = true;
    for (const thread of this.#resting.splice(0)) thread.close();
  }
}

class Thread {
  readonly #worker: Worker;
  isWell = true;
  #isReady = false;
  #onTold: ((told: Finding) => void) | undefined;
  #onGone: ((reason: string) => void) | undefined;

  constructor(rules: readonly SignatureRule[]) {
    // The build turns the names of imports, not of URLs.
    const name = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    this.#worker = new Worker(new URL(name, import.meta.url), { workerData: { rules } });
    this.#worker.on('message', (told: Told) => {
      if (told.kind === 'ready') this.#isReady = true;
      else this.#onTold?.(told);
    });
    this.#worker.on('error', (error) => this.#gone(error instanceof Error ? error.message : String(error)));
    this.#worker.on('exit', () => this.#gone('its thread ended'));
    this.#worker.unref();
  }

  close(): void {
    this.isWell = false;
    void this.#worker.terminate();
  }

  async look(
    { content, parts, bounds, extensions }: ArchiveQuestion,
    graceMs: number,
    signal: AbortSignal,
  ): Promise<ArchiveAnswer> {
    const report = new Report();
    const done = new Promise<ArchiveAnswer>((resolve) => {
      const settle = (answer: ArchiveAnswer) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#onTold = undefined;
        this.#onGone = undefined;
        resolve(answer);
      };
      const onAbort = () => {
        this.close();
        settle({ kind: 'failed', reason: reasonOf(signal) });
      };
      const onLate = () => {
        this.close();
        const why = `it takes longer than ${bounds.timeMs} ms`;
        settle(
          this.#isReady
            ? report.ended({ kind: 'too-much', name: '', within: [], why })
            : { kind: 'failed', reason: 'its thread did not start in time' },
        );
      };
      const timer = setTimeout(onLate, bounds.timeMs + graceMs);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#onTold = (told) => {
        if (told.kind !== 'done') {
          report.add(told);
          return;
        }
        if (told.last) this.close();
        settle(report.done(told.entries));
      };
      // Once it had started, the message did it, whatever it was: another attempt would end in the same way.
      this.#onGone = (reason) =>
        settle(
          this.#isReady
            ? report.ended({ kind: 'unreadable', name: '', within: [], why: reason })
            : { kind: 'failed', reason },
        );
      if (signal.aborted) onAbort();
      else if (!this.isWell) this.#onGone('its thread ended');
    });
    this.#send({ kind: 'begin', job: { parts, bounds, extensions } });
    try {
      for await (const chunk of content.chunks()) {
        if (!this.isWell) break;
        // The spool's own octets are not ours to give away.
        const octets = new Uint8Array(chunk);
        this.#worker.postMessage({ kind: 'octets', octets } satisfies Request, [octets.buffer]);
      }
    } catch (error) {
      this.close();
      throw error;
    }
    this.#send({ kind: 'end' });
    return done;
  }

  #send(request: Request): void {
    if (this.isWell) this.#worker.postMessage(request);
  }

  #gone(reason: string): void {
    this.isWell = false;
    this.#onGone?.(reason);
  }
}

type Finding = Exclude<Told, { kind: 'ready' }>;

class Report {
  readonly #files: { readonly seen: SeenFile; readonly as: FileSuspicion['kind'] }[] = [];
  readonly #troubles: ArchiveTrouble[] = [];
  readonly #signatures = new Set<string>();

  add(told: Exclude<Finding, { kind: 'done' }>): void {
    switch (told.kind) {
      case 'file':
        keepSeen(this.#files, told, ({ as }) => as === told.as);
        return;
      case 'trouble':
        keepSeen(this.#troubles, told.found, ({ kind }) => kind === told.found.kind);
        return;
      case 'signatures':
        for (const name of told.names) if (this.#signatures.size < MAX_SEEN) this.#signatures.add(name);
        return;
      default:
        told satisfies never;
    }
  }

  done(entries: number): ArchiveAnswer {
    return {
      kind: 'looked',
      files: this.#files.map(({ seen }) => seen),
      troubles: this.#troubles,
      signatures: [...this.#signatures],
      entries,
    };
  }

  ended(trouble: ArchiveTrouble): ArchiveAnswer {
    // Even where there are many others: that it was not looked through says more than one of them.
    this.#troubles.push(trouble);
    return this.done(this.#files.length);
  }
}
