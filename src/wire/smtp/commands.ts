/**
 * Command lines (RFC 5321 4.1.1) and the parameters of MAIL and RCPT (RFC 1870, 6152, 6531, 3461, 4954).
 * Sees untrusted text without its line end, bounded in length, free of control characters. Mistakes are data.
 */
import { parseForwardPath, parseReversePath, type PathError, type PathOptions } from '../../mail/path.ts';
import type { EhloOffer, Mechanism, ProtocolError, ServerEvent } from './events.ts';
import type { MailParameters, RcptParameters } from '../../mail/parameters.ts';
import { VERBS, type Verb } from './transitions.ts';

export interface CommandLine {
  readonly verb: Verb;
  /** What follows the verb and one space, without trailing white space (RFC 5321 4.1.1). */
  readonly argument: string;
}

const KNOWN: ReadonlyMap<string, Verb> = new Map(VERBS.map((verb) => [verb, verb]));
// RFC 5321 4.1.1.7 and F.6, RFC 1985, RFC 3030, RFC 2033: SMTP, but not here.
const NOT_IMPLEMENTED = new Set(['EXPN', 'ETRN', 'BDAT', 'TURN', 'ATRN', 'SEND', 'SOML', 'SAML', 'LHLO']);
const FOREIGN = new Set(['GET', 'POST', 'HEAD', 'PUT', 'CONNECT', 'OPTIONS', 'HOST:']);

export function readCommand(line: string): CommandLine | ProtocolError {
  const text = line.trimEnd();
  const space = text.indexOf(' ');
  const word = space === -1 ? text : text.slice(0, space);
  // Nearly all clients write upper case.
  const verb = KNOWN.get(word) ?? KNOWN.get(word.toUpperCase());
  if (verb !== undefined) return { verb, argument: space === -1 ? '' : text.slice(space + 1) };
  const upper = word.toUpperCase();
  if (FOREIGN.has(upper)) return 'foreign-protocol';
  return NOT_IMPLEMENTED.has(upper) ? 'not-implemented' : 'unknown-command';
}

export interface EnvelopeContext extends PathOptions {
  readonly offer: EhloOffer;
  readonly maxSizeOctets: number;
}

export function readMail(
  argument: string,
  context: EnvelopeContext,
): Extract<ServerEvent, { kind: 'mail' }> | ProtocolError {
  const text = afterKeyword(argument, 'FROM:', context);
  if (text === undefined) return 'syntax';
  const result = parseReversePath(text, context);
  if (result.kind === 'error') return pathError(result.error, 'bad-reverse-path');
  if (result.rest === '' && !result.utf8) {
    return { kind: 'mail', reversePath: result.path, parameters: NO_PARAMETERS };
  }
  const parameters = readParameters(result.rest, MAIL_PARAMETERS, context);
  if (typeof parameters === 'string') return parameters;
  if (result.utf8 && parameters.smtputf8 !== true) return 'smtputf8-needed';
  return { kind: 'mail', reversePath: result.path, parameters };
}

export function readRcpt(
  argument: string,
  context: EnvelopeContext,
  smtputf8: boolean,
): Extract<ServerEvent, { kind: 'rcpt' }> | ProtocolError {
  const text = afterKeyword(argument, 'TO:', context);
  if (text === undefined) return 'syntax';
  const result = parseForwardPath(text, context);
  if (result.kind === 'error') return pathError(result.error, 'bad-forward-path');
  if (result.utf8 && !smtputf8) return 'smtputf8-needed';
  if (result.rest === '') return { kind: 'rcpt', forwardPath: result.path, parameters: NO_PARAMETERS };
  const parameters = readParameters(result.rest, RCPT_PARAMETERS, context);
  return typeof parameters === 'string' ? parameters : { kind: 'rcpt', forwardPath: result.path, parameters };
}

const MECHANISM = /^([A-Za-z0-9_-]{1,20})(?: ([A-Za-z0-9+/]*={0,2}))?$/;

export function readAuth(
  argument: string,
  offered: readonly Mechanism[],
): Extract<ServerEvent, { kind: 'auth' }> | ProtocolError {
  const match = MECHANISM.exec(argument);
  if (match === null) return 'syntax';
  const mechanism = offered.find((name) => name === match[1]?.toUpperCase());
  if (mechanism === undefined) return 'unknown-mechanism';
  const initialResponse = match[2];
  return initialResponse === undefined
    ? { kind: 'auth', mechanism }
    : { kind: 'auth', mechanism, initialResponse };
}

const NO_PARAMETERS: MailParameters & RcptParameters = Object.freeze({});

function afterKeyword(argument: string, keyword: string, context: PathOptions): string | undefined {
  const text = context.lenient === true ? argument.trimStart() : argument;
  return text.slice(0, keyword.length).toUpperCase() === keyword ? text.slice(keyword.length) : undefined;
}

