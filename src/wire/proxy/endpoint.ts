import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** What a PROXY header says of the connection. */
export type ProxyHeader =
  | { readonly kind: 'proxied'; readonly source: Endpoint; readonly destination: Endpoint }
  /** The proxy speaks for itself (a health check): the socket's own addresses count. */
  | { readonly kind: 'local' }
  /** The proxy does not know the client, or it did not come over TCP. */
  | { readonly kind: 'unknown' };

export type ProxyOutcome =
  | { readonly kind: 'header'; readonly header: ProxyHeader; readonly usedOctets: number }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed'; readonly reason: string };

/** The address as text in its one canonical form, an IPv4 address mapped into IPv6 as IPv4; undefined where it is none. */
export function addressFromText(text: string, family: 4 | 6): string | undefined {
  // No zone ids: they are of the proxy's interfaces, not ours.
  const valid = family === 4 ? isIPv4(text) : isIPv6(text) && !text.includes('%');
  return valid ? ipaddr.process(text).toString() : undefined;
}

/** From 4 or 16 octets. */
export function addressFromOctets(octets: Buffer): string {
  return ipaddr.process(ipaddr.fromByteArray([...octets]).toString()).toString();
}
