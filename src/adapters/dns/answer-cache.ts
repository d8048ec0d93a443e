/**
 * Answers by question, until their time is over. Two generations: what is asked for moves into the young one, and when that is half
 * of the bound the old one goes as a whole. To move or drop single entries of a large Map costs several times the look-up.
 */
export class AnswerCache<A> {
  readonly #maxEntries: number;
  readonly #nowMs: () => number;
  #young = new Map<string, Entry<A>>();
  #old = new Map<string, Entry<A>>();

  /** Holds `maxEntries` at the most, rounded up to an even number, and at least half as many of those used last. */
  constructor(maxEntries: number, nowMs: () => number) {
    this.#maxEntries = maxEntries;
    this.#nowMs = nowMs;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): A | undefined {
    let entry = this.#young.get(key);
    if (entry === undefined) {
      entry = this.#old.get(key);
      if (entry === undefined) return undefined;
      this.#add(key, entry);
    }
    return entry.untilMs <= this.#nowMs() ? undefined : entry.answer;
  }

  set(key: string, answer: A, keptMs: number): void {
    this.#add(key, { answer, untilMs: this.#nowMs() + keptMs });
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
  }

  #add(key: string, entry: Entry<A>): void {
    if (this.#maxEntries === 0) return;
    if (this.#young.size >= this.#maxEntries / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, entry);
  }
}

interface Entry<A> {
  readonly answer: A;
  readonly untilMs: number;
}
