/**
 * DNS messages for the few questions that c-ares cannot put (`raw-question.ts`): one question out, one answer in. Of the
 * answer only what was asked for is read, and every length is compared with what is there: a resolver hands on whatever a
 * stranger's zone holds. dns-packet is not used here: it reads a label with a dot in it as two labels, drops dots beside line
 * ends, and decodes every record of the message, asked for or not.
 * RFC 1035 4, RFC 2181 8; limits: names of 255 octets, 16 aliases, the record count that the caller names.
 */
import type { DnsRecords, DnsType } from '../../core/ports.ts';
import { formatIp } from '../../mail/ip.ts';

/** A question as it went out. */
export interface Query {
  readonly bytes: Buffer;
  readonly type: DnsType;
}

export type Answer =
  | {
      readonly kind: 'records';
      readonly records: readonly DnsRecords[DnsType][];
      /** The least of the records and aliases; 0 where there are none. */
      readonly ttlSeconds: number;
    }
  /** RFC 1035 4.1.1: any RCODE but 0. */
  | { readonly kind: 'rcode'; readonly rcode: number }
  | { readonly kind: 'truncated' }
  | { readonly kind: 'broken' }
  /** Not the answer to this question: another id, name, type or class, or no answer at all. */
  | { readonly kind: 'foreign' };

