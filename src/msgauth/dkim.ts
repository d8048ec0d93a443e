/**
 * DKIM (RFC 6376, 8301, 8463) and what ARC needs of it, in one reading of the message: mailauth verifies, strictly, over our
 * resolver. Header and body are a stranger's; `signed-header.ts` bounds what the header may cost, and here the body: it is
 * hashed piece by piece as it comes from the spool, at most so many times, and a line that never ends is not hashed at all.
 * Keys are asked for before the first octet of the body is read.
 */
import { Readable } from 'node:stream';
import type { DKIMResult, DKIMVerifyOptions, DKIMVerifyResult } from 'mailauth';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import type { DnsPort, MessagePort } from '../core/ports.ts';
import { fieldValue, type Header } from '../mail/header.ts';
import { unreadAuthors } from './authors.ts';
import { verifyChain, type ArcOutcome } from './arc.ts';
import { mailauthResolver } from './mailauth-resolver.ts';
import { shown } from './shown.ts';
import { RelaxedBody } from './relaxed-body.ts';
import { signedHeader, type Pass } from './signed-header.ts';

export const DKIM_RESULTS = ['pass', 'fail', 'policy', 'neutral', 'temperror'] as const;
/** RFC 8601 2.7.1: `neutral` could not be processed, `policy` is not good enough for us. */
export type DkimResult = (typeof DKIM_RESULTS)[number];

export interface DkimOutcome {
  readonly result: DkimResult;
  /** `d=`, lower-case. */
  readonly domain: string;
  readonly selector: string;
  /** `i=`, or what stands for it. */
  readonly identity: string;
  readonly algorithm: string;
  /** The beginning of `b=`, which tells signatures of one domain apart. */
  readonly signature: string;
  /** Octets of the body behind those that `l=` covers. */
  readonly unsignedOctets?: number;
  /** What is wrong, of all but pass. */
  readonly problem?: string;
}

export interface MessageAuthentication {
  readonly dkim: readonly DkimOutcome[];
  /** Signatures beyond the limits. */
  readonly leftOut: number;
  readonly arc: ArcOutcome;
  /** Addresses in From, as written, and what else there looks like one. */
  readonly from: readonly string[];
  readonly fromFields: number;
}

// RFC 8301 3.2: verifiers must not take keys below 1024.
const MIN_KEY_BITS = 1024;
// RFC 5322 2.1.1 says 998; programs that write HTML in one line take some hundred thousand. mailauth keeps a line until it ends and
// reads it again with every piece, of which this is eight.
export const MAX_LINE_OCTETS = 524_288;
const MAX_KEPT = 255;
const MAX_PROBLEM_KEPT = 80;
const MAX_SIGNATURE_KEPT = 8;
const LF = 10;

const readings = new WeakMap<MessagePort, Promise<MessageAuthentication>>();

/**
 * Three checks want it of the same message: it is read once. `atMs` is the time by which signatures expire. Rejects when the
 * signal ends, or the spool fails.
 */
export function authenticateMessage(
  message: MessagePort,
  dns: DnsPort,
  atMs: number,
  signal: AbortSignal,
): Promise<MessageAuthentication> {
  let reading = readings.get(message);
  if (reading === undefined) readings.set(message, (reading = read(message, dns, atMs, signal)));
  return reading;
}

// Whoever writes to us has us ask whom they will: what is usual is asked ahead, the rest where it is verified.
export const MAX_ASKED_AHEAD = 12;

/** Asks for the keys that a header names, and for the author's DMARC record; whoever wants them later finds them with the resolver. */
export async function askAhead(header: Header, dns: DnsPort, signal: AbortSignal): Promise<void> {
  const content = { sizeOctets: header.end, chunks: () => [] };
  const { keyNames } = await signedHeader({ header, content });
  const from = header.fields.find(({ name }) => name.toLowerCase() === 'from');
  const author = from === undefined ? undefined : authorDomain(fieldValue(header.bytes, from));
  const few = keyNames.slice(0, MAX_ASKED_AHEAD);
  const names = author === undefined ? few : [...few, `_dmarc.${author}`];
  await Promise.all(names.map((name) => dns.resolve(name.toLowerCase(), 'TXT', signal)));
}

/** A guess, good enough to ask ahead by. */
const authorDomain = (from: string): string | undefined =>
  /@([a-z0-9.-]{1,253})>?\s*$/.exec(from.slice(-300).toLowerCase())?.[1];

