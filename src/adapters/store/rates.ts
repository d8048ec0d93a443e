import type { RatesPort } from '../../core/ports.ts';

interface Window {
  count: number;
  readonly endsMs: number;
}

/**
 * Counts in windows that begin with their first event. In memory: a window lasts minutes to an hour, a restart that forgets it
 * costs nothing but one more slip before the client is noticed, and each event would be a write.
 */
export class Rates implements RatesPort {
  readonly #nowMs: () => number;
  readonly #max: number;
  /** By space; within it by beginning, the oldest first. */
  readonly #spaces = new Map<string, Map<string, Window>>();

  /**
   * At the bound the window of that space that began first is given up; about 150 octets each. Each space has a bound of its own: what
   * strangers can make many of (unknown recipients from ever new networks) must not crowd out what speaks for others.
   */
  constructor(nowMs: () => number, max: number) {
    this.#nowMs = nowMs;
    this.#max = max;
  }

  get windows(): number {
    let n = 0;
    for (const space of this.#spaces.values()) n += space.size;
    return n;
  }

  add(space: string, key: string, windowMs: number): number {
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
    return this.#running(space, key)?.count ?? 0;
  }

  /** Drops at most so many windows that are over, in each space from the oldest on. */
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
