import net from 'node:net';
import tls from 'node:tls';
import type { BackendFailure, MessageContent } from '../../core/delivery.ts';
import type { BackendAnswer } from '../../core/ports.ts';
import { isPositive, type Reply } from '../../mail/reply.ts';
import { ClientDialogue } from '../../wire/smtp/client.ts';
import { DotStuffer } from '../../wire/smtp/dot-stuffing.ts';
import { NOTHING_OFFERED, parseOffered, type Offered } from '../../wire/smtp/offered.ts';

/*
 * One connection to an SMTP or LMTP server: `ClientDialogue` with a socket, time-outs and TLS. Nothing in it rejects:
 * whatever ends the connection is the `unreachable` answer to what is under way and to everything after it. A 421
 * (RFC 5321 3.8) is such an end, at any time: it is about the connection, never about the mail.
 */

export interface Target {
  readonly protocol: 'smtp' | 'lmtp';
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string };
}

export interface ConnectionSettings {
  /** Our name in EHLO. */
  readonly hostName: string;
  /** `opportunistic` and `required` encrypt without asking who it is; `verify` wants a certificate that holds. */
  readonly tls: 'none' | 'opportunistic' | 'required' | 'verify';
  /** PEM, in place of the system's certificate authorities. */
  readonly tlsAuthorities?: string;
  /** For the connection, the greeting and the TLS handshake each. */
  readonly connectTimeoutMs: number;
  /** RFC 5321 4.5.3.2: for each reply, and for the backend to take more of the message. */
  readonly commandTimeoutMs: number;
  /** RFC 5321 4.5.3.2.6: for the reply to the final dot. */
  readonly dataTimeoutMs: number;
}

/** What is handed to the socket at once while a message goes out. */
const WRITE_OCTETS = 65_536;

interface Waiting {
  settle(answer: BackendAnswer): void;
}

export class Connection {
  readonly target: Target;
  readonly #settings: ConnectionSettings;
  #socket: net.Socket;
  #dialogue = new ClientDialogue();
  #waiting: Waiting | undefined;
  #flow: (() => void) | undefined;
  #lost: string | undefined;
  #lostBy: 'peer' | 'us' = 'us';
  /** A refusal that came while the message was going out. */
  #early: Reply | undefined;
  #sending = false;
  #offered = NOTHING_OFFERED;
  /** The client that XCLIENT named on this connection; empty: it stands for ourselves. */
  identity = '';
  /** It can stand for no other client any more. */
  isBound = false;
  /** Refusals and transactions given up since the last message was delivered over it. */
  fruitless = 0;
  /** Called once, when the connection is lost; not after `quit`. */
  onLost: (() => void) | undefined;

