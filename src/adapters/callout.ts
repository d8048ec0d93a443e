/**
 * The callout's end of the wire (E6): asks the servers that take a domain's mail whether they would take a bounce.
 *
 * All that is heard is hostile: host names come from a stranger's DNS and the servers may be anything. So we look the names up by
 * our own resolver and connect only to public addresses, never to what answers on our own network's ports (server-side
 * request forgery). Replies are bounded by `ReplyReader`, steps by `stepTimeoutMs`, and the whole of a callout by
 * `totalTimeoutMs`, whatever dribbles. Nothing in it rejects.
 *
 * Strangers are spared, for whom we ask is up to whoever sends us mail, and any domain's MX may name any server: one connection to
 * an address and one callout for a domain at a time, `perServer` connections a minute to one server and its neighbours, a named
 * number in all, and the asking stops at the first refusal. Over a bound nobody is asked: the answer is `limited`.
 *
 * RFC 5321: 4.5.5 (the null reverse-path is always taken), 5.1 (which host is asked), 4.1.1.10 (QUIT).
 */
import type { BackendAnswer, CalloutAnswer, CalloutPort, DnsPort, RatesPort } from '../core/ports.ts';
import { organizationalDomain } from '../mail/domain.ts';
import { addressScope, formatIp, formatNetwork, networkAround, parseIp } from '../mail/ip.ts';
import { formatMailbox, type Mailbox } from '../mail/mailbox.ts';
import type { Reply } from '../mail/reply.ts';
import { mailCommand, rcptCommand } from '../wire/smtp/client.ts';
import { connect, type Connection } from './backends/connection.ts';

export interface CalloutSettings {
  /** Our name in EHLO. */
  readonly hostName: string;
  readonly dns: DnsPort;
  readonly rates: Pick<RatesPort, 'add'>;
  /** Connections within a minute to the servers of one network, for whatever domains. */
  readonly perServer?: number;
  readonly port?: number;
  /** For the connection and for each reply. */
  readonly stepTimeoutMs?: number;
  /** Below the budget of a stage, so that what was heard by then still counts. */
  readonly totalTimeoutMs?: number;
  /** Connections at a time, to all hosts together. */
  readonly maxOpen?: number;
  /** Callouts that wait for their turn; what comes beyond is not asked. */
  readonly maxWaiting?: number;
  /** For tests on loopback. */
  readonly anyAddress?: boolean;
}

type Unreachable = BackendAnswer & { readonly kind: 'unreachable' };
type Limited = CalloutAnswer & { readonly kind: 'limited' };

/** A server that has a bounce to deliver tries more; we do not want it as much. */
const MAX_HOSTS = 3;
const MAX_ADDRESSES_PER_HOST = 2;
const QUIT_TIMEOUT_MS = 2000;
/** Space of the rates. */
const SERVERS = 'callout-servers';
const MINUTE_MS = 60_000;
/** What is counted as one server: a pool of addresses is one operator's, and may be one victim's. */
const NEIGHBOURS = { 4: 24, 6: 48 } as const;

export class Callout implements CalloutPort {
  readonly #settings: Required<Omit<CalloutSettings, 'dns' | 'rates'>>;
  readonly #dns: DnsPort;
  readonly #rates: Pick<RatesPort, 'add'>;
  /** Addresses that a connection is open to. */
  readonly #open = new Set<string>();
  /** Organizational domains that are being asked. */
  readonly #domains = new Set<string>();
  #waiting: (() => void)[] = [];

