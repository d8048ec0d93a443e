const DOT = 0x2e;
const LF = 0x0a;
const CR = 0x0d;

/**
 * RFC 5321 4.5.2, sending side: a dot more before each line that begins with one, over chunks cut anywhere.
 * Stuffs after any LF, also one without CR: a backend that takes a bare LF for a line end must not find
 * the end of the message in its midst.
 */
export class DotStuffer {
  // Two octets before the next chunk; a message begins at a line start.
  #beforeLast = CR;
  #last = LF;

  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    const pieces: Buffer[] = [];
    let from = 0;
    let dot = this.#last === LF && chunk[0] === DOT ? 0 : nextDot(chunk, 0);
    while (dot !== -1) {
      pieces.push(chunk.subarray(from, dot + 1));
      from = dot;
      dot = nextDot(chunk, dot);
    }
    this.#beforeLast = chunk.length > 1 ? (chunk[chunk.length - 2] ?? 0) : this.#last;
    this.#last = chunk[chunk.length - 1] ?? 0;
    return pieces.length === 0 ? chunk : Buffer.concat([...pieces, chunk.subarray(from)]);
  }

  /** The end of the message. The line end before the dot is the message's own last one (RFC 5321 4.1.1.4). */
  end(): Buffer {
    return Buffer.from(this.#beforeLast === CR && this.#last === LF ? '.\r\n' : '\r\n.\r\n');
  }
}

function nextDot(chunk: Buffer, from: number): number {
  const at = chunk.indexOf('\n.', from, 'latin1');
  return at === -1 ? -1 : at + 1;
}
