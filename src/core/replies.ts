/**
 * The one table of codes and texts that the gate itself speaks. What the protocol code says about malformed input stands
 * in `wire/smtp/errors.ts`, for it may not know of policy; nowhere else stands a code in digits.
 */
import type { Reply } from '../mail/reply.ts';
import { constantReply, reply } from '../mail/reply.ts';
import type { Finding } from './finding.ts';
import type { Verdict } from './verdict.ts';

export const replies = {
  // RFC 5321 4.2: greeting and HELO carry no enhanced code (RFC 2034 4).
  greeting: (hostName: string) => constantReply(220, '', `${hostName} ESMTP Postern`),
  ok: always(250, '2.0.0', 'Ok'),
  senderOk: always(250, '2.1.0', 'Sender ok'),
  recipientOk: always(250, '2.1.5', 'Recipient ok'),
  startInput: always(354, '', 'Start mail input; end with <CRLF>.<CRLF>'),
  delivered: (id: string) => reply(250, '2.0.0', `Delivered, id ${id}`),
  /** At a door behind which the MTA delivers: said to nobody, it stands in the journal. */
  passedOn: (id: string) => reply(250, '2.0.0', `Let in, id ${id}`),
  bye: always(221, '2.0.0', 'Bye'),
  // RFC 5321 3.5.3: an honest answer of a server that does not tell who lives here.
  cannotVerify: always(252, '2.5.0', 'Cannot verify; send some mail, it will be judged at RCPT'),
  help: () =>
    reply(
      214,
      '2.0.0',
      'EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT',
      'What else there is stands in the reply to EHLO; see RFC 5321',
    ),
  startTls: always(220, '2.0.0', 'Ready to start TLS'),
  tlsUnavailable: always(454, '4.7.0', 'TLS is not available now'),
  authenticated: always(235, '2.7.0', 'Authentication succeeded'),
  authFailed: always(535, '5.7.8', 'Authentication failed'),
  authUnavailable: always(454, '4.7.0', 'Temporary authentication failure, try again later'),

  tooManyConnections: always(421, '4.7.0', 'Too many connections, try again later'),
  tooManyFromYou: (client: string) =>
    reply(421, '4.7.0', `Too many connections from ${client}, try again later`),
  tooBusy: always(421, '4.3.2', 'Too busy for new connections now, try again later'),
  onlySomeUnknown: (contact: string) =>
    reply(
      421,
      '4.7.0',
      `Of the clients that are not known here only some are let in for now, try again later; questions to ${contact}`,
    ),
  badStanding: (client: string, contact: string) =>
    reply(
      421,
      '4.7.0',
      `Not now, for what came from ${client} or its network lately, try again later; questions to ${contact}`,
    ),
  tooBusyForMail: always(451, '4.3.2', 'Too busy for new mail now, try again later'),
  tooManyFromYourNetwork: always(
    451,
    '4.7.0',
    'Too many messages from your network at one time, try again later',
  ),
  // RFC 5321 3.8: the client begins anew with another connection, and loses nothing.
  tooManyMessages: always(421, '4.7.0', 'Too many messages in this session, go on in another'),
  tooManyErrors: always(421, '4.7.0', 'Too many errors, closing'),
  timedOut: always(421, '4.4.2', 'Waited too long for you, closing'),
  stopping: (hostName: string) => reply(421, '4.3.2', `${hostName} is stopping, try again later`),
  internalTrouble: (id: string) => reply(421, '4.3.0', `Internal trouble, try again later; id ${id}`),

  // RFC 5321 4.5.3.1.10 names 452 for recipients that have to go in another transaction.
  noTransaction: () => reply(503, '5.5.1', 'No transaction is open, send MAIL first'),
  otherTransaction: always(452, '4.5.3', 'Send this recipient in a transaction of its own'),
  /** The MTA took it, a gate could not: it is deferred rather than guessed at. */
  addressNotRead: always(450, '4.1.0', 'Not now: this address cannot be judged'),
  smtputf8NotPossible: () =>
    reply(553, '5.6.7', 'Refused: the mailbox behind this server takes no SMTPUTF8 mail'),
  bareNewline: (id: string) =>
    reply(550, '5.6.11', `Refused: the message has line ends other than CRLF (RFC 5321 2.3.8); id ${id}`),
  messageTooLarge: (octets: number) =>
    reply(552, '5.3.4', `Refused: the message is larger than ${octets} octets`),
  headerTooLarge: (octets: number) =>
    reply(552, '5.3.4', `Refused: the header is larger than ${octets} octets`),
  tooManyFields: (most: number) => reply(552, '5.3.4', `Refused: the header has more than ${most} fields`),
  lineTooLong: (octets: number) =>
    reply(552, '5.6.0', `Refused: the message has lines longer than ${octets} octets`),
  mailLoop: (id: string) =>
    reply(554, '5.4.6', `Refused: too many Received fields, this mail goes in circles; id ${id}`),
  storageFull: always(452, '4.3.1', 'No room for the message now, try again later'),
  backendUnreachable: (id: string) =>
    reply(451, '4.4.1', `The mailbox behind this server cannot be reached now, try again later; id ${id}`),
} as const;

