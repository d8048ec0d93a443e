/**
 * Frames of the milter protocol: a length of four octets, big-endian, then as many octets, the first of which is the command
 * (libmilter's mi_rd_cmd). What the MTA sends is hostile: most of it is what its client said.
 */
const LENGTH_OCTETS = 4;
const NOTHING = Buffer.alloc(0);

export type FrameOutcome =
  /** `command` is one character, or empty where the frame has no octets at all. */
  | { readonly kind: 'frame'; readonly command: string; readonly payload: Buffer }
  | { readonly kind: 'incomplete' }
  /** Nothing more is read: where the next frame begins cannot be known without taking this one. */
  | { readonly kind: 'too-large'; readonly octets: number };

const INCOMPLETE = { kind: 'incomplete' } as const;

export class FrameReader {
  /** The first `#end` octets are filled. Frames that went out are slices of it, so that no octet before `#end` is ever written again. */
  #block: Buffer = NOTHING;
  #at = 0;
  #end = 0;
  #owned = false;

  get bufferedOctets(): number {
    return this.#end - this.#at;
  }

  /** The bytes must not change afterwards. */
  add(bytes: Buffer): void {
    if (this.bufferedOctets === 0) {
      this.#block = bytes;
      this.#at = 0;
      this.#end = bytes.length;
      this.#owned = false;
      return;
    }
    const needed = this.bufferedOctets + bytes.length;
    // A chunk of the socket's is full to its end: it is never written to.
    if (this.#end + bytes.length > this.#block.length) {
      // Doubled, so that a frame that comes octet by octet is not copied once for each.
      const grown = Buffer.allocUnsafeSlow(2 * needed);
      this.#block.copy(grown, 0, this.#at, this.#end);
      this.#end -= this.#at;
      this.#at = 0;
      this.#block = grown;
      this.#owned = true;
    }
    bytes.copy(this.#block, this.#end);
    this.#end += bytes.length;
  }

  drop(): void {
    this.#block = NOTHING;
    this.#at = 0;
    this.#end = 0;
  }

  take(maxOctets: number): FrameOutcome {
    if (this.bufferedOctets < LENGTH_OCTETS) return this.#keep();
    const octets = this.#block.readUInt32BE(this.#at);
    if (octets > maxOctets) return { kind: 'too-large', octets };
    const start = this.#at + LENGTH_OCTETS;
    if (this.#end - start < octets) return this.#keep();
    this.#at = start + octets;
    const command = octets === 0 ? '' : this.#block.toString('latin1', start, start + 1);
    const payload = octets === 0 ? NOTHING : this.#block.subarray(start + 1, this.#at);
    if (this.bufferedOctets === 0) this.drop();
    return { kind: 'frame', command, payload };
  }

  /** A copy of its own size: a slice would hold the socket's whole chunk in memory while the MTA's client is silent. */
  #keep(): FrameOutcome {
    if (this.bufferedOctets > 0 && !this.#owned) {
      this.#block = Buffer.from(this.#block.subarray(this.#at, this.#end));
      this.#end = this.#block.length;
      this.#at = 0;
      this.#owned = true;
    }
    return INCOMPLETE;
  }
}

/** The fields of a payload, in order. Undefined where what is left is too short for the field; then nothing is taken. */
export class FieldReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  octet(): number | undefined {
    return this.left < 1 ? undefined : this.#bytes[this.#at++];
  }

  uint16(): number | undefined {
    if (this.left < 2) return undefined;
    this.#at += 2;
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  uint32(): number | undefined {
    if (this.left < 4) return undefined;
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  /** Up to a NUL, without it. A string that no NUL ends is none. */
  string(): Buffer | undefined {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end === -1) return undefined;
    const found = this.#bytes.subarray(this.#at, end);
    this.#at = end + 1;
    return found;
  }
}

/** A frame of ours. Strings get their NUL; one that has a NUL inside would be read as two, so that is misuse. */
export function frame(command: string, ...fields: readonly (string | Buffer | number)[]): Buffer {
  const parts = fields.map(encode);
  const octets = parts.reduce((sum, part) => sum + part.length, 1);
  const head = Buffer.alloc(LENGTH_OCTETS + 1);
  head.writeUInt32BE(octets);
  head.write(command, LENGTH_OCTETS, 'latin1');
  return Buffer.concat([head, ...parts]);
}

function encode(field: string | Buffer | number): Buffer {
  if (typeof field === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(field);
    return bytes;
  }
  if (typeof field !== 'string') return field;
  if (field.includes('\0')) throw new Error('a string of a frame has a NUL');
  return Buffer.from(`${field}\0`);
}
