/**
 * Reads the content of a message after 354: finds its end, takes the dot-stuffing off (RFC 5321 4.5.2), notes what is odd.
 * Sees untrusted bytes in chunks cut anywhere.
 *
 * Only CR LF `.` CR LF ends a message (RFC 5321 4.1.1.4), or `.` CR LF as the very first line. A CR or LF by itself is content, ends no
 * line and starts none: servers that disagree about this let one message be two (SMTP smuggling, CVE-2023-51764 to 51766). The rule is
 * the same for a message that is past its limit.
 *
 * Goes from CR to CR and LF to LF by `indexOf`, which over lines of 72 characters is quicker than a loop over the octets (47 to 55
 * µs for 64 KiB on the machine it was measured on), and hands out slices of what it was given unless a dot or a cut comes between.
 */
import type { EndOfMessage } from './events.ts';

export interface ContentLimits {
  readonly messageOctets: number;
  readonly headerOctets: number;
  readonly textLineOctets: number;
}

/** Where the octets so far have left us. `dot` and `dot-cr`: at a line's start, not yet known whether they end the message. */
type Position = 'line-start' | 'in-line' | 'after-cr' | 'dot' | 'dot-cr';

/**
 * Every reader of a header does some work for each field, and a quarter of a megabyte holds 64,000 empty ones. RFC 5321 6.3's hundred hops
 * with ten fields each are half of this.
 */
export const MAX_HEADER_FIELDS = 2000;

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
const SPACE = 0x20;
const TAB = 0x09;
const LONE_CR = Buffer.from('\r');

export class ContentReader {
  /** What the last `read` found to be content, if anything. */
  piece: Buffer | undefined;
  ended = false;
  readonly #limits: ContentLimits;
  #position: Position = 'line-start';
  #sizeOctets = 0;
  #headerOctets = 0;
  #headerFields = 0;
  #inHeader = true;
  /** Of the current line, from earlier chunks. */
  #lineOctets = 0;
  #lineTooLong = false;
  #bareNewline = false;

  constructor(limits: ContentLimits) {
    this.#limits = limits;
  }

  endOfMessage(): EndOfMessage {
    return {
      kind: 'end-of-message',
      sizeOctets: this.#sizeOctets,
      bareNewline: this.#bareNewline,
      tooLarge: this.#sizeOctets > this.#limits.messageOctets,
      headerTooLarge: this.#headerOctets > this.#limits.headerOctets,
      tooManyFields: this.#headerFields > MAX_HEADER_FIELDS,
      lineTooLong: this.#lineTooLong,
    };
  }

  /** Takes from `input`, beginning at `start`; returns where it stopped: after the end of the message, or at the end of the input. */
  read(input: Buffer, start: number): number {
    const length = input.length;
    const pieces = new Pieces(input);
    let from = start;
    let at = start;

    // What the last chunk left open.
    if (this.#position === 'dot') {
      if (input[at] === CR) {
        this.#position = 'dot-cr';
        at++;
        if (at === length) return this.#stop(pieces, at);
      } else {
        this.#countField(input[at]);
        this.#position = 'in-line';
      }
      from = at;
    }
    if (this.#position === 'dot-cr') {
      if (input[at] === LF) return this.#end(pieces, at + 1);
      // The dot was stuffing, its CR is content after all.
      pieces.add(LONE_CR, 0, 1);
      this.#lineOctets = 1;
      this.#bareNewline = true;
      this.#position = 'in-line';
    } else if (this.#position === 'after-cr') {
      if (input[at] === LF) {
        at++;
        this.#lineOctets--;
        this.#endLine(0);
      } else {
        this.#bareNewline = true;
        this.#position = 'in-line';
      }
    }

    let lineFrom = at;
    while (at < length) {
      if (this.#position === 'line-start' && input[at] === DOT) {
        pieces.add(input, from, at);
        const next = at + 1 < length ? input[at + 1] : undefined;
        if (next === CR && at + 2 < length && input[at + 2] === LF) return this.#end(pieces, at + 3);
        if (next === undefined || (next === CR && at + 2 === length)) {
          this.#position = next === undefined ? 'dot' : 'dot-cr';
          return this.#stop(pieces, length);
        }
        at++;
        from = at;
        lineFrom = at;
      }
      if (this.#position === 'line-start') this.#countField(input[at]);
      this.#position = 'in-line';
      const lf = input.indexOf(LF, at);
      // Once one bare newline is known, others need not be looked for; LF is always preceded by the CR that makes it a line end.
      if (!this.#bareNewline) {
        const cr = input.indexOf(CR, at);
        if (lf === -1 ? cr !== -1 && cr !== length - 1 : cr !== lf - 1 || lf === at) this.#bareNewline = true;
      }
      if (lf === -1) {
        if (input[length - 1] === CR) this.#position = 'after-cr';
        this.#lineOctets += length - lineFrom;
        at = length;
      } else {
        at = lf + 1;
        if (lf > lineFrom && input[lf - 1] === CR) {
          this.#endLine(lf - 1 - lineFrom);
          lineFrom = at;
        }
      }
    }
    if (this.#position === 'in-line' && lineFrom < length && input[length - 1] === LF) {
      // A bare LF stood last: what precedes it is of a line that goes on.
      this.#lineOctets += length - lineFrom;
    }
    pieces.add(input, from, length);
    return this.#stop(pieces, length);
  }

  /** A line begins. RFC 5322 2.2.3: white space goes on with the field above. */
  #countField(first: number | undefined): void {
    if (this.#inHeader && first !== SPACE && first !== TAB && first !== CR) this.#headerFields++;
  }

  /** A line has ended, of whose octets `octets` are from this chunk. */
  #endLine(octets: number): void {
    const whole = this.#lineOctets + octets;
    if (whole > this.#limits.textLineOctets) this.#lineTooLong = true;
    if (this.#inHeader) {
      if (whole === 0) this.#inHeader = false;
      else this.#headerOctets += whole + 2;
    }
    this.#lineOctets = 0;
    this.#position = 'line-start';
  }

  #stop(pieces: Pieces, at: number): number {
    this.#sizeOctets += pieces.octets;
    this.piece = this.#sizeOctets > this.#limits.messageOctets ? undefined : pieces.joined();
    return at;
  }

  #end(pieces: Pieces, at: number): number {
    this.ended = true;
    return this.#stop(pieces, at);
  }
}

/** Runs of one chunk. One run stays a slice; more are copied into one buffer, or lines of dots would cost an event each. */
class Pieces {
  octets = 0;
  readonly #input: Buffer;
  #first: Buffer | undefined;
  #copy: Buffer | undefined;

  constructor(input: Buffer) {
    this.#input = input;
  }

  add(source: Buffer, from: number, to: number): void {
    if (from >= to) return;
    if (this.#copy === undefined && this.#first !== undefined) {
      // One octet more than the chunk: the CR that an earlier chunk left.
      this.#copy = Buffer.allocUnsafe(this.#input.length + 1);
      this.#first.copy(this.#copy);
    }
    if (this.#copy === undefined) this.#first = source.subarray(from, to);
    else source.copy(this.#copy, this.octets, from, to);
    this.octets += to - from;
  }

  joined(): Buffer | undefined {
    return this.#copy?.subarray(0, this.octets) ?? this.#first;
  }
}
