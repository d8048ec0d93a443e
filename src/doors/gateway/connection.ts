/**
 * One client connection: socket, protocol, session and backend transaction, and nothing else. Bytes go into the protocol,
 * its events become calls on the session, verdicts become replies. What the client sends is hostile throughout: all it
 * can make grow has its limit in the protocol's or the listener's settings, and one `catch` turns our own faults into 421.
 * RFC 5321; TLS by RFC 3207; AUTH by RFC 4954.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { after } from '../../core/after.ts';
import type { ClientIdentity } from '../../core/delivery.ts';
import type { Decision } from '../../core/decision.ts';
import { keepsTheSession, replies } from '../../core/replies.ts';
import { Session } from '../../engine/session.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import type { Reply } from '../../mail/reply.ts';
import type { AuthExchange, AuthStep } from '../../wire/smtp/auth.ts';
import { beginAuth, continueAuth } from '../../wire/smtp/auth.ts';
import type { EndOfMessage, ServerEvent } from '../../wire/smtp/events.ts';
import { ServerProtocol } from '../../wire/smtp/server.ts';
import { greetingOf, offerOf } from './offer.ts';
import { addedFields, onward, readHeader } from './onward.ts';
import { BackendTransaction } from './transaction.ts';
import type { GatewaySettings, GatewayWorld, IncomingContent } from './world.ts';

// RFC 5321 6.3 wants at least 100 Received fields borne before mail is called a loop.
const MAX_RECEIVED = 100;
// Credentials tried in one session; a guessing bot has to come again, and meets the connection rate.
const MAX_AUTH_FAILURES = 3;
// A client that never reads must not make us hoard replies for it.
const MAX_UNREAD_OCTETS = 65_536;
// How long the last reply may take to leave before the socket is cut.
const LINGER_MS = 5_000;

export interface ConnectionOpening {
  readonly client: { readonly address: string; readonly port: number };
  readonly server: { readonly address: string; readonly port: number };
  readonly tls: 'none' | 'starttls' | 'implicit';
}

export class Connection {
  readonly #world: GatewayWorld;
  readonly #settings: GatewaySettings;
  readonly #protocol: ServerProtocol;
  readonly #session: Session;
  readonly #opening: ConnectionOpening;
  readonly #onEnd: () => void;
  #socket: Socket;
  /** A handler is at work: events wait. */
  #busy = false;
  #ended = false;
  #stopping = false;
  /** A piece of the message is on its way to the disk. */
  #spooling = false;
  /** The message is being judged or handed on. */
  #delivering = false;
  #startedMs: number;
  /** When the client's time is up; 0 while it is our turn. */
  #deadlineMs = 0;
  #greetTimer: NodeJS.Timeout | undefined;
  #endPause: (() => void) | undefined;
  #backend: BackendTransaction | undefined;
  #refusedAtData: Reply | undefined;
  #content: IncomingContent | undefined;
  #auth: AuthExchange | undefined;
  #authFailures = 0;
  #transactions = 0;

  constructor(
    world: GatewayWorld,
    settings: GatewaySettings,
    opening: ConnectionOpening,
    socket: Socket,
    onEnd: () => void,
  ) {
    this.#world = world;
    this.#settings = settings;
    this.#opening = opening;
    this.#socket = socket;
    this.#onEnd = onEnd;
    this.#startedMs = world.nowMs();
    const granted = settings.lenient.find((l) => l.clients.has(opening.client.address));
    const secured = socket instanceof TLSSocket;
    this.#protocol = new ServerProtocol({
      offer: offerOf(settings, opening.tls === 'starttls', settings.backendFor(ANYONE).capabilities()),
      limits: settings.protocolLimits,
      tls: secured,
      lenientPaths: granted?.envelope ?? false,
      allowPipelining: granted?.pipelining ?? false,
    });
    const { dns, store, lists, zones } = settings.ports;
    this.#session = new Session(
      {
        policy: settings.policy,
        ports: { dns, store, lists, zones, recipients: this },
        nowMs: world.nowMs,
        newId: world.newId,
      },
      {
        door: 'gateway',
        client: opening.client,
        server: opening.server,
        tls: secured ? tlsFacts(socket) : undefined,
      },
    );
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
    this.#run(
      (async () => {
        if (!(await this.#isKnown())) {
          await new Promise<void>((resolve) => {
            this.#endPause = resolve;
            this.#greetTimer = setTimeout(resolve, pauseMs);
          });
        }
        if (!this.#stopping) await this.#greet();
      })(),
    );
  }

  /** Called every now and then by the listener. */
  tick(nowMs: number): void {
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
    const { stressTimeoutMs } = this.#settings.limits;
    if (this.#deadlineMs > nowMs + stressTimeoutMs) this.#deadlineMs = nowMs + stressTimeoutMs;
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
        this.#say(replies.ok());
        return undefined;
      case 'vrfy':
        this.#say(replies.cannotVerify());
        return undefined;
      case 'help':
        this.#say(replies.help());
        return undefined;
      case 'quit':
        this.#close(replies.bye());
        return undefined;
      case 'starttls':
        return this.#startTls();
      case 'auth':
        return this.#authenticate(beginAuth(event.mechanism, event.initialResponse));
      case 'auth-response':
        if (this.#auth === undefined) throw new Error('no AUTH is under way');
        return this.#authenticate(continueAuth(this.#auth, event.response));
      default:
        return event satisfies never;
    }
  }

  async #isKnown(): Promise<boolean> {
    return (
      (await this.#settings.ports.store.recall(KNOWN_CLIENTS, this.#opening.client.address)) !== undefined
    );
  }

  #greet(): void | Promise<void> {
    return after(this.#session.connect(), (verdict) => {
      if (this.#ended) return;
      // RFC 5321 3.1: a greeting that refuses is 554; one that defers is 421.
      if (verdict.kind === 'refuse') this.#close({ ...verdict.reply, code: 554 });
      else if (verdict.kind === 'defer') this.#close({ ...verdict.reply, code: 421 });
      else this.#write(this.#protocol.greet(greetingOf(this.#settings)));
    });
  }

  #hello(verb: 'HELO' | 'EHLO', name: string): void | Promise<void> {
    this.#endTransaction();
    return after(this.#session.helo(verb, name), (verdict) =>
      this.#say(verdict.kind === 'go-on' ? this.#protocol.helloReply() : verdict.reply),
    );
  }

  #mail({ reversePath, parameters }: ServerEvent & { kind: 'mail' }): void | Promise<void> {
    if (++this.#transactions > this.#settings.limits.transactions) {
      this.#close(replies.tooManyErrors());
      return;
    }
    return after(this.#session.mail(reversePath, parameters), (verdict) => {
      if (verdict.kind === 'go-on') {
        this.#refusedAtData = undefined;
        this.#backend = new BackendTransaction(
          { reversePath, parameters },
          () => this.#identity(),
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

  #rcpt({ forwardPath: given, parameters }: ServerEvent & { kind: 'rcpt' }): void | Promise<void> {
    const backend = this.#backend;
    if (backend === undefined) {
      this.#say(this.#overAtData());
      return;
    }
    // RFC 5321 4.5.1: <Postmaster> without a domain is ours.
    const forwardPath = given.domain === '' ? { ...given, domain: this.#ownDomain() } : given;
    const answer = (reply: Reply) => {
      if (this.#ended) return;
      this.#session.recipientAnswered(forwardPath, reply);
      this.#say(reply);
    };
    if (!backend.fits(forwardPath)) {
      answer(replies.otherTransaction());
      return;
    }
    backend.about(forwardPath, parameters);
    return after(this.#session.rcpt(forwardPath, parameters), (verdict) => {
      if (this.#ended) return;
      if (verdict.kind === 'other-transaction') answer(replies.otherTransaction());
      else if (verdict.kind !== 'go-on') {
        const asked = backend.answer();
        if (asked?.kind === 'replied' && asked.reply.code < 300) backend.renounce();
        answer(verdict.reply);
      } else return this.#passOn(backend, forwardPath).then(answer);
    });
  }

  /** The ladder let it through, but only the backend can take it: whatever the settings say, its answer stands (P1). */
  async #passOn(backend: BackendTransaction, mailbox: Mailbox): Promise<Reply> {
    const answer = backend.answer() ?? (await backend.ask(mailbox, this.#session.signal));
    if (answer.kind === 'unreachable') {
      this.#world.trouble('the backend cannot be reached', answer.reason, this.#session.id);
      return replies.backendUnreachable(this.#session.id);
    }
    return answer.reply.code < 300 ? replies.recipientOk() : keepsTheSession(answer.reply);
  }

  async #data(): Promise<void> {
    if (this.#backend === undefined) {
      this.#say(this.#overAtData());
      return;
    }
    const verdict = await this.#session.data();
    if (this.#ended) return;
    if (verdict.kind === 'go-on') {
      this.#content = this.#world.incoming();
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
      const reply = await this.#deliver(event, content);
      // First the client, then the books: nothing may stand between the backend's 250 and ours.
      this.#say(reply);
      this.#endTransaction(reply);
      if (reply.code < 300) this.#remember();
    } finally {
      this.#delivering = false;
      content?.dispose();
      if (this.#ended) this.#endSession();
    }
  }

  async #deliver(event: EndOfMessage, content: IncomingContent | undefined): Promise<Reply> {
    const { policy, protocolLimits } = this.#settings;
    const { id } = this.#session;
    const backend = this.#transaction();
    if (event.tooLarge) return replies.messageTooLarge(protocolLimits.messageOctets);
    // SMTP smuggling: where one reader sees a line end and the next one does not, a second message can hide.
    if (event.bareNewline) return replies.bareNewline(id);
    if (event.headerTooLarge) return replies.headerTooLarge(protocolLimits.headerOctets);
    if (event.lineTooLong) return replies.lineTooLong(protocolLimits.textLineOctets);
    const verdict = await this.#session.endOfMessage({ sizeOctets: event.sizeOctets });
    if (verdict.kind !== 'go-on') return verdict.reply;
    const message = await content?.finish();
    if (message === undefined || 'kind' in message) {
      this.#world.trouble('the spool failed', message?.kind === 'failed' ? message.reason : 'disk full', id);
      return replies.storageFull();
    }
    const header = await readHeader(message, protocolLimits.headerOctets, policy.site.hostName);
    if (header.received > MAX_RECEIVED) return replies.mailLoop(id);
    const added = addedFields({
      session: this.#session.facts,
      transaction: this.#session.transactionFacts,
      by: policy.site.hostName,
      ...this.#session.marks,
      ...(await this.#hostName()),
      nowMs: this.#world.nowMs(),
    });
    const answer = await backend.send(onward(message, added, header));
    if (answer.kind === 'unreachable') {
      this.#world.trouble('the backend did not take a message', answer.reason, id);
      return replies.backendUnreachable(id);
    }
    // The backend's final reply is the client's reply; only a positive one gets our id, for the sender's log.
    return answer.reply.code < 300 ? replies.delivered(id) : keepsTheSession(answer.reply);
  }

  /** A client whose mail was delivered need not wait for its banner next time (C4). */
  #remember(): void {
    const { store } = this.#settings.ports;
    store
      .remember(KNOWN_CLIENTS, this.#opening.client.address, true, KNOWN_CLIENT_KEPT_MS)
      .catch((error: unknown) => this.#world.trouble('a known client could not be remembered', error));
  }

  /** What cannot be written down is the operator's trouble, never the client's. */
  #record(decision: Decision | undefined): void {
    if (decision === undefined) return;
    try {
      this.#world.record(decision);
    } catch (error) {
      this.#world.trouble('a decision could not be recorded', error, decision.id);
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
    const plain = this.#socket;
    plain.removeAllListeners('data');
    plain.removeAllListeners('close');
    const secure = serverSide(plain, context, this.#world);
    this.#socket = secure;
    const handshaken = new Promise<boolean>((resolve) => {
      secure.once('secure', () => resolve(true));
      secure.once('close', () => resolve(false));
      secure.once('error', (error: Error) => {
        // The reason alone: scanners fail by the thousand, and a stack tells nothing of them.
        this.#world.trouble('a TLS handshake failed', error.message, this.#session.id);
        resolve(false);
      });
    });
    secure.on('error', () => undefined);
    const timer = setTimeout(() => secure.destroy(), this.#settings.limits.greetingTimeoutMs);
    const ok = await handshaken;
    clearTimeout(timer);
    if (!ok) {
      secure.destroy();
      this.#closed();
      return;
    }
    this.#session.startedTls(tlsFacts(secure));
    this.#listen(secure);
  }

  async #authenticate(step: AuthStep): Promise<void> {
    this.#auth = step.kind === 'challenge' ? step.exchange : undefined;
    if (step.kind !== 'credentials') {
      this.#say(step.reply);
      return;
    }
    const { mechanism, identity, actAs, password } = step;
    // Nobody here may act as somebody else (RFC 4616 2).
    const verdict =
      actAs === '' || actAs === identity ? await this.#world.verifyCredentials(identity, password) : 'wrong';
    if (verdict === 'ok') {
      this.#session.authenticated({ mechanism, identity });
      this.#say(replies.authenticated());
    } else if (verdict === 'unavailable') this.#say(replies.authUnavailable());
    else if (++this.#authFailures >= MAX_AUTH_FAILURES) this.#close(replies.tooManyErrors());
    else this.#say(replies.authFailed());
  }

  async #hostName(): Promise<{ readonly hostName?: string }> {
    const [hostName] = await this.#session.confirmedNames();
    return hostName === undefined ? {} : { hostName };
  }

  async #identity(): Promise<ClientIdentity> {
    const { client, helo, authenticated } = this.#session.facts;
    return {
      ...client,
      ...(await this.#hostName()),
      ...(helo === undefined ? {} : { heloName: helo.name, heloVerb: helo.verb }),
      ...(authenticated === undefined ? {} : { login: authenticated.identity }),
    };
  }

  #ownDomain(): string {
    const { domains } = this.#settings.policy.site;
    return domains.find((domain) => !domain.startsWith('.')) ?? '';
  }

  #transaction(): BackendTransaction {
    if (this.#backend === undefined) throw new Error('no transaction is open');
    return this.#backend;
  }

  #endTransaction(final?: Reply): void {
    this.#backend?.abort();
    this.#backend = undefined;
    this.#record(this.#session.transactionEnded(final));
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

  /** Says the last word and lets go. */
  #close(last?: Reply): void {
    if (this.#ended) return;
    this.#socket.end(last === undefined ? '' : this.#protocol.reply(last), 'latin1');
    this.#socket.resume();
    this.#settle(last);
    this.#deadlineMs = this.#world.nowMs() + LINGER_MS;
  }

  #closed(): void {
    this.#letGo();
    this.#settle();
    this.#onEnd();
  }

  /**
   * A closed socket that the collector has moved to the old generation keeps what its listeners can reach, which in the end is every
   * session after it, until the next full collection.
   */
  #letGo(): void {
    this.#socket.removeAllListeners();
    this.#socket.on('error', IGNORED);
  }

  #settle(last?: Reply): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#greetTimer);
    this.#endPause?.();
    this.#content?.dispose();
    // A message that is on its way to the backend comes to its end, and into the journal, although the client has left.
    if (!this.#delivering) this.#endSession(last);
  }

  #endSession(last?: Reply): void {
    this.#backend?.abort();
    this.#backend = undefined;
    this.#record(this.#session.ended(last !== undefined && last.code >= 400 ? last : undefined));
  }
}

const IGNORED = (): void => undefined;

// EHLO comes before any recipient is known: what the default backend can take is what is offered.
const ANYONE: Mailbox = { local: 'postmaster', domain: '' };
const KNOWN_CLIENTS = 'known-clients';
const KNOWN_CLIENT_KEPT_MS = 7 * 86_400_000;

/** The server side of TLS over a socket, with a context by server name. */
export function serverSide(
  socket: Socket,
  context: SecureContext,
  world: Pick<GatewayWorld, 'secureContext'>,
): TLSSocket {
  return new TLSSocket(socket, {
    isServer: true,
    secureContext: context,
    SNICallback: (name, done) => done(null, world.secureContext(name)),
  });
}

function tlsFacts(socket: TLSSocket): { protocol: string; cipher: string } {
  return { protocol: socket.getProtocol() ?? 'TLS', cipher: socket.getCipher().standardName };
}
