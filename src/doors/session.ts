/** What all doors share around a session: what they take from the configuration and the world, and how one is begun and written down. */
import type { Decision } from '../core/decision.ts';
import type { MessageContent } from '../core/delivery.ts';
import type { Policy } from '../core/policy.ts';
import type { DnsPort, Ports, RecipientsPort } from '../core/ports.ts';
import { replies } from '../core/replies.ts';
import { clientNetwork, type Site } from '../core/site.ts';
import { Session, type Opening } from '../engine/session.ts';
import type { Mailbox, ReversePath } from '../mail/mailbox.ts';
import { plainText } from '../wire/client-text.ts';

/** What judges; a session keeps the one that it began with, a reload makes another (O13). */
export interface JudgeSettings {
  readonly policy: Policy;
  readonly ports: Omit<Ports, 'recipients'>;
  /** DNS with a client network's share of it. Absent: nothing bounds one client. */
  readonly dnsFor?: ((network: string) => DnsPort) | undefined;
}

/** A message being taken: in memory up to a bound, then in a file that dies with it. */
export interface IncomingContent {
  /** A promise asks for a pause in reading; it never rejects. */
  append(bytes: Buffer): Promise<void> | undefined;
  finish(): Promise<
    MessageContent | { readonly kind: 'disk-full' } | { readonly kind: 'failed'; readonly reason: string }
  >;
  dispose(): void;
}

export interface DoorWorld {
  incoming(): IncomingContent;
  record(decision: Decision): void;
  /** Something went wrong that is ours: for the operator's log. */
  readonly trouble: (what: string, error: unknown, id?: string) => void;
  readonly nowMs: () => number;
  readonly newId: () => string;
}

export function openSession(
  world: Omit<DoorWorld, 'incoming' | 'record'>,
  settings: JudgeSettings,
  opening: Opening,
  recipients: RecipientsPort,
): Session {
  return new Session(
    {
      policy: settings.policy,
      ports: { ...settings.ports, dns: dnsOf(settings, opening.client.address), recipients },
      nowMs: world.nowMs,
      newId: world.newId,
      trouble: world.trouble,
    },
    opening,
  );
}

/** Our own networks and the relays we serve speak for many: no share bounds them. */
function dnsOf({ policy: { site }, ports, dnsFor }: JudgeSettings, address: string): DnsPort {
  if (dnsFor === undefined || site.networks.has(address) || site.relays.has(address)) return ports.dns;
  return dnsFor(clientNetwork(site, address));
}

/** An MTA that takes a sender without a domain puts its own there; RFC 5321 2.3.5 has none without. */
export function qualified(path: ReversePath, { hostName }: Pick<Site, 'hostName'>): ReversePath {
  return path === null || path.domain !== '' ? path : { ...path, domain: hostName };
}

// RFC 5321 4.5.3.1.3: no path is longer.
const UNREAD_CHARACTERS = 256;

/** What an MTA took for an address and we cannot read, as far as the journal can show it: all of it stands in the local part. */
export function unread(text: string): Mailbox {
  const bare = text.replace(/^<(.*)>$/s, '$1');
  return { local: plainText(Buffer.from(bare)).slice(0, UNREAD_CHARACTERS).toWellFormed(), domain: '' };
}

/** The operator shall see it deferred. */
export function recordUnreadSender(
  world: Pick<DoorWorld, 'record' | 'trouble'>,
  session: Session,
  sender: string,
): void {
  record(world, session.senderNotRead(unread(sender), replies.addressNotRead()));
}

/** Writes the end of a session down. `unreadSender`: that it came to no transaction says nothing then. */
export function recordEnd(
  world: Pick<DoorWorld, 'record' | 'trouble'>,
  session: Session,
  unreadSender: boolean,
): void {
  const decision = session.ended();
  const isEmpty = decision?.transaction === undefined && decision?.outcome === 'abandoned';
  if (!unreadSender || !isEmpty) record(world, decision);
}

/** What cannot be written down is the operator's trouble, never the client's. */
export function record(world: Pick<DoorWorld, 'record' | 'trouble'>, decision: Decision | undefined): void {
  if (decision === undefined) return;
  try {
    world.record(decision);
  } catch (error) {
    world.trouble('a decision could not be recorded', error, decision.id);
  }
}
