import type { Capabilities } from '../../core/delivery.ts';
import { replies } from '../../core/replies.ts';
import type { Reply } from '../../mail/reply.ts';
import type { EhloOffer } from '../../wire/smtp/events.ts';
import type { GatewaySettings } from './world.ts';

/** What is said to every client of one configuration: made once, because its texts are kept with it. */
interface Said {
  readonly greeting: Reply;
  /** By what the listener and the backend can do now: three yes or no. */
  readonly offers: (EhloOffer | undefined)[];
}

const said = new WeakMap<GatewaySettings, Said>();

function saidUnder(settings: GatewaySettings): Said {
  let made = said.get(settings);
  if (made === undefined) {
    made = { greeting: replies.greeting(settings.policy.site.hostName), offers: [] };
    said.set(settings, made);
  }
  return made;
}

export function greetingOf(settings: GatewaySettings): Reply {
  return saidUnder(settings).greeting;
}

/** The same object each time for the same configuration, listener and backend: the protocol keeps its replies to EHLO by it. */
export function offerOf(
  settings: GatewaySettings,
  starttls: boolean,
  { smtputf8, dsn }: Pick<Capabilities, 'smtputf8' | 'dsn'>,
): EhloOffer {
  const { offers } = saidUnder(settings);
  const which = (starttls ? 4 : 0) + (smtputf8 ? 2 : 0) + (dsn ? 1 : 0);
  return (offers[which] ??= { ...settings.offer, starttls, smtputf8, dsn });
}
