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
  /** By beginning, the oldest first. */
  readonly #windows = new Map<string, Window>();

  /** At the bound the window that began first is given up; about 150 octets each. */
  constructor(nowMs: () => number, max: number) {
    this.#nowMs = nowMs;
    this.#max = max;
  }

  get windows(): number {
    return this.#windows.size;
  }

  add(space: string, key: string, windowMs: number): number {
    const name = nameOf(space, key);
    const window = this.#running(name);
    if (window !== undefined) return ++window.count;
    this.#windows.delete(name);
    this.#windows.set(name, { count: 1, endsMs: this.#nowMs() + windowMs });
    if (this.#windows.size > this.#max) this.#dropFirst();
    return 1;
  }

  count(space: string, key: string): number {
    return this.#running(nameOf(space, key))?.count ?? 0;
  }

  /** Drops at most so many windows that are over, from the oldest on. */
  dropEnded(windows: number): number {
    const nowMs = this.#nowMs();
    let dropped = 0;
    for (const [name, { endsMs }] of this.#windows) {
      if (endsMs > nowMs || dropped === windows) break;
      this.#windows.delete(name);
      dropped++;
    }
    return dropped;
  }

  #running(name: string): Window | undefined {
    const window = this.#windows.get(name);
    return window !== undefined && window.endsMs > this.#nowMs() ? window : undefined;
  }

  #dropFirst(): void {
    for (const name of this.#windows.keys()) {
      this.#windows.delete(name);
      return;
    }
  }
}

// No space has a line end in it.
const nameOf = (space: string, key: string): string => `${space}\n${key}`;
