import { formatNetwork, networkAround, parseIp } from '../mail/ip.ts';
import type { BatvKey } from '../mail/batv.ts';
import type { NetworkSet } from '../mail/networks.ts';

/** What the gate knows of its own place: read by checks, settled when the configuration is loaded. */
export interface Site {
  readonly hostName: string;
  /** What we accept mail for, lower-case. A leading dot takes all names below. */
  readonly domains: readonly string[];
  /** Ours: never filtered, may relay (E12). */
  readonly networks: NetworkSet;
  /** Hosts we relay for and our secondary MXs: never filtered or delayed, but they may not relay through us (E12). */
  readonly relays: NetworkSet;
  /** Leading bits that make one client network (C5, C2). */
  readonly clientPrefix: { readonly v4: number; readonly v6: number };
  /** Addresses our listeners are bound to, as far as they are not wildcards. */
  readonly addresses: readonly string[];
  /** Whether a listener stands behind a high-numbered MX (C3). */
  readonly honeypot?: boolean;
  /** Keys by which outgoing mail is signed (BATV), the one in use first; absent or empty: it is not. */
  readonly batvKeys?: readonly BatvKey[] | undefined;
  /** We sign it ourselves, by the first of them. */
  readonly signsOutgoing?: boolean;
  /** Whom a refused sender may write to. */
  readonly contact: string;
  /** Where it may report a mistake: `URL/r/ID`; absent where there is no such page, or the gate knows that it is down. */
  readonly reportUrl?: string | undefined;
}

export function isOurDomain(site: Pick<Site, 'domains'>, domain: string): boolean {
  return site.domains.some((d) => (d.startsWith('.') ? domain.endsWith(d) : d === domain));
}

/** The client network that an address belongs to, by which conduct is remembered and connections are counted. */
export function clientNetwork({ clientPrefix }: Pick<Site, 'clientPrefix'>, address: string): string {
  const v4 = !address.includes(':');
  if (v4 && clientPrefix.v4 === 32) return address;
  const ip = parseIp(address);
  return ip === undefined
    ? address
    : formatNetwork(networkAround(ip, v4 ? clientPrefix.v4 : clientPrefix.v6));
}
