/** What a connection begins with: its protocol, its session, and whether its client has to wait for the banner. */
import type { SessionFacts } from '../../core/facts.ts';
import type { DnsPort, RecipientsPort } from '../../core/ports.ts';
import { clientNetwork } from '../../core/site.ts';
import { standingKind } from '../../core/standing.ts';
import { Session } from '../../engine/session.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import { ServerProtocol } from '../../wire/smtp/server.ts';
import { offerOf } from './offer.ts';
import type { GatewaySettings, GatewayWorld } from './world.ts';

// EHLO comes before any recipient is known: what the default backend can take is what is offered.
const ANYONE: Mailbox = { local: 'postmaster', domain: '' };
// Of a good delivery this much is left after one half-life.
const KNOWN_FROM = 0.5;

export interface ConnectionOpening {
  readonly client: { readonly address: string; readonly port: number };
  readonly server: { readonly address: string; readonly port: number };
  readonly tls: 'none' | 'starttls' | 'implicit';
  readonly role?: SessionFacts['role'];
}

export function openProtocol(
  settings: GatewaySettings,
  { client, tls }: ConnectionOpening,
  secured: boolean,
): ServerProtocol {
  const granted = settings.lenient.find((l) => l.clients.has(client.address));
  return new ServerProtocol({
    offer: offerOf(settings, tls === 'starttls', settings.backendFor(ANYONE).capabilities()),
    limits: settings.protocolLimits,
    tls: secured,
    lenientPaths: granted?.envelope ?? false,
    allowPipelining: granted?.pipelining ?? false,
  });
}

/** Our own networks and the relays we serve speak for many: no share bounds them. */
function dnsOf({ policy: { site }, ports, dnsFor }: GatewaySettings, address: string): DnsPort {
  if (dnsFor === undefined || site.networks.has(address) || site.relays.has(address)) return ports.dns;
  return dnsFor(clientNetwork(site, address));
}

/** `tls`: what was agreed on before the first octet of SMTP. */
export function openSession(
  world: GatewayWorld,
  settings: GatewaySettings,
  opening: ConnectionOpening,
  tls: SessionFacts['tls'],
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
    {
      door: 'gateway',
      client: opening.client,
      server: opening.server,
      role: opening.role,
      tls,
    },
  );
}

/**
 * One good delivery in living memory spares a client the pause, unless charges outweigh it (C4). Without the store all are strangers:
 * it is no reason to take no mail.
 */
export async function isKnown(
  { policy, ports }: GatewaySettings,
  address: string,
  { trouble }: Pick<GatewayWorld, 'trouble'>,
): Promise<boolean> {
  try {
    const standing = await ports.standing.of(clientNetwork(policy.site, address));
    return standing.good >= KNOWN_FROM && standingKind(standing) !== 'bad';
  } catch (error) {
    trouble('the store had no say in the greet pause', error);
    return false;
  }
}

/** `hold` is given what ends it early. */
export function pause(ms: number, hold: (end: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    hold(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