function always(code: number, enhanced: string, text: string): () => Reply {
  const said = constantReply(code, enhanced, text);
  return () => said;
}

/** RFC 5321 3.1: a greeting that refuses is 554; one that defers is 421. */
export function atGreeting({ kind, reply: said }: Verdict & { readonly kind: 'refuse' | 'defer' }): Reply {
  return { ...said, code: kind === 'refuse' ? 554 : 421 };
}

/** A backend's 521 (RFC 7504) closes its session with us; passed on as it stands it would close the client's as well. */
export function keepsTheSession(said: Reply): Reply {
  return said.code === 521 ? { ...said, code: 550 } : said;
}

/** What makes a mistake one that can be told of. */
export interface Signature {
  readonly contact: string;
  /** Where a page takes reports: its address without the slash at its end. */
  readonly reportUrl?: string | undefined;
  readonly id: string;
}

/**
 * `Refused: 192.0.2.7 has no matching reverse DNS (fcrdns). Mistake? Write to postmaster@example.org with id K7Q2MX4D`
 * Where there is a page for it: `… Mistake? https://mx.example.org/r/K7Q2MX4D`
 * A deferral says so and carries the same finding in class 4 (RFC 3463 2).
 */
export function refusal(
  kind: 'refuse' | 'defer',
  check: string,
  finding: Pick<Finding, 'text' | 'enhanced' | 'replyCode'>,
  signature: Signature,
): Reply {
  if (kind === 'defer') {
    // A finding that knows how long, or that is the mailbox's own answer, says so itself.
    const again = /\btry again\b/i.test(finding.text) ? '' : '. Try again later';
    const text = around('Not now: ', finding.text, ` (${check})${again}; id ${signature.id}`);
    return reply(basic(4, finding.replyCode, 450), classOf(4, finding.enhanced, '4.7.1'), text);
  }
  const { contact, reportUrl, id } = signature;
  const whereTo =
    reportUrl === undefined
      ? `Mistake? Write to ${contact} with id ${id}`
      : `Mistake? ${reportUrl}/r/${encodeURIComponent(id)}`;
  const text = around('Refused: ', finding.text, ` (${check}). ${whereTo}`);
  return reply(basic(5, finding.replyCode, 550), classOf(5, finding.enhanced, '5.7.1'), text);
}

/** What a finding is refused with is no code to defer it with, and the other way round. */
function basic(digit: 4 | 5, given: number | undefined, byDefault: number): number {
  return given !== undefined && Math.floor(given / 100) === digit ? given : byDefault;
}

// RFC 5321 4.5.3.1.5: 512 octets a line, with code, status and CRLF.
const MAX_LINE = 480;

/** What a stranger said may be long: id and address, without which a mistake stays one, must not be what is cut off. */
function around(before: string, text: string, behind: string): string {
  const room = Math.max(0, MAX_LINE - before.length - behind.length);
  return `${before}${text.length > room ? `${text.slice(0, Math.max(0, room - 3))}...` : text}${behind}`;
}

function classOf(digit: 4 | 5, enhanced: string | undefined, byDefault: string): string {
  return enhanced === undefined || enhanced === '' ? byDefault : `${digit}${enhanced.slice(1)}`;
}
