/**
 * Reverse-path and forward-path as MAIL and RCPT carry them: RFC 5321 4.1.2, with the UTF-8 of RFC 6531 3.3.
 * Sees untrusted text: the part of a command line after `FROM:` or `TO:`, already bounded in length. Mistakes are data.
 */
import { Buffer } from 'node:buffer';
import { formatAddressLiteral, parseAddressLiteral, parseDomain } from './domain.ts';
import type { Mailbox, ReversePath } from './mailbox.ts';

export interface PathOptions {
  /** For listed broken clients: angle brackets may be missing, spaces may precede, domains may have `_`. */
  readonly lenient?: boolean;
  /** RFC 5321 4.5.3.1.1 unless given. */
  readonly localPartOctets?: number;
}

/** `null-path`: `<>` where a mailbox is due. */
export type PathError = 'syntax' | 'null-path' | 'too-long';

export type PathResult<P> =
  | {
      readonly kind: 'path';
      readonly path: P;
      /** It was written with characters beyond ASCII: legal only with SMTPUTF8. */
      readonly utf8: boolean;
      /** What follows the path: empty, or it begins with a space. */
      readonly rest: string;
    }
  | { readonly kind: 'error'; readonly error: PathError };

/** `<>` is the null reverse-path. */
export function parseReversePath(text: string, options: PathOptions = {}): PathResult<ReversePath> {
  return parsePath(text, options);
}

/** `<Postmaster>` needs no domain (RFC 5321 4.5.1); `<>` is an error. */
export function parseForwardPath(text: string, options: PathOptions = {}): PathResult<Mailbox> {
  const result = parsePath(text, options, 'postmaster');
  if (result.kind === 'error') return result;
  return result.path === null ? NULL_PATH : { ...result, path: result.path };
}

// RFC 5321 4.5.3.1.1 and 4.5.3.1.3, the latter with its angle brackets.
const MAX_LOCAL_PART_OCTETS = 64;
const MAX_PATH_OCTETS = 256;

const SYNTAX = { kind: 'error', error: 'syntax' } as const;
const NULL_PATH = { kind: 'error', error: 'null-path' } as const;
const TOO_LONG = { kind: 'error', error: 'too-long' } as const;

// Sticky, each linear: every alternative begins with a character that the others cannot.
const DOT_STRING = /[\w!#$%&'*+\-/=?^`{|}~\x80-\u{10ffff}]+(?:\.[\w!#$%&'*+\-/=?^`{|}~\x80-\u{10ffff}]+)*/uy;
const QUOTED = /"((?:[\x20!\x23-\x5b\x5d-\x7e\x80-\u{10ffff}]|\\[\x20-\x7e])*)"/uy;
const ROUTE = /@[^\s,:<>]+(?:,@[^\s,:<>]+)*:/y;
const DOMAIN = /\[[^\s<>\]]*\]|[^\s<>[\]]+/y;

function parsePath(text: string, options: PathOptions, bare?: 'postmaster'): PathResult<ReversePath> {
  const lenient = options.lenient === true;
  const start = lenient ? text.length - text.trimStart().length : 0;
  const bracketed = text.charAt(start) === '<';
  if (!bracketed && !lenient) return SYNTAX;
  let at = bracketed ? start + 1 : start;

  const finish = (path: ReversePath): PathResult<ReversePath> => {
    if (bracketed) {
      if (text.charAt(at) !== '>') return SYNTAX;
      at++;
    }
    if (at < text.length && text.charAt(at) !== ' ') return SYNTAX;
    const written = text.slice(start, at);
    const octets = Buffer.byteLength(written);
    if (octets > MAX_PATH_OCTETS) return TOO_LONG;
    return { kind: 'path', path, utf8: octets !== written.length, rest: text.slice(at) };
  };

  if (bracketed && text.charAt(at) === '>') return finish(null);

  // RFC 5321 4.1.2, appendix C: source routes must be accepted and should be ignored.
  if (text.charAt(at) === '@') {
    const route = match(ROUTE, text, at);
    if (route === undefined) return SYNTAX;
    at += route[0].length;
    const hosts = route[0].slice(0, -1).split(',');
    if (hosts.some((host) => parseDomain(host.slice(1), { underscore: lenient }) === undefined))
      return SYNTAX;
  }

  const quoted = match(QUOTED, text, at);
  const written = quoted ?? match(DOT_STRING, text, at);
  if (written === undefined) return SYNTAX;
  at += written[0].length;
  const local = quoted === undefined ? written[0] : (written[1] ?? '').replace(/\\(.)/g, '$1');
  if (Buffer.byteLength(local) > (options.localPartOctets ?? MAX_LOCAL_PART_OCTETS)) return TOO_LONG;

  if (text.charAt(at) !== '@') {
    return local.toLowerCase() === bare ? finish({ local, domain: '' }) : SYNTAX;
  }
  const host = match(DOMAIN, text, at + 1);
  if (host === undefined) return SYNTAX;
  at += 1 + host[0].length;
  const domain = parseHost(host[0], lenient);
  return domain === undefined ? SYNTAX : finish({ local, domain });
}

function parseHost(text: string, lenient: boolean): string | undefined {
  if (!text.startsWith('[')) return parseDomain(text, { underscore: lenient });
  const address = parseAddressLiteral(text);
  return address === undefined ? undefined : formatAddressLiteral(address);
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}
