/** What a connection begins with: its protocol, and whether its client has to wait for the banner. */
import type { SessionFacts } from '../../core/facts.ts';
import { clientNetwork } from '../../core/site.ts';
import { hasDelivered, standingKind } from '../../core/standing.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import { ServerProtocol } from '../../wire/smtp/server.ts';
import { offerOf } from './offer.ts';
import type { GatewaySettings, GatewayWorld } from './world.ts';

// EHLO comes before any recipient is known: what the default backend can take is what is offered.
const ANYONE: Mailbox = { local: 'postmaster', domain: '' };

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

/**
 * One good delivery in living memory spares a client the pause, unless charges outweigh it (C4). Without the store all are strangers:
 * it is no reason to take no mail.
 */
async function isKnown(
  { policy, ports }: GatewaySettings,
  address: string,
  { trouble }: Pick<GatewayWorld, 'trouble'>,
): Promise<boolean> {
  try {
    const standing = await ports.standing.of(clientNetwork(policy.site, address));
    return hasDelivered(standing) && standingKind(standing) !== 'bad';
  } catch (error) {
    trouble('the store had no say in the greet pause', error);
    return false;
  }
}

/** Unknown clients wait for the banner; `hold` is given what ends that early. */
export async function greetPause(
  settings: GatewaySettings,
  address: string,
  world: Pick<GatewayWorld, 'trouble'>,
  hold: (end: () => void) => void,
): Promise<void> {
  if (!(await isKnown(settings, address, world))) await pause(settings.greetPauseMs, hold);
}

function pause(ms: number, hold: (end: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    hold(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
