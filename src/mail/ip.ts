/**
 * IP addresses and networks as values. Texts come from clients (address literals), from DNS and from the operator's
 * lists, so parsing is strict: four decimal octets without leading zeros, RFC 4291 2.2 for IPv6, no zone index. Lenient
 * readers take `0177.1` for loopback, and then two programs disagree about who a client is.
 * An IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) is its IPv4 address everywhere: dual-stack sockets report clients so.
 */
import ipaddr from 'ipaddr.js';

/** One 32-bit word for IPv4, four for IPv6, highest first. */
export interface Ip {
  readonly family: 4 | 6;
  readonly words: readonly number[];
}

export interface Network {
  readonly kind: 'network';
  /** All bits behind the prefix are zero. */
  readonly base: Ip;
  readonly prefix: number;
}

export interface BadNetwork {
  readonly kind: 'bad';
  /** For the operator, without full stop. */
  readonly problem: string;
}

export type AddressScope = 'public' | 'private' | 'loopback' | 'link-local' | 'multicast' | 'reserved';

// The longest text is a full IPv6 address with an embedded IPv4 one (45 characters).
const MAX_TEXT = 45;

export function parseIp(text: string): Ip | undefined {
  if (text.length > MAX_TEXT) return undefined;
  if (text.includes(':')) return parseV6(text);
  const word = parseV4(text);
  return word === undefined ? undefined : { family: 4, words: [word] };
}

/** The one way to write an address: dotted quad or RFC 5952; undefined when the text is none. */
export function canonicalAddress(text: string): string | undefined {
  const ip = parseIp(text);
  return ip === undefined ? undefined : formatIp(ip);
}

export function formatIp(ip: Ip): string {
  if (ip.family === 4) return octets(ip).join('.');
  const groups = ip.words.flatMap((w) => [w >>> 16, w & 0xffff]);
  const gap = longestZeroRun(groups);
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((g) => g.toString(16))
      .join(':');
  return gap === undefined ? hex(0, 8) : `${hex(0, gap.start)}::${hex(gap.start + gap.length, 8)}`;
}

/** An address, or a network `192.0.2.0/24`; an address alone is the network that holds only it. */
export function parseNetwork(text: string): Network | BadNetwork {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const ip = parseIp(address);
  if (ip === undefined)
    return bad(`"${clipped(text)}" is neither an address nor a network such as 192.0.2.0/24`);
  // Most entries of long lists.
  if (slash < 0) return { kind: 'network', base: ip, prefix: ip.family === 4 ? 32 : 128 };
  const written = address.includes(':') ? 128 : 32;
  const digits = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(digits) || Number(digits) > written) {
    return bad(`"${clipped(text)}" wants a prefix length from 0 to ${written} after the slash`);
  }
  // `::ffff:10.0.0.0/104` is 10.0.0.0/8; a mapped address with a shorter prefix has bits behind it, so it is an error below.
  const mapped = written === 128 && ip.family === 4;
  const prefix = mapped ? Number(digits) - 96 : Number(digits);
  if (prefix < 0)
    return bad(`"${clipped(text)}" reaches beyond the IPv4-mapped addresses; write the IPv4 network`);
  const base = masked(ip, prefix);
  if (base.words.some((w, i) => w !== ip.words[i])) {
    return bad(
      `"${clipped(text)}" has bits set behind its prefix; the network is ${formatIp(base)}/${prefix}`,
    );
  }
  return { kind: 'network', base, prefix };
}

export function formatNetwork(network: Network): string {
  return `${formatIp(network.base)}/${network.prefix}`;
}

/** The same as people write it: a single address goes without its prefix length. */
export function networkName(network: Network): string {
  return network.prefix === (network.base.family === 4 ? 32 : 128)
    ? formatIp(network.base)
    : formatNetwork(network);
}

/** The network of that length around an address: what a limit or a greylist counts as one client. */
export function networkAround(ip: Ip, prefix: number): Network {
  return { kind: 'network', base: masked(ip, prefix), prefix };
}

export function contains(network: Network, ip: Ip): boolean {
  if (network.base.family !== ip.family) return false;
  const { words } = masked(ip, network.prefix);
  return words.every((w, i) => w === network.base.words[i]);
}

