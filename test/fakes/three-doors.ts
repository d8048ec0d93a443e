/** The same client at each of the three doors, over real sockets: how far it got, what it was told, and what was written down. */
import type { ZoneRecords } from '../../src/adapters/dns/zone.ts';
import type { Decision } from '../../src/core/decision.ts';
import type { ListEntry } from '../../src/core/lists.ts';
import type { Ports } from '../../src/core/ports.ts';
import { networkSet } from '../../src/mail/networks.ts';
import type { Cleanup } from '../program.ts';
import type { Heard } from '../smtp.ts';
import { FakeBackend, REFUSES } from './backend.ts';
import { startGateway } from './gateway.ts';
import type { FakeJudgeOptions } from './judge.ts';
import { fakeResolver, type FakeTrouble } from './resolver.ts';
import { startMilter, startPolicy } from './services.ts';

export type Where = 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'message' | 'let in';

/** Of an honest client, where it is not said otherwise. */
export interface Visitor {
  readonly client?: string;
  readonly helo?: string;
  readonly from?: string;
  /** One after the other; the last one's answer counts. */
  readonly to?: readonly string[];
  readonly message?: string;
  readonly zone?: ZoneRecords;
  readonly troubles?: Readonly<Record<string, FakeTrouble>>;
  readonly entries?: readonly ListEntry[];
  readonly checks?: FakeJudgeOptions['checks'];
  readonly ports?: Partial<Ports>;
  readonly site?: FakeJudgeOptions['site'];
  /** Mailboxes that the backend, or the MTA, does not have. */
  readonly unknown?: readonly string[];
}

const MESSAGE =
  'From: a@example.net\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\nSubject: x\r\n\r\nText\r\n';
export const ZONE: ZoneRecords = {
  'example.net MX': '10 mail.example.net',
  'mail.example.net A': '192.0.2.7',
};

const SERVER = '198.51.100.25';
const LOOPBACK = networkSet(['127.0.0.0/8']);

function judgeOptions(c: Visitor): FakeJudgeOptions {
  return {
    checks: c.checks ?? [],
    ...(c.entries === undefined ? {} : { entries: c.entries }),
    ...(c.site === undefined ? {} : { site: c.site }),
    ports: { dns: fakeResolver(c.zone ?? ZONE, c.troubles), ...c.ports },
  };
}

/** Each door comes to what its client was told, and to what it wrote down. */
export interface Came {
  readonly at: Where;
  readonly reply: string;
  readonly decision: Decision;
}

const text = ({ lines }: Heard): string => lines.join('\n');

export async function byGateway(t: Cleanup, c: Visitor): Promise<Came> {
  const backend = new FakeBackend();
  for (const mailbox of c.unknown ?? []) backend.mailboxes.set(mailbox, REFUSES);
  const world = await startGateway(t, {
    ...judgeOptions(c),
    backend,
    listener: { proxyProtocolFrom: LOOPBACK },
  });
  const peer = await world.connect();
  await peer.write(`PROXY TCP4 ${c.client ?? '192.0.2.7'} ${SERVER} 40000 25\r\n`);
  const come = async (at: Where, reply: string): Promise<Came> => {
    peer.close();
    return { at, reply, decision: (await world.decided(1))[0]! };
  };
  const greeting = await peer.reply();
  if (greeting.code !== 220) return come('connect', text(greeting));
  const steps: [Where, string][] = [
    ['helo', `EHLO ${c.helo ?? 'client.example.net'}`],
    ['mail', `MAIL FROM:<${c.from ?? 'a@example.net'}>`],
    ...(c.to ?? ['user@example.org']).map((to): [Where, string] => ['rcpt', `RCPT TO:<${to}>`]),
    ['data', 'DATA'],
  ];
  for (const [at, line] of steps) {
    const heard = await peer.say(line);
    if (heard.code >= 400) return come(at, text(heard));
  }
  await peer.write(c.message ?? MESSAGE);
  const heard = await peer.say('.');
  return heard.code >= 400 ? come('message', text(heard)) : come('let in', '');
}

export async function byMilter(t: Cleanup, c: Visitor): Promise<Came> {
  const world = await startMilter(t, judgeOptions(c));
  const mta = await world.connect();
  const come = async (at: Where, reply: string): Promise<Came> => {
    mta.send('Q');
    return { at, reply, decision: (await world.decided(1))[0]! };
  };
  mta.macros('C', { '{daemon_addr}': SERVER, '{daemon_port}': '25' });
  const steps: [Where, () => ReturnType<typeof mta.helo>][] = [
    ['connect', () => mta.from(c.client ?? '192.0.2.7')],
    ['helo', () => mta.helo(c.helo ?? 'client.example.net')],
    ['mail', () => mta.mail(c.from ?? 'a@example.net')],
    ...(c.to ?? ['user@example.org']).map((to): [Where, () => ReturnType<typeof mta.helo>] => [
      'rcpt',
      () => {
        if (c.unknown?.includes(to) === true)
          mta.macros('R', {
            '{rcpt_mailer}': 'error',
            '{rcpt_host}': '5.1.1',
            '{rcpt_addr}': 'No such mailbox',
          });
        return mta.rcpt(to);
      },
    ]),
    ...((mta.protocol & 0x200) === 0
      ? [['data', () => mta.ask('T')] as [Where, () => ReturnType<typeof mta.helo>]]
      : []),
  ];
  for (const [at, ask] of steps) {
    const { kind, text: reply } = await ask();
    if (kind !== 'continue') return come(at, reply);
  }
  // DATA was told already.
  mta.protocol |= 0x200;
  const { kind, text: reply } = await mta.message(c.message ?? MESSAGE);
  return kind === 'accept' ? come('let in', '') : come('message', reply);
}

export async function byPolicy(t: Cleanup, c: Visitor): Promise<Came> {
  const world = await startPolicy(t, judgeOptions(c));
  const client = await world.connect();
  const known: Record<string, string | number> = {
    protocol_name: 'ESMTP',
    instance: 'one',
    client_address: c.client ?? '192.0.2.7',
    client_port: 40_000,
    server_address: SERVER,
    server_port: 25,
  };
  const come = async (at: Where, reply: string): Promise<Came> => {
    await world.service.stop();
    return { at, reply, decision: world.decisions[0]! };
  };
  const to = c.to ?? ['user@example.org'];
  // As an MTA asks that refuses at once (smtpd_delay_reject = no).
  const steps: [Where, Record<string, string | number>][] = [
    ['connect', { protocol_state: 'CONNECT' }],
    ['helo', { protocol_state: 'EHLO', helo_name: c.helo ?? 'client.example.net' }],
    ['mail', { protocol_state: 'MAIL', sender: c.from ?? 'a@example.net' }],
    ...to.map((recipient): [Where, Record<string, string>] => [
      'rcpt',
      { protocol_state: 'RCPT', recipient },
    ]),
    ['data', { protocol_state: 'DATA', recipient: '', recipient_count: to.length }],
    ['message', { protocol_state: 'END-OF-MESSAGE', size: (c.message ?? MESSAGE).length }],
  ];
  for (const [at, more] of steps) {
    Object.assign(known, more);
    const action = await client.ask(known);
    if (action !== 'DUNNO' && action?.startsWith('PREPEND ') !== true) return come(at, action ?? 'no answer');
  }
  return come('let in', '');
}
