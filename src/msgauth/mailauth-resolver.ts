/**
 * Our DNS port in the form of `dns.promises.resolve`, for one message. Whatever the message names is asked once and no more
 * than so many names in all; what is not answered is remembered, for mailauth calls it a failure where we want to say that
 * nobody knows.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { DnsAnswer, DnsPort } from '../core/ports.ts';

export type MailauthResolve = (name: string, type: string) => Promise<unknown[]>;

export interface MailauthResolver {
  readonly resolve: MailauthResolve;
  /** Whether a question for the name went without an answer. */
  readonly isOpen: (name: string) => boolean;
}

// A chain of 20 ARC seals and ten signatures ask for 31 keys; a DMARC tree walk takes eight questions.
export const MAX_QUESTIONS = 64;
// A key of 16,384 bits is 2,800 octets in base64.
export const MAX_TXT_OCTETS = 4096;
// RFC 8301 3.2: 4096 bits have to be taken, more may be. One of 8192 takes half a millisecond to verify with.
export const MAX_RSA_BITS = 8192;
// Whoever signs may make the exponent as long as the modulus, and each verification a hundred times as slow: 65537 is what
// everybody has, and OpenSSL's own bound is 64 bits, but only above 3072.
export const MAX_RSA_EXPONENT = 0xffff_ffffn;

/** A failure as mailauth reads it: a code of `node:dns`, or one of its own. */
class DnsTrouble extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export function mailauthResolver(dns: DnsPort, signal: AbortSignal): MailauthResolver {
  const asked = new Map<string, Promise<unknown[]>>();
  const open = new Set<string>();
  const ask = async (name: string, type: string): Promise<unknown[]> => {
    switch (type) {
      case 'TXT':
        return texts(await dns.resolve(name, 'TXT', signal), name);
      case 'A':
      case 'CNAME':
        return [...records(await dns.resolve(name, type, signal), name)];
      default:
        throw new DnsTrouble('ENOTIMP', `no question of type ${type}`);
    }
  };
  function records<R>(answer: DnsAnswer<R>, name: string): readonly R[] {
    switch (answer.kind) {
      case 'found':
        return answer.records;
      case 'no-data':
        throw new DnsTrouble('ENODATA', 'no data');
      case 'nxdomain':
        throw new DnsTrouble('ENOTFOUND', 'no such name');
      case 'servfail':
        open.add(name);
        throw new DnsTrouble('ESERVFAIL', `DNS says ${answer.reason}`);
      case 'timeout':
        open.add(name);
        throw new DnsTrouble('ETIMEOUT', 'no answer in time');
      default:
        return answer satisfies never;
    }
  }
  function texts(answer: DnsAnswer<string>, name: string): unknown[] {
    const found = records(answer, name);
    const short = found.filter((text) => text.length <= MAX_TXT_OCTETS && !holdsSlowKey(text));
    if (short.length === 0) throw new DnsTrouble('ENODATA', 'the record is too long, or its key too slow');
    // mailauth takes the first record for the key (RFC 6376 3.6.2.2 leaves it open), whatever else stands beside it.
    const keys = name.includes('._domainkey.') ? short.filter((text) => /(?:^|;)\s*p\s*=/.test(text)) : [];
    const wanted = keys.length > 0 ? keys : short;
    return wanted.map((text) => [text]);
  }
  return {
    resolve: (written, type) => {
      const name = written.toLowerCase().replace(/\.$/, '');
      const key = `${type} ${name}`;
      let answer = asked.get(key);
      if (answer === undefined) {
        if (asked.size >= MAX_QUESTIONS) {
          open.add(name);
          answer = Promise.reject(new DnsTrouble('ESERVFAIL', 'the message asks too much of DNS'));
        } else answer = ask(name, type);
        // Asked ahead, it may fail before anybody waits for it.
        answer.catch(() => undefined);
        asked.set(key, answer);
      }
      return answer;
    },
    isOpen: (written) => open.has(written.toLowerCase().replace(/\.$/, '')),
  };
}

/** Whether a key record holds an RSA key that takes long to verify with, in any of the ways that mailauth might read it. */
function holdsSlowKey(record: string): boolean {
  const said = record.replace(/\s+/g, '').matchAll(/(?:^|;)p=([^;]*)/g);
  return [...said].slice(0, MAX_KEYS_READ).some(([, base64 = '']) => {
    const key = rsaKey(Buffer.from(base64, 'base64'));
    const { modulusLength = 0, publicExponent = 0n } = key?.asymmetricKeyDetails ?? {};
    return modulusLength > MAX_RSA_BITS || publicExponent > MAX_RSA_EXPONENT;
  });
}

// Strictly read, a record with a tag twice is none.
const MAX_KEYS_READ = 2;

function rsaKey(der: Buffer): KeyObject | undefined {
  for (const type of ['spki', 'pkcs1'] as const) {
    try {
      return createPublicKey({ key: der, format: 'der', type });
    } catch {
      // No key of this form: the verifier says so of its own.
    }
  }
  return undefined;
}
