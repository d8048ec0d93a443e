/**
 * What the filter side of the milter protocol tells its door, and what the door tells it: types only.
 *
 * The codec is pulled. It does no I/O, keeps no clock and has no policy:
 *
 *   const p = new MilterProtocol({ needs, limits: DEFAULT_MILTER_LIMITS });
 *   socket.on('data', (bytes) => { p.receive(bytes); pump(); });
 *   pump: while ((event = p.next()) !== undefined) { …; socket.write(p.reply({ kind: 'continue' })); }
 *
 * class MilterProtocol {
 *   constructor(options: MilterOptions)
 *   receive(bytes: Buffer): void       hands bytes over. They must not change afterwards; slices of them come out as events
 *   next(): MilterEvent | undefined    undefined: wants bytes from the MTA, or an answer from the door
 *   reply(answer: MilterReply): Buffer the answer to the last event that wants one. Empty once the connection is closed.
 *                                      Throws when no answer is due, or its event was not taken yet (misuse)
 *   change(c: HeaderChange): Buffer    only while `end-of-message` waits for its answer, else it throws; empty where the MTA
 *                                      did not grant it (see `agreed`)
 *   changeSender(path): Buffer         the reverse-path that the message goes on with, in angle brackets; the same holds for it
 *   progress(): Buffer                 tells the MTA that the work at `end-of-message` goes on: its clock starts anew
 *   macro(name: string): string | undefined   the value that the MTA gave last, of a stage that still holds; with or without {}
 *   limits: MilterLimits               may be exchanged at any time
 *   readonly agreed: Agreed | undefined       undefined until the negotiation
 *   readonly state: MilterState        'closed': write what came out, then end the connection, which `error` may do as well
 *   readonly wantsReply: boolean       the door owes an answer
 *   readonly deadlineMs: number | undefined   how long the MTA may be silent from now; undefined: our turn
 *   readonly bufferedOctets: number    received, not yet taken
 * }
 *
 * `connect`, `helo`, `mail`, `rcpt`, `data`, `unknown`, `header`, `end-of-header`, `body` and `end-of-message` want exactly one
 * answer each; the others want none. While an answer is due `next()` gives nothing but `error` with `input-overflow`: the protocol
 * is one question, one answer. An MTA that gave a final answer to its client (after `accept`, `reject`, `tempfail` or `reply` to
 * `connect` or `helo`) may end the connection without `quit`, as Postfix does.
 */
import type { Reply } from '../../mail/reply.ts';
import type { CommandName, SymlistStage } from './codes.ts';
import type { Needs, Agreed } from './negotiation.ts';

export type MilterEvent =
  /** `answer` goes to the MTA as it stands. */
  | { readonly kind: 'negotiated'; readonly agreed: Agreed; readonly answer: Buffer }
  | Connect
  | { readonly kind: 'helo'; readonly name: string }
  /**
   * `path` as the MTA has it, in angle brackets where it keeps them; `parameters` one by one (`SIZE=1000`). Both may hold anything;
   * envelope.ts reads them.
   */
  | { readonly kind: 'mail'; readonly path: string; readonly parameters: readonly string[] }
  | { readonly kind: 'rcpt'; readonly path: string; readonly parameters: readonly string[] }
  | { readonly kind: 'data' }
  /** An SMTP command that the MTA does not know, as the client wrote it. */
  | { readonly kind: 'unknown'; readonly line: string }
  | HeaderField
  | { readonly kind: 'end-of-header' }
  /** A piece of the body with CRLF line ends. `skip` says that no more is needed. */
  | { readonly kind: 'body'; readonly bytes: Buffer }
  /** `bytes` is the last piece of the body where the MTA sends it along (libmilter's st_bodyend), and mostly empty. */
  | { readonly kind: 'end-of-message'; readonly bytes: Buffer }
  /** The message that was open is no more. Connection and HELO hold. Told only when one was open. */
  | { readonly kind: 'abort' }
  /** The client went, and another one follows on this connection, beginning with `connect`: nothing of the last one holds. */
  | { readonly kind: 'new-connection' }
  | { readonly kind: 'quit' }
  /**
   * The MTA's mistake. A question that we cannot understand, or that has no place here, is deferred: `answer` says so, and goes to the
   * MTA as it stands. Where the connection is closed instead, `answer` is empty, and what the client gets is the MTA's own setting
   * for a failed filter.
   */
  | {
      readonly kind: 'error';
      readonly error: MilterError;
      readonly command?: CommandName;
      readonly answer: Buffer;
    };

