/**
 * A DNS zone as a plain map, for tests, the demo and nothing else. Keys are `name TYPE`; a name may start with `*.` for
 * whatever is below. Records are written as in a zone file: `10 mx.example.org` for MX; null MX is `0 .`.
 */
import type { DnsRecords, DnsType } from '../../core/ports.ts';

export type ZoneRecords = Readonly<Record<string, string | readonly string[]>>;

export type ZoneAnswer<T extends DnsType> =
  | { readonly kind: 'found'; readonly records: readonly DnsRecords[T][]; readonly cname?: string }
  | { readonly kind: 'no-data' | 'nxdomain' };

export interface Zone {
  lookUp<T extends DnsType>(name: string, type: T): ZoneAnswer<T>;
}

export const DNS_TYPES: readonly DnsType[] = ['A', 'AAAA', 'PTR', 'CNAME', 'NS', 'MX', 'TXT'];

/** Throws on a key or record that it cannot read: a typing error in a test must not look like a missing name. */
export function readZone(records: ZoneRecords): Zone {
  const sets = new Map<string, DnsRecords[DnsType][]>();
  // Names that exist, also those that only have names below them: they are "no data", not NXDOMAIN (RFC 8020).
  const names = new Set<string>();
  for (const [key, value] of Object.entries(records)) {
    // The last space: names may hold any octet.
    const space = key.lastIndexOf(' ');
    const name = key.slice(0, Math.max(space, 0)).toLowerCase();
    const known = DNS_TYPES.find((t) => t === key.slice(space + 1).toUpperCase());
    if (known === undefined || space < 0)
      throw new Error(`zone: "${key}" wants a name and one of ${DNS_TYPES.join(', ')}`);
    const texts = typeof value === 'string' ? [value] : value;
    sets.set(
      `${name} ${known}`,
      texts.map((text) => readRecord(known, text)),
    );
    for (let rest = name; rest !== ''; rest = rest.includes('.') ? rest.slice(rest.indexOf('.') + 1) : '')
      names.add(rest);
  }

  const lookUp = <T extends DnsType>(asked: string, type: T, hops = 0): ZoneAnswer<T> => {
    const name = names.has(asked) ? asked : wildcardFor(asked, names);
    if (name === undefined) return { kind: 'nxdomain' };
    const found = sets.get(`${name} ${type}`);
    if (found !== undefined && found.length > 0) return { kind: 'found', records: found as DnsRecords[T][] };
    const alias = sets.get(`${name} CNAME`)?.[0];
    if (typeof alias !== 'string' || hops >= MAX_ALIASES) return { kind: 'no-data' };
    const target = lookUp(alias, type, hops + 1);
    return target.kind === 'found' ? { ...target, cname: alias } : target;
  };
  return { lookUp: (name, type) => lookUp(name.toLowerCase(), type) };
}

const MAX_ALIASES = 8;

/** RFC 4592: the wildcard right below the nearest name that exists. */
function wildcardFor(asked: string, names: ReadonlySet<string>): string | undefined {
  for (let dot = asked.indexOf('.'); dot >= 0; dot = asked.indexOf('.', dot + 1)) {
    const parent = asked.slice(dot + 1);
    if (names.has(`*.${parent}`)) return `*.${parent}`;
    if (names.has(parent)) return undefined;
  }
  return undefined;
}

function readRecord(type: DnsType, text: string): DnsRecords[DnsType] {
  if (type === 'TXT' || type === 'A' || type === 'AAAA') return text;
  if (type !== 'MX') return text.toLowerCase().replace(/\.$/, '');
  const m = /^(\d{1,5}) (\S+)$/.exec(text);
  if (m?.[2] === undefined) throw new Error(`zone: "${text}" is no MX record such as "10 mx.example.org"`);
  return { priority: Number(m[1]), exchange: m[2].toLowerCase().replace(/\.$/, '') };
}
