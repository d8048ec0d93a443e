/**
 * The connections to one backend, shared by strangers. A client has a connection from its first recipient to its final dot, and
 * may fall silent in between: so one client network holds a share of them at most, and whoever holds one is told when
 * others wait for it. A connection that is free goes straight to the first who may have it: nobody is woken to look.
 */
import type { BackendFailure } from '../../core/delivery.ts';
import { replies } from '../../core/replies.ts';
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
  readonly network: string | undefined;
}

interface Idle {
  readonly connection: Connection;
  readonly timer: NodeJS.Timeout;
}

interface Wish {
  /** Undefined where no share bounds it. */
  readonly network: string | undefined;
  readonly wanted: 'any' | 'fresh';
}

/** A connection, or leave to open one: it is counted already. */
type Grant = { readonly connection: Connection | undefined };

interface Waiter extends Wish {
  take(grant: Grant): void;
}

// Postfix slows a session down after 10 errors (smtpd_soft_error_limit) and after 100 commands that deliver nothing
// (smtpd_junk_command_limit). A connection that strangers have worn out so must not be handed to an honest client.
const MAX_FRUITLESS = 8;
// What one client network may hold of the connections, at least one: four of them are needed to hold all.
const SHARE = 1 / 4;
// A network that has its share waits for one of its own to end, as a busy but honest one does in no time: refused at once it
// would come again. Shorter than the checks' deadline, so that it hears why.
const SHARE_WAIT_MS = 5_000;

/** Whoever has a lease gives it back, its connection dead or alive. */
export class Pool {
  readonly #open: Open;
  readonly #limits: PoolLimits;
  readonly #share: number;
  /** Connections, those being opened included. */
  #count = 0;
  #idle: Idle[] = [];
  /** First come, first served, save for those whose network has its share. */
  #waiting: Waiter[] = [];
  /** Held now, by client network. */
  readonly #held = new Map<string, number>();
  #closed = false;

  constructor(open: Open, limits: PoolLimits) {
    this.#open = open;
    this.#limits = limits;
    this.#share = Math.max(1, Math.floor(limits.maxConnections * SHARE));
  }

  /** Whether somebody waits until one of those who hold a connection is done. */
  get exhausted(): boolean {
    return this.#waiting.length > 0 && this.#idle.length === 0 && this.#isFull;
  }

  async acquire(
    network: string | undefined,
    signal: AbortSignal,
    wanted: Wish['wanted'] = 'any',
  ): Promise<Lease | BackendFailure> {
    if (signal.aborted) return { kind: 'unreachable', reason: givenUp(signal) };
    const wish = { network, wanted };
    const grant = this.#grant(wish) ?? (await this.#turn(wish, signal));
    if ('kind' in grant) return grant;
    if (grant.connection === undefined) {
      const opened = await this.#open(signal);
      if (!('kind' in opened)) return { connection: opened, reused: false, network };
      this.#gone(network);
      return opened;
    }
    return { connection: grant.connection, reused: true, network };
  }

  giveBack({ connection, network }: Lease): void {
    if (connection.lost !== undefined) {
      this.#gone(network);
      return;
    }
    if (this.#closed || connection.fruitless >= MAX_FRUITLESS) {
      connection.quit();
      this.#gone(network);
      return;
    }
    connection.setIdle(true);
    const timer = setTimeout(() => this.#dismiss(idle), this.#limits.idleTimeoutMs);
    timer.unref();
    const idle: Idle = { connection, timer };
    connection.onLost = () => this.#dismiss(idle);
    this.#idle.push(idle);
    this.#letGo(network);
    this.#serve();
  }

  /** Keeps nothing from here on. Sessions that began before a reload still get connections, each for one transaction. */
  close(): void {
    this.#closed = true;
    for (const idle of [...this.#idle]) this.#dismiss(idle);
  }

  get #isFull(): boolean {
    return this.#count >= this.#limits.maxConnections;
  }

  /** Hands on what is free now. With this at the end of all that frees something, nobody waits beside a free connection. */
  #serve(): void {
    for (const waiter of [...this.#waiting]) {
      if (this.#idle.length === 0 && this.#isFull) return;
      const grant = this.#grant(waiter);
      if (grant !== undefined) waiter.take(grant);
    }
  }

  #grant({ network, wanted }: Wish): Grant | undefined {
    if (this.#hasItsShare(network)) return undefined;
    // The one used last is the least likely to have been given up by the backend.
    const idle = wanted === 'any' ? this.#idle.at(-1) : undefined;
    if (idle !== undefined) this.#takeOut(idle);
    else {
      const oldest = this.#idle[0];
      if (this.#isFull) {
        if (oldest === undefined) return undefined;
        this.#takeOut(oldest);
        oldest.connection.quit();
        this.#count -= 1;
      }
      this.#count += 1;
    }
    if (network !== undefined) this.#held.set(network, (this.#held.get(network) ?? 0) + 1);
    idle?.connection.setIdle(false);
    return { connection: idle?.connection };
  }

  #hasItsShare(network: string | undefined): boolean {
    return network !== undefined && (this.#held.get(network) ?? 0) >= this.#share;
  }

  #takeOut(idle: Idle): void {
    clearTimeout(idle.timer);
    idle.connection.onLost = undefined;
    this.#idle = this.#idle.filter((other) => other !== idle);
  }

  #dismiss(idle: Idle): void {
    this.#takeOut(idle);
    idle.connection.quit();
    this.#count -= 1;
    this.#serve();
  }

  /** A connection that was held is no more. */
  #gone(network: string | undefined): void {
    this.#count -= 1;
    this.#letGo(network);
    this.#serve();
  }

  #letGo(network: string | undefined): void {
    if (network === undefined) return;
    const held = (this.#held.get(network) ?? 0) - 1;
    if (held > 0) this.#held.set(network, held);
    else this.#held.delete(network);
  }

  #turn(wish: Wish, signal: AbortSignal): Promise<Grant | BackendFailure> {
    const { maxWaitMs, maxConnections } = this.#limits;
    return new Promise((resolve) => {
      const end = (outcome: Grant | BackendFailure) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        resolve(outcome);
      };
      const onAbort = () => end({ kind: 'unreachable', reason: givenUp(signal) });
      const tooLate = () =>
        end(
          this.#hasItsShare(wish.network)
            ? { kind: 'replied', reply: replies.tooManyFromYourNetwork() }
            : { kind: 'unreachable', reason: `all ${maxConnections} connections are busy` },
        );
      const waitMs = this.#hasItsShare(wish.network) ? Math.min(SHARE_WAIT_MS, maxWaitMs) : maxWaitMs;
      const timer = setTimeout(tooLate, waitMs);
      const waiter: Waiter = { ...wish, take: end };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }
}