/** `7.2.0.192`, or 32 nibbles: what stands before the zone in a DNS list (RFC 5782 2.1, 2.4). */
export function reversedLabels(ip: Ip): string {
  if (ip.family === 4) return octets(ip).reverse().join('.');
  const hex = ip.words.map((w) => w.toString(16).padStart(8, '0')).join('');
  return Array.from(hex).reverse().join('.');
}

/** The name whose PTR records name the host (RFC 1035 3.5, RFC 3596 2.5). */
export function reverseName(ip: Ip): string {
  return `${reversedLabels(ip)}.${ip.family === 4 ? 'in-addr.arpa' : 'ip6.arpa'}`;
}

export function addressScope(ip: Ip): AddressScope {
  const bytes = ip.words.flatMap((w) => [w >>> 24, (w >>> 16) & 255, (w >>> 8) & 255, w & 255]);
  const range: string = ipaddr.fromByteArray(bytes).range();
  switch (range) {
    case 'unicast':
      return 'public';
    case 'private':
    case 'uniqueLocal':
    case 'carrierGradeNat':
      return 'private';
    case 'loopback':
      return 'loopback';
    case 'linkLocal':
      return 'link-local';
    case 'multicast':
      return 'multicast';
    default:
      return 'reserved';
  }
}

function parseV4(text: string): number | undefined {
  let word = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x2e) {
      if (octet < 0 || dots === 3) return undefined;
      word = word * 256 + octet;
      octet = -1;
      dots += 1;
    } else if (c >= 0x30 && c <= 0x39) {
      if (octet === 0) return undefined; // a leading zero is octal to some readers
      octet = (octet < 0 ? 0 : octet * 10) + c - 0x30;
      if (octet > 255) return undefined;
    } else {
      return undefined;
    }
  }
  return dots === 3 && octet >= 0 ? word * 256 + octet : undefined;
}

function parseV6(text: string): Ip | undefined {
  const gap = text.indexOf('::');
  const head = parseGroups(gap < 0 ? text : text.slice(0, gap), gap < 0);
  const tail = gap < 0 ? [] : parseGroups(text.slice(gap + 2), true);
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  // RFC 4291 2.2: "::" stands for one or more groups.
  if (gap < 0 ? missing !== 0 : missing < 1) return undefined;
  for (let i = 0; i < missing; i++) head.push(0);
  const g = head.concat(tail);
  const word = (i: number) => (g[i] ?? 0) * 65536 + (g[i + 1] ?? 0);
  const words = [word(0), word(2), word(4), word(6)];
  if (words[0] === 0 && words[1] === 0 && words[2] === 0xffff) return { family: 4, words: [words[3] ?? 0] };
  return { family: 6, words };
}

/** Groups between colons; the last may be a dotted quad where it ends the address (RFC 4291 2.2, form 3). */
function parseGroups(text: string, ends: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (ends && i === parts.length - 1 && part.includes('.')) {
      const v4 = parseV4(part);
      if (v4 === undefined) return undefined;
      groups.push(Math.floor(v4 / 65536), v4 % 65536);
    } else {
      const group = parseGroup(part);
      if (group === undefined) return undefined;
      groups.push(group);
    }
  }
  return groups;
}

/** One to four hexadecimal digits. */
function parseGroup(text: string): number | undefined {
  if (text.length < 1 || text.length > 4) return undefined;
  let group = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x30 && c <= 0x39) group = group * 16 + c - 0x30;
    else if ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x66) group = group * 16 + (c | 0x20) - 0x61 + 10;
    else return undefined;
  }
  return group;
}

function masked(ip: Ip, prefix: number): Ip {
  const words = ip.words.map((w, i) => {
    const bits = Math.min(32, Math.max(0, prefix - 32 * i));
    return bits === 0 ? 0 : (w & (0xffffffff << (32 - bits))) >>> 0;
  });
  return { family: ip.family, words };
}

function octets(ip: Ip): number[] {
  const w = ip.words[0] ?? 0;
  return [w >>> 24, (w >>> 16) & 255, (w >>> 8) & 255, w & 255];
}

/** RFC 5952 4.2: the longest run of two zero groups or more, the first of equal ones. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } | undefined {
  let best: { start: number; length: number } | undefined;
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length += 1;
    if (length > Math.max(1, best?.length ?? 0)) best = { start, length };
    start += length;
  }
  return best;
}

const bad = (problem: string): BadNetwork => ({ kind: 'bad', problem });
const clipped = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);
