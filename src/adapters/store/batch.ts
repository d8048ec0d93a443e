import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** A write that has not been committed for this long is; so much is lost when the program is killed. */
const COMMIT_AFTER_MS = 25;
/** As many rows are committed without waiting for the time: a commit writes every page they touched, about 4 µs each. */
const COMMIT_ROWS = 100;
/** After a batch each write commits for itself for this part of the batch's time, so that another program finds the file unlocked. */
const REST_PART = 0.2;
/** After trouble so many writes commit one by one: SQLite undoes the whole batch of a write that found the disk full. */
const CAREFUL_WRITES = 1000;

export interface BatchOptions {
  /** A trial: `write` does nothing. */
  readonly trial: boolean;
  /** Each write is committed, or undone, before the call returns: who has gone to sleep holds no lock then. */
  readonly eachAtOnce?: boolean;
  /** How long a write waits for another program's. The whole program waits with it. */
  readonly waitMs: number;
  /** Told once when writes begin to fail outside a call; not again before many have worked. */
  readonly onTrouble: (error: unknown) => void;
  /** Told of each commit and its rows. */
  readonly onCommit: (rows: number) => void;
}

/** What wants to know how a batch ended. */
export interface Watcher {
  /** Inside the transaction, last. */
  beforeCommit(): void;
  /** What was read of the file may not be so any more: the batch was undone, or another program has written. Never amid a batch. */
  reread(): void;
}

/**
 * Gathers writes into transactions: a row costs some microseconds instead of a commit each. What a batch holds is seen by reads
 * on the same connection at once, by other programs after the commit.
 *
 * A write that fails throws, and may undo its batch, as a commit that fails does: so much is lost as in a crash. The writes after
 * it commit one by one, so that each caller learns how his own ended.
 */
export class Batch {
  readonly db: DatabaseSync;
  readonly #options: BatchOptions;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #version: StatementSync;
  readonly #watchers: Watcher[] = [];
  #timer: NodeJS.Timeout | undefined;
  #versionSeen: unknown;
  #rows = 0;
  #beganMs = 0;
  #restsUntil = 0;
  #careful = 0;
  #told = false;

  constructor(db: DatabaseSync, options: BatchOptions) {
    this.db = db;
    this.#options = options;
    this.#wait(options.waitMs);
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#version = db.prepare('PRAGMA data_version');
    this.#versionSeen = this.#version.get()?.['data_version'];
  }

  get trial(): boolean {
    return this.#options.trial;
  }

  watch(watcher: Watcher): void {
    this.#watchers.push(watcher);
  }

  /** Runs the step in the batch's transaction; it says nothing that a trial, where it does not run, would need. */
  write(step: () => void, rows = 1): void {
    if (this.trial) return;
    const isFirst = !this.db.isTransaction;
    if (isFirst) this.#start();
    try {
      // Now that no other program can write until the batch has ended.
      if (isFirst) this.look();
      step();
    } catch (error) {
      this.#careful = CAREFUL_WRITES;
      // Some errors, a full disk among them, can end the transaction by themselves.
      if (this.#options.eachAtOnce === true) this.#fail();
      else if (!this.db.isTransaction) this.#over(true);
      throw error;
    }
    this.#rows += rows;
    if (this.#options.eachAtOnce === true || this.#careful > 0 || this.#rows >= COMMIT_ROWS) this.commit();
    else if (performance.now() < this.#restsUntil) this.commit();
  }

  /** Has the watchers read anew where another program has written since the last look: a microsecond or two. */
  look(): void {
    const version = this.#version.get()?.['data_version'];
    if (version === this.#versionSeen) return;
    for (const watcher of this.#watchers) watcher.reread();
    this.#versionSeen = version;
  }

  /** Throws where it fails; the batch is undone then. */
  commit(): void {
    if (!this.db.isTransaction) return;
    const rows = this.#rows;
    try {
      for (const watcher of this.#watchers) watcher.beforeCommit();
      this.#commit.run();
    } catch (error) {
      this.#fail();
      throw error;
    }
    this.#over(false);
    const nowMs = performance.now();
    this.#options.onCommit(rows);
    if (rows > 1) this.#restsUntil = nowMs + (nowMs - this.#beganMs) * REST_PART;
    if (this.#careful === 0) return;
    if (this.#careful === CAREFUL_WRITES) this.#wait(this.#options.waitMs);
    if (--this.#careful === 0) this.#told = false;
  }

  /** Work that nobody waits for: its errors go to `onTrouble`. False when it failed. */
  quietly(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.#careful = CAREFUL_WRITES;
      if (!this.#told) this.#options.onTrouble(error);
      this.#told = true;
      return false;
    }
  }

  #start(): void {
    try {
      this.#begin.run();
    } catch (error) {
      this.#careful = CAREFUL_WRITES;
      // Whoever holds the file for long must not make every session wait for it again.
      if (this.#options.eachAtOnce !== true) this.#wait(0);
      throw error;
    }
    this.#beganMs = performance.now();
    if (this.#options.eachAtOnce === true) return;
    this.#timer ??= setTimeout(() => this.quietly(() => this.commit()), COMMIT_AFTER_MS).unref();
  }

  #fail(): void {
    this.#careful = CAREFUL_WRITES;
    if (this.db.isTransaction) this.db.exec('ROLLBACK');
    this.#over(true);
  }

  #over(undone: boolean): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#rows = 0;
    if (undone) for (const watcher of this.#watchers) watcher.reread();
  }

  #wait(ms: number): void {
    this.db.exec(`PRAGMA busy_timeout = ${ms}`);
  }
}
