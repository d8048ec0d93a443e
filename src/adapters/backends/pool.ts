import type { BackendFailure } from '../../core/delivery.ts';
import type { Connection } from './connection.ts';
import { givenUp } from './connection.ts';

export interface PoolLimits {
  /** Connections at one time, busy and idle ones together. */
  readonly maxConnections: number;
  /** An unused connection is kept this long. */
  readonly idleTimeoutMs: number;
  /** How long a transaction waits for a connection while all are busy. */
  readonly maxWaitMs: number;
}

export type Unreachable = BackendFailure & { readonly kind: 'unreachable' };
type Open = (signal: AbortSignal) => Promise<Connection | Unreachable>;

export interface Lease {
  readonly connection: Connection;
  /** It served before, and may be dead without anybody having noticed. */
  readonly reused: boolean;
}

interface Idle {
  readonly connection: Connection;
  readonly timer: NodeJS.Timeout;
}

// Postfix slows a session down after 10 errors (smtpd_soft_error_limit) and after 100 commands that deliver nothing
// (smtpd_junk_command_limit). A connection that strangers have worn out so must not be handed to an honest client.
const MAX_FRUITLESS = 8;

/** The connections to one backend. Whoever has a lease gives the connection back, dead or alive. */
export class Pool {
  readonly #open: Open;
  readonly #limits: PoolLimits;
  #count = 0;
  #idle: Idle[] = [];
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor(open: Open, limits: PoolLimits) {
    this.#open = open;
    this.#limits = limits;
  }

  async acquire(signal: AbortSignal, wanted: 'any' | 'fresh' = 'any'): Promise<Lease | Unreachable> {
    if (wanted === 'fresh' && this.#count >= this.#limits.maxConnections) this.#dismiss(this.#idle[0]);
    const deadline = Date.now() + this.#limits.maxWaitMs;
    while (true) {
      if (signal.aborted) {
        // It may have been woken at the same moment: the turn goes to the next.
        this.#wakeNext();
        return { kind: 'unreachable', reason: givenUp(signal) };
      }
      // The one used last is the least likely to have been given up by the backend.
      const idle = wanted === 'any' ? this.#idle.pop() : undefined;
      if (idle !== undefined) {
        clearTimeout(idle.timer);
        idle.connection.onLost = undefined;
        idle.connection.setIdle(false);
        return { connection: idle.connection, reused: true };
      }
      if (this.#count < this.#limits.maxConnections) return this.#fresh(signal);
      const turn = await this.#turn(deadline - Date.now(), signal);
      if (turn === 'given-up') return { kind: 'unreachable', reason: givenUp(signal) };
      if (turn === 'too-late') {
        return { kind: 'unreachable', reason: `all ${this.#limits.maxConnections} connections are busy` };
      }
    }
  }

  giveBack(connection: Connection): void {
    if (connection.lost !== undefined) {
      this.#freed();
      return;
    }
    if (this.#closed || connection.fruitless >= MAX_FRUITLESS) {
      connection.quit();
      this.#freed();
      return;
    }
    connection.setIdle(true);
    const timer = setTimeout(() => this.#dismiss(idle), this.#limits.idleTimeoutMs);
    timer.unref();
    const idle: Idle = { connection, timer };
    connection.onLost = () => this.#dismiss(idle);
    this.#idle.push(idle);
    this.#wakeNext();
  }

  /** Keeps nothing from here on. Sessions that began before a reload still get connections, each for one transaction. */
  close(): void {
    this.#closed = true;
    for (const idle of [...this.#idle]) this.#dismiss(idle);
    for (const proceed of this.#waiting.splice(0)) proceed();
  }

  #dismiss(idle: Idle | undefined): void {
    if (idle === undefined) return;
    clearTimeout(idle.timer);
    idle.connection.onLost = undefined;
    idle.connection.quit();
    this.#idle = this.#idle.filter((other) => other !== idle);
    this.#freed();
  }

  async #fresh(signal: AbortSignal): Promise<Lease | Unreachable> {
    this.#count += 1;
    const connection = await this.#open(signal);
    if (!('kind' in connection)) return { connection, reused: false };
    this.#freed();
    return connection;
  }

  #freed(): void {
    this.#count -= 1;
    this.#wakeNext();
  }

  #wakeNext(): void {
    this.#waiting.shift()?.();
  }

  /** Ends when a connection may be free. */
  #turn(waitMs: number, signal: AbortSignal): Promise<'again' | 'too-late' | 'given-up'> {
    return new Promise((resolve) => {
      const end = (outcome: 'again' | 'too-late' | 'given-up') => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#waiting = this.#waiting.filter((other) => other !== proceed);
        resolve(outcome);
      };
      const proceed = () => end('again');
      const onAbort = () => end('given-up');
      const timer = setTimeout(() => end('too-late'), Math.max(0, waitMs));
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(proceed);
    });
  }
}
