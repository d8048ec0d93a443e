import type {
  Backend,
  BackendFailure,
  Capabilities,
  Delivery,
  Envelope,
  MessageContent,
} from '../../core/delivery.ts';
import type { RcptParameters } from '../../mail/parameters.ts';
import type { BackendAnswer } from '../../core/ports.ts';
import { replies } from '../../core/replies.ts';
import { formatMailbox, formatReversePath, type Mailbox } from '../../mail/mailbox.ts';
import { isPositive } from '../../mail/reply.ts';
import { mailCommand, rcptCommand } from '../../wire/smtp/client.ts';
import type { Offered } from '../../wire/smtp/offered.ts';
import { xclientCommands } from '../../wire/smtp/xclient.ts';
import {
  connect,
  describeReply,
  type Connection,
  type ConnectionSettings,
  type Target,
} from './connection.ts';
import { Pool, type Lease, type PoolLimits, type Unreachable } from './pool.ts';

export interface SmtpBackendSettings extends ConnectionSettings, PoolLimits {
  readonly xclient: boolean;
}

/** RFC 5321 4.5.3.1.8 promises 100; a backend that takes fewer or more says so itself. */
const RECIPIENTS_PER_SMTP_TRANSACTION = 1000;
/** How long a connection may take to forget a transaction that was given up, before it is given up itself. */
const RSET_TIMEOUT_MS = 10_000;

/** An SMTP (RFC 5321) or LMTP (RFC 2033) server behind us. */
export class SmtpBackend implements Backend {
  readonly url: string;
  readonly #target: Target;
  readonly #settings: SmtpBackendSettings;
  readonly #pool: Pool;
  #capabilities: Capabilities;

  constructor(url: string, target: Target, settings: SmtpBackendSettings) {
    this.url = url;
    this.#target = target;
    this.#settings = settings;
    this.#capabilities = { ...this.#perTransaction(), dsn: false, smtputf8: false, eightBitMime: false };
    this.#pool = new Pool((signal) => this.#connect(signal), settings);
  }

  capabilities(): Capabilities {
    return this.#capabilities;
  }

  async begin(envelope: Envelope, signal: AbortSignal): Promise<Delivery | BackendFailure> {
    const { network } = envelope.client;
    const lease = await this.#pool.acquire(network, signal);
    if ('kind' in lease) return lease;
    const begun = await this.#transaction(lease, envelope, signal);
    // A server may end what was idle at any moment. Nothing was accepted yet, so that asking again cannot deliver twice.
    const { lostByPeer, isBound } = lease.connection;
    const isStale = lease.reused && (lostByPeer || isBound);
    if (!isStale || !('kind' in begun) || begun.kind !== 'unreachable') return begun;
    const fresh = await this.#pool.acquire(network, signal, 'fresh');
    return 'kind' in fresh ? fresh : this.#transaction(fresh, envelope, signal);
  }

  async probe(signal: AbortSignal): Promise<BackendFailure | undefined> {
    const connection = await this.#connect(signal);
    if ('kind' in connection) return connection;
    connection.quit();
    return undefined;
  }

  close(): Promise<void> {
    this.#pool.close();
    return Promise.resolve();
  }

  async #connect(signal: AbortSignal): Promise<Connection | Unreachable> {
    const connection = await connect(this.#target, this.#settings, signal);
    if (!('kind' in connection)) this.#see(connection.offered);
    return connection;
  }

