/**
 * What a client sent and nobody took yet, and the command lines in it. Sees hostile bytes. A line that is not finished is kept up to its
 * limit; past it the rest is thrown away unseen until its LF, and the line is one mistake.
 */
import { isUtf8 } from 'node:buffer';
import type { ProtocolError } from './events.ts';

export type Line =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'error'; readonly error: ProtocolError };

export interface LineLimits {
  readonly commandLineOctets: number;
  readonly envelopeLineOctets: number;
  readonly authLineOctets: number;
}

const QUIT = 'QUIT\r\n';
const NOTHING = Buffer.alloc(0);
const LF = 0x0a;
const CR = 0x0d;
const UNPRINTABLE = /[^\t\x20-\x7e]/;
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

export class Input {
  #bytes: Buffer = NOTHING;
  #at = 0;
  /** `#bytes` is a copy of ours, no part of a larger chunk from the socket. */
  #owned = false;
  /** Inside a line that is past its limit. */
  #skipping = false;

  get octets(): number {
    return this.#bytes.length - this.#at;
  }

  add(bytes: Buffer): void {
    this.#owned = this.octets > 0;
    this.#bytes = this.#owned ? Buffer.concat([this.#bytes.subarray(this.#at), bytes]) : bytes;
    this.#at = 0;
  }

  drop(): void {
    this.#bytes = NOTHING;
    this.#at = 0;
    this.#skipping = false;
  }

  /** What is left stays as a copy of its own size: a slice would hold the socket's whole chunk in memory. */
  keep(): void {
    if (this.octets === 0) this.#bytes = NOTHING;
    else if (!this.#owned || this.#at > 0) this.#bytes = Buffer.from(this.#bytes.subarray(this.#at));
    this.#owned = true;
    this.#at = 0;
  }

  /** Nothing but QUIT is there, or as much of it as has come. */
  get isQuit(): boolean {
    return (
      this.octets <= QUIT.length && QUIT.startsWith(this.#bytes.toString('latin1', this.#at).toUpperCase())
    );
  }

  /** Hands the bytes to a reader that returns where it stopped. */
  feed(reader: { read(bytes: Buffer, at: number): number }): void {
    this.#at = reader.read(this.#bytes, this.#at);
  }

  /** The next line without its CR LF, or undefined until it is all there. `response`: it answers a 334. */
  takeLine(limits: LineLimits, response: boolean): Line | undefined {
    const bytes = this.#bytes;
    const start = this.#at;
    if (start === bytes.length) {
      this.keep();
      return undefined;
    }
    // Whoever begins with a TLS handshake record waits for ours; no line end may ever come.
    if (bytes[start] === 0x16 && bytes[start + 1] === 0x03 && !this.#skipping) {
      this.drop();
      return { kind: 'error', error: 'foreign-protocol' };
    }
    const lf = bytes.indexOf(LF, start);
    if (lf === -1) {
      if (this.#skipping || this.octets >= lineLimit(bytes, start, limits, response)) {
        this.drop();
        this.#skipping = true;
      } else {
        this.keep();
      }
      return undefined;
    }
    this.#at = lf + 1;
    if (this.#skipping || isTooLong(lf + 1 - start, bytes, start, limits, response)) {
      this.#skipping = false;
      return { kind: 'error', error: 'line-too-long' };
    }
    if (lf === start || bytes[lf - 1] !== CR) return { kind: 'error', error: 'bare-newline' };
    const text = bytes.toString('latin1', start, lf - 1);
    if (!UNPRINTABLE.test(text)) return { kind: 'text', text };
    if (text.includes('\r')) return { kind: 'error', error: 'bare-newline' };
    if (CONTROL.test(text) || !isUtf8(bytes.subarray(start, lf - 1))) {
      return { kind: 'error', error: 'binary-garbage' };
    }
    return { kind: 'text', text: bytes.toString('utf8', start, lf - 1) };
  }
}

/** Which limit holds is looked up only for a line that is past the narrowest. */
function isTooLong(
  octets: number,
  bytes: Buffer,
  start: number,
  limits: LineLimits,
  response: boolean,
): boolean {
  const { commandLineOctets, envelopeLineOctets, authLineOctets } = limits;
  if (octets <= Math.min(commandLineOctets, envelopeLineOctets, authLineOctets)) return false;
  return octets > lineLimit(bytes, start, limits, response);
}

function lineLimit(bytes: Buffer, start: number, limits: LineLimits, response: boolean): number {
  if (response) return limits.authLineOctets;
  switch (bytes.toString('latin1', start, start + 5).toUpperCase()) {
    case 'AUTH ':
      return limits.authLineOctets;
    case 'MAIL ':
    case 'RCPT ':
      return limits.envelopeLineOctets;
    default:
      return limits.commandLineOctets;
  }
}
