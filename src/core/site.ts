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
  /** Addresses our listeners are bound to, as far as they are not wildcards. */
  readonly addresses: readonly string[];
  /** Whom a refused sender may write to. */
  readonly contact: string;
}

export function isOurDomain(site: Site, domain: string): boolean {
  return site.domains.some((d) => (d.startsWith('.') ? domain.endsWith(d) : d === domain));
}
