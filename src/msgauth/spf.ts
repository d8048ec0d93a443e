/**
 * SPF (RFC 7208): may this client send for this domain? The evaluation is mailauth's, in its strict mode, over our
 * resolver. Records and explanations are strangers' texts: the size of a record is bounded before it is read, for a record
 * of 64 KiB is twenty thousand terms, and what is kept of a text is cleaned and cut.
 * Limits: 10 terms that ask DNS, 2 of them without answer, 10 names under each MX or PTR (RFC 7208 4.6.4); the signal
 * ends all of it.
 */
import { spf, type SPFOptions, type SPFResult } from 'mailauth/lib/spf/index.js';
import type { DnsAnswer, DnsPort, DnsRecords, DnsType } from '../core/ports.ts';
import { shown } from './shown.ts';

export const SPF_RESULTS = ['pass', 'fail', 'softfail', 'neutral', 'none', 'permerror', 'temperror'] as const;
export type SpfResult = (typeof SPF_RESULTS)[number];

export interface SpfQuestion {
  readonly client: string;
  /** `local@domain`; null asks about the HELO identity (RFC 7208 2.4). */
  readonly sender: string | null;
  readonly helo: string;
  /** Our own name, for the macro `r`. */
  readonly receiver: string;
}

export interface SpfOutcome {
  readonly identity: 'mailfrom' | 'helo';
  readonly domain: string;
  readonly result: SpfResult;
  /** Terms that asked DNS, and those of them without answer. */
  readonly lookups: number;
  readonly voidLookups: number;
  /** The domain's own record, where it has one. */
  readonly record?: string;
  /** A record that was read on the way, included ones among them, permits everybody or nearly so. */
  readonly permitsTheWorld?: true;
  /** What is wrong, of permerror and temperror. */
  readonly problem?: string;
  /** What the domain says to those it fails (`exp=`): a stranger's text. */
  readonly explanation?: string;
}

// RFC 7208 4.6.4.
export const MAX_LOOKUPS = 10;
export const MAX_VOID_LOOKUPS = 2;
// RFC 7208 3.4 wants records below 512 octets; the longest honest ones have some 2,000. The cost grows with the square: 8 KiB take 26 ms.
export const MAX_RECORD_OCTETS = 4096;
const MAX_RECORD_KEPT = 512;
const MAX_EXPLANATION_KEPT = 120;
const MAX_PROBLEM_KEPT = 100;
const MAX_DOMAIN_KEPT = 255;

export async function checkHost(
  dns: DnsPort,
  question: SpfQuestion,
  signal: AbortSignal,
): Promise<SpfOutcome> {
  const { client, sender, helo, receiver } = question;
  const seen = { worldwide: false };
  const found = await spf({
    sender: sender ?? '',
    ip: client,
    helo,
    mta: receiver,
    strict: true,
    maxResolveCount: MAX_LOOKUPS,
    maxVoidCount: MAX_VOID_LOOKUPS,
    resolver: mailauthResolver(dns, signal, seen),
  });
  const { status, rr: record, lookups } = found;
  const result = SPF_RESULTS.find((r) => r === status.result) ?? 'temperror';
  const explanation = found.explanation === undefined ? '' : shown(found.explanation, MAX_EXPLANATION_KEPT);
  const problem = result === 'permerror' || result === 'temperror' ? problemIn(found) : '';
  return {
    identity: sender === null ? 'helo' : 'mailfrom',
    domain: shown(found.domain, MAX_DOMAIN_KEPT),
    result,
    lookups: lookups?.count ?? 0,
    voidLookups: lookups?.void ?? 0,
    ...(record === undefined ? {} : { record: shown(record, MAX_RECORD_KEPT) }),
    ...(seen.worldwide ? { permitsTheWorld: true } : {}),
    ...(problem === '' ? {} : { problem }),
    ...(explanation === '' ? {} : { explanation }),
  };
}

// `all` that passes, networks so wide that two or a few of them are the Internet, a name that exists whoever asks.
const PERMITS_THE_WORLD =
  /(?:^| )\+?(?:all|ip4:[0-9.]+\/[0-7]|ip6:[0-9a-f:.]+\/(?:[0-9]|1[0-5])|(?:a|mx)(?::[^ /]*)?(?:\/[0-7](?:\/\/[0-9]+)?|(?:\/[0-9]+)?\/\/(?:[0-9]|1[0-5]))|exists:[^% ]+)(?: |$)/i;

/** A failure as mailauth reads it: a code of `node:dns`, or a result that ends the evaluation. */
class SpfTrouble extends Error {
  readonly code: string;
  readonly spfResult?: { readonly error: 'permerror' | 'temperror'; readonly text: string };

  constructor(code: string, message: string, error?: 'permerror' | 'temperror') {
    super(message);
    this.code = code;
    if (error !== undefined) this.spfResult = { error, text: message };
  }
}

/** Our DNS port in the form of `dns.promises.resolve`. */
function mailauthResolver(
  dns: DnsPort,
  signal: AbortSignal,
  seen: { worldwide: boolean },
): NonNullable<SPFOptions['resolver']> {
  const resolve = async (name: string, type: string): Promise<unknown[]> => {
    switch (type) {
      case 'TXT': {
        const texts = await ask(dns, name, 'TXT', signal);
        const spfOnes = texts.filter((text) => /^v=spf1(?: |$)/i.test(text));
        if (spfOnes.some((text) => text.length > MAX_RECORD_OCTETS)) {
          throw new SpfTrouble('ETOOLONG', 'the record is too long', 'permerror');
        }
        seen.worldwide ||= spfOnes.some((text) => PERMITS_THE_WORLD.test(text));
        return texts.filter((text) => text.length <= MAX_RECORD_OCTETS).map((text) => [text]);
      }
      case 'MX':
        return [...(await ask(dns, name, 'MX', signal))];
      case 'A':
      case 'AAAA':
      case 'PTR':
        return [...(await ask(dns, name, type, signal))];
      default:
        throw new SpfTrouble('ENOTIMP', `no question of type ${type}`);
    }
  };
  return resolve as NonNullable<SPFOptions['resolver']>;
}

async function ask<T extends DnsType>(
  dns: DnsPort,
  name: string,
  type: T,
  signal: AbortSignal,
): Promise<readonly DnsRecords[T][]> {
  const answer: DnsAnswer<DnsRecords[T]> = await dns.resolve(name, type, signal);
  switch (answer.kind) {
    case 'found':
      return answer.records;
    case 'no-data':
      throw new SpfTrouble('ENODATA', 'no data');
    case 'nxdomain':
      throw new SpfTrouble('ENOTFOUND', 'no such name');
    case 'servfail':
      throw new SpfTrouble('ESERVFAIL', `DNS says ${answer.reason} to a question for ${type}`);
    case 'timeout':
      // RFC 7208 5.5 takes a failed PTR look-up for "no match". Where it is our own time that is up, that would turn our
      // haste into the domain's "fail": this code ends the whole evaluation with temperror.
      if (signal.aborted) throw new SpfTrouble('ESPFTIMELIMIT', 'no answer in time', 'temperror');
      throw new SpfTrouble('ETIMEOUT', 'no answer in time');
    default:
      return answer satisfies never;
  }
}

/** mailauth's comment is `receiver: what it did during lookup of sender: what is wrong`. */
function problemIn({ status, 'envelope-from': sender = '' }: SPFResult): string {
  const before = ` during lookup of ${sender}: `;
  const at = status.comment?.indexOf(before) ?? -1;
  return at === -1 ? '' : shown(status.comment?.slice(at + before.length) ?? '', MAX_PROBLEM_KEPT);
}
