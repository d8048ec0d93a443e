import type { Counts } from '../../core/classifier.ts';

/** 2^20 slots of 16 octets. */
const SLOTS = 1_048_576;
/** 2^26 bits, 8 MiB: with a million tokens learnt one in 67 that was never seen is asked for all the same. */
const BITS = 67_108_864;
const NOTHING_KNOWN = -1;

/**
 * What spares most questions to the database: the counts of tokens, and of those that it has no slot for whether they can be there at
 * all. Most tokens of a message are either common or were never seen before. Its size is fixed; what was never used takes no memory.
 */
export class TokenCache {
  /** 0 is an empty slot: of all messages' tokens none need have that key. */
  readonly #keys = new Float64Array(SLOTS);
  readonly #ham = new Uint32Array(SLOTS);
  readonly #spam = new Uint32Array(SLOTS);
  readonly #present = new Uint8Array(BITS / 8);
  #knownTo = NOTHING_KNOWN;

  /** All keys up to this one have been told; those not told are not there. */
  get knownTo(): number {
    return this.#knownTo;
  }

  clear(): void {
    this.#keys.fill(0);
    if (this.#knownTo !== NOTHING_KNOWN) this.#present.fill(0);
    this.#knownTo = NOTHING_KNOWN;
  }

  isAbsent(key: number): boolean {
    if (key > this.#knownTo) return false;
    const bit = (key >>> 0) % BITS;
    return ((this.#present[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0;
  }

  find(key: number): Counts | undefined {
    const slot = (key >>> 0) % SLOTS;
    if (this.#keys[slot] !== key) return undefined;
    return { ham: this.#ham[slot] ?? 0, spam: this.#spam[slot] ?? 0 };
  }

  put(key: number, ham: number, spam: number): void {
    const slot = (key >>> 0) % SLOTS;
    this.#keys[slot] = key;
    this.#ham[slot] = ham;
    this.#spam[slot] = spam;
  }

  /** A token that there is, in the order of their keys; of two for one slot the one that more messages had stays. */
  know(key: number, ham: number, spam: number): void {
    const bit = (key >>> 0) % BITS;
    this.#present[bit >>> 3] = (this.#present[bit >>> 3] ?? 0) | (1 << (bit & 7));
    const slot = (key >>> 0) % SLOTS;
    if (this.#keys[slot] === 0 || (this.#ham[slot] ?? 0) + (this.#spam[slot] ?? 0) <= ham + spam)
      this.put(key, ham, spam);
  }

  /** All up to this key have been told. */
  knows(upTo: number): void {
    this.#knownTo = upTo;
  }
}
