/** What an operator may put on the short-term block list (C2): the same at the command line and on the dashboard. */
import { networkName, type Network } from '../mail/ip.ts';
import { convictedNetwork } from './charges.ts';
import { clientNetwork, type Site } from './site.ts';

// Wider ones are typing mistakes, and shut half the world out.
const WIDEST_V4 = 8;
const WIDEST_V6 = 16;
export const MAX_REASON = 200;
const DAY_MS = 86_400_000;
export const MAX_DAYS = 3650;

/** What is wrong with the network, as the operator reads it; undefined where nothing is. */
export function widthProblem(network: Network): string | undefined {
  const widest = network.base.family === 4 ? WIDEST_V4 : WIDEST_V6;
  return network.prefix < widest
    ? `${networkName(network)} is too wide; nothing wider than /${widest} is blocked. Typed wrongly?`
    : undefined;
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
