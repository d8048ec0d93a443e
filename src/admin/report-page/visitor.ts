import type { IncomingHttpHeaders } from 'node:http';
import { canonicalAddress } from '../../mail/ip.ts';
import type { NetworkSet } from '../../mail/networks.ts';

/**
 * The address that the request came from. Each proxy of ours adds whom it heard from at the end of X-Forwarded-For, so the last that is
 * no proxy of ours counts; what stands before it anybody can have made up.
 */
export function visitorOf(
  peer: string | undefined,
  forwardedFor: string | readonly string[] | undefined,
  proxies: NetworkSet,
): string {
  let address = ipOf(peer ?? '') ?? 'unknown';
  const said = [forwardedFor ?? []].flat().join(',').split(',');
  for (const hop of said.toReversed()) {
    if (!proxies.has(address)) return address;
    const before = ipOf(hop.trim());
    if (before === undefined) return address;
    address = before;
  }
  return address;
}

/** An IPv4 peer of an IPv6 socket is an IPv4 peer. */
export function ipOf(text: string): string | undefined {
  return canonicalAddress(text.replace(/^::ffff:(?=\d+\.)/i, ''));
}

/**
 * Whether a form comes from a page of ours. There is no session that another site's page could misuse; it would only
 * report in its visitors' names. Browsers say `null` for an Origin where the page sends no Referer, as ours does.
 */
export function isOwnForm(headers: IncomingHttpHeaders, url: string): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  const { origin } = headers;
  return origin === undefined || origin === 'null' || origin === URL.parse(url)?.origin;
}
