/**
 * One client connection: socket, protocol, session and backend transaction, and nothing else. Bytes go into the protocol,
 * its events become calls on the session, verdicts become replies. What the client sends is hostile throughout: all it
 * can make grow has its limit in the protocol's or the listener's settings, and one `catch` turns our own faults into 421.
 * RFC 5321; TLS by RFC 3207; AUTH by RFC 4954.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { after } from '../../core/after.ts';
import { atGreeting, replies } from '../../core/replies.ts';
import { signedSender } from '../../core/outgoing.ts';
import type { Session } from '../../engine/session.ts';
import type { Mailbox, ReversePath } from '../../mail/mailbox.ts';
import type { Reply } from '../../mail/reply.ts';
import type { EndOfMessage, ServerEvent } from '../../wire/smtp/events.ts';
import type { ServerProtocol } from '../../wire/smtp/server.ts';
import { openSession, record, type IncomingContent } from '../session.ts';
import type { Seat } from '../seat.ts';
import { Authentication } from './authentication.ts';
import { identityOf } from './identity.ts';
import { deliver, incoming } from './message.ts';
import { greetingOf } from './offer.ts';
import type { ConnectionOpening } from './opening.ts';
import { greetPause, openProtocol } from './opening.ts';
import { answerRecipient } from './recipient.ts';
import { handshake, overPlain, tlsFacts } from './secure.ts';
import { BackendTransaction } from './transaction.ts';
import type { GatewaySettings, GatewayWorld } from './world.ts';

// A client that never reads must not make us hoard replies for it.
const MAX_UNREAD_OCTETS = 65_536;
// A client that holds a backend connection for which others wait has this long for its next command, or its next octets of the
// message: else a few silent ones could keep everybody's mail out.
const HOLD_MS = 10_000;
// How long the last reply may take to leave before the socket is cut.
const LINGER_MS = 5_000;

export class Connection {
  readonly #world: GatewayWorld;
  readonly #settings: GatewaySettings;
  readonly #protocol: ServerProtocol;
  readonly #session: Session;
  readonly #opening: ConnectionOpening;
  readonly #onEnd: () => void;
  readonly #takesMail: Seat['takesMail'];
  #socket: Socket;
  /** A handler is at work: events wait. */
  #busy = false;
  #ended = false;
  #stopping = false;
  /** A piece of the message is on its way to the disk. */
  #spooling = false;
  /** The message is being judged or handed on. */
  #delivering = false;
  /** The socket is closed. */
  #left = false;
  #startedMs: number;
  /** When the client's time is up; 0 while it is our turn. */
  #deadlineMs = 0;
  #endPause: (() => void) | undefined;
  #backend: BackendTransaction | undefined;
  #refusedAtData: Reply | undefined;
  /** The last MAIL met it: what the journal says where nothing else came of the session. */
  #tooBusy: Reply | undefined;
  #content: IncomingContent | undefined;
  #authentication: Authentication | undefined;
  #transactions = 0;

  /** `onEnd`: once, when the socket is closed and a message that was on its way to the backend has come to its end. */
  constructor(
    world: GatewayWorld,
    settings: GatewaySettings,
    opening: ConnectionOpening,
    socket: Socket,
    onEnd: () => void,
    takesMail: Seat['takesMail'],
  ) {
    this.#world = world;
    this.#settings = settings;
    this.#opening = opening;
    this.#socket = socket;
    this.#onEnd = onEnd;
    this.#takesMail = takesMail;
    this.#startedMs = world.nowMs();
    const tls = socket instanceof TLSSocket ? tlsFacts(socket) : undefined;
    this.#protocol = openProtocol(settings, opening, tls !== undefined);
    const { client, server, role } = opening;
    this.#session = openSession(world, settings, { door: 'gateway', client, server, role, tls }, this);
    this.#listen(socket);
  }

  /** The ports' recipient question goes to the transaction at hand. */
  ask(mailbox: Mailbox, signal: AbortSignal) {
    return this.#transaction().ask(mailbox, signal);
  }

  /** Begins the dialogue, with what came in front of it (behind a PROXY header). */
  start(early: Buffer | undefined): void {
    if (early !== undefined && early.length > 0) this.#receive(early);
    try {
      this.#begin();
    } catch (error) {
      this.#fault(error);
    }
  }

  #begin(): void {
    const pauseMs = this.#settings.greetPauseMs;
    if (pauseMs === 0 || this.#session.exempt) {
      const greeted = this.#greet();
      if (greeted instanceof Promise) this.#run(greeted);
      else this.#pump();
      return;
    }
    const { address } = this.#opening.client;
    const waited = greetPause(this.#settings, address, this.#world, (end) => (this.#endPause = end));
    this.#run(waited.then(() => (this.#stopping ? undefined : this.#greet())));
  }

  /** Called every now and then by the listener. */
  tick(nowMs: number): void {
    if (this.#backend?.awaited === true) this.#hurry(nowMs, HOLD_MS);
    const late = this.#deadlineMs !== 0 && nowMs >= this.#deadlineMs;
    if (this.#ended) {
      if (late) this.cut(); // the last reply does not leave
      return;
    }
    const old = nowMs - this.#startedMs >= this.#settings.limits.sessionTimeMs;
    if ((late || old) && !this.#busy) this.#close(replies.timedOut());
  }

  /** Under stress those who keep us waiting are given less time. */
  tighten(nowMs: number): void {
    this.#hurry(nowMs, this.#settings.limits.stressTimeoutMs);
  }

  #hurry(nowMs: number, leftMs: number): void {
    if (this.#deadlineMs > nowMs + leftMs) this.#deadlineMs = nowMs + leftMs;
  }

  /** Stops gracefully: a message that is being taken is taken, everyone else hears 421. */
  stop(): void {
    this.#stopping = true;
    this.#endPause?.();
    if (!this.#busy && this.#protocol.state !== 'content') this.#close(this.#farewell());
  }

  /** No more time. Whatever was not acknowledged is the client's still. */
  cut(): void {
    this.#socket.destroy();
  }

  #farewell(): Reply {
    return replies.stopping(this.#settings.policy.site.hostName);
  }

  #listen(socket: Socket): void {
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', IGNORED); // 'close' follows and says all there is to say
    socket.on('close', () => this.#closed());
  }

  #receive(bytes: Buffer): void {
    if (this.#ended) return;
    this.#protocol.receive(bytes);
    // While a piece of the message is being put away the next one has to stay where it is.
    if (!this.#spooling) this.#pump();
  }

  /** Takes events until one has to be waited for. */
  #pump(): void {
    try {
      for (;;) {
        if (this.#ended) return;
        const event = this.#protocol.next();
        if (event === undefined) break;
        const wait = this.#handle(event);
        if (wait instanceof Promise) {
          this.#run(wait);
          return;
        }
      }
    } catch (error) {
      this.#fault(error);
      return;
    }
    this.#waitForClient();
  }

  #run(work: Promise<void>): void {
    this.#busy = true;
    this.#deadlineMs = 0;
    work.then(
      () => {
        this.#busy = false;
        if (this.#stopping && this.#protocol.state !== 'content') this.#close(this.#farewell());
        else this.#pump();
      },
      (error: unknown) => {
        this.#busy = false;
        this.#fault(error);
      },
    );
  }

  #waitForClient(): void {
    if (this.#busy) return;
    // A command has its time from the last reply on: octets that trickle in buy none. Content has it from the last octets.
    if (this.#deadlineMs !== 0 && this.#protocol.state !== 'content') return;
    const waitMs = this.#protocol.deadlineMs;
    this.#deadlineMs = waitMs === undefined ? 0 : this.#world.nowMs() + waitMs;
  }

  // The one catch of a connection: a fault of ours is temporary trouble for the client (P3).
  #fault(error: unknown): void {
    if (this.#ended) return;
    this.#world.trouble('a connection failed', error, this.#session.id);
    this.#close(replies.internalTrouble(this.#session.id));
  }

  #handle(event: ServerEvent): void | Promise<void> {
    if (this.#busy) {
      // While a reply is due only signs of impatience come.
      if (event.kind === 'violation') this.#session.violated(event.violation);
      else if (event.kind === 'error') this.#close(event.reply);
      return undefined;
    }
    switch (event.kind) {
      case 'violation':
        this.#session.violated(event.violation);
        return undefined;
      case 'error':
        this.#session.answeredWithout(event.reply);
        this.#say(event.reply);
        return undefined;
      case 'hello':
        return this.#hello(event.verb, event.name);
      case 'mail':
        return this.#mail(event);
      case 'rcpt':
        return this.#rcpt(event);
      case 'data':
        return this.#data();
      case 'content':
        return this.#take(event.bytes);
      case 'end-of-message':
        return this.#endOfMessage(event);
      case 'rset':
        this.#endTransaction();
        this.#say(replies.ok());
        return undefined;
      case 'noop':
      case 'vrfy':
      case 'help':
        this.#stall(WITHOUT_EFFECT[event.kind]());
        return undefined;
      case 'quit':
        this.#bye();
        return undefined;
      case 'starttls':
        return this.#startTls();
      case 'auth':
      case 'auth-response':
        return this.#authenticate(event);
      default:
        return event satisfies never;
    }
  }

  /** What brings no mail nearer buys no time from those who wait for the backend connection. */
  #stall(reply: Reply): void {
    const deadlineMs = this.#deadlineMs;
    this.#say(reply);
    if (this.#backend?.awaited === true && !this.#ended) this.#deadlineMs = deadlineMs;
  }

  #greet(): void | Promise<void> {
    return after(this.#session.connect(), (verdict) => {
      if (this.#ended) return;
      if (verdict.kind !== 'go-on') this.#close(atGreeting(verdict));
      else this.#write(this.#protocol.greet(greetingOf(this.#settings)));
    });
  }

  #hello(verb: 'HELO' | 'EHLO', name: string): void | Promise<void> {
    this.#endTransaction();
    return after(this.#session.helo(verb, name), (verdict) =>
      this.#say(verdict.kind === 'go-on' ? this.#protocol.helloReply() : verdict.reply),
    );
  }

  #mail(event: ServerEvent & { kind: 'mail' }): void | Promise<void> {
    if (++this.#transactions > this.#settings.limits.transactions) {
      this.#close(replies.tooManyMessages());
      return;
    }
    const takes = this.#takesMail(() => this.#session.exempt);
    return after(takes, (t) => {
      this.#tooBusy = t ? undefined : replies.tooBusyForMail();
      if (this.#tooBusy === undefined) return this.#beginTransaction(event);
      this.#say(this.#tooBusy);
    });
  }

  #beginTransaction({ reversePath, parameters }: ServerEvent & { kind: 'mail' }): void | Promise<void> {
    return after(this.#session.mail(reversePath, parameters), (verdict) => {
      if (verdict.kind === 'go-on') {
        this.#refusedAtData = undefined;
        this.#backend = new BackendTransaction(
          { reversePath: this.#onwardSender(reversePath), parameters },
          () => identityOf(this.#session, this.#settings.policy.site),
          this.#settings.backendFor,
          () => this.#ended,
        );
        this.#say(replies.senderOk());
      } else {
        this.#say(verdict.reply);
        this.#endTransaction(verdict.reply);
      }
    });
  }

  #onwardSender(reversePath: ReversePath): ReversePath {
    const { facts, transactionFacts } = this.#session;
    return signedSender(facts, transactionFacts, this.#settings.policy.site) ?? reversePath;
  }

  #rcpt(event: ServerEvent & { kind: 'rcpt' }): void | Promise<void> {
    const backend = this.#backend;
    if (backend === undefined) {
      this.#say(this.#overAtData());
      return;
    }
    const answered = answerRecipient(event, this.#session, backend, this.#settings.policy, this.#world);
    return after(answered, (reply) => {
      if (reply !== undefined) this.#say(reply);
    });
  }

  async #data(): Promise<void> {
    if (this.#backend === undefined) {
      this.#say(this.#overAtData());
      return;
    }
    const verdict = await this.#session.data();
    if (this.#ended) return;
    if (verdict.kind === 'go-on') {
      this.#content = incoming(this.#world, this.#session);
      this.#say(replies.startInput());
      return;
    }
    this.#refusedAtData = verdict.reply;
    this.#say(verdict.reply);
    this.#endTransaction(verdict.reply);
  }

  /** DATA was refused, which for the client ends nothing (RFC 5321 4.1.1.4): until RSET it hears the same again. */
  #overAtData(): Reply {
    // Or an EHLO in the midst of the transaction was refused, and ended it.
    return this.#refusedAtData ?? replies.noTransaction();
  }

  #take(bytes: Buffer): Promise<void> | undefined {
    const wait = this.#content?.append(bytes);
    if (wait === undefined) return undefined;
    this.#socket.pause();
    this.#spooling = true;
    return wait.then(() => {
      this.#spooling = false;
      this.#socket.resume();
    });
  }

  async #endOfMessage(event: EndOfMessage): Promise<void> {
    const content = this.#content;
    this.#content = undefined;
    this.#delivering = true;
    try {
      const backend = this.#transaction();
      const reply = await deliver(event, content, this.#session, backend, this.#settings, this.#world);
      // First the client, then the books: nothing may stand between the backend's 250 and ours.
      this.#say(reply);
      this.#endTransaction(reply);
    } finally {
      this.#delivering = false;
      content?.dispose();
      if (this.#ended) this.#endSession();
      if (this.#left) this.#onEnd();
    }
  }

  async #startTls(): Promise<void> {
    const context = this.#world.secureContext(undefined);
    if (context === undefined) {
      this.#say(replies.tlsUnavailable());
      return;
    }
    this.#endTransaction();
    this.#say(replies.startTls());
    const secure = overPlain(this.#socket, context, this.#world);
    this.#socket = secure;
    const outcome = await handshake(secure, this.#settings.limits.greetingTimeoutMs);
    if (outcome !== 'done') {
      if (outcome !== 'closed')
        this.#world.trouble('a TLS handshake failed', outcome.reason, this.#session.id);
      this.#closed();
      return;
    }
    this.#session.startedTls(tlsFacts(secure));
    this.#listen(secure);
  }

  async #authenticate(event: ServerEvent & { kind: 'auth' | 'auth-response' }): Promise<void> {
    const { client } = this.#opening;
    this.#authentication ??= new Authentication(client.address, this.#settings.policy.site, this.#world);
    const { reply, as, ends } = await this.#authentication.hear(event);
    if (as !== undefined) this.#session.authenticated(as);
    if (ends === true) this.#close(reply);
    else this.#say(reply);
  }

  #transaction(): BackendTransaction {
    if (this.#backend === undefined) throw new Error('no transaction is open');
    return this.#backend;
  }

  #endTransaction(final?: Reply): void {
    this.#backend?.abort();
    this.#backend = undefined;
    record(this.#world, this.#session.transactionEnded(final));
  }

  #say(reply: Reply): void {
    if (this.#ended) return;
    this.#write(this.#protocol.reply(reply));
    if (this.#protocol.state === 'closed') this.#close();
  }

  #write(text: string): void {
    if (this.#ended || text === '') return;
    this.#deadlineMs = 0;
    this.#socket.write(text, 'latin1');
    if (this.#socket.writableLength > MAX_UNREAD_OCTETS) this.#socket.destroy();
  }

  /**
   * RFC 5321 4.1.1.10: after QUIT the client has nothing more to say, so nothing is lost by closing at once. A half-close that waits
   * for the client's own costs as much as a command, and fails, dearly, where the client is faster.
   */
  #bye(): void {
    const socket = this.#socket;
    if (socket instanceof TLSSocket) {
      this.#close(replies.bye()); // TLS has its own last word (RFC 8446 6.1)
      return;
    }
    // In the turn after: a stream destroyed while it calls back makes an error for nobody.
    const last = this.#protocol.reply(replies.bye());
    socket.write(last, 'latin1', () => process.nextTick(() => socket.destroy()));
    this.#settle();
    this.#deadlineMs = this.#world.nowMs() + LINGER_MS;
  }

  /** Says the last word and lets go. */
  #close(last?: Reply): void {
    if (this.#ended) return;
    this.#socket.end(last === undefined ? '' : this.#protocol.reply(last), 'latin1');
    this.#socket.resume();
    this.#settle(last);
    this.#deadlineMs = this.#world.nowMs() + LINGER_MS;
  }

  #closed(): void {
    // A closed socket that the collector has moved to the old generation keeps what its listeners can reach, which in the end is
    // every session after it, until the next full collection.
    this.#socket.removeAllListeners();
    this.#socket.on('error', IGNORED);
    this.#settle();
    this.#left = true;
    if (!this.#delivering) this.#onEnd();
  }

  #settle(last?: Reply): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#endPause?.();
    this.#content?.dispose();
    // A message that is on its way to the backend comes to its end, and into the journal, although the client has left.
    if (!this.#delivering) this.#endSession(last);
  }

  #endSession(last?: Reply): void {
    this.#backend?.abort();
    this.#backend = undefined;
    record(this.#world, this.#session.ended(last !== undefined && last.code >= 400 ? last : this.#tooBusy));
  }
}

const IGNORED = (): void => undefined;

const WITHOUT_EFFECT = { noop: replies.ok, vrfy: replies.cannotVerify, help: replies.help } as const;
