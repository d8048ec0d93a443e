import type { RatesPort } from '../../core/ports.ts';
import type { Tally } from './tallies.ts';

interface Window {
  count: number;
  readonly endsMs: number;
}

/**
 * Counts in windows that begin with their first event. In memory, for each event would be a write; what is held against a client
 * (`kept`) is in the file, where the operator's commands reach it.
 */
export class Rates implements RatesPort {
  readonly #nowMs: () => number;
  readonly #max: number;
  readonly #kept: ReadonlyMap<string, Tally>;
  /** By space; within it by beginning, the oldest first. */
  readonly #spaces = new Map<string, Map<string, Window>>();

  /**
   * At the bound the window of that space that began first is given up; about 150 octets each. Each space has a bound of its own: what
   * strangers can make many of (unknown recipients from ever new networks) must not crowd out what speaks for others.
   */
  constructor(nowMs: () => number, max: number, kept: ReadonlyMap<string, Tally> = new Map()) {
    this.#nowMs = nowMs;
    this.#max = max;
    this.#kept = kept;
  }

  get windows(): number {
    let n = 0;
    for (const { rows } of this.#kept.values()) n += rows.n;
    for (const space of this.#spaces.values()) n += space.size;
    return n;
  }

  add(space: string, key: string, windowMs: number): number {
    const kept = this.#kept.get(space);
    if (kept !== undefined) return kept.add(key, windowMs);
    const running = this.#running(space, key);
    if (running !== undefined) return ++running.count;
    let windows = this.#spaces.get(space);
    if (windows === undefined) this.#spaces.set(space, (windows = new Map<string, Window>()));
    windows.delete(key);
    windows.set(key, { count: 1, endsMs: this.#nowMs() + windowMs });
    if (windows.size > this.#max) dropFirst(windows);
    return 1;
  }

  count(space: string, key: string): number {
    return this.#kept.get(space)?.count(key) ?? this.#running(space, key)?.count ?? 0;
  }

  /** Drops at most so many windows in memory that are over, in each space from the oldest on. */
  dropEnded(windows: number): number {
    const nowMs = this.#nowMs();
    let dropped = 0;
    for (const space of this.#spaces.values()) {
      for (const [key, { endsMs }] of space) {
        if (dropped === windows) return dropped;
        if (endsMs > nowMs) break;
        space.delete(key);
        dropped++;
      }
    }
    return dropped;
  }

  #running(space: string, key: string): Window | undefined {
    const window = this.#spaces.get(space)?.get(key);
    return window !== undefined && window.endsMs > this.#nowMs() ? window : undefined;
  }
}

function dropFirst(windows: Map<string, Window>): void {
  for (const key of windows.keys()) {
    windows.delete(key);
    return;
  }
}
