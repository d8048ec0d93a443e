import { reply, type Reply } from '../../mail/reply.ts';
import type { ProtocolError } from './events.ts';

export interface ProtocolErrorEntry {
  readonly meaning: string;
  readonly reply: Reply;
  /** Honest clients meet it too: it does not count towards `ServerLimits.errors`. */
  readonly forgiven?: true;
}

/**
 * Every mistake a client can make against the protocol, and its answer.
 * Codes: RFC 5321 4.2, 4.3.2 and 4.5.3.1; enhanced codes: RFC 3463 and 5248, by RFC 2034, 4954, 6531 where they say so.
 */
export const PROTOCOL_ERRORS = {
  'unknown-command': {
    meaning: 'no verb of SMTP',
    reply: reply(500, '5.5.1', 'Command not recognised'),
  },
  'not-implemented': {
    meaning: 'a verb of SMTP that is not offered here',
    reply: reply(502, '5.5.1', 'Command not implemented'),
  },
  // Browsers and proxies made to talk to port 25 (ALPACA and its kin): nothing they carry may be read as commands.
  'foreign-protocol': {
    meaning: 'the first word is of HTTP, or the bytes are a TLS handshake',
    reply: reply(421, '4.7.0', 'This is an SMTP server, closing'),
  },
  syntax: {
    meaning: 'the verb is known, what follows is not of its form',
    reply: reply(501, '5.5.4', 'Syntax error in parameters or arguments'),
  },
  'unexpected-argument': {
    meaning: 'RSET, DATA, QUIT or STARTTLS with an argument',
    reply: reply(501, '5.5.4', 'This command takes no argument'),
  },
  'hello-name-missing': {
    meaning: 'EHLO or HELO without a name',
    reply: reply(501, '5.5.4', 'Say your host name: EHLO host.example'),
  },
  'binary-garbage': {
    meaning: 'control characters, or bytes beyond ASCII that are no UTF-8, in a command',
    reply: reply(500, '5.5.2', 'Control characters or malformed UTF-8 in the command'),
  },
  'bare-newline': {
    meaning: 'CR or LF alone in a command line: only CR LF ends a line',
    reply: reply(500, '5.5.2', 'Lines end in CR LF, neither stands alone'),
  },
  'line-too-long': {
    meaning: 'a command line past its limit',
    reply: reply(500, '5.5.2', 'Line too long'),
  },
  'need-hello': {
    meaning: 'MAIL, STARTTLS or AUTH before EHLO or HELO',
    reply: reply(503, '5.5.1', 'Say EHLO or HELO first'),
  },
  'need-mail': {
    meaning: 'RCPT or DATA without MAIL',
    reply: reply(503, '5.5.1', 'MAIL must come first'),
  },
  // RFC 5321 3.3 leaves 503 and 554 open; 554 says what is so: there is nobody to take the message.
  'need-rcpt': {
    meaning: 'DATA without an accepted recipient',
    reply: reply(554, '5.5.1', 'No valid recipients'),
    forgiven: true,
  },
  'nested-mail': {
    meaning: 'MAIL inside a transaction',
    reply: reply(503, '5.5.1', 'Sender already given'),
  },
  'in-transaction': {
    meaning: 'STARTTLS or AUTH inside a transaction',
    reply: reply(503, '5.5.1', 'Not inside a mail transaction'),
  },
  // RFC 5321 3.1: after a greeting of 554 everything but QUIT is 503.
  'service-refused': {
    meaning: 'any command but QUIT after a refusing greeting',
    reply: reply(503, '5.5.1', 'No service here, only QUIT'),
  },
  'bad-reverse-path': {
    meaning: 'the address of MAIL is not of the form of RFC 5321 4.1.2',
    reply: reply(501, '5.1.7', 'Bad sender address: MAIL FROM:<user@host.example>'),
  },
  'bad-forward-path': {
    meaning: 'the address of RCPT is not of the form of RFC 5321 4.1.2',
    reply: reply(501, '5.1.3', 'Bad recipient address: RCPT TO:<user@host.example>'),
  },
  'null-recipient': {
    meaning: 'RCPT with the null path `<>`',
    reply: reply(501, '5.1.3', 'The null path is no recipient'),
  },
  'path-too-long': {
    meaning: 'local part or path past the limits of RFC 5321 4.5.3.1',
    reply: reply(501, '5.1.0', 'Path too long'),
  },
  'smtputf8-needed': {
    meaning: 'an address beyond ASCII without SMTPUTF8 (RFC 6531 3.5)',
    reply: reply(553, '5.6.7', 'This address needs SMTPUTF8'),
    forgiven: true,
  },
  'parameter-not-implemented': {
    meaning: 'a parameter of MAIL or RCPT that is not offered',
    reply: reply(555, '5.5.4', 'Parameter not recognised or not implemented'),
  },
  'bad-parameter': {
    meaning: 'an offered parameter given twice or with a value out of its form',
    reply: reply(501, '5.5.4', 'Bad parameter'),
  },
  'size-exceeded': {
    meaning: 'SIZE announces more than is taken (RFC 1870 6.1)',
    reply: reply(552, '5.3.4', 'Message larger than the limit'),
    forgiven: true,
  },
  // RFC 5321 4.5.3.1.10: 452, so that the client sends the rest in a further transaction.
  'too-many-recipients': {
    meaning: 'more recipients than one transaction takes',
    reply: reply(452, '4.5.3', 'Too many recipients, send the rest in a further transaction'),
    forgiven: true,
  },
  'tls-required': {
    meaning: 'outside TLS where the listener wants it (RFC 3207 4)',
    reply: reply(530, '5.7.0', 'Must issue a STARTTLS command first'),
    forgiven: true,
  },
  'already-tls': {
    meaning: 'STARTTLS inside TLS',
    reply: reply(503, '5.5.1', 'TLS is already on'),
  },
  'auth-needs-tls': {
    meaning: 'AUTH outside TLS (RFC 4954 6)',
    reply: reply(538, '5.7.11', 'Encryption required for authentication'),
    forgiven: true,
  },
  'already-authenticated': {
    meaning: 'AUTH after a successful AUTH (RFC 4954 4)',
    reply: reply(503, '5.5.1', 'Already authenticated'),
  },
  'unknown-mechanism': {
    meaning: 'AUTH with a mechanism that is not offered (RFC 4954 4)',
    reply: reply(504, '5.5.4', 'Unrecognised authentication mechanism'),
  },
  'auth-cancelled': {
    meaning: 'the client answered 334 with "*" (RFC 4954 4)',
    reply: reply(501, '5.7.0', 'Authentication cancelled'),
  },
  'bad-auth-response': {
    meaning: 'a response that is not base64 or not of its mechanism (RFC 4954 4)',
    reply: reply(501, '5.5.2', 'Cannot decode the authentication response'),
  },
  'too-many-errors': {
    meaning: 'more mistakes in one session than `errors`',
    reply: reply(421, '4.7.0', 'Too many errors, closing'),
  },
  'too-many-commands': {
    meaning: 'more commands than `commands` without a message taken',
    reply: reply(421, '4.7.0', 'Too many commands without a message, closing'),
  },
  'input-overflow': {
    meaning: 'far more bytes before their turn than any honest client sends',
    reply: reply(421, '4.7.0', 'Too much sent before its turn, closing'),
  },
} as const satisfies Record<ProtocolError, ProtocolErrorEntry>;

export const errorReply = (error: ProtocolError): Reply => PROTOCOL_ERRORS[error].reply;
