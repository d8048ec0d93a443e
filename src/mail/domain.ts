/**
 * Names of hosts as they stand in HELO and envelope addresses: syntax only, nothing is looked up.
 * Sees untrusted text. RFC 5321 4.1.2 and 4.1.3, RFC 1035 2.3.4 (63 octets a label, 255 on the wire: 253 as text), RFC 5890.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import ipaddr from 'ipaddr.js';
import { getDomain } from 'tldts';

export interface DomainOptions {
  /** Let through `_`, which no host name has and some hosts say all the same. */
  readonly underscore?: boolean;
}

const MAX_DOMAIN_OCTETS = 253;
const LDH = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const LDH_UNDERSCORE = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const NON_ASCII = /[^\x00-\x7f]/;
// What a domain with U-labels may hold before it is turned into A-labels: node:url would decode %41 and more.
const U_LABELS = /^[a-z0-9_.\x80-\u{10ffff}-]+$/iu;

/** One label or more, in A-labels; upper case counts. */
export function isDomainName(name: string, options: DomainOptions = {}): boolean {
  if (name.length > MAX_DOMAIN_OCTETS) return false;
  const label = options.underscore === true ? LDH_UNDERSCORE : LDH;
  return name
    .toLowerCase()
    .split('.')
    .every((text) => label.test(text));
}

/** Two labels or more, and no bare IPv4 address: the last label is not a number (RFC 3696 2). */
export function isFqdn(name: string, options: DomainOptions = {}): boolean {
  return isDomainName(name, options) && /\.[^.]*[^.0-9][^.]*$/.test(name);
}

/** The domain lower-case and in A-labels (`Bücher.example` is `xn--bcher-kva.example`), or undefined where it is none. */
export function parseDomain(text: string, options: DomainOptions = {}): string | undefined {
  let name = text.toLowerCase();
  if (NON_ASCII.test(text)) {
    if (text.length > MAX_DOMAIN_OCTETS || !U_LABELS.test(text)) return undefined;
    name = domainToASCII(text);
  }
  return isDomainName(name, options) ? name : undefined;
}

/**
 * The address in `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 4.1.3), in its shortest form (RFC 5952); an IPv4-mapped IPv6
 * address is the IPv4 address it means. Other tags are none that exist.
 */
export function parseAddressLiteral(text: string): string | undefined {
  if (!text.startsWith('[') || !text.endsWith(']')) return undefined;
  const inner = text.slice(1, -1);
  if (isIPv4(inner)) return inner;
  if (!/^ipv6:/i.test(inner)) return undefined;
  const address = inner.slice(5);
  // node:net takes a zone (`%eth0`), which means nothing outside one host.
  return isIPv6(address) && !address.includes('%') ? ipaddr.process(address).toString() : undefined;
}

/** The literal for an address as `parseAddressLiteral` gives it. */
export function formatAddressLiteral(address: string): string {
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
}

/**
 * The domain one registers: `mx.mail.example.co.uk` is of `example.co.uk`. The private part of the Public Suffix List counts, since
 * DMARC's reason for it holds here too: `alice.github.io` and `bob.github.io` are different people (RFC 7489 3.2). A name that is itself
 * a public suffix, or no name at all (an address), is its own.
 */
export function organizationalDomain(name: string): string {
  return (
    getDomain(name, { allowPrivateDomains: true, extractHostname: false, validateHostname: false }) ?? name
  );
}
