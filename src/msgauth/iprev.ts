import { parseIp, reverseName } from '../mail/ip.ts';
import type { DnsAnswer, DnsPort } from '../core/ports.ts';

/**
 * The client's reverse names and whether they lead back to it: FCrDNS, which RFC 8601 2.7.3 calls iprev. Whoever runs
 * the reverse zone may write any name into it; only a name that leads back to the address is the host's own.
 * Several checks ask this; the resolver answers the second asker from its cache.
 */
export interface Iprev {
  readonly ptr: AnswerKind;
  /** In the order of the alphabet: DNS turns them round with each answer, and a client must not be known by another name each time. */
  readonly names: readonly ReverseName[];
  /** Names beyond the limit, not looked at. */
  readonly left: number;
}

export interface ReverseName {
  readonly name: string;
  readonly forward: AnswerKind;
  /** It has the client among its addresses. */
  readonly confirmed: boolean;
}

export type AnswerKind = DnsAnswer<string>['kind'];

// RFC 7208 4.6.4 has the same limit for the same reason: the reverse zone's owner must not set us to work.
export const MAX_REVERSE_NAMES = 10;

export async function iprev(dns: DnsPort, address: string, signal: AbortSignal): Promise<Iprev> {
  const ip = parseIp(address);
  // A client without an IP address (a local socket behind a milter) has no reverse name.
  if (ip === undefined) return { ptr: 'nxdomain', names: [], left: 0 };
  const ptr = await dns.resolve(reverseName(ip), 'PTR', signal);
  if (ptr.kind !== 'found') return { ptr: ptr.kind, names: [], left: 0 };
  const asked = ptr.records.toSorted().slice(0, MAX_REVERSE_NAMES);
  const names = await Promise.all(
    asked.map(async (name): Promise<ReverseName> => {
      const forward = await dns.resolve(name, ip.family === 4 ? 'A' : 'AAAA', signal);
      return {
        name,
        forward: forward.kind,
        confirmed: forward.kind === 'found' && hasAddress(forward.records, address),
      };
    }),
  );
  return { ptr: ptr.kind, names, left: ptr.records.length - asked.length };
}

export function confirmedNames(found: Iprev): readonly string[] {
  return found.names.filter((n) => n.confirmed).map((n) => n.name);
}

/** Some answer is missing, or a name was not looked at, and with it the outcome might have been another. */
export function isIprevOpen(found: Iprev): boolean {
  const missing = (kind: AnswerKind) => kind === 'servfail' || kind === 'timeout';
  if (missing(found.ptr)) return true;
  return (
    confirmedNames(found).length === 0 && (found.left > 0 || found.names.some((n) => missing(n.forward)))
  );
}

/** Addresses have many spellings; these are compared as addresses. */
export function hasAddress(records: readonly string[], address: string): boolean {
  const wanted = parseIp(address);
  return records.some((record) => {
    const ip = parseIp(record);
    return (
      ip !== undefined && ip.family === wanted?.family && ip.words.every((w, i) => w === wanted.words[i])
    );
  });
}
