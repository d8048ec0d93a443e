/**
 * What the server side of SMTP tells its door, and what the door tells it: types only.
 *
 * The codec is pulled. It does no I/O, keeps no clock and has no policy:
 *
 *   const p = new ServerProtocol(options);
 *   socket.write(p.greet(reply(220, '', 'mx.example.org ESMTP')));   // bytes before this are an early talker's
 *   socket.on('data', (bytes) => { p.receive(bytes); pump(); });
 *   pump: while ((event = p.next()) !== undefined) { …; socket.write(p.reply(answer)); }
 *
 * class ServerProtocol {
 *   constructor(options: ServerOptions)
 *   receive(bytes: Buffer): void      hands bytes over. They must not change afterwards; slices of them come out as content
 *   next(): ServerEvent | undefined   undefined: wants bytes from the client, or a reply from the door
 *   greet(reply: Reply): string       the greeting. 220 opens the session; 421 and 521 end it; 554 leaves only QUIT
 *   reply(reply: Reply): string       the answer to the last event that wants one, as text for the wire (ASCII, CRLF);
 *                                     its code moves the session on. 421 is allowed at any time and ends the session.
 *                                     Empty once the session is closed. Throws when no answer is due, or
 *                                     its event was not taken yet (misuse)
 *   helloReply(): Reply   250 for the last `hello`: bare for HELO, with the extensions for EHLO
 *   limits: ServerLimits              may be exchanged at any time, for tighter ones under stress
 *   readonly state: ServerState       'closed': write what reply() gave, then end the connection
 *   readonly wantsReply: boolean      the door owes an answer (also before greet)
 *   readonly deadlineMs: number | undefined   how long the client may take from now: for a command from the moment the
 *                                     last reply was written, for content from the last bytes; undefined: our turn
 *   readonly secured: boolean         TLS is on (from the start, or by STARTTLS)
 *   readonly authenticated: boolean   a 235 was given
 *   readonly recipients: number       forward-paths accepted in this transaction
 *   readonly bufferedOctets: number   received, not yet taken. Above 0 while wantsReply: a good moment to stop reading
 * }
 *
 * Every event wants exactly one reply, save `content` and `violation`. `error` carries the reply to give.
 * A violation comes before the event whose bytes committed it. While a reply is due, `next()` still gives `violation` (and `error`
 * with `input-overflow`: answer it at once, it ends the session), so call it after each `receive`. `content` wants no reply: whoever
 * needs time for a piece neither calls `next()` nor reads from the client until it is put away.
 * After `reply(220)` to `starttls` the codec is as after the greeting, has forgotten all plaintext, and expects only
 * what comes out of TLS.
 */
import type { Mailbox, ReversePath } from '../../mail/mailbox.ts';
import type { MailParameters, RcptParameters } from '../../mail/parameters.ts';
import type { Reply } from '../../mail/reply.ts';

export type ServerEvent =
  | { readonly kind: 'hello'; readonly verb: 'HELO' | 'EHLO'; readonly name: string }
  | { readonly kind: 'mail'; readonly reversePath: ReversePath; readonly parameters: MailParameters }
  | { readonly kind: 'rcpt'; readonly forwardPath: Mailbox; readonly parameters: RcptParameters }
  | { readonly kind: 'data' }
  /** A piece of the message with CRLF line ends as sent, dot-stuffing removed. Wants no reply. */
  | { readonly kind: 'content'; readonly bytes: Buffer }
  | EndOfMessage
  | { readonly kind: 'rset' }
  | { readonly kind: 'noop' }
  | { readonly kind: 'vrfy'; readonly text: string }
  | { readonly kind: 'help' }
  | { readonly kind: 'quit' }
  | { readonly kind: 'starttls' }
  /** See `beginAuth` in auth.ts. The response is a secret: it goes into no log. */
  | { readonly kind: 'auth'; readonly mechanism: Mechanism; readonly initialResponse?: string }
  | { readonly kind: 'auth-response'; readonly response: string }
  /** The client's mistake with its answer. */
  | { readonly kind: 'error'; readonly error: ProtocolError; readonly reply: Reply; readonly verb?: string }
  /** At most one of each kind a session. Wants no reply. */
  | { readonly kind: 'violation'; readonly violation: ProtocolViolation };

