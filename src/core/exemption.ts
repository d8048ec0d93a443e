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
  /**
   * Whom it speaks for. That it is this client's mail is certain. A sender is what the client says, and a recipient that takes everything
   * did not ask for spam without a mark.
   */
  readonly about: 'client' | 'envelope';
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
      about: 'client',
    });
  } else if (site.relays.has(session.client.address)) {
    exemptions.push({
      reason: `${session.client.address} relays for us`,
      source: 'relays',
      lifts: 'all',
      about: 'client',
    });
  }
  if (session.authenticated !== undefined) {
    exemptions.push({
      reason: `authenticated as ${session.authenticated.identity}`,
      source: 'auth',
      lifts: 'all',
      about: 'client',
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
        about: 'envelope',
      });
    }
  }
  for (const entry of entries) {
    if (entry.kind === 'allow') {
      exemptions.push({
        reason: entry.reason ?? 'allow list',
        source: entry.source,
        lifts: entry.lifts ?? 'all',
        about: entry.sender === undefined && entry.recipient === undefined ? 'client' : 'envelope',
      });
    } else if (entry.kind === 'list-host') refusalsAreTags = true;
  }
  return exemptions.length === 0 && !refusalsAreTags ? NO_TREATMENT : { exemptions, refusalsAreTags };
}

/** `tags`: it is asked, and what it would refuse or defer is a tag. `none`: it is not asked at all. */
export type Hearing = 'full' | 'tags' | 'none';

/**
 * How far a check is heard under the treatment: the one place that decides it. What an exemption lifts before DATA would refuse or delay
 * the client, and no more; so it is not asked. What the message itself says is of use to the filters behind us even where nobody is
 * refused for it (M9): for an exemption of the envelope it is asked, and tags.
 */
export function hearingOf(
  { exemptions, refusalsAreTags }: Treatment,
  { name, stage, lifted, tagsListHosts }: Pick<AnyCheck, 'name' | 'stage' | 'lifted' | 'tagsListHosts'>,
): Hearing {
  const byAny = lifted === 'by-any';
  // The protocol's own rules and viruses hold for a list server and for postmaster all the same.
  let hearing: Hearing = refusalsAreTags && (byAny || tagsListHosts === true) ? 'tags' : 'full';
  for (const e of exemptions) {
    if (e.lifts === 'all' ? !byAny : !e.lifts.includes(name)) continue;
    if (e.lifts !== 'all' || e.about === 'client' || stage !== 'endOfMessage') return 'none';
    hearing = 'tags';
  }
  return hearing;
}

/** An exemption of the client itself from all checks: nothing said of the envelope, and no name of the client's, adds to it. */
export function isClientExempt({ exemptions }: Treatment): boolean {
  return exemptions.some((e) => e.lifts === 'all' && e.about === 'client');
}

/** Equal keys: recipients that can share a transaction, because one verdict on the message suits them all (E8). */
export function treatmentKey({ exemptions, refusalsAreTags }: Treatment): string {
  const named = new Set<string>();
  let all = '';
  for (const e of exemptions) {
    if (e.lifts !== 'all') for (const name of e.lifts) named.add(name);
    else if (e.about === 'client') all = 'client';
    else if (all === '') all = 'envelope';
  }
  return [all, ...[...named].sort(), refusalsAreTags ? 'tags' : ''].join(' ');
}
