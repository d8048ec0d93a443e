/**
 * The relaxed form of a body (RFC 6376 3.4.4 a): no white space at the end of lines, one space where there was white space.
 * mailauth would make it too, a line at a time with a buffer for each: a message of 50 MiB in which every line ends in a space costs it
 * twenty seconds. What is relaxed already it passes on as it is, in a fraction of one; the empty lines at the end are left to it.
 */
const CR = 13;
const LF = 10;
const SP = 32;
const HTAB = 9;

export class RelaxedBody {
  #space = false;
  /** Held back until it is known whether a line feed follows. */
  #return = false;

  next(piece: Buffer): Buffer {
    if (!this.#space && !this.#return && isRelaxed(piece)) return piece;
    // What was held back goes in front.
    const out = Buffer.allocUnsafe(piece.length + 2);
    let to = 0;
    let space = this.#space;
    let held = this.#return;
    for (let at = 0; at < piece.length; at++) {
      const c = piece[at] ?? 0;
      if (c === LF) {
        out[to++] = CR;
        out[to++] = LF;
        space = held = false;
        continue;
      }
      if (held) {
        // A carriage return of its own is content, and so is the space before it.
        if (space) out[to++] = SP;
        out[to++] = CR;
        space = held = false;
      }
      if (c === SP || c === HTAB) space = true;
      else if (c === CR) held = true;
      else {
        if (space) out[to++] = SP;
        space = false;
        out[to++] = c;
      }
    }
    this.#space = space;
    this.#return = held;
    return out.subarray(0, to);
  }

  end(): Buffer {
    const rest = this.#return ? (this.#space ? ' \r' : '\r') : '';
    this.#space = this.#return = false;
    return Buffer.from(rest);
  }
}

/** With nothing that the next piece could make a difference to. */
const isRelaxed = (piece: Buffer): boolean =>
  !piece.includes(HTAB) &&
  !piece.includes('  ') &&
  !piece.includes(' \r') &&
  !ENDS_OPEN.has(piece[piece.length - 1] ?? 0);

const ENDS_OPEN = new Set([SP, CR]);
