const FIRST_OCTETS = 512;

/** What a scanner has answered so far, up to a bound: whatever sends it, a reply is short. */
export class ReplyBytes {
  readonly #maxOctets: number;
  #block: Buffer = Buffer.alloc(0);
  #filled = 0;

  constructor(maxOctets: number) {
    this.#maxOctets = maxOctets;
  }

  get bytes(): Buffer {
    return this.#block.subarray(0, this.#filled);
  }

  /** False when it is more than there may be; then nothing of the piece is kept. */
  append(piece: Buffer): boolean {
    const needed = this.#filled + piece.length;
    if (needed > this.#maxOctets) return false;
    if (needed > this.#block.length) {
      // Doubled, so that a reply that comes octet by octet is not copied once for each.
      const grown = Buffer.alloc(Math.min(this.#maxOctets, Math.max(FIRST_OCTETS, 2 * needed)));
      this.bytes.copy(grown);
      this.#block = grown;
    }
    piece.copy(this.#block, this.#filled);
    this.#filled = needed;
    return true;
  }
}

const MAX_SHOWN = 160;

/** Words of a scanner as they may stand in a log or a reply: printable ASCII, and not too many of them. */
export function shown(words: string, maxLength = MAX_SHOWN): string {
  const clean = words.replace(/[^\x20-\x7e]+/g, '?').trim();
  return clean.length > maxLength ? `${clean.slice(0, maxLength - 3)}...` : clean;
}
