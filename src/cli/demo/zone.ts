import type { ZoneRecords } from '../../adapters/dns/zone.ts';

/** Servers whose reverse name leads back to them. */
const SERVERS = [
  ['203.0.113.10', 'mail.honest.example'],
  ['203.0.113.20', 'mx1.university.example'],
  ['203.0.113.30', 'lists.community.example'],
  ['203.0.113.40', 'mail.forger.example'],
  ['203.0.113.41', 'mail.forger2.example'],
  ['203.0.113.42', 'mail.forger3.example'],
  ['203.0.113.50', 'mail.guesser.example'],
  ['203.0.113.51', 'mail.guesser2.example'],
  ['203.0.113.80', 'mail.harvester.example'],
  ['198.18.0.81', 'mail.lastmx.example'],
  ['192.0.2.66', 'mail.shop.example'],
] as const;

/** Domains that take mail, with the SPF record of those that have one. */
const DOMAINS: Readonly<Record<string, string | undefined>> = {
  'honest.example': 'v=spf1 ip4:203.0.113.10 -all',
  'university.example': 'v=spf1 mx ip4:203.0.113.20 -all',
  'lists.community.example': 'v=spf1 a -all',
  'office.example': 'v=spf1 ip4:203.0.113.60 -all',
  'school.example': undefined,
  'shop.example': undefined,
  'prize.example': undefined,
  'guesser.example': undefined,
  'harvester.example': undefined,
  'lastmx.example': undefined,
};

// Customers' lines, with the names that their provider gives them.
const LINES = Array.from({ length: 20 }, (_, i) => `198.51.100.${101 + i}`);

const reversed = (address: string): string => address.split('.').reverse().join('.');

/** The DNS of the demonstration: reverse names, addresses, MX and SPF records, and a block list `bl.demo.example`. */
export function zone(): ZoneRecords {
  const records: Record<string, string> = {
    '2.0.0.127.bl.demo.example A': '127.0.0.2',
    'nullmx.example MX': '0 .',
    // Their names lead to them, but no reverse name does.
    'mail.office.example A': '203.0.113.60',
    'mail.school.example A': '203.0.113.61',
  };
  const named = (address: string, name: string) => {
    records[`${reversed(address)}.in-addr.arpa PTR`] = name;
    records[`${name} A`] = address;
  };
  for (const [address, name] of SERVERS) named(address, name);
  for (const address of LINES) named(address, `pool-${address.replaceAll('.', '-')}.dialup.example`);
  for (const [domain, spf] of Object.entries(DOMAINS)) {
    records[`${domain} MX`] = `10 mx.${domain}`;
    records[`mx.${domain} A`] = '203.0.113.99';
    if (spf !== undefined) records[`${domain} TXT`] = spf;
  }
  // All of 192.0.2.0/24 is on the list: the shop by mistake.
  for (let i = 1; i < 255; i++) records[`${reversed(`192.0.2.${i}`)}.bl.demo.example A`] = '127.0.0.2';
  return records;
}
