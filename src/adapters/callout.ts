/**
 * The callout's end of the wire (E6): asks the servers that take a domain's mail whether they would take a bounce.
 *
 * All that is heard is hostile: host names come from a stranger's DNS and the servers may be anything. So we look the names up by
 * our own resolver and connect only to public addresses, never to what answers on our own network's ports (server-side
 * request forgery). Replies are bounded by `ReplyReader`, steps by `stepTimeoutMs`, and the whole of a callout by
 * `totalTimeoutMs`, whatever dribbles. Strangers are spared: one connection to a host at a time, a named number in all, and
 * the asking stops at the first refusal. Nothing in it rejects.
 *
 * RFC 5321: 4.5.5 (the null reverse-path is always taken), 5.1 (which host is asked), 4.1.1.10 (QUIT).
 */
import type { BackendAnswer, CalloutPort, DnsPort } from '../core/ports.ts';
import { addressScope, formatIp, parseIp } from '../mail/ip.ts';
import { formatMailbox, type Mailbox } from '../mail/mailbox.ts';
import type { Reply } from '../mail/reply.ts';
import { mailCommand, rcptCommand } from '../wire/smtp/client.ts';
import { connect, type Connection } from './backends/connection.ts';

export interface CalloutSettings {
  /** Our name in EHLO. */
  readonly hostName: string;
  readonly dns: DnsPort;
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

/** A server that has a bounce to deliver tries more; we do not want it as much. */
const MAX_HOSTS = 3;
const MAX_ADDRESSES_PER_HOST = 2;
const QUIT_TIMEOUT_MS = 2000;

export class Callout implements CalloutPort {
  readonly #settings: Required<Omit<CalloutSettings, 'dns'>>;
  readonly #dns: DnsPort;
  /** Addresses that a connection is open to. */
  readonly #open = new Set<string>();
  #waiting: (() => void)[] = [];

  constructor({ dns, ...settings }: CalloutSettings) {
    this.#dns = dns;
    this.#settings = {
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
  ): Promise<readonly BackendAnswer[]> {
    const whole = AbortSignal.any([signal, AbortSignal.timeout(this.#settings.totalTimeoutMs)]);
    let last = unreachable('there is no host to ask');
    for (const host of hosts.slice(0, MAX_HOSTS)) {
      const addresses = await this.#addressesOf(host, whole);
      if ('kind' in addresses) last = addresses;
      else {
        for (const address of addresses) {
          if (whole.aborted) return [unreachable('no answer in time')];
          const answers = await this.#askAt(address, recipients, whole);
          if (!('kind' in answers)) return answers;
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
  ): Promise<readonly BackendAnswer[] | Unreachable> {
    const refused = await this.#turn(address, signal);
    if (refused !== undefined) return refused;
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

  /** Takes a place for the address, once there is one; tells why there is none. */
  async #turn(address: string, signal: AbortSignal): Promise<Unreachable | undefined> {
    while (this.#open.has(address) || this.#open.size >= this.#settings.maxOpen) {
      if (this.#waiting.length >= this.#settings.maxWaiting)
        return unreachable('too many callouts at a time');
      if (signal.aborted) return unreachable('its turn did not come in time');
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
    this.#open.add(address);
    return undefined;
  }

  #leave(address: string): void {
    this.#open.delete(address);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const proceed of waiting) proceed();
  }
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