export interface EndOfMessage {
  readonly kind: 'end-of-message';
  /** Octets of the message without dot-stuffing and final dot, counted to the end also when it is too large. */
  readonly sizeOctets: number;
  /** A bare CR or LF was in it. It ended no line; how the next server would read it nobody knows. */
  readonly bareNewline: boolean;
  /** Past `messageOctets`: the rest was read and thrown away. */
  readonly tooLarge: boolean;
  /** The header is longer than `headerOctets`. */
  readonly headerTooLarge: boolean;
  /** The header has more than `MAX_HEADER_FIELDS`. */
  readonly tooManyFields: boolean;
  /** A line is longer than `textLineOctets`. */
  readonly lineTooLong: boolean;
}

export type Mechanism = 'PLAIN' | 'LOGIN';
export type ProtocolViolation =
  'early-talker' | 'pipelining' | 'bare-newline' | 'too-many-errors' | 'foreign-protocol';

/** A closed set; errors.ts has the meaning and the reply of each. */
export type ProtocolError =
  | 'unknown-command'
  | 'not-implemented'
  | 'foreign-protocol'
  | 'syntax'
  | 'unexpected-argument'
  | 'hello-name-missing'
  | 'binary-garbage'
  | 'bare-newline'
  | 'line-too-long'
  | 'need-hello'
  | 'need-mail'
  | 'need-rcpt'
  | 'nested-mail'
  | 'in-transaction'
  | 'service-refused'
  | 'bad-reverse-path'
  | 'bad-forward-path'
  | 'null-recipient'
  | 'path-too-long'
  | 'smtputf8-needed'
  | 'parameter-not-implemented'
  | 'bad-parameter'
  | 'size-exceeded'
  | 'too-many-recipients'
  | 'tls-required'
  | 'already-tls'
  | 'auth-needs-tls'
  | 'already-authenticated'
  | 'unknown-mechanism'
  | 'auth-cancelled'
  | 'bad-auth-response'
  | 'too-many-errors'
  | 'too-many-commands'
  | 'input-overflow';

export type ServerState =
  'connected' | 'refused' | 'greeted' | 'ready' | 'mail' | 'rcpt' | 'content' | 'auth' | 'closed';

/** What EHLO announces. ENHANCEDSTATUSCODES and 8BITMIME always are, PIPELINING and CHUNKING never. */
export interface EhloOffer {
  readonly hostName: string;
  /** SIZE (RFC 1870), also the bound for the parameter. 0: no figure given. */
  readonly sizeOctets: number;
  /** A certificate is at hand. The codec offers STARTTLS only outside TLS. */
  readonly starttls: boolean;
  /** The codec offers AUTH only inside TLS, and not twice. */
  readonly auth: readonly Mechanism[];
  readonly smtputf8: boolean;
  readonly dsn: boolean;
}

export interface ServerOptions {
  readonly offer: EhloOffer;
  readonly limits: ServerLimits;
  /** The connection began inside TLS. */
  readonly tls?: boolean;
  /** Nothing but EHLO, NOOP, STARTTLS and QUIT outside TLS (RFC 3207 4). Not for public port 25. */
  readonly requireTls?: boolean;
  /** Listed broken clients: paths without angle brackets, or a space after the colon. */
  readonly lenientPaths?: boolean;
  /** Listed broken clients: commands sent before the reply to the last one are no violation (before 354 and 220 they are). */
  readonly allowPipelining?: boolean;
}

/** Everything a client can make grow. Defaults and reasons: limits.ts. */
export interface ServerLimits {
  /** With CRLF. */
  readonly commandLineOctets: number;
  /** MAIL and RCPT with their parameters, with CRLF. */
  readonly envelopeLineOctets: number;
  /** AUTH and the lines that answer 334, with CRLF. */
  readonly authLineOctets: number;
  /** Kept of what came before its turn. */
  readonly earlyInputOctets: number;
  /** The same for a client with `allowPipelining`. */
  readonly pipelinedInputOctets: number;
  readonly localPartOctets: number;
  /** Accepted recipients of one transaction. */
  readonly recipients: number;
  /** The client's own protocol mistakes in one session. */
  readonly errors: number;
  /** Commands since the greeting or since the last message that was taken. */
  readonly commands: number;
  readonly messageOctets: number;
  readonly headerOctets: number;
  /** Without CRLF. */
  readonly textLineOctets: number;
  readonly commandMs: number;
  readonly contentMs: number;
}
