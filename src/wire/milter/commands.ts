/**
 * What a command's payload says (libmilter's st_ functions in engine.c). Sees hostile octets: lengths are the MTA's, contents mostly
 * its client's: what a client can bring about through an honest MTA is never a mistake. Octets behind the last field are passed over, as libmilter does; a string that no NUL ends is a mistake.
 */
import { canonicalAddress } from '../../mail/ip.ts';
import { plainText, rawText } from '../client-text.ts';
import type { CommandName } from './codes.ts';
import type { Connect, HeaderField, MilterEvent, MilterLimits } from './events.ts';
import { FieldReader } from './frame.ts';

/** Commands that are asked as questions: each wants one answer. */
export type Question = Exclude<CommandName, 'optneg' | 'macro' | 'abort' | 'quit' | 'quit-nc'>;
export type QuestionEvent = Extract<MilterEvent, { kind: Question }>;

const TOLD: readonly CommandName[] = ['optneg', 'macro', 'abort', 'quit', 'quit-nc'];
export const isQuestion = (command: CommandName): command is Question => !TOLD.includes(command);

export interface ReadOptions {
  readonly limits: Pick<MilterLimits, 'arguments'>;
  /** SMFIP_HDR_LEADSPC holds. */
  readonly leadingSpace: boolean;
}

export function readQuestion(
  command: Question,
  payload: Buffer,
  options: ReadOptions,
): QuestionEvent | 'malformed' {
  switch (command) {
    case 'connect':
      return readConnect(payload);
    case 'helo': {
      const name = new FieldReader(payload).string();
      return name === undefined ? 'malformed' : { kind: 'helo', name: plainText(name) };
    }
    case 'mail':
    case 'rcpt':
      return readPath(command, payload, options.limits.arguments);
    case 'unknown': {
      const line = new FieldReader(payload).string();
      return line === undefined ? 'malformed' : { kind: 'unknown', line: plainText(line) };
    }
    case 'header':
      return readHeader(payload, options.leadingSpace);
    case 'body':
      return { kind: 'body', bytes: payload };
    case 'end-of-message':
      return { kind: 'end-of-message', bytes: payload };
    case 'data':
      return { kind: 'data' };
    case 'end-of-header':
      return { kind: 'end-of-header' };
    default:
      return command satisfies never;
  }
}

/** Host name, family, and unless that is unknown port and address. */
function readConnect(payload: Buffer): Connect | 'malformed' {
  const fields = new FieldReader(payload);
  const host = fields.string();
  const family = fields.octet();
  if (host === undefined || family === undefined) return 'malformed';
  const hostName = plainText(host);
  // SMFIA_UNKNOWN: Postfix gives it for a client without an address that it knows.
  if (family === 0x55) return { kind: 'connect', hostName, family: 'unknown', address: '', port: 0 };
  const port = fields.uint16();
  const given = fields.string();
  if (port === undefined || given === undefined) return 'malformed';
  const written = plainText(given);
  switch (String.fromCharCode(family)) {
    case 'L':
      return { kind: 'connect', hostName, family: 'unix', address: written, port: 0 };
    case '4': {
      const address = written.includes(':') ? undefined : canonicalAddress(written);
      return address === undefined
        ? 'malformed'
        : { kind: 'connect', hostName, family: 'inet', address, port };
    }
    case '6': {
      const address = inet6(written);
      if (address === undefined) return 'malformed';
      // An IPv4 address mapped into IPv6 is IPv4 once read.
      return { kind: 'connect', hostName, family: address.includes(':') ? 'inet6' : 'inet', address, port };
    }
    default:
      return 'malformed';
  }
}

// Sendmail writes `IPv6:2001:db8::7` (libmilter's mi_inet_pton takes both). A zone says which cable, not who.
const INET6 = /^(?:IPv6:)?([^%]*:[^%]*)(?:%.*)?$/is;

function inet6(written: string): string | undefined {
  const address = INET6.exec(written)?.[1];
  return address === undefined ? undefined : canonicalAddress(address);
}

function readPath(kind: 'mail' | 'rcpt', payload: Buffer, maxArguments: number): QuestionEvent | 'malformed' {
  const fields = new FieldReader(payload);
  const words: string[] = [];
  while (fields.left > 0) {
    const word = fields.string();
    if (word === undefined) return 'malformed';
    // An MTA takes a parameter twice and more often, so a client can make any number of them.
    if (words.length < maxArguments) words.push(rawText(word));
  }
  const [path, ...parameters] = words;
  return path === undefined ? 'malformed' : { kind, path, parameters };
}

const NO_NAME = /[\r\n:]|^$/;

function readHeader(payload: Buffer, leadingSpace: boolean): HeaderField | 'malformed' {
  const fields = new FieldReader(payload);
  const name = fields.string();
  const value = fields.string();
  if (name === undefined || value === undefined) return 'malformed';
  const label = name.toString('latin1');
  if (NO_NAME.test(label)) return 'malformed';
  const written = leadingSpace ? value : withLeadingSpace(value);
  return { kind: 'header', name: label, value: withCrlf(written), exact: leadingSpace };
}

const SPACE = Buffer.from(' ');
const LF = 0x0a;
const CR = 0x0d;

/**
 * Without SMFIP_HDR_LEADSPC the MTA keeps the space behind the colon to itself. Almost every field has one; a value that begins with a
 * tab or on the next line had most likely none.
 */
function withLeadingSpace(value: Buffer): Buffer {
  const first = value[0];
  return first === undefined || first === 0x09 || first === LF ? value : Buffer.concat([SPACE, value]);
}

/** Folded lines come with LF alone (xxfi_header); in the message they had CRLF. */
function withCrlf(value: Buffer): Buffer {
  if (!value.includes(LF)) return value;
  const out = Buffer.allocUnsafe(2 * value.length);
  let at = 0;
  for (const [i, octet] of value.entries()) {
    if (octet === LF && value[i - 1] !== CR) out[at++] = CR;
    out[at++] = octet;
  }
  return out.subarray(0, at);
}