  constructor({ dns, rates, ...settings }: CalloutSettings) {
    this.#dns = dns;
    this.#rates = rates;
    this.#settings = {
      perServer: 30,
      port: 25,
      stepTimeoutMs: 10_000,
      totalTimeoutMs: 15_000,
      maxOpen: 10,
      maxWaiting: 100,
      anyAddress: false,
      ...settings,
    };
  }

  async ask(
    hosts: readonly string[],
    recipients: readonly Mailbox[],
    signal: AbortSignal,
  ): Promise<readonly CalloutAnswer[]> {
    const whole = AbortSignal.any([signal, AbortSignal.timeout(this.#settings.totalTimeoutMs)]);
    const domain = organizationalDomain(recipients[0]?.domain ?? '');
    const refused = await this.#turn(this.#domains, domain, Infinity, whole);
    if (refused !== undefined) return [refused];
    try {
      return await this.#askHosts(hosts, recipients, whole);
    } finally {
      this.#domains.delete(domain);
      this.#next();
    }
  }

  async #askHosts(
    hosts: readonly string[],
    recipients: readonly Mailbox[],
    whole: AbortSignal,
  ): Promise<readonly CalloutAnswer[]> {
    let last = unreachable('there is no host to ask');
    for (const host of hosts.slice(0, MAX_HOSTS)) {
      const addresses = await this.#addressesOf(host, whole);
      if ('kind' in addresses) last = addresses;
      else {
        for (const address of addresses) {
          if (whole.aborted) return [unreachable('no answer in time')];
          const answers = await this.#askAt(address, recipients, whole);
          if (!('kind' in answers)) return answers;
          // Whoever sent us here has other addresses for us to go to: enough is enough for the whole domain.
          if (answers.kind === 'limited') return [answers];
          last = answers;
        }
      }
    }
    return [whole.aborted ? unreachable('no answer in time') : last];
  }

  /** In our own notation, each once: by it connections are counted. */
  async #addressesOf(host: string, signal: AbortSignal): Promise<readonly string[] | Unreachable> {
    const literal = parseIp(host);
    const found = literal === undefined ? await this.#lookUp(host, signal) : [host];
    const addresses = new Set<string>();
    for (const text of found) {
      const ip = parseIp(text);
      if (ip !== undefined && (this.#settings.anyAddress || addressScope(ip) === 'public'))
        addresses.add(formatIp(ip));
    }
    if (addresses.size > 0) return [...addresses].slice(0, MAX_ADDRESSES_PER_HOST);
    return unreachable(found.length === 0 ? 'it has no address' : 'it has no public address');
  }

  async #lookUp(host: string, signal: AbortSignal): Promise<readonly string[]> {
    const answers = await Promise.all([
      this.#dns.resolve(host, 'A', signal),
      this.#dns.resolve(host, 'AAAA', signal),
    ]);
    return answers.flatMap((answer) => (answer.kind === 'found' ? answer.records : []));
  }

  /** `unreachable` as long as the next address may know better: it did not get as far as MAIL. */
  async #askAt(
    address: string,
    recipients: readonly Mailbox[],
    signal: AbortSignal,
  ): Promise<readonly BackendAnswer[] | Unreachable | Limited> {
    const refused = await this.#turn(this.#open, address, this.#settings.maxOpen, signal);
    if (refused !== undefined) return refused;
    const tooMany = await this.#counted(address);
    if (tooMany !== undefined) {
      this.#leave(address);
      return tooMany;
    }
    const { hostName, port, stepTimeoutMs } = this.#settings;
    const connection = await connect(
      { protocol: 'smtp', address: { host: address, port } },
      {
        hostName,
        tls: 'none',
        connectTimeoutMs: stepTimeoutMs,
        commandTimeoutMs: stepTimeoutMs,
        dataTimeoutMs: stepTimeoutMs,
      },
      signal,
    );
    if ('kind' in connection) {
      this.#leave(address);
      return connection;
    }
    try {
      return await dialogue(connection, recipients, signal);
    } finally {
      // Nobody waits for the goodbye, but until it is said the place is taken.
      const bye = connection.ask('QUIT', AbortSignal.timeout(QUIT_TIMEOUT_MS));
      void bye.then(() => {
        connection.cut('it is over');
        this.#leave(address);
      });
    }
  }

  /** Takes the one place for `whom`, of `max` in all, once it is free; tells why it is not. */
  async #turn(
    places: Set<string>,
    whom: string,
    max: number,
    signal: AbortSignal,
  ): Promise<Limited | undefined> {
    while (places.has(whom) || places.size >= max) {
      if (this.#waiting.length >= this.#settings.maxWaiting) return limited('too many callouts at a time');
      if (signal.aborted) return limited('its turn did not come in time');
      await new Promise<void>((resolve) => {
        const proceed = () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        };
        const onAbort = () => {
          this.#waiting = this.#waiting.filter((other) => other !== proceed);
          resolve();
        };
        signal.addEventListener('abort', onAbort, { once: true });
        this.#waiting.push(proceed);
      });
    }
    // In the same step as the last look.
    places.add(whom);
    return undefined;
  }

  async #counted(address: string): Promise<Limited | undefined> {
    const { perServer } = this.#settings;
    const server = neighbourhood(address);
    try {
      const asked = await this.#rates.add(SERVERS, server, MINUTE_MS);
      return asked > perServer
        ? limited(`${server} was asked ${perServer} times within a minute`)
        : undefined;
    } catch {
      // What cannot be counted has no bound.
      return limited('it cannot be counted how often they were asked');
    }
  }

  #leave(address: string): void {
    this.#open.delete(address);
    this.#next();
  }

  #next(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const proceed of waiting) proceed();
  }
}

function neighbourhood(address: string): string {
  const ip = parseIp(address);
  return ip === undefined ? address : formatNetwork(networkAround(ip, NEIGHBOURS[ip.family]));
}

async function dialogue(
  connection: Connection,
  recipients: readonly Mailbox[],
  signal: AbortSignal,
): Promise<readonly BackendAnswer[]> {
  const { offered } = connection;
  const isUtf8 = recipients.some((recipient) => /[^\0-\x7f]/.test(formatMailbox(recipient)));
  // RFC 6531 3.2: what needs SMTPUTF8 is not sent to a server without it.
  if (isUtf8 && !offered.smtputf8) return [unreachable('it knows no SMTPUTF8')];
  const begun = await connection.ask(mailCommand(null, isUtf8 ? { smtputf8: true } : {}, offered), signal);
  if (begun.kind === 'unreachable') return [begun];
  if (!isYes(begun.reply)) return [{ ...begun, of: 'transaction' }];
  const answers: BackendAnswer[] = [];
  for (const recipient of recipients) {
    const answer = await connection.ask(rcptCommand(recipient, {}, offered), signal);
    answers.push(answer);
    if (answer.kind === 'unreachable' || !isYes(answer.reply)) break;
  }
  return answers;
}

// 3xx is none of the replies that these commands have.
const isYes = ({ code }: Reply): boolean => code < 300;

const unreachable = (reason: string): Unreachable => ({ kind: 'unreachable', reason });

const limited = (reason: string): Limited => ({ kind: 'limited', reason });
