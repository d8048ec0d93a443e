import type { Mailbox } from '../mail/mailbox.ts';
import type { AnyCheck } from './check.ts';
import type { Facts } from './facts.ts';
import type { ListEntry } from './lists.ts';
import type { Site } from './site.ts';
import { isOurDomain } from './site.ts';

/** Why some checks do not apply (E8, E11, E12). */
export interface Exemption {
  readonly reason: string;
  /** Where it comes from: a setting, or file and line of a list entry. */
  readonly source: string;
  /** The names it lifts, or all that do not insist on being named. */
  readonly lifts: 'all' | readonly string[];
}

/** All exemptions of a client or recipient taken together. */
export interface Treatment {
  readonly exemptions: readonly Exemption[];
  /** A mailing-list host: refusals become tags. */
  readonly refusalsAreTags: boolean;
  /** Entries go by host names, and the client's could not be found out. */
  readonly namesOpen?: true | undefined;
}

export const NO_TREATMENT: Treatment = { exemptions: [], refusalsAreTags: false };

/** RFC 5321 4.5.1 and RFC 2142 5: they must be reachable, above all for those whom we refuse by mistake. */
const ALWAYS_REACHABLE = new Set(['postmaster', 'abuse']);

export function isAlwaysReachable({ local, domain }: Mailbox, site: Site): boolean {
  return ALWAYS_REACHABLE.has(local.toLowerCase()) && (domain === '' || isOurDomain(site, domain));
}

export function treatmentOf(facts: Facts, site: Site, entries: readonly ListEntry[]): Treatment {
  const exemptions: Exemption[] = [];
  const { session, recipient } = facts;
  if (site.networks.has(session.client.address)) {
    exemptions.push({
      reason: `${session.client.address} is in one of our own networks`,
      source: 'networks',
      lifts: 'all',
    });
  } else if (site.relays.has(session.client.address)) {
    exemptions.push({ reason: `${session.client.address} relays for us`, source: 'relays', lifts: 'all' });
  }
  if (session.authenticated !== undefined) {
    exemptions.push({
      reason: `authenticated as ${session.authenticated.identity}`,
      source: 'auth',
      lifts: 'all',
    });
  }
  let refusalsAreTags = false;
  if (recipient !== undefined) {
    const { mailbox } = recipient;
    if (isAlwaysReachable(mailbox, site)) {
      // What only its own name lifts (a failed DMARC) marks the message and does not stop it.
      refusalsAreTags = true;
      exemptions.push({
        reason: `${mailbox.local.toLowerCase()} is always reachable`,
        source: 'RFC 5321 4.5.1',
        lifts: 'all',
      });
    }
  }
  for (const entry of entries) {
    if (entry.kind === 'allow') {
      exemptions.push({
        reason: entry.reason ?? 'allow list',
        source: entry.source,
        lifts: entry.lifts ?? 'all',
      });
    } else if (entry.kind === 'list-host') refusalsAreTags = true;
  }
  return exemptions.length === 0 && !refusalsAreTags ? NO_TREATMENT : { exemptions, refusalsAreTags };
}

export function lifts(treatment: Treatment, check: Pick<AnyCheck, 'name' | 'lifted'>): boolean {
  return treatment.exemptions.some((e) =>
    e.lifts === 'all' ? check.lifted === 'by-any' : e.lifts.includes(check.name),
  );
}

/** Equal keys: recipients that can share a transaction, because one verdict on the message suits them all (E8). */
export function treatmentKey(treatment: Treatment): string {
  const named = new Set<string>();
  let all = '';
  for (const e of treatment.exemptions) {
    if (e.lifts === 'all') all = 'all';
    else for (const name of e.lifts) named.add(name);
  }
  return [all, ...[...named].sort(), treatment.refusalsAreTags ? 'tags' : ''].join(' ');
}