const TYPES: Readonly<Record<DnsType, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
};
const CLASS_IN = 1;
const HEADER_OCTETS = 12;
const RESPONSE = 0x8000;
const TRUNCATED = 0x0200;
const RECURSION_DESIRED = 0x0100;
const MAX_LABEL_OCTETS = 63;
const MAX_NAME_OCTETS = 255;
const MAX_ALIASES = 16;
// What macros make, and nothing that means something in a header, a log line or a page.
const HANDED_ON = /^[a-z0-9_/*+=:-]+$/;

/** Undefined where the name has an empty label or one that is too long, is too long itself, or is no Unicode text. */
export function encodeName(name: string): Buffer | undefined {
  // Four octets a character at most, so that no megabyte is split first.
  if (name.length > MAX_NAME_OCTETS || !name.isWellFormed()) return undefined;
  const parts: Buffer[] = [];
  for (const label of name.split('.')) {
    const octets = Buffer.from(label, 'utf8');
    if (octets.length === 0 || octets.length > MAX_LABEL_OCTETS) return undefined;
    parts.push(Buffer.of(octets.length), octets);
  }
  parts.push(Buffer.of(0));
  const wire = Buffer.concat(parts);
  return wire.length > MAX_NAME_OCTETS ? undefined : wire;
}

/** `name` as `encodeName` gave it. */
export function encodeQuery(id: number, name: Buffer, type: DnsType): Query {
  const header = Buffer.alloc(HEADER_OCTETS);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(RECURSION_DESIRED, 2);
  header.writeUInt16BE(1, 4);
  return { bytes: Buffer.concat([header, name, Buffer.of(0, TYPES[type], 0, CLASS_IN)]), type };
}

export function readAnswer(message: Buffer, { bytes: query, type }: Query, maxRecords: number): Answer {
  if (!answers(message, query)) return { kind: 'foreign' };
  const flags = message.readUInt16BE(2);
  if ((flags & TRUNCATED) !== 0) return { kind: 'truncated' };
  const rcode = flags & 0x0f;
  if (rcode !== 0) return { kind: 'rcode', rcode };
  const asked = latin1Lower(query.subarray(HEADER_OCTETS, -4));
  const aliases = new Map<string, { readonly target: string; readonly ttl: number }>();
  const found: Found[] = [];
  let at = query.length;
  for (let left = message.readUInt16BE(6); left > 0; left--) {
    const owner = readName(message, at);
    if (owner === undefined || owner.end + 10 > message.length) return { kind: 'broken' };
    const recordType = message.readUInt16BE(owner.end);
    const recordClass = message.readUInt16BE(owner.end + 2);
    // RFC 2181 8: a time to live with its highest bit set is 0.
    const ttlSaid = message.readUInt32BE(owner.end + 4);
    const ttl = ttlSaid > 0x7fff_ffff ? 0 : ttlSaid;
    const start = owner.end + 10;
    at = start + message.readUInt16BE(owner.end + 8);
    if (at > message.length) return { kind: 'broken' };
    if (recordClass !== CLASS_IN) continue;
    if (recordType === TYPES[type]) {
      if (found.length < maxRecords) found.push({ owner: owner.wire, start, end: at, ttl });
    } else if (recordType === TYPES.CNAME && aliases.size <= MAX_ALIASES) {
      const target = readName(message, start);
      if (target?.end !== at) return { kind: 'broken' };
      aliases.set(owner.wire, { target: target.wire, ttl });
    }
  }
  const owner = followed(asked, type === 'CNAME' ? new Map() : aliases);
  return owner === undefined ? { kind: 'broken' } : recordsOf(message, type, owner, found);
}

interface Found {
  readonly owner: string;
  readonly start: number;
  readonly end: number;
  readonly ttl: number;
}

/** RFC 5452 9.1: the id and the whole question have to be ours; the case of letters may have changed on the way. */
function answers(message: Buffer, query: Buffer): boolean {
  if (message.length < query.length || message.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  const isAnswer = (message.readUInt16BE(2) & RESPONSE) !== 0 && message.readUInt16BE(4) === 1;
  const question = (bytes: Buffer) => latin1Lower(bytes.subarray(HEADER_OCTETS, query.length));
  return isAnswer && question(message) === question(query);
}

/**
 * Where the aliases in the answer lead to, and the least of their times to live. Undefined where they go round or on for too
 * long: an error and no negative answer (RFC 1034 5.2.2).
 */
function followed(
  asked: string,
  aliases: ReadonlyMap<string, { readonly target: string; readonly ttl: number }>,
): { readonly name: string; readonly ttl: number } | undefined {
  let name = asked;
  let ttl = Number.POSITIVE_INFINITY;
  for (let hops = 0; hops <= MAX_ALIASES; hops++) {
    const alias = aliases.get(name);
    if (alias === undefined) return { name, ttl };
    name = alias.target;
    ttl = Math.min(ttl, alias.ttl);
  }
  return undefined;
}

function recordsOf(
  message: Buffer,
  type: DnsType,
  owner: { readonly name: string; readonly ttl: number },
  found: readonly Found[],
): Answer {
  const records: DnsRecords[DnsType][] = [];
  let ttl = owner.ttl;
  for (const one of found) {
    if (one.owner !== owner.name) continue;
    const record = readRecord(message, type, one.start, one.end);
    if (record === undefined) return { kind: 'broken' };
    ttl = Math.min(ttl, one.ttl);
    if (record !== 'odd') records.push(record.value);
  }
  return { kind: 'records', records, ttlSeconds: records.length === 0 ? 0 : ttl };
}

/** Undefined: broken; odd: it names a host by octets that are not handed on. */
function readRecord(
  message: Buffer,
  type: DnsType,
  start: number,
  end: number,
): { readonly value: DnsRecords[DnsType] } | 'odd' | undefined {
  const octets = end - start;
  switch (type) {
    case 'A':
      return octets === 4 ? { value: message.subarray(start, end).join('.') } : undefined;
    case 'AAAA': {
      if (octets !== 16) return undefined;
      const words = [0, 4, 8, 12].map((i) => message.readUInt32BE(start + i));
      return { value: formatIp({ family: 6, words }) };
    }
    case 'TXT':
      return readText(message, start, end);
    case 'MX': {
      const exchange = octets < 3 ? undefined : readName(message, start + 2);
      if (exchange?.end !== end) return undefined;
      const host = textOf(exchange.wire);
      return host === undefined
        ? 'odd'
        : { value: { exchange: host, priority: message.readUInt16BE(start) } };
    }
    case 'PTR':
    case 'NS':
    case 'CNAME': {
      const target = readName(message, start);
      if (target?.end !== end) return undefined;
      const host = textOf(target.wire);
      return host === undefined || host === '' ? 'odd' : { value: host };
    }
    default:
      return type satisfies never;
  }
}

function readText(message: Buffer, start: number, end: number): { readonly value: string } | undefined {
  let text = '';
  for (let at = start; at < end;) {
    const next = at + 1 + message.readUInt8(at);
    if (next > end) return undefined;
    text += message.toString('latin1', at + 1, next);
    at = next;
  }
  return { value: text };
}

/**
 * A name without its compression (RFC 1035 4.1.4), as lower-case octets with their lengths in front: two names are the same
 * where these are. `end` is where the name ends in the message. Pointers lead backwards only, so there are no loops.
 */
function readName(
  message: Buffer,
  from: number,
): { readonly wire: string; readonly end: number } | undefined {
  let wire = '';
  let end: number | undefined;
  let before = from;
  for (let at = from; at < message.length;) {
    const length = message.readUInt8(at);
    if (length >= 0xc0) {
      if (at + 2 > message.length) return undefined;
      const target = message.readUInt16BE(at) & 0x3fff;
      if (target >= before) return undefined;
      end ??= at + 2;
      before = target;
      at = target;
      continue;
    }
    const next = at + 1 + length;
    if (length > MAX_LABEL_OCTETS || next > message.length) return undefined;
    wire += latin1Lower(message.subarray(at, next));
    if (wire.length > MAX_NAME_OCTETS) return undefined;
    if (length === 0) return { wire, end: end ?? next };
    at = next;
  }
  return undefined;
}

/** Undefined where a label holds octets that nobody wants in a log; empty for the root. */
function textOf(wire: string): string | undefined {
  const labels: string[] = [];
  for (let at = 0; at < wire.length - 1; at += 1 + wire.charCodeAt(at)) {
    const label = wire.slice(at + 1, at + 1 + wire.charCodeAt(at));
    if (!HANDED_ON.test(label)) return undefined;
    labels.push(label);
  }
  return labels.join('.');
}

// A length is at most 63, so that none is taken for a letter. `toLowerCase` alone would change octets above 127.
const latin1Lower = (bytes: Buffer): string =>
  bytes.toString('latin1').replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