export interface Connect {
  readonly kind: 'connect';
  /** What the MTA found in DNS, or the address in brackets, or `unknown`. */
  readonly hostName: string;
  /** `unix` and `unknown` are local submission, or a client whose address the MTA could not tell. */
  readonly family: 'inet' | 'inet6' | 'unix' | 'unknown';
  /** Canonical for `inet` and `inet6`, a path for `unix`, empty for `unknown`. */
  readonly address: string;
  /** 0 where it is not known. */
  readonly port: number;
}

export interface HeaderField {
  readonly kind: 'header';
  readonly name: string;
  /** The octets behind the colon, with CRLF before the continuation lines and none at the end. */
  readonly value: Buffer;
  /** False: the MTA has no SMFIP_HDR_LEADSPC, so the white space behind the colon is a guess (one space). */
  readonly exact: boolean;
}

/** A closed set. All end the connection, save the first two where they befall a question. */
export type MilterError =
  /** Fields that are missing, cut off, or no values of their kind. */
  | 'malformed'
  /** A command that has no place in this state. */
  | 'out-of-order'
  /** More than `frameOctets`. */
  | 'frame-too-large'
  /** A frame without a command, or with one that version 6 does not have. libmilter closes as well. */
  | 'unknown-command'
  /** Below 2: libmilter does not speak it either. */
  | 'version-too-old'
  /** More than a frame came while it was our turn. */
  | 'input-overflow';

/**
 * An answer of the filter. There is none that keeps a message without telling (quarantine), none that loses it (discard), and none
 * that makes the MTA believe us dead (connection failure).
 */
export type MilterReply =
  | { readonly kind: 'continue' }
  /** To `connect` and `helo`: all of this connection; later: the rest of this message. */
  | { readonly kind: 'accept' }
  /** Refused with the MTA's own words, 550 5.7.1. To `rcpt`: this recipient alone. */
  | { readonly kind: 'reject' }
  /** Deferred with the MTA's own words, 451 4.7.1. */
  | { readonly kind: 'tempfail' }
  /** Refused or deferred with ours: a 4yz or 5yz reply. 421 makes the MTA close the client's connection. */
  | { readonly kind: 'reply'; readonly reply: Reply }
  /** To `body`: no more pieces, please. It is `continue` where the MTA knows no skipping. */
  | { readonly kind: 'skip' };

/** Values are as they stand behind `Name: `, folded lines with LF or CRLF; sent so that no value can begin another field. */
export type HeaderChange =
  /** Behind the last field. */
  | { readonly kind: 'add'; readonly name: string; readonly value: string }
  /** Index 0: above all fields, those of the MTA itself as well. */
  | { readonly kind: 'insert'; readonly index: number; readonly name: string; readonly value: string }
  /** Index 1: the first field of this name. */
  | { readonly kind: 'change'; readonly index: number; readonly name: string; readonly value: string }
  | { readonly kind: 'delete'; readonly index: number; readonly name: string };

export type MilterState =
  'start' | 'agreed' | 'ready' | 'mail' | 'rcpt' | 'data' | 'header' | 'end-of-header' | 'body' | 'closed';

export interface MilterOptions {
  readonly needs: Needs;
  readonly limits: MilterLimits;
}

/** Everything the MTA, or its client through it, can make grow. Defaults and reasons: limits.ts. */
export interface MilterLimits {
  /** A frame without its length. */
  readonly frameOctets: number;
  /** Kept of a MAIL or RCPT with its path; the rest is passed over. */
  readonly arguments: number;
  /** Kept of one stage; the rest is passed over. */
  readonly macros: number;
  /** Names and values of one stage together; what does not fit any more is not kept. */
  readonly macroOctets: number;
  readonly commandMs: number;
}

export type MacroLists = Partial<Record<SymlistStage, readonly string[]>>;
