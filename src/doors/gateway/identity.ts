import type { ClientIdentity } from '../../core/delivery.ts';
import type { Site } from '../../core/site.ts';
import { clientNetwork } from '../../core/site.ts';
import type { Session } from '../../engine/session.ts';

/** The client's forward-confirmed name, as far as the ladder asks for names. */
export async function hostNameOf(session: Session): Promise<{ readonly hostName?: string }> {
  const [hostName] = await session.confirmedNames();
  return hostName === undefined ? {} : { hostName };
}

/** Who the client is, for the backend. */
export async function identityOf(session: Session, site: Site): Promise<ClientIdentity> {
  const { client, helo, authenticated } = session.facts;
  // Our own networks and the relays we serve speak for many: no share bounds them.
  const trusted = site.networks.has(client.address) || site.relays.has(client.address);
  return {
    ...client,
    ...(trusted ? {} : { network: clientNetwork(site, client.address) }),
    ...(await hostNameOf(session)),
    ...(helo === undefined ? {} : { heloName: helo.name, heloVerb: helo.verb }),
    ...(authenticated === undefined ? {} : { login: authenticated.identity }),
  };
}
