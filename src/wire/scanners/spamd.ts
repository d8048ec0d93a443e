/**
 * spamd's protocol (SpamAssassin's spamd/PROTOCOL) without I/O: one request, one reply and the end of the connection. We ask for
 * SYMBOLS: the score, and the names of the tests that hit; the message does not come back.
 *
 * A reply is at most `MAX_REPLY_OCTETS`. Scores that are no numbers, or beyond all measure, are a failure: a comparison with NaN
 * is always false, and so would let everything pass.
 */
import { ReplyBytes, shown } from './reply-bytes.ts';

const MAX_REPLY_OCTETS = 65_536;
/** SpamAssassin's GTUBE is 1000. */
const MAX_SCORE = 100_000;
const MAX_TESTS = 100;

export const SPAMD_PING = Buffer.from('PING SPAMC/1.5\r\n\r\n');

/** The connection is half closed behind the message. */
export function symbolsRequest(sizeOctets: number): Buffer {
  return Buffer.from(`SYMBOLS SPAMC/1.5\r\nContent-length: ${sizeOctets}\r\n\r\n`);
}

/** The client as SpamAssassin reads it from the trace fields on top: of the session it knows nothing else. */
export interface SpamdTrace {
  readonly id: string;
  readonly client: string;
  readonly helo: string | undefined;
  readonly hostName: string | undefined;
  readonly by: string;
  /** Empty: the null sender. */
  readonly sender: string;
  readonly authenticated: boolean;
  readonly atMs: number;
}

/** What goes before the message. */
export function traceFields(t: SpamdTrace): string {
  const address = t.client.includes(':') ? `IPv6:${t.client}` : t.client;
  // RFC 3848: SpamAssassin trusts a client that the A says is authenticated.
  const protocol = t.authenticated ? 'ESMTPA' : 'ESMTP';
  const date = new Date(t.atMs).toUTCString().replace('GMT', '+0000');
  return (
    `X-Envelope-From: <${safe(t.sender)}>\r\n` +
    `Received: from ${safe(t.helo ?? 'unknown')} (${safe(t.hostName ?? 'unknown')} [${address}])\r\n` +
    `\tby ${t.by} (Postern) with ${protocol} id ${t.id};\r\n\t${date}\r\n`
  );
}

// A client's own words; they may not make SpamAssassin see another client than the one that is here.
const safe = (text: string): string => text.replace(/[^\x21-\x7e]|[()<>[\]\\;]/g, '?').slice(0, 320);

export type SpamdReply =
  | {
      readonly kind: 'scored';
      readonly spam: boolean;
      readonly score: number;
      readonly required: number;
      readonly tests: readonly string[];
    }
  | { readonly kind: 'pong' }
  | { readonly kind: 'failed'; readonly reason: string };

export class SpamdReader {
  readonly #bytes = new ReplyBytes(MAX_REPLY_OCTETS);
  reply: SpamdReply | undefined;

  receive(piece: Buffer): void {
    if (this.reply !== undefined) return;
    if (!this.#bytes.append(piece)) this.reply = failed('its reply is too long');
  }

  /** Its end is that of the connection. */
  end(): void {
    this.reply ??= readReply(this.#bytes.bytes.toString('latin1'));
  }
}

function readReply(text: string): SpamdReply {
  if (text === '') return failed('it closed the connection without an answer');
  const [, code, words = ''] = /^SPAMD\/\d{1,3}\.\d{1,3} (\d{1,5}) ([^\r\n]*)\r?\n/.exec(text) ?? [];
  if (code === undefined) return failed('what it says is no reply of spamd');
  // The codes of sysexits.h, and 79 for a time-out.
  if (code !== '0') return failed(`it says: ${code} ${shown(words)}`);
  if (words === 'PONG') return { kind: 'pong' };
  const head = /\r?\n\r?\n/.exec(text);
  if (head === null) return failed('its reply ends in the middle');
  const header = text.slice(0, head.index + 1);
  const body = text.slice(head.index + head[0].length);
  const length = /\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r?\n/i.exec(`${header}\n`)?.[1];
  // A spamd that died while it wrote has not said all.
  if (length !== undefined && body.length < Number(length)) return failed('its reply ends in the middle');
  const said =
    /\nspam:[ \t]*(true|false|yes|no)[ \t]*;[ \t]*(-?[\d.]{1,12})[ \t]*\/[ \t]*(-?[\d.]{1,12})[ \t]*\r?\n/i.exec(
      `${header}\n`,
    );
  if (said === null) return failed('its reply has no score');
  const score = scoreOf(said[2]);
  const required = scoreOf(said[3]);
  if (score === undefined || required === undefined) return failed('its score is no number');
  const spam = /^[ty]/i.test(said[1] ?? '');
  return { kind: 'scored', spam, score, required, tests: testsOf(body) };
}

function scoreOf(text: string | undefined): number | undefined {
  const score = Number(text);
  return Number.isFinite(score) && Math.abs(score) <= MAX_SCORE ? score : undefined;
}

const testsOf = (body: string): readonly string[] =>
  body
    .trim()
    .split(/[,\s]+/, MAX_TESTS)
    .filter((name) => /^\w{1,64}$/.test(name));

const failed = (reason: string): SpamdReply => ({ kind: 'failed', reason });