function pathError(error: PathError, bad: 'bad-reverse-path' | 'bad-forward-path'): ProtocolError {
  switch (error) {
    case 'syntax':
      return bad;
    case 'null-path':
      return 'null-recipient';
    case 'too-long':
      return 'path-too-long';
    default:
      return error satisfies never;
  }
}

/** Puts the value into `found`, or says what is wrong with it. */
type ParameterReader<P> = (
  value: string | undefined,
  found: { -readonly [K in keyof P]: P[K] },
  context: EnvelopeContext,
) => ProtocolError | undefined;

// RFC 3461 4: xtext. RFC 6533 3 adds UTF-8 for addresses of the type utf-8.
const ENVID = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2}){1,100}$/;
const ORCPT =
  /^(?:[A-Za-z0-9-]{1,64};(?:[!-*,-<>-~]|\+[0-9A-F]{2}){1,500}|utf-8;[!-<>-~\x80-\u{10ffff}]{1,500})$/iu;
const NOTIFY = /^(?:NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2})$/i;

const MAIL_PARAMETERS: ReadonlyMap<string, ParameterReader<MailParameters>> = new Map<
  string,
  ParameterReader<MailParameters>
>([
  [
    'SIZE',
    (value, found, { maxSizeOctets }) => {
      if (value === undefined || !/^\d{1,20}$/.test(value)) return 'bad-parameter';
      found.sizeOctets = Number(value);
      return found.sizeOctets > maxSizeOctets ? 'size-exceeded' : undefined;
    },
  ],
  [
    'BODY',
    (value, found) => {
      const body = value?.toUpperCase();
      if (body !== '7BIT' && body !== '8BITMIME') return 'bad-parameter';
      found.body = body;
      return undefined;
    },
  ],
  [
    'SMTPUTF8',
    (value, found, { offer }) => {
      if (!offer.smtputf8) return 'parameter-not-implemented';
      if (value !== undefined) return 'bad-parameter';
      found.smtputf8 = true;
      return undefined;
    },
  ],
  [
    'RET',
    (value, found, { offer }) => {
      if (!offer.dsn) return 'parameter-not-implemented';
      const ret = value?.toUpperCase();
      if (ret !== 'FULL' && ret !== 'HDRS') return 'bad-parameter';
      found.ret = ret;
      return undefined;
    },
  ],
  [
    'ENVID',
    (value, found, { offer }) => {
      if (!offer.dsn) return 'parameter-not-implemented';
      if (value === undefined || !ENVID.test(value)) return 'bad-parameter';
      found.envid = value;
      return undefined;
    },
  ],
  [
    // RFC 4954 5: whom the sending server says the message is from. We trust nobody's word for it and drop it.
    'AUTH',
    (value, _found, { offer }) => {
      if (offer.auth.length === 0) return 'parameter-not-implemented';
      return value === undefined ? 'bad-parameter' : undefined;
    },
  ],
]);

const RCPT_PARAMETERS: ReadonlyMap<string, ParameterReader<RcptParameters>> = new Map<
  string,
  ParameterReader<RcptParameters>
>([
  [
    'NOTIFY',
    (value, found, { offer }) => {
      if (!offer.dsn) return 'parameter-not-implemented';
      if (value === undefined || !NOTIFY.test(value)) return 'bad-parameter';
      found.notify = value;
      return undefined;
    },
  ],
  [
    'ORCPT',
    (value, found, { offer }) => {
      if (!offer.dsn) return 'parameter-not-implemented';
      if (value === undefined || value.length > 500 || !ORCPT.test(value)) return 'bad-parameter';
      found.orcpt = value;
      return undefined;
    },
  ],
]);

// RFC 5321 4.1.2: esmtp-param; UTF-8 in values by RFC 6531 3.3.
const PARAMETER = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}(?:=[!-<>-~\x80-\u{10ffff}]+)?$/u;

function readParameters<P extends object>(
  text: string,
  readers: ReadonlyMap<string, ParameterReader<P>>,
  context: EnvelopeContext,
): P | ProtocolError {
  const found = {} as { -readonly [K in keyof P]: P[K] };
  const seen = new Set<string>();
  for (const word of text.split(' ')) {
    if (word === '') continue;
    if (!PARAMETER.test(word)) return 'syntax';
    const equals = word.indexOf('=');
    const name = (equals === -1 ? word : word.slice(0, equals)).toUpperCase();
    const read = readers.get(name);
    if (read === undefined) return 'parameter-not-implemented';
    if (seen.has(name)) return 'bad-parameter';
    seen.add(name);
    const error = read(equals === -1 ? undefined : word.slice(equals + 1), found, context);
    if (error !== undefined) return error;
  }
  return found;
}