  readonly #listeners = {
    data: (bytes: Buffer) => this.#receive(bytes),
    drain: () => this.#flow?.(),
    error: (error: Error) => this.#lose(`connection lost: ${describe(error)}`, 'peer'),
    close: () => this.#lose('connection closed by the other side', 'peer'),
  };

  constructor(socket: net.Socket, target: Target, settings: ConnectionSettings) {
    this.#socket = socket;
    this.target = target;
    this.#settings = settings;
    this.#listen(socket);
  }

  get offered(): Offered {
    return this.#offered;
  }

  /** Why the connection is over, or undefined while it lives. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /** True where the other side ended it, as servers do with connections that were idle for long. */
  get lostByPeer(): boolean {
    return this.#lost !== undefined && this.#lostBy === 'peer';
  }

  greeting(signal: AbortSignal): Promise<BackendAnswer> {
    return this.#answer('waiting for the greeting', this.#settings.connectTimeoutMs, signal);
  }

  /** One command and its reply. */
  ask(line: string, signal: AbortSignal): Promise<BackendAnswer> {
    if (this.#lost !== undefined) return Promise.resolve({ kind: 'unreachable', reason: this.#lost });
    this.#socket.write(this.#dialogue.command(line));
    return this.#answer(`waiting for the reply to ${verbOf(line)}`, this.#settings.commandTimeoutMs, signal);
  }

  /** EHLO with HELO in its place where it is not known (RFC 5321 3.2), or LHLO (RFC 2033 4.1). */
  async hello(name: string, signal: AbortSignal): Promise<BackendAnswer> {
    const answer = await this.ask(`${this.target.protocol === 'lmtp' ? 'LHLO' : 'EHLO'} ${name}`, signal);
    if (answer.kind === 'unreachable') return answer;
    if (isPositive(answer.reply)) {
      this.#offered = parseOffered(answer.reply);
      return answer;
    }
    if (this.target.protocol === 'lmtp' || answer.reply.code < 500) return answer;
    this.#offered = NOTHING_OFFERED;
    return this.ask(`HELO ${name}`, signal);
  }

  async startTls(signal: AbortSignal): Promise<BackendAnswer> {
    const answer = await this.ask('STARTTLS', signal);
    if (answer.kind === 'unreachable' || answer.reply.code !== 220) return answer;
    if (!this.#dialogue.startTls())
      return this.cut('speaks nonsense: more in plain text behind the reply to STARTTLS');
    const plain = this.#socket;
    this.#deafen();
    // The TLS socket reports what happens to it; without a listener here a late error would end the process.
    plain.on('error', () => undefined);
    const { address } = this.target;
    const host = 'host' in address ? address.host : 'localhost';
    const secure = tls.connect({
      socket: plain,
      host,
      ...(net.isIP(host) === 0 ? { servername: host } : {}),
      rejectUnauthorized: this.#settings.tls === 'verify',
      ...(this.#settings.tlsAuthorities === undefined ? {} : { ca: this.#settings.tlsAuthorities }),
    });
    this.#socket = secure;
    this.#dialogue = new ClientDialogue('after-starttls');
    this.#listen(secure);
    const shaken = this.#answer('waiting for the TLS handshake', this.#settings.connectTimeoutMs, signal);
    secure.once('secureConnect', () => this.#waiting?.settle(answer));
    return shaken;
  }

  /**
   * The message and the final dot, after DATA was answered with 354. A positive reply that came before the dot was
   * written is never taken for the message's; whatever goes wrong cuts the connection, so that nothing is taken by half.
   */
  async transfer(message: MessageContent, signal: AbortSignal): Promise<BackendAnswer> {
    const stuffer = new DotStuffer();
    this.#sending = true;
    this.#socket.cork();
    try {
      for await (const chunk of message.chunks()) {
        if (signal.aborted) return this.cut(givenUp(signal));
        this.#socket.write(stuffer.push(chunk));
        if (this.#socket.writableLength >= WRITE_OCTETS) {
          this.#socket.uncork();
          await this.#flowing(signal);
          this.#socket.cork();
        }
        const stopped = this.#stopped();
        if (stopped !== undefined) return stopped;
      }
    } catch (error) {
      return this.cut(
        `the message could not be read: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    const stopped = this.#stopped();
    if (stopped !== undefined) return stopped;
    this.#sending = false;
    this.#dialogue.endOfMessage();
    this.#socket.write(stuffer.end());
    this.#socket.uncork();
    return this.#answer('waiting for the reply to the message', this.#settings.dataTimeoutMs, signal);
  }

  /** Ends it at once; what the other side has of a message stays without its final dot. */
  cut(reason: string): BackendAnswer & { kind: 'unreachable' } {
    this.#lose(reason, 'us');
    return { kind: 'unreachable', reason: this.#lost ?? reason };
  }

  /** A polite end; does not wait for the reply. */
  quit(): void {
    if (this.#lost !== undefined) return;
    const socket = this.#socket;
    this.#lost = 'ended by us';
    this.#deafen();
    socket.on('error', () => undefined);
    socket.end('QUIT\r\n');
    // RFC 5321 4.1.1.10 wants the 221 awaited; a backend that does not give it must not hold us.
    socket.setTimeout(QUIT_TIMEOUT_MS, () => socket.destroy());
    socket.resume();
    socket.unref();
  }

  /** Idle connections do not keep the process alive. */
  setIdle(idle: boolean): void {
    if (idle) this.#socket.unref();
    else this.#socket.ref();
  }

  #listen(socket: net.Socket): void {
    socket.setNoDelay(true);
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener);
  }

  /** Only our own listeners go: the socket's own see to it that it ends when the other side does. */
  #deafen(): void {
    for (const [event, listener] of Object.entries(this.#listeners)) this.#socket.off(event, listener);
  }

  #receive(bytes: Buffer): void {
    for (const event of this.#dialogue.receive(bytes)) {
      if (this.#lost !== undefined) return;
      if (event.kind === 'nonsense') {
        this.#lose(`speaks nonsense: ${event.reason}`, 'us');
      } else if (event.reply.code === 421) {
        this.#lose(`ends the connection: ${describeReply(event.reply)}`, 'peer');
      } else if (event.kind === 'replied') {
        this.#waiting?.settle({ kind: 'replied', reply: event.reply });
      } else if (this.#sending && event.reply.code >= 400) {
        this.#early = event.reply;
        this.#flow?.();
      } else {
        this.#lose(`speaks nonsense: ${event.reply.code} without being asked`, 'us');
      }
    }
  }

  #lose(reason: string, by: 'peer' | 'us'): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    this.#lostBy = by;
    this.#socket.destroy();
    this.#waiting?.settle({ kind: 'unreachable', reason });
    this.#flow?.();
    this.onLost?.();
  }

  /** Ends when a reply comes, the connection is lost, the time is up or the signal says so. */
  #answer(what: string, timeoutMs: number, signal: AbortSignal): Promise<BackendAnswer> {
    if (this.#lost !== undefined) return Promise.resolve({ kind: 'unreachable', reason: this.#lost });
    if (signal.aborted) return Promise.resolve(this.cut(givenUp(signal)));
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#lose(`timed out ${what}`, 'us'), timeoutMs);
      const onAbort = () => this.#lose(givenUp(signal), 'us');
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting = {
        settle: (answer) => {
          clearTimeout(timer);
          signal.removeEventListener('abort', onAbort);
          this.#waiting = undefined;
          resolve(answer);
        },
      };
    });
  }

  /** Ends when the socket takes more, a reply comes early, or as `#answer` does. */
  #flowing(signal: AbortSignal): Promise<void> {
    if (!this.#socket.writableNeedDrain || this.#lost !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => this.#lose('timed out waiting for the backend to take more of the message', 'us'),
        this.#settings.commandTimeoutMs,
      );
      const onAbort = () => this.#lose(givenUp(signal), 'us');
      signal.addEventListener('abort', onAbort, { once: true });
      this.#flow = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#flow = undefined;
        resolve();
      };
    });
  }

  #stopped(): BackendAnswer | undefined {
    if (this.#early !== undefined) {
      const reply = this.#early;
      this.cut('refused in the midst of the message');
      return { kind: 'replied', reply };
    }
    return this.#lost === undefined ? undefined : { kind: 'unreachable', reason: this.#lost };
  }
}

const QUIT_TIMEOUT_MS = 2000;

/**
 * A connection that is ready for MAIL. Whatever goes wrong here is `unreachable`, a refusal in the greeting too: it
 * speaks of us, and no sender's mail is to be refused for good because of it.
 */
export async function connect(
  target: Target,
  settings: ConnectionSettings,
  signal: AbortSignal,
): Promise<Connection | (BackendFailure & { kind: 'unreachable' })> {
  const socket = await openSocket(target, settings.connectTimeoutMs, signal);
  if ('kind' in socket) return socket;
  const connection = new Connection(socket, target, settings);
  const trouble = await handshake(connection, settings, signal);
  if (trouble === undefined) return connection;
  connection.cut(trouble);
  return { kind: 'unreachable', reason: trouble };
}

async function handshake(
  connection: Connection,
  settings: ConnectionSettings,
  signal: AbortSignal,
): Promise<string | undefined> {
  const greeting = refusalIn('the greeting', await connection.greeting(signal));
  if (greeting !== undefined) return greeting;
  const hello = refusalIn('EHLO', await connection.hello(settings.hostName, signal));
  if (hello !== undefined || settings.tls === 'none') return hello;
  if (!connection.offered.startTls) {
    return settings.tls === 'opportunistic' ? undefined : `offers no STARTTLS, and tls is "${settings.tls}"`;
  }
  const started = refusalIn('STARTTLS', await connection.startTls(signal));
  if (started !== undefined) return started;
  // RFC 3207 4.2: what was offered before TLS does not count.
  return refusalIn('EHLO', await connection.hello(settings.hostName, signal));
}

function refusalIn(what: string, answer: BackendAnswer): string | undefined {
  if (answer.kind === 'unreachable') return answer.reason;
  // RFC 5321 4.3.2: none of these steps has an intermediate reply.
  return isPositive(answer.reply) && answer.reply.code < 300
    ? undefined
    : `refuses in reply to ${what}: ${describeReply(answer.reply)}`;
}

function openSocket(
  target: Target,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<net.Socket | { kind: 'unreachable'; reason: string }> {
  if (signal.aborted) return Promise.resolve({ kind: 'unreachable', reason: givenUp(signal) });
  return new Promise((resolve) => {
    const socket = net.connect(target.address);
    const end = (reason?: string) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect);
      if (reason === undefined) {
        socket.off('error', onError);
        resolve(socket);
        return;
      }
      socket.destroy();
      resolve({ kind: 'unreachable', reason });
    };
    const onAbort = () => end(givenUp(signal));
    const onConnect = () => end();
    const onError = (error: Error) => end(`cannot connect: ${describe(error)}`);
    const timer = setTimeout(() => end('timed out connecting'), timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', onConnect);
    socket.on('error', onError);
  });
}

export function describeReply(reply: Reply): string {
  return `${reply.code} ${reply.enhanced === '' ? '' : `${reply.enhanced} `}${reply.lines.join(' ')}`.trim();
}

export function givenUp(signal: AbortSignal): string {
  const reason: unknown = signal.reason;
  return `given up: ${reason instanceof Error ? reason.message : String(reason)}`;
}

function describe(error: Error): string {
  // Several addresses of one name fail as an AggregateError without a message.
  if (error.message !== '') return error.message;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

function verbOf(line: string): string {
  return /^[A-Z]+/.exec(line)?.[0] ?? 'a command';
}