  #see(offered: Offered): void {
    this.#capabilities = {
      ...this.#perTransaction(),
      dsn: offered.dsn,
      smtputf8: offered.smtputf8,
      eightBitMime: offered.eightBitMime,
      ...(offered.sizeOctets === undefined ? {} : { sizeOctets: offered.sizeOctets }),
    };
  }

  #perTransaction() {
    return {
      recipientsPerTransaction: this.#target.protocol === 'lmtp' ? 1 : RECIPIENTS_PER_SMTP_TRANSACTION,
    };
  }

  /** Introduces the client and sends MAIL. Unless a delivery comes of it, the connection is back in the pool. */
  async #transaction(
    lease: Lease,
    envelope: Envelope,
    signal: AbortSignal,
  ): Promise<Delivery | BackendFailure> {
    const { connection } = lease;
    const refused =
      (await this.#introduce(connection, envelope, signal)) ?? (await mail(connection, envelope, signal));
    if (refused !== undefined) {
      connection.fruitless += 1;
      this.#pool.giveBack(lease);
      return refused;
    }
    return new SmtpDelivery(lease, this.#pool, envelope, this.capabilities().recipientsPerTransaction);
  }

  /** XCLIENT, where it is wanted and offered, and where the connection does not speak for this client already. */
  async #introduce(
    connection: Connection,
    { client }: Envelope,
    signal: AbortSignal,
  ): Promise<BackendFailure | undefined> {
    const attributes = connection.offered.xclient;
    if (!this.#settings.xclient || (attributes === undefined && connection.identity === '')) return undefined;
    const identity = JSON.stringify(client);
    if (identity === connection.identity) return undefined;
    const commands = xclientCommands(attributes ?? [], client);
    // It stands for another client and takes no other: nobody may be served under a stranger's name.
    if (commands.length === 0)
      return connection.identity === '' ? undefined : bound(connection, 'no longer offers XCLIENT');
    for (const command of commands) {
      const answer = await connection.ask(command, signal);
      if (answer.kind === 'unreachable') return answer;
      const { code } = answer.reply;
      // XCLIENT_README: 501, 503 and 550 are about the command and us, anything else is the greeting for that client.
      if (code === 501 || code === 503 || code === 550) {
        const reason = `refuses XCLIENT: ${describeReply(answer.reply)}`;
        return connection.identity === '' ? connection.cut(reason) : bound(connection, reason);
      }
      if (!isPositive(answer.reply)) {
        connection.cut('refused that client');
        return answer;
      }
    }
    // The session is as after the greeting. Postfix takes the client's name from this EHLO.
    const { heloName } = client;
    const hello = await connection.hello(
      heloName !== undefined && HELO_NAME.test(heloName) ? heloName : this.#settings.hostName,
      signal,
    );
    if (hello.kind === 'unreachable') return hello;
    if (!isPositive(hello.reply)) {
      connection.cut('refused the HELO name of that client');
      return hello;
    }
    connection.identity = identity;
    return undefined;
  }
}

/** Postfix gives a connection the rights of the client that it stands for, and that one may not name another. */
function bound(connection: Connection, reason: string): BackendFailure {
  connection.isBound = true;
  connection.quit();
  return { kind: 'unreachable', reason };
}

const HELO_NAME = /^[\x21-\x7e]{1,255}$/;

async function mail(
  connection: Connection,
  { reversePath, parameters }: Envelope,
  signal: AbortSignal,
): Promise<BackendFailure | undefined> {
  const { offered } = connection;
  // RFC 6531 3.2: what needs SMTPUTF8 is not sent to a server without it.
  const needed = parameters.smtputf8 === true || !isAscii(formatReversePath(reversePath));
  if (needed && !offered.smtputf8) return { kind: 'replied', reply: replies.smtputf8NotPossible() };
  const answer = await connection.ask(mailCommand(reversePath, parameters, offered), signal);
  return notAccepted(connection, 'MAIL', answer);
}

class SmtpDelivery implements Delivery {
  readonly #lease: Lease;
  readonly #connection: Connection;
  readonly #pool: Pool;
  readonly #envelope: Envelope;
  readonly #recipientsLimit: number;
  #accepted = 0;
  #state: 'open' | 'asking' | 'over' = 'open';

  constructor(lease: Lease, pool: Pool, envelope: Envelope, recipientsLimit: number) {
    this.#lease = lease;
    this.#connection = lease.connection;
    this.#pool = pool;
    this.#envelope = envelope;
    this.#recipientsLimit = recipientsLimit;
  }

  get awaited(): boolean {
    return this.#pool.exhausted;
  }

  async rcpt(recipient: Mailbox, parameters: RcptParameters, signal: AbortSignal): Promise<BackendAnswer> {
    if (this.#state !== 'open') throw new Error(`RCPT while the transaction is ${this.#state}`);
    if (this.#accepted >= this.#recipientsLimit)
      return { kind: 'replied', reply: replies.otherTransaction() };
    const { offered } = this.#connection;
    const sent8Bit = this.#envelope.parameters.smtputf8 === true;
    if (!sent8Bit && !isAscii(formatMailbox(recipient))) {
      return { kind: 'replied', reply: replies.smtputf8NotPossible() };
    }
    const answer = await this.#asking(() =>
      this.#connection.ask(rcptCommand(recipient, parameters, offered), signal),
    );
    const refused = notAccepted(this.#connection, 'RCPT', answer);
    if (refused === undefined) this.#accepted += 1;
    else this.#connection.fruitless += 1;
    return refused ?? answer;
  }

  async send(message: MessageContent, signal: AbortSignal): Promise<BackendAnswer> {
    if (this.#state !== 'open' || this.#accepted === 0)
      throw new Error('a message without a recipient let in');
    const go = await this.#asking(() => this.#connection.ask('DATA', signal));
    if (go.kind === 'unreachable' || go.reply.code !== 354) {
      const refused = go.kind === 'replied' && isPositive(go.reply) ? this.#nonsense(go.reply.code) : go;
      this.abort();
      return refused;
    }
    const answer = await this.#asking(() => this.#connection.transfer(message, signal));
    const refused = notAccepted(this.#connection, 'the message', answer);
    this.#connection.fruitless = refused === undefined ? 0 : this.#connection.fruitless + 1;
    const result = refused ?? answer;
    // RFC 5321 4.1.1.4: with the reply to the message the transaction is over, whatever it was.
    if (!this.#isOver()) this.#giveBack();
    return result;
  }

  abort(): void {
    if (this.#isOver()) return;
    // A command is under way: its reply would be taken for that of the next.
    if (this.#state === 'asking') this.#connection.cut('the transaction was given up');
    this.#state = 'over';
    this.#connection.fruitless += 1;
    const forgotten = this.#connection.ask('RSET', AbortSignal.timeout(RSET_TIMEOUT_MS));
    void forgotten.then((answer) => {
      if (answer.kind === 'replied' && !isPositive(answer.reply)) this.#connection.cut('refuses RSET');
      this.#giveBack();
    });
  }

  #giveBack(): void {
    this.#state = 'over';
    this.#pool.giveBack(this.#lease);
  }

  #nonsense(code: number): BackendFailure {
    return this.#connection.cut(`speaks nonsense: ${code} in reply to DATA`);
  }

  async #asking(ask: () => Promise<BackendAnswer>): Promise<BackendAnswer> {
    this.#state = 'asking';
    const answer = await ask();
    if (!this.#isOver()) this.#state = 'open';
    return answer;
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }
}

/** What is to be handed on when the answer is not a plain yes. 3xx is none of the replies that these commands have. */
function notAccepted(
  connection: Connection,
  what: string,
  answer: BackendAnswer,
): BackendFailure | undefined {
  if (answer.kind === 'unreachable') return answer;
  const { code } = answer.reply;
  if (code >= 300 && code < 400) return connection.cut(`speaks nonsense: ${code} in reply to ${what}`);
  return isPositive(answer.reply) ? undefined : answer;
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text);
}
