/**
 * A DNS zone made from the trace fields of the corpus. What a server at the border wrote down is a fact of that day: the client's reverse
 * name, whether it led back, that it had none. About all else the fields are silent, and the zone gives everybody the benefit of the doubt,
 * ham and spam alike:
 *
 * - a HELO name that could exist does, and is the client's, unless another client has proven that it is its own name, or its domain;
 * - a sender's domain that could exist does, and has an MX in good order;
 * - nobody has an SPF record, a DKIM key or a DMARC policy: there were none. No block list is asked: none of that day is left.
 */
import { parse } from 'tldts';
import type { ZoneRecords } from '../src/adapters/dns/zone.ts';
import { isFqdn, organizationalDomain } from '../src/mail/domain.ts';
import { parseIp, reverseName } from '../src/mail/ip.ts';
import type { CorpusMessage } from './corpus.ts';

/** Stands in for the client of messages whose trace fields name none. Everything about it is in order. */
export const STAND_IN = { address: '20.0.2.25', helo: 'mail.example.net', verb: 'EHLO' } as const;
/** Of all MXs. */
const MX_ADDRESS = '20.0.2.26';
const MX_NAME = 'mx.example.net';

type Clients = readonly Pick<CorpusMessage, 'client' | 'sender'>[];

export function corpusZone(messages: Clients): ZoneRecords {
  const records = new Map<string, Set<string>>();
  const add = (key: string, record: string) => {
    const set = records.get(key);
    if (set === undefined) records.set(key, new Set([record]));
    else set.add(record);
  };
  const reverse = (address: string, name: string) => {
    const ip = parseIp(address);
    if (ip !== undefined) add(`${reverseName(ip)} PTR`, name);
  };
  for (const [address, name] of [
    [STAND_IN.address, STAND_IN.helo],
    [MX_ADDRESS, MX_NAME],
  ] as const) {
    add(`${name} A`, address);
    reverse(address, name);
  }

  const proven = new Set<string>();
  for (const { client } of messages) {
    if (client?.reverseName === undefined) continue;
    reverse(client.address, client.reverseName);
    if (client.mayBeForged) continue;
    add(`${client.reverseName} A`, client.address);
    proven.add(client.reverseName).add(organizationalDomain(client.reverseName));
  }
  for (const { client } of messages) {
    const name = client?.helo?.toLowerCase().replace(/\.$/, '');
    if (client === undefined || name === undefined || !canExist(name)) continue;
    if (!proven.has(name)) add(`${name} A`, client.address);
    // A domain whose hosts have been seen: whoever calls itself `yahoo.com` is none of them by that.
    else if (!records.has(`${name} A`)) add(`${name} A`, MX_ADDRESS);
  }
  for (const { sender } of messages) {
    const domain = sender.slice(sender.lastIndexOf('@') + 1).toLowerCase();
    if (sender !== '' && canExist(domain)) add(`${domain} MX`, `10 ${MX_NAME}`);
  }
  return Object.fromEntries([...records].map(([key, set]) => [key, [...set]]));
}

/** A name below a public suffix that there is. */
function canExist(name: string): boolean {
  if (!isFqdn(name, { underscore: true })) return false;
  const { isIcann, domain } = parse(name, { validateHostname: false });
  return isIcann === true && domain !== null;
}
