/** What an operator may block (C1, C2): the same at the command line and on the dashboard. */
import { networkName, parseNetwork, type Network } from '../mail/ip.ts';
import { convictedNetwork } from './charges.ts';
import { conditionKey, type Conditions, type ListEntry } from './lists.ts';
import { clientNetwork, isOurDomain, type Site } from './site.ts';

// Wider ones are typing mistakes, and shut half the world out.
const WIDEST_V4 = 8;
const WIDEST_V6 = 16;
export const MAX_REASON = 200;
const DAY_MS = 86_400_000;
export const MAX_DAYS = 3650;

const widestOf = ({ base }: Network): number => (base.family === 4 ? WIDEST_V4 : WIDEST_V6);

/** What is wrong with the network, as the operator reads it; undefined where nothing is. */
export function widthProblem(network: Network): string | undefined {
  const widest = widestOf(network);
  return network.prefix < widest
    ? `${networkName(network)} is too wide; nothing wider than /${widest} is blocked. Typed wrongly?`
    : undefined;
}

/**
 * An entry of the lists that is most likely a mistake, as it would let in or shut out nearly everybody: it holds a moment later.
 * Undefined where it is none. Throws where the conditions can match nothing.
 */
export function sweepingProblem(
  kind: ListEntry['kind'],
  { client, host, sender, recipient }: Conditions,
  site: Pick<Site, 'domains'>,
): string | undefined {
  const network = client === undefined ? undefined : parseNetwork(client);
  if (network?.kind === 'network' && network.prefix < widestOf(network))
    return `${networkName(network)} is too wide; nothing wider than /${widestOf(network)} is listed. Typed wrongly?`;
  if (kind !== 'block' || client !== undefined || host !== undefined) return undefined;
  // Each of the conditions given has to be so: the bounces to one user are his own business, and so is one sender's mail to all of us.
  if (sender !== undefined && sender !== '<>') return undefined;
  if (recipient === undefined)
    return sender === undefined
      ? undefined
      : 'a block of <> refuses every bounce and receipt; name a client or a recipient with it';
  return takesOurDomain(recipient, site)
    ? `a block of ${recipient} refuses all mail to a domain of ours; name a client or a sender with it`
    : undefined;
}

function takesOurDomain(recipient: string, site: Pick<Site, 'domains'>): boolean {
  if (recipient.includes('@')) return false;
  const pattern = conditionKey({ recipient }).slice('recipient '.length);
  return (
    isOurDomain(site, pattern) || (pattern.startsWith('.') && site.domains.some((d) => d.endsWith(pattern)))
  );
}

/** `what` begins the sentence: `--reason`, or `the reason`. */
export function reasonProblem(reason: string, what: string): string | undefined {
  if (reason.trim() === '')
    return `${what} is missing: those who are refused read it, and so will you in a month`;
  return reason.length > MAX_REASON ? `${what} is longer than ${MAX_REASON} characters` : undefined;
}

export const isLasting = (ms: number): boolean => ms > 0 && ms <= MAX_DAYS * DAY_MS;

/** By what its conduct is remembered, where it is one client. */
export function keysOfConduct(site: Pick<Site, 'clientPrefix'>, network: Network): readonly string[] {
  const name = networkName(network);
  const address = name.split('/')[0] ?? '';
  const own = convictedNetwork(site, address);
  return [address, own].includes(name) ? [own, clientNetwork(site, address)] : [];
}
