/**
 * clamd's protocol (clamd(8)) without I/O. Commands begin with `z` and end with NUL, as replies do. In a session (IDSESSION) each
 * reply begins with the number of its command, and the connection stays. A stream is pieces with their length in front (32 bits,
 * network order); length 0 ends it.
 *
 * What is read comes from clamd, but names of signatures are others' words, and an operator may have named a wrong port:
 * a reply is at most `MAX_REPLY_OCTETS`, and what is not one of the known forms is a failure, never "clean".
 */
import { ReplyBytes, shown } from './reply-bytes.ts';

export const CLAMD = {
  session: Buffer.from('zIDSESSION\0'),
  endSession: Buffer.from('zEND\0'),
  ping: Buffer.from('zPING\0'),
  stream: Buffer.from('zINSTREAM\0'),
  endOfStream: Buffer.alloc(4),
} as const;

const MAX_REPLY_OCTETS = 4096;
const MAX_NAME = 120;
/** clamd reads into buffers of a few KiB; a longer piece gains nothing. */
const MAX_PIECE_OCTETS = 0x10_0000;

/** The message's pieces as clamd wants them. An empty one is left out: its length would end the stream, and the rest go unseen. */
export function* streamed(piece: Buffer): Generator<Buffer> {
  for (let at = 0; at < piece.length; at += MAX_PIECE_OCTETS) {
    const part = piece.subarray(at, at + MAX_PIECE_OCTETS);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    yield length;
    yield part;
  }
}

export type ClamdReply =
  | { readonly kind: 'clean' }
  | { readonly kind: 'infected'; readonly name: string }
  | { readonly kind: 'pong' }
  /** Beyond its own StreamMaxLength. It closes the connection then. */
  | { readonly kind: 'too-large' }
  | { readonly kind: 'failed'; readonly reason: string };

/** Reads the reply to one command. */
export class ClamdReader {
  readonly #bytes = new ReplyBytes(MAX_REPLY_OCTETS);
  readonly #number: number | undefined;
  reply: ClamdReply | undefined;

  /** `number`: of the command in its session, from 1; absent outside of one. */
  constructor(number?: number) {
    this.#number = number;
  }

  receive(piece: Buffer): void {
    if (this.reply !== undefined) return;
    if (!this.#bytes.append(piece)) {
      this.reply = failed('its reply is too long');
      return;
    }
    const end = piece.indexOf(0);
    if (end < 0) return;
    const { bytes } = this.#bytes;
    const at = bytes.length - piece.length + end;
    // Nothing more was asked: what follows would be taken for the reply to the next command.
    if (at !== bytes.length - 1) this.reply = failed('it says more than it was asked');
    else this.reply = this.#read(bytes.toString('latin1', 0, at));
  }

  /** The connection ended. */
  end(): void {
    this.reply ??= failed('it closed the connection without an answer');
  }

  #read(line: string): ClamdReply {
    const [, number, rest = ''] = /^(?:(\d{1,10}): )?([^]*)$/.exec(line) ?? [];
    // clamd speaks before the stream has ended, and outside of the numbers, when it has had enough.
    if (/^INSTREAM size limit exceeded\. ERROR$/.test(rest)) return { kind: 'too-large' };
    if (rest.endsWith('ERROR')) return failed(`it says: ${shown(rest)}`);
    if (number !== (this.#number === undefined ? undefined : String(this.#number)))
      return failed('it answers another question');
    if (rest === 'stream: OK') return { kind: 'clean' };
    if (rest === 'PONG') return { kind: 'pong' };
    const found = /^stream: ([^]+) FOUND$/.exec(rest)?.[1];
    if (found !== undefined) return { kind: 'infected', name: shown(found, MAX_NAME) };
    return failed(`it says: ${shown(rest)}`);
  }
}

const failed = (reason: string): ClamdReply => ({ kind: 'failed', reason });
