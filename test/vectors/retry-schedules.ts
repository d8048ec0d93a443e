/**
 * Senders by the times at which they come again, with what greylisting makes of them. Times are the programs' documented defaults, or what
 * postmasters report of large senders; all names and addresses are made up.
 */
import type { ZoneRecords } from '../../src/adapters/dns/zone.ts';

export const S = 1000;
export const M = 60 * S;
export const H = 60 * M;
export const D = 24 * H;

/** Hosts with names that lead back: `A`, `PTR`. */
function hosts(named: Readonly<Record<string, string>>): ZoneRecords {
  const zone: Record<string, string> = {};
  for (const [name, address] of Object.entries(named)) {
    zone[`${name} A`] = address;
    zone[`${address.split('.').reverse().join('.')}.in-addr.arpa PTR`] = name;
  }
  return zone;
}

/** One host in each of so many networks: `prefix7.domain` is 198.18.7.25. */
function pool(
  domain: string,
  size: number,
): { readonly zone: ZoneRecords; readonly clients: readonly string[] } {
  const clients = Array.from({ length: size }, (_, i) => `198.18.${i}.25`);
  return { zone: hosts(Object.fromEntries(clients.map((c, i) => [`mail-${i}.${domain}`, c]))), clients };
}

export const LOST = 'lost';
export type Accepted = number | typeof LOST;

export interface Row {
  readonly what: string;
  readonly zone: ZoneRecords;
  /** In turn, the first again after the last. */
  readonly clients: readonly string[];
  readonly helo?: string;
  /** Of the n-th message. */
  readonly from: (n: number) => string;
  /** Times after the first attempt. */
  readonly schedule: readonly number[];
  readonly settings?: Record<string, unknown>;
  /** When it is let in: where all are greylisted, and where only doubt is (the default). */
  readonly classic: Accepted;
  readonly suspicion: Accepted;
  /** Where the next message, from its next address, has to wait again. */
  readonly nextWaits?: true;
}

const gmail = pool('out.bigmail.example', 20);
const microsoft = pool('outbound.protection.example', 18);
const ses = pool('smtp-out.ses.example', 6);
const yahoo = pool('bullet.yahoo.example', 8);
const one = hosts({ 'mail.firm.example': '192.0.2.7' });
export const FIRM_HOST = {
  zone: { ...one, 'firm.example TXT': 'v=spf1 mx -all', 'firm.example MX': '10 mail.firm.example' },
  clients: ['192.0.2.7'],
  helo: 'mail.firm.example',
  from: () => 'joe@firm.example',
};
const nameless = Array.from({ length: 16 }, (_, i) => `198.18.${i}.25`);
const every = (ms: number, times: number) => Array.from({ length: times }, (_, i) => i * ms);

