/** A few words with whoever listens somewhere: what came back, or why nothing did. */
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Place } from './place.ts';
import { reachable } from './place.ts';

export interface Words {
  /** Said at once. Empty: the other side speaks first. */
  readonly first?: (socket: Socket) => Buffer | string;
  /** Said before all: what is owed to a proxy's listener, before TLS. */
  readonly prologue?: (socket: Socket) => string;
  readonly tls?: true;
  /** Whether what has come is all that is waited for. */
  readonly isWhole: (heard: Buffer) => boolean;
  /** Said before the end. */
  readonly last?: Buffer | string;
  readonly timeoutMs: number;
}

export type Heard =
  | { readonly kind: 'heard'; readonly bytes: Buffer }
  /** `code` is the system's: ENOENT, ECONNREFUSED, EACCES. */
  | { readonly kind: 'unreachable'; readonly code: string; readonly reason: string }
  /** It took the connection, and then ended it or fell silent; what it said so far. */
  | { readonly kind: 'ended' | 'silent'; readonly bytes: Buffer };

// No greeting and no answer that we wait for is longer.
const MAX_OCTETS = 16_384;

export function converse(place: Place, words: Words): Promise<Heard> {
  return new Promise((resolve) => {
    let heard = Buffer.alloc(0);
    let connected = false;
    const raw = connectPlain(
      'path' in place ? { path: place.path } : { host: reachable(place.host), port: place.port },
    );
    let socket: Socket = raw;
    const end = (how: Heard) => {
      clearTimeout(timer);
      if (how.kind === 'heard' && words.last !== undefined) socket.end(words.last);
      // Its own end follows; who does not end is not waited for.
      setTimeout(() => raw.destroy(), how.kind === 'heard' ? LAST_WORDS_MS : 0).unref();
      resolve(how);
    };
    const timer = setTimeout(
      () =>
        end(
          connected
            ? { kind: 'silent', bytes: heard }
            : { kind: 'unreachable', code: 'ETIMEDOUT', reason: 'no answer to the connection' },
        ),
      words.timeoutMs,
    );
    const failed = (error: NodeJS.ErrnoException) =>
      end(
        connected
          ? { kind: 'ended', bytes: heard }
          : { kind: 'unreachable', code: error.code ?? '', reason: error.message },
      );
    raw.on('error', failed);
    raw.once('connect', () => {
      connected = true;
      const prologue = words.prologue?.(raw) ?? '';
      if (prologue !== '') raw.write(prologue);
      if (words.tls === true) {
        // Who it is does not matter: nothing is told to it.
        socket = connectTls({ socket: raw, rejectUnauthorized: false });
        socket.on('error', failed);
      }
      socket.on('data', (bytes: Buffer) => {
        heard = Buffer.concat([heard, bytes]).subarray(0, MAX_OCTETS);
        if (words.isWhole(heard)) end({ kind: 'heard', bytes: heard });
      });
      socket.on('end', () => end({ kind: 'ended', bytes: heard }));
      socket.on('close', () => end({ kind: 'ended', bytes: heard }));
      const first = words.first?.(socket) ?? '';
      if (first.length > 0) socket.write(first);
    });
  });
}

const LAST_WORDS_MS = 500;
