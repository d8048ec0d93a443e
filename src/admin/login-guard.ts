/**
 * Makes guessing passwords slow: after a few wrong ones each further try of the same client network, or for the same user, waits longer.
 * A network's delay grows to minutes, a user's stays short. A user that has come in from a network before is counted there by itself: neither
 * those who know its name nor those who share its network can lock it out, and who does both only for short.
 */

export interface GuardLimits {
  readonly free: number;
  readonly longestMs: number;
}

export const BY_NETWORK: GuardLimits = { free: 5, longestMs: 15 * 60_000 };
export const BY_USER: GuardLimits = { free: 10, longestMs: 30_000 };
export const BY_PROVEN: GuardLimits = { free: 5, longestMs: 30_000 };
const FIRST_MS = 1_000;
/** So long after the last one wrong passwords are forgotten. */
const FORGOTTEN_MS = 3_600_000;
/** Beyond it those that were here longest ago are forgotten: 10,000 take about a megabyte. */
export const MAX_KNOWN = 10_000;

interface Failures {
  count: number;
  lastMs: number;
}

export class LoginGuard {
  readonly #networks = new Map<string, Failures>();
  readonly #users = new Map<string, Failures>();
  /** Of users where they have come in before. */
  readonly #pairs = new Map<string, Failures>();
  /** From where each user has come in, since the start. */
  readonly #proven = new Set<string>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * Milliseconds to wait; 0: the password may be looked at, and counts as wrong until `succeeded` says otherwise. So a hundred that
   * are sent at once are no more than one after the other.
   */
  try(network: string, user: string): number {
    const pair = proof(network, user);
    const isProven = this.#proven.has(pair);
    const waitMs = isProven
      ? this.#wait(this.#pairs, pair, BY_PROVEN)
      : Math.max(this.#wait(this.#networks, network, BY_NETWORK), this.#wait(this.#users, user, BY_USER));
    if (waitMs > 0) return waitMs;
    if (isProven) this.#count(this.#pairs, pair);
    this.#count(this.#networks, network);
    this.#count(this.#users, user);
    return 0;
  }

  succeeded(network: string, user: string): void {
    this.#networks.delete(network);
    this.#users.delete(user);
    this.#pairs.delete(proof(network, user));
    const [oldest] = this.#proven;
    if (this.#proven.size >= MAX_KNOWN && oldest !== undefined) this.#proven.delete(oldest);
    this.#proven.add(proof(network, user));
  }

  /** The password could not be looked at: nothing is held against anybody. */
  undone(network: string, user: string): void {
    for (const [all, key] of [
      [this.#networks, network],
      [this.#users, user],
      [this.#pairs, proof(network, user)],
    ] as const) {
      const failures = all.get(key);
      if (failures !== undefined && --failures.count <= 0) all.delete(key);
    }
  }

  get known(): number {
    return Math.max(this.#networks.size, this.#users.size);
  }

  #wait(all: Map<string, Failures>, key: string, { free, longestMs }: GuardLimits): number {
    const failures = all.get(key);
    if (failures === undefined) return 0;
    const agoMs = this.#nowMs() - failures.lastMs;
    if (agoMs >= FORGOTTEN_MS || agoMs < 0) {
      all.delete(key);
      return 0;
    }
    if (failures.count < free) return 0;
    const delayMs = Math.min(longestMs, FIRST_MS * 2 ** Math.min(30, failures.count - free));
    return Math.max(0, delayMs - agoMs);
  }

  #count(all: Map<string, Failures>, key: string): void {
    const count = (all.get(key)?.count ?? 0) + 1;
    all.delete(key);
    const [oldest] = all.keys();
    if (all.size >= MAX_KNOWN && oldest !== undefined) all.delete(oldest);
    all.set(key, { count, lastMs: this.#nowMs() });
  }
}

const proof = (network: string, user: string): string => `${network} ${user}`;
