/**
 * What the answers of DNS lists (DNSBL, DNSWL, RHSBL) mean. RFC 5782 2.3: a listing is an address in 127.0.0.0/8 whose octets are
 * codes. "Any answer is a listing" has blocked the mail of whole sites, on the day a list was asked over a public
 * resolver, ran over its quota or lost its domain: so codes are compared exactly, and what cannot be a listing is told apart.
 */
import { parseIp, parseNetwork } from '../mail/ip.ts';

/** Answers from `low` to `high` that share a bit with `mask`; no mask: all of them. */
export interface AnswerCode {
  readonly low: number;
  readonly high: number;
  readonly mask?: number;
}

/**
 * `127.0.0.2` | `127.0.0.2-11` (last octet) | `127.0.1.0/24`, each with an optional `&0.0.0.4`: one of these bits must be set.
 * A string instead of a code says what is wrong.
 */
export function parseAnswerCode(text: string): AnswerCode | string {
  const m =
    /^(127\.\d{1,3}\.\d{1,3}\.)(\d{1,3})(?:-(\d{1,3})|(\/\d{1,2}))?(?:&(\d{1,3}(?:\.\d{1,3}){3}))?$/.exec(
      text,
    );
  const problem = `"${text.slice(0, 60)}" is no answer code such as 127.0.0.2, 127.0.0.2-11, 127.0.1.0/24 or 127.0.0.0/24&0.0.0.4`;
  if (m === null) return problem;
  const [, head = '', last = '', rangeEnd, prefix = '', maskText] = m;
  const network = parseNetwork(head + last + prefix);
  if (network.kind === 'bad') return network.problem;
  if (network.prefix < 8) return problem;
  const low = network.base.words[0] ?? 0;
  let high = low + 2 ** (32 - network.prefix) - 1;
  if (rangeEnd !== undefined) {
    const end = wordOf(head + rangeEnd);
    if (end === undefined || end < low) return problem;
    high = end;
  }
  if (maskText === undefined) return { low, high };
  const mask = wordOf(maskText);
  return mask === undefined || mask === 0 ? problem : { low, high, mask };
}

export function matchesCode(code: AnswerCode, answer: string): boolean {
  const word = wordOf(answer);
  if (word === undefined || word < code.low || word > code.high) return false;
  return code.mask === undefined || (word & code.mask) !== 0;
}

/**
 * Why an answer cannot be a listing, or undefined: the list turns us away, or does not exist any more.
 * `refusals` are codes by which this list says "you may not ask me", beside those that all lists use.
 */
export function nonsenseIn(answers: readonly string[], refusals: readonly AnswerCode[]): string | undefined {
  for (const answer of answers) {
    const word = wordOf(answer);
    if (word === undefined || word >>> 24 !== 127) return `answered ${answer}, which is outside 127.0.0.0/8`;
    const known = REFUSALS.find((r) => matchesCode(r.code, answer));
    if (known !== undefined) return `answered ${answer}: ${known.meaning}`;
    if (refusals.some((code) => matchesCode(code, answer)))
      return `answered ${answer}: it refuses our questions`;
  }
  return undefined;
}

// Spamhaus' codes, which other lists took over; 127.0.0.1 is what URIBL and SURBL say to those who ask too much, and
// RFC 5782 2.3 keeps it from being a listing.
const REFUSALS: readonly { readonly code: AnswerCode; readonly meaning: string }[] = [
  { code: known('127.255.255.252'), meaning: 'the zone is misspelt' },
  { code: known('127.255.255.254'), meaning: 'it refuses questions through a public resolver' },
  { code: known('127.255.255.255'), meaning: 'we ask it too often' },
  { code: known('127.255.255.0/24'), meaning: 'it refuses our questions' },
  { code: known('127.0.0.1'), meaning: 'it refuses our questions' },
];

function known(text: string): AnswerCode {
  const code = parseAnswerCode(text);
  if (typeof code === 'string') throw new TypeError(code);
  return code;
}

function wordOf(text: string): number | undefined {
  const ip = parseIp(text);
  return ip?.family === 4 ? ip.words[0] : undefined;
}
