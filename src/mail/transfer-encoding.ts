/**
 * Content-Transfer-Encoding undone on the stream: RFC 2045 6. Octets are a stranger's: what is not of the encoding is passed over and
 * counted, as readers do, and nothing is held but the start of a group. Work is linear, output never longer than input.
 */
export type TransferEncoding = 'identity' | 'base64' | 'quoted-printable' | 'uuencode';

export interface TransferDecoder {
  /** The result is the caller's own, except for `identity`, which gives the same octets back. */
  write(octets: Buffer): Buffer;
  end(): Buffer;
  /** Octets so far that the encoding does not have. */
  readonly garbage: number;
}

/** By the field's value; undefined where nobody knows it. RFC 2045 6.1: without the field it is 7bit. */
export function transferEncoding(value: string): TransferEncoding | undefined {
  // Quotes, comments and semicolons come, and readers overlook them.
  const word = /[a-z0-9-]+/i.exec(value.slice(0, 256))?.[0].toLowerCase() ?? '7bit';
  switch (word) {
    case '7bit':
    case '8bit':
    case 'binary':
    case '7-bit':
    case '8-bit':
      return 'identity';
    case 'base64':
    case 'base-64':
      return 'base64';
    case 'quoted-printable':
      return 'quoted-printable';
    case 'x-uuencode':
    case 'uuencode':
    case 'x-uue':
      return 'uuencode';
    default:
      return undefined;
  }
}

export function transferDecoder(encoding: TransferEncoding): TransferDecoder {
  switch (encoding) {
    case 'identity':
      return { write: (octets) => octets, end: () => NOTHING, garbage: 0 };
    case 'base64':
      return new Base64();
    case 'quoted-printable':
      return new QuotedPrintable();
    case 'uuencode':
      return new Uuencode();
    default:
      return encoding satisfies never;
  }
}

const NOTHING = Buffer.alloc(0);
const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const EQUALS = 61;

const WHITE = 64;
const PAD = 65;
const OTHER = 66;
const SEXTETS = new Uint8Array(256).fill(OTHER);
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const CLEAN = /^[A-Za-z0-9+/\r\n]*$/;
for (let i = 0; i < ALPHABET.length; i++) SEXTETS[ALPHABET.charCodeAt(i)] = i;
for (const c of [TAB, LF, CR, SPACE]) SEXTETS[c] = WHITE;
SEXTETS[EQUALS] = PAD;

/** RFC 2045 6.8. Data behind padding goes on: some readers stop there, others do not, and what the others see must be seen. */
class Base64 implements TransferDecoder {
  garbage = 0;
  #bits = 0;
  #sextets = 0;

  write(octets: Buffer): Buffer {
    const text = octets.toString('latin1');
    // Nearly all there is; Node's own decoder is much faster, but stops at padding and does not say what it passed over.
    if (CLEAN.test(text)) return this.#writeClean(text);
    const out = Buffer.allocUnsafe(Math.ceil((octets.length * 3) / 4) + 3);
    let length = 0;
    for (let i = 0; i < octets.length; i++) {
      const sextet = SEXTETS[octets[i] ?? 0] ?? OTHER;
      if (sextet < WHITE) {
        this.#bits = (this.#bits << 6) | sextet;
        if (++this.#sextets === 4) {
          out[length++] = this.#bits >>> 16;
          out[length++] = this.#bits >>> 8;
          out[length++] = this.#bits;
          this.#bits = this.#sextets = 0;
        }
      } else if (sextet === PAD) {
        length = this.#flush(out, length);
      } else if (sextet === OTHER) {
        this.garbage++;
      }
    }
    return out.subarray(0, length);
  }

  #writeClean(text: string): Buffer {
    let sextets = '';
    for (let i = this.#sextets - 1; i >= 0; i--) sextets += ALPHABET.charAt((this.#bits >>> (6 * i)) & 63);
    sextets += text.replace(/[\r\n]+/g, '');
    const whole = sextets.length - (sextets.length % 4);
    this.#bits = this.#sextets = 0;
    for (const c of sextets.slice(whole)) {
      this.#bits = (this.#bits << 6) | ALPHABET.indexOf(c);
      this.#sextets++;
    }
    return Buffer.from(sextets.slice(0, whole), 'base64');
  }