export const RETRY_SCHEDULES: readonly Row[] = [
  {
    what: 'Gmail: another address each time, SPF',
    zone: {
      ...gmail.zone,
      'bigmail.example TXT': 'v=spf1 redirect=_spf.bigmail.example',
      '_spf.bigmail.example TXT': 'v=spf1 ip4:198.18.0.0/16 ~all',
    },
    clients: gmail.clients,
    helo: 'mail-0.out.bigmail.example',
    from: () => 'joe@bigmail.example',
    schedule: [0, M, 5 * M, 13 * M, 30 * M, H],
    classic: 5 * M,
    suspicion: 0,
  },
  {
    what: "Microsoft 365: 18 addresses, the customer's SPF",
    zone: {
      ...microsoft.zone,
      'customer.example TXT': 'v=spf1 include:spf.protection.example -all',
      'spf.protection.example TXT': 'v=spf1 ip4:198.18.0.0/15 -all',
    },
    clients: microsoft.clients,
    helo: 'mail-0.outbound.protection.example',
    from: () => 'joe@customer.example',
    schedule: [0, M, 6 * M, 16 * M, 31 * M, H, 2 * H, 4 * H],
    classic: 6 * M,
    suspicion: 0,
  },
  {
    what: 'Microsoft 365 for a domain without SPF: its names vouch for it',
    zone: microsoft.zone,
    clients: microsoft.clients,
    helo: 'mail-0.outbound.protection.example',
    from: () => 'joe@customer.example',
    schedule: [0, M, 6 * M, 16 * M],
    classic: 6 * M,
    suspicion: 0,
  },
  {
    what: '16 networks without names or SPF: not before one of them comes again',
    zone: {},
    clients: nameless,
    from: () => 'joe@customer.example',
    schedule: every(30 * M, 20),
    classic: 8 * H,
    suspicion: 8 * H,
    nextWaits: true,
  },
  {
    what: 'the same, spared by broken_servers',
    zone: {},
    clients: nameless,
    from: () => 'joe@customer.example',
    schedule: every(30 * M, 20),
    settings: { broken_servers: ['198.18.0.0/15'] },
    classic: 0,
    suspicion: 0,
  },
  {
    what: 'Amazon SES: a token as sender, SPF of its domain',
    zone: { ...ses.zone, 'eu-west-1.ses.example TXT': 'v=spf1 ip4:198.18.0.0/16 -all' },
    clients: ses.clients,
    helo: 'mail-0.smtp-out.ses.example',
    from: (n) => `0102018f1c2d3e${n}f-1a2b3c${n}d-5e6f-7a8b-9c0d-1e2f3a4b5c6d-000000@eu-west-1.ses.example`,
    schedule: [0, 2 * M, 10 * M, 40 * M],
    classic: 10 * M,
    suspicion: 0,
  },
  {
    what: 'Yahoo: several addresses, names only',
    zone: yahoo.zone,
    clients: yahoo.clients,
    helo: 'mail-0.bullet.yahoo.example',
    from: () => 'joe@yahoo.example',
    schedule: [0, 5 * M, 15 * M, 45 * M],
    classic: 5 * M,
    suspicion: 0,
  },
  {
    what: "SendGrid: the customer's domain, two hosts in turn",
    zone: {
      ...hosts({ 'o1.sg.shop.example': '198.18.93.77', 'o2.sg.shop.example': '198.19.104.98' }),
      'em71.shop.example TXT': 'v=spf1 ip4:198.18.93.77 ip4:198.19.104.98 -all',
    },
    clients: ['198.18.93.77', '198.19.104.98'],
    helo: 'o1.sg.shop.example',
    from: (n) => `bounces+123${n}-ab1${n}-user=example.org@em71.shop.example`,
    schedule: [0, 10 * M, 25 * M],
    classic: 10 * M,
    suspicion: 0,
  },
  {
    what: 'Mailchimp: a bounce address for each message',
    zone: {
      ...hosts({ 'mail17.suw15.mc.example': '198.18.1.17' }),
      'mail17.suw15.mc.example TXT': 'v=spf1 ip4:198.18.0.0/16 ?all',
    },
    clients: ['198.18.1.17'],
    helo: 'mail17.suw15.mc.example',
    from: (n) => `bounce-mc.us1_12345.67${n}-user=example.org@mail17.suw15.mc.example`,
    schedule: [0, 15 * M, 45 * M],
    classic: 15 * M,
    suspicion: 0,
  },
  {
    ...FIRM_HOST,
    what: 'Postfix: 300 s, doubled up to 4000 s',
    schedule: [0, 300 * S, 900 * S, 2100 * S, 4500 * S, 8500 * S],
    classic: 300 * S,
    suspicion: 0,
  },
  {
    ...FIRM_HOST,
    what: 'Exim: every 15 minutes',
    schedule: every(15 * M, 8),
    classic: 15 * M,
    suspicion: 0,
  },
  {
    ...FIRM_HOST,
    what: 'Sendmail: every 30 minutes',
    schedule: every(30 * M, 8),
    classic: 30 * M,
    suspicion: 0,
  },
  {
    ...FIRM_HOST,
    what: 'qmail: 400 s times n squared',
    schedule: [0, 1, 2, 3, 4].map((n) => 400 * S * n * n),
    classic: 400 * S,
    suspicion: 0,
  },
  {
    ...FIRM_HOST,
    what: 'Exchange: six times ten minutes',
    schedule: every(10 * M, 7),
    classic: 10 * M,
    suspicion: 0,
  },
  {
    ...FIRM_HOST,
    what: 'gives up after 10 minutes',
    schedule: [0, M, 5 * M],
    classic: 5 * M,
    suspicion: 0,
  },
  { ...FIRM_HOST, what: 'comes after six hours', schedule: [0, 6 * H], classic: 6 * H, suspicion: 0 },
  {
    ...FIRM_HOST,
    what: 'comes at the end of the retry window',
    schedule: [0, 2 * D],
    classic: 2 * D,
    suspicion: 0,
  },
  {
    ...FIRM_HOST,
    what: 'comes when the retry window is over',
    schedule: [0, 2 * D + S],
    classic: LOST,
    suspicion: 0,
  },
  // Nothing is promised to who has no patience where all are greylisted; by default nothing casts doubt on such a sender.
  {
    ...FIRM_HOST,
    what: 'login codes: three times after 30 s',
    schedule: every(30 * S, 4),
    classic: LOST,
    suspicion: 0,
  },
  {
    ...FIRM_HOST,
    what: 'login codes, delay = "1m"',
    schedule: every(30 * S, 4),
    settings: { delay: '1m' },
    classic: M,
    suspicion: 0,
  },
  {
    ...FIRM_HOST,
    what: 'login codes, spared',
    schedule: every(30 * S, 4),
    settings: { broken_servers: ['firm.example'] },
    classic: 0,
    suspicion: 0,
  },
  // A small server whose HELO name does not exist: doubt, and the delay that comes of it.
  {
    ...FIRM_HOST,
    what: 'Postfix with a wrong HELO name',
    helo: 'srv.firm.local',
    schedule: [0, 300 * S],
    classic: 300 * S,
    suspicion: 300 * S,
  },
  {
    what: 'a bot that never comes again',
    zone: {},
    clients: ['203.0.113.7'],
    from: () => 'joe@bigmail.example',
    schedule: [0],
    classic: LOST,
    suspicion: LOST,
  },
  {
    what: 'a bot that comes again at once, and leaves',
    zone: hosts({ 'pool-203-0-113-7.dsl.isp.example': '203.0.113.7' }),
    clients: ['203.0.113.7'],
    helo: 'pool-203-0-113-7.dsl.isp.example',
    from: () => 'joe@bigmail.example',
    schedule: every(S, 60),
    classic: LOST,
    suspicion: LOST,
  },
  {
    what: 'a bot that does nothing else for minutes waits like all others',
    zone: hosts({ 'pool-203-0-113-7.dsl.isp.example': '203.0.113.7' }),
    clients: ['203.0.113.7'],
    helo: 'pool-203-0-113-7.dsl.isp.example',
    from: () => 'joe@bigmail.example',
    schedule: every(S, 200),
    classic: 3 * M,
    suspicion: 3 * M,
  },
  {
    what: 'a bot net: another bot of the same provider comes again, whose SPF record permits its lines',
    zone: {
      ...hosts({
        'pool-203-0-113-7.dsl.isp.example': '203.0.113.7',
        'pool-198-18-9-7.dsl.isp.example': '198.18.9.7',
      }),
      'isp.example TXT': 'v=spf1 ip4:203.0.113.0/24 ip4:198.18.0.0/16 -all',
    },
    clients: ['203.0.113.7', '198.18.9.7'],
    helo: 'pool-203-0-113-7.dsl.isp.example',
    from: () => 'joe@isp.example',
    schedule: [0, 5 * M],
    classic: LOST,
    suspicion: LOST,
  },
  {
    what: 'a bot net with a domain whose SPF record permits the world',
    zone: { 'throwaway.example TXT': 'v=spf1 +all' },
    clients: nameless,
    from: () => 'joe@throwaway.example',
    schedule: every(5 * M, 16),
    classic: LOST,
    suspicion: LOST,
  },
  {
    what: 'a sender that changes its name each time is new each time',
    ...FIRM_HOST,
    from: (n) => `name${'abcdefgh'.charAt(n)}@firm.example`,
    schedule: [0],
    classic: LOST,
    suspicion: 0,
  },
];
