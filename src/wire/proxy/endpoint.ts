import { canonicalAddress, formatIp, parseIp } from '../../mail/ip.ts';

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
  // A mapped address is IPv4 once read, but written as IPv6.
  return text.includes(':') === (family === 6) ? canonicalAddress(text) : undefined;
}

/** From 4 or 16 octets. */
export function addressFromOctets(octets: Buffer): string {
  const family = octets.length === 4 ? 4 : 6;
  const words = Array.from({ length: octets.length / 4 }, (_, i) => octets.readUInt32BE(4 * i));
  const text = formatIp({ family, words });
  const ip = parseIp(text);
  return ip === undefined ? text : formatIp(ip);
}