  end(): Buffer {
    const out = Buffer.alloc(2);
    return out.subarray(0, this.#flush(out, 0));
  }

  #flush(out: Buffer, at: number): number {
    let length = at;
    if (this.#sextets === 1) this.garbage++;
    if (this.#sextets === 2) out[length++] = this.#bits >>> 4;
    if (this.#sextets === 3) {
      out[length++] = this.#bits >>> 10;
      out[length++] = this.#bits >>> 2;
    }
    this.#bits = this.#sextets = 0;
    return length;
  }
}

const HEX = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i++) {
  HEX[i.toString(16).charCodeAt(0)] = i;
  HEX[i.toString(16).toUpperCase().charCodeAt(0)] = i;
}

/**
 * RFC 2045 6.7. White space at the end of a line is kept: nobody who reads the result cares, and taking it away would need room for all
 * of a line.
 */
class QuotedPrintable implements TransferDecoder {
  garbage = 0;
  // `=`: an equals sign was seen; `hex`: and its first digit; `soft`: and white space, a line end is due.
  #state: 'text' | '=' | 'hex' | 'soft' = 'text';
  #digit = 0;

  write(octets: Buffer): Buffer {
    // An equals sign and a digit of the piece before may come out as text.
    const out = Buffer.allocUnsafe(octets.length + 2);
    let length = 0;
    for (let i = 0; i < octets.length; i++) {
      const c = octets[i] ?? 0;
      if (this.#state === 'text') {
        if (c === EQUALS) this.#state = '=';
        else out[length++] = c;
        continue;
      }
      if (this.#state === '=') {
        if ((HEX[c] ?? -1) >= 0) {
          this.#digit = c;
          this.#state = 'hex';
          continue;
        }
        if (c === LF) {
          this.#state = 'text';
          continue;
        }
        if (c === CR || c === SPACE || c === TAB) {
          this.#state = 'soft';
          continue;
        }
        out[length++] = EQUALS;
      } else if (this.#state === 'hex') {
        const low = HEX[c] ?? -1;
        if (low >= 0) {
          out[length++] = (HEX[this.#digit] ?? 0) * 16 + low;
          this.#state = 'text';
          continue;
        }
        out[length++] = EQUALS;
        out[length++] = this.#digit;
      } else if (c === LF || c === CR || c === SPACE || c === TAB) {
        if (c === LF) this.#state = 'text';
        continue;
      } else {
        out[length++] = EQUALS;
      }
      // RFC 2045 6.7 (note to implementors): the equals sign is shown as it stands. This octet is read anew.
      this.garbage++;
      this.#state = 'text';
      i--;
    }
    return out.subarray(0, length);
  }

  end(): Buffer {
    const left = this.#state === 'hex' ? Buffer.from([EQUALS, this.#digit]) : NOTHING;
    if (this.#state === 'hex') this.garbage++;
    this.#state = 'text';
    return left;
  }
}

/** Lines of a length mark and groups of four, between `begin 644 name` and `end`. */
class Uuencode implements TransferDecoder {
  garbage = 0;
  #line: number[] = [];
  #state: 'before' | 'lines' | 'over' = 'before';

  write(octets: Buffer): Buffer {
    const out = Buffer.allocUnsafe(octets.length + MAX_UU_LINE);
    let length = 0;
    for (let i = 0; i < octets.length; i++) {
      const c = octets[i] ?? 0;
      if (c === LF) length = this.#take(out, length);
      // Longer than any line of the encoding: the rest of it says nothing.
      else if (this.#line.length < MAX_UU_LINE) this.#line.push(c);
      else this.garbage++;
    }
    return out.subarray(0, length);
  }

  end(): Buffer {
    const out = Buffer.alloc(MAX_UU_LINE);
    return out.subarray(0, this.#take(out, 0));
  }

  #take(out: Buffer, at: number): number {
    const line = this.#line;
    this.#line = [];
    let length = at;
    if (line.at(-1) === CR) line.pop();
    if (this.#state !== 'lines') {
      if (Buffer.from(line.slice(0, 6)).toString('latin1') === 'begin ') this.#state = 'lines';
      else this.garbage += line.length;
      return length;
    }
    if (Buffer.from(line).toString('latin1') === 'end') {
      this.#state = 'over';
      return length;
    }
    let due = ((line[0] ?? SPACE) - SPACE) & 63;
    for (let i = 1; i < line.length && due > 0; i += 4) {
      const s = [0, 1, 2, 3].map((k) => ((line[i + k] ?? SPACE) - SPACE) & 63) as [
        number,
        number,
        number,
        number,
      ];
      const group = [(s[0] << 2) | (s[1] >> 4), (s[1] << 4) | (s[2] >> 2), (s[2] << 6) | s[3]];
      for (const octet of group) if (due-- > 0) out[length++] = octet;
    }
    return length;
  }
}

// 63 octets make 84 characters and the mark.
const MAX_UU_LINE = 100;