async function read(
  message: MessagePort,
  dns: DnsPort,
  atMs: number,
  signal: AbortSignal,
): Promise<MessageAuthentication> {
  const header = await signedHeader(message);
  const resolver = mailauthResolver(dns, signal);
  for (const name of header.keyNames) void resolver.resolve(name, 'TXT').catch(() => undefined);
  const options = {
    resolver: resolver.resolve as never,
    curTime: new Date(atMs),
    minBitLength: MIN_KEY_BITS,
    strict: true,
    // Else it would look for the Return-Path in the header.
    sender: 'nobody@invalid',
  };
  const { leftOut, fromFields } = header;
  const dkim: DkimOutcome[] = [];
  let arc: ArcOutcome =
    header.arc === 'too large'
      ? { result: 'fail', sets: [], problem: 'the ARC fields are too large, or too many' }
      : { result: 'none', sets: [] };
  let from: readonly string[] = [];
  for (const pass of header.passes) {
    const verified = await readPieces(pieces(message.content, header.bodyStart, pass, signal), options);
    if (verified === undefined) {
      // The author is found out all the same.
      const { headerFrom } = await dkimVerify(pass.bytes, options);
      from = [...headerFrom, ...unreadAuthors(header.fromTexts, headerFrom)];
      if (header.arc === 'some') arc = { result: 'fail', sets: [], problem: TOO_LONG };
      return { dkim: [], leftOut: leftOut + header.signatures, arc, from, fromFields };
    }
    // Of a message without signatures it says so in a result.
    dkim.push(...verified.results.filter(({ id }) => id !== undefined).map(outcomeOf));
    if (pass.arc) arc = await verifyChain(verified.arc, resolver, MIN_KEY_BITS);
    from = verified.headerFrom;
  }
  from = [...from, ...unreadAuthors(header.fromTexts, from)];
  return { dkim, leftOut, arc, from, fromFields };
}

const TOO_LONG = 'the message has a line that is too long';
class LineTooLong extends Error {}

/** Undefined where a line is too long. */
async function readPieces(
  from: AsyncIterable<Buffer>,
  options: DKIMVerifyOptions,
): Promise<DKIMVerifyResult | undefined> {
  try {
    // Pieces have 64 KiB: one on its way is enough.
    return await dkimVerify(Readable.from(from, { objectMode: false, highWaterMark: 1 }), options);
  } catch (error) {
    if (error instanceof LineTooLong) return undefined;
    throw error;
  }
}

async function* pieces(
  content: MessagePort['content'],
  bodyStart: number,
  { bytes, body }: Pass,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  yield bytes;
  if (body === 'none') return;
  const relaxed = body === 'relaxed' ? new RelaxedBody() : undefined;
  let at = 0;
  let lineOctets = 0;
  for await (const chunk of content.chunks()) {
    signal.throwIfAborted();
    const piece = at >= bodyStart ? chunk : chunk.subarray(bodyStart - at);
    at += chunk.length;
    if (piece.length === 0) continue;
    const first = piece.indexOf(LF);
    lineOctets += first < 0 ? piece.length : first;
    if (lineOctets > MAX_LINE_OCTETS) throw new LineTooLong(TOO_LONG);
    if (first >= 0) lineOctets = piece.length - 1 - piece.lastIndexOf(LF);
    const form = relaxed === undefined ? piece : relaxed.next(piece);
    if (form.length > 0) yield form;
  }
  const rest = relaxed?.end();
  if (rest !== undefined && rest.length > 0) yield rest;
}

function outcomeOf(found: DKIMResult): DkimOutcome {
  const { status } = found;
  const domain = found.signingDomain ?? '';
  const selector = found.selector ?? '';
  const header = (status.header ?? {}) as Readonly<Record<string, unknown>>;
  const unsigned = status.underSized ?? 0;
  const said = DKIM_RESULTS.find((r) => r === status.result) ?? 'neutral';
  // RFC 6376 8.2: whoever may add to the body of a signed message writes in the signer's name.
  const partly = said === 'pass' && unsigned > 0;
  const problem = partly
    ? `the signature leaves out ${unsigned} octets at the end`
    : said === 'pass'
      ? ''
      : (status.comment ?? (said === 'policy' ? 'weak key' : 'not valid'));
  return {
    result: partly ? 'policy' : said,
    domain: shown(typeof header['d'] === 'string' ? header['d'].toLowerCase() : domain, MAX_KEPT),
    selector: shown(selector, MAX_KEPT),
    identity: shown(typeof header['i'] === 'string' ? header['i'] : '', MAX_KEPT),
    algorithm: shown(found.algo ?? '', MAX_KEPT),
    signature: shown(found.signature?.slice(0, MAX_SIGNATURE_KEPT) ?? '', MAX_SIGNATURE_KEPT),
    ...(unsigned > 0 ? { unsignedOctets: unsigned } : {}),
    ...(problem === '' ? {} : { problem: shown(problem, MAX_PROBLEM_KEPT) }),
  };
}
