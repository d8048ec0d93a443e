/**
 * One connection of an MTA, which is one client's session after the other: socket, protocol, session and the message at hand, and
 * nothing else. Questions become calls on the session, verdicts become answers. The client's words are as hostile as at the
 * gateway; the MTA has put them into frames, and everything that grows has its limit in the protocol's or the door's settings. One
 * `catch` turns our own faults into temporary ones.
 */
import type { Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { after } from '../../core/after.ts';
import type { SessionFacts } from '../../core/facts.ts';
import type { BackendAnswer, RecipientsPort } from '../../core/ports.ts';
import { recipientOf, type Recipient } from '../../core/recipient.ts';
import { atGreeting, replies } from '../../core/replies.ts';
import type { Verdict } from '../../core/verdict.ts';
import type { RecipientVerdict, Session } from '../../engine/session.ts';
import { formatMailbox } from '../../mail/mailbox.ts';
import type { Reply } from '../../mail/reply.ts';
import { readRecipient, readSender } from '../../wire/milter/envelope.ts';
import { DEFAULT_LIMITS } from '../../wire/smtp/limits.ts';
import type { Connect, MilterEvent, MilterReply } from '../../wire/milter/events.ts';
import { MilterProtocol } from '../../wire/milter/filter.ts';
import { DEFAULT_MILTER_LIMITS } from '../../wire/milter/limits.ts';
import type { Needs } from '../../wire/milter/negotiation.ts';
import type { Seat } from '../seat.ts';
import { openSession, qualified, record, recordEnd, recordUnreadSender, unread } from '../session.ts';
import { authenticationOf, refusalOfRecipient, serverOf, tlsOf, type Macro } from './macros.ts';
import { ArrivingMessage } from './message.ts';
import { needsOf } from './needs.ts';
import type { MilterSettings, MilterWorld } from './world.ts';

const CONTINUE: MilterReply = { kind: 'continue' };

// An MTA that never reads must not make us hoard answers for it.
const MAX_UNREAD_OCTETS = 65_536;
// Postfix waits 300 s for the end of a message (milter_content_timeout), Sendmail 5 min (T=…;E:5m): each of these starts it anew.
const PROGRESS_MS = 15_000;

export class MilterConnection implements RecipientsPort {
  readonly #world: MilterWorld;
  readonly #socket: Socket;
  readonly #needs: Needs;
  readonly #protocol: MilterProtocol;
  readonly #macro: Macro = (name) => this.#protocol.macro(name);
  /** Each session keeps those it began with. */
  #settings: MilterSettings;
  #session: Session | undefined;
  #seat: Seat | undefined;
  /** What a client was told that is not let in. */
  #turnedAway: Reply | undefined;
  #message: ArrivingMessage | undefined;
  /** DATA was refused, which ends nothing for the client of Postfix: it hears the same again. */
  #refusedAtData: Reply | undefined;
  /** Whom the question at hand is about. */
  #recipient: Recipient | undefined;
  #unreadSender = false;
  #busy = false;
  #stopping = false;
  #ended = false;
  #deadlineMs: number;

  /** `onEnd`: once, when the socket is closed. */
  constructor(world: MilterWorld, socket: Socket, onEnd: () => void) {
    this.#world = world;
    this.#settings = world.settings();
    this.#socket = socket;
    this.#needs = needsOf(this.#settings.policy);
    this.#protocol = new MilterProtocol({ needs: this.#needs, limits: DEFAULT_MILTER_LIMITS });
    this.#deadlineMs = world.nowMs() + DEFAULT_MILTER_LIMITS.commandMs;
    // Read also while a question is being answered, or nobody would notice that the MTA has gone.
    socket.on('data', (bytes: Buffer) => {
      this.#protocol.receive(bytes);
      if (!this.#busy) this.#pump();
    });
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => {
      this.#end();
      onEnd();
    });
  }

  /** What the MTA itself says of the recipient: it knows its mailboxes, and tells us of those that it refuses too. */
  ask(): Promise<BackendAnswer> {
    const reply = refusalOfRecipient(this.#macro) ?? replies.recipientOk();
    return Promise.resolve({ kind: 'replied', reply });
  }

  get isFree(): boolean {
    return true;
  }

  tick(nowMs: number): void {
    if (!this.#busy && nowMs >= this.#deadlineMs) this.cut();
  }

  /** Stops gracefully: what is being judged is judged, and a message that is being taken comes to its end. */
  stop(): void {
    this.#stopping = true;
    this.#leave();
  }

  cut(): void {
    this.#socket.destroy();
  }

  #leave(): void {
    if (this.#stopping && !this.#busy && this.#message === undefined) this.#socket.end();
  }

  #pump(): void {
    while (!this.#ended && !this.#busy) {
      const event = this.#protocol.next();
      if (event === undefined) break;
      try {
        const work = this.#handle(event);
        if (work instanceof Promise) this.#wait(work, event.kind);
      } catch (error) {
        this.#fault(error, event.kind);
      }
    }
    if (this.#busy) return;
    this.#deadlineMs = this.#world.nowMs() + (this.#protocol.deadlineMs ?? 0);
    this.#leave();
  }

  #wait(work: Promise<void>, asked: MilterEvent['kind']): void {
    this.#busy = true;
    work
      .catch((error: unknown) => this.#fault(error, asked))
      .finally(() => {
        this.#busy = false;
        if (!this.#ended) this.#pump();
      });
  }

  // The one catch of a connection: a fault of ours is temporary trouble for the client (P3).
  #fault(error: unknown, asked: MilterEvent['kind']): void {
    if (this.#ended) return;
    const session = this.#session;
    this.#world.trouble('a milter connection failed', error, session?.id);
    if (this.#protocol.wantsReply) this.#say({ kind: 'tempfail' });
    if (session === undefined) return;
    const reply = replies.internalTrouble(session.id);
    if (asked === 'rcpt') {
      // The message of the others goes on without this one.
      if (this.#recipient !== undefined) session.recipientAnswered(this.#recipient, reply);
      this.#recipient = undefined;
    } else if (OF_A_MESSAGE.has(asked)) {
      this.#endTransaction(reply);
      if (asked === 'data') this.#refusedAtData = reply;
    }
  }

  #handle(event: MilterEvent): void | Promise<void> {
    switch (event.kind) {
      case 'negotiated':
        this.#write(event.answer);
        return undefined;
      case 'connect':
        return this.#connect(event);
      case 'abort':
        this.#endTransaction();
        return undefined;
      case 'new-connection':
        this.#endSession();
        return undefined;
      case 'quit':
        this.#socket.end();
        return undefined;
      case 'error':
        this.#world.trouble(
          'an MTA spoke no milter protocol',
          `${event.error} ${event.command ?? ''}`.trim(),
        );
        this.#write(event.answer);
        if (this.#protocol.state === 'closed') this.cut();
        return undefined;
      default:
        // An MTA that was told at `connect` that all of its client's mail is fine has no more questions.
        if (this.#session !== undefined) return this.#ask(event, this.#session);
        this.#say(
          this.#turnedAway === undefined ? { kind: 'accept' } : { kind: 'reply', reply: this.#turnedAway },
        );
        return undefined;
    }
  }

  #ask(event: Asked, session: Session): void | Promise<void> {
    switch (event.kind) {
      case 'helo':
        return this.#helo(event.name, session);
      case 'mail':
        return this.#mail(event, session);
      case 'rcpt':
        return this.#rcpt(event, session);
      case 'data':
        return this.#data(session);
      case 'header':
        return this.#take(this.#arriving(session).field(event));
      case 'end-of-header':
        return this.#take(this.#arriving(session).endOfHeader());
      case 'body':
        return this.#body(event.bytes, session);
      case 'end-of-message':
        return this.#endOfMessage(event.bytes, session);
      case 'unknown':
        this.#say(CONTINUE);
        return undefined;
      default:
        return event satisfies never;
    }
  }

  #connect(event: Connect): void | Promise<void> {
    this.#endSession();
    // Mail that came by no network is the MTA's own business, and nobody could be refused.
    if (event.family !== 'inet' && event.family !== 'inet6') {
      this.#say({ kind: 'accept' });
      return undefined;
    }
    const client = { address: event.address, port: event.port };
    return after(this.#world.knock?.({ client }), (entry) => {
      if (entry?.kind !== 'turned-away') return this.#letIn(client, entry);
      this.#turnedAway = entry.reply;
      this.#say({ kind: 'reply', reply: entry.reply });
    });
  }

  #letIn(client: SessionFacts['client'], seat: Seat | undefined): void | Promise<void> {
    if (this.#ended) {
      seat?.leave();
      return undefined;
    }
    this.#seat = seat;
    this.#settings = this.#inForce();
    const opening = { door: 'milter', client, server: serverOf(this.#macro), tls: undefined } as const;
    const session = openSession(this.#world, this.#settings, opening, this);
    this.#session = session;
    return after(session.connect(), (verdict) =>
      this.#say(verdict.kind === 'go-on' ? CONTINUE : { kind: 'reply', reply: atGreeting(verdict) }),
    );
  }

  /** After a reload the new ones, unless they want to hear of more than this MTA was told to tell. */
  #inForce(): MilterSettings {
    const settings = this.#world.settings();
    if (settings === this.#settings) return settings;
    return isDeepStrictEqual(needsOf(settings.policy), this.#needs) ? settings : this.#settings;
  }

  #helo(name: string, session: Session): void | Promise<void> {
    this.#endTransaction();
    // The MTA tells of TLS with the next command, and this HELO came over TLS already.
    this.#learnTls(session);
    // Which verb it was the protocol does not say.
    return after(session.helo('EHLO', name), (verdict) => this.#verdict(verdict));
  }

  #learnTls(session: Session): void {
    const tls = tlsOf(this.#macro);
    if (tls !== undefined && session.facts.tls === undefined) session.startedTls(tls);
  }

  #mail(event: MilterEvent & { kind: 'mail' }, session: Session): void | Promise<void> {
    this.#endTransaction();
    // A client may leave out the second EHLO (RFC 3207 4.2); what it said in clear before is forgotten all the same.
    this.#learnTls(session);
    const as = authenticationOf(this.#macro);
    if (as !== undefined) session.authenticated(as);
    const sender = readSender(event, DEFAULT_LIMITS);
    if (sender === undefined) {
      this.#unreadSender = true;
      this.#say({ kind: 'reply', reply: replies.addressNotRead() });
      recordUnreadSender(this.#world, session, event.path);
      return undefined;
    }
    return after(this.#seat?.takesMail(() => session.exempt) ?? true, (takes) => {
      if (takes) return this.#begin(sender, session);
      const reply = replies.tooBusyForMail();
      session.answeredWithout(reply);
      this.#say({ kind: 'reply', reply });
    });
  }

  #begin(sender: Sender, session: Session): void | Promise<void> {
    return after(
      session.mail(qualified(sender.reversePath, this.#settings.policy.site), sender.parameters),
      (verdict) => {
        this.#verdict(verdict);
        if (verdict.kind !== 'go-on') this.#endTransaction(verdict.reply);
      },
    );
  }

  #rcpt(event: MilterEvent & { kind: 'rcpt' }, session: Session): void | Promise<void> {
    if (this.#refusedAtData !== undefined) {
      this.#say({ kind: 'reply', reply: this.#refusedAtData });
      return undefined;
    }
    const recipient = readRecipient(event, DEFAULT_LIMITS);
    if (recipient === undefined) {
      const reply = replies.addressNotRead();
      session.recipientAnswered(unread(event.path), reply);
      this.#say({ kind: 'reply', reply });
      return undefined;
    }
    const { site } = this.#settings.policy;
    const mailbox = recipientOf(recipient.forwardPath, site, session.transactionFacts.startedAtMs);
    this.#recipient = mailbox;
    return after(session.rcpt(mailbox, recipient.parameters), (verdict) => {
      if (this.#ended) return;
      this.#recipient = undefined;
      const reply = this.#recipientReply(verdict);
      session.recipientAnswered(mailbox, reply);
      this.#say(reply.code < 300 ? CONTINUE : { kind: 'reply', reply });
    });
  }

  /** Whom the MTA refuses is refused, whatever our settings say of it. */
  #recipientReply(verdict: RecipientVerdict): Reply {
    if (verdict.kind === 'other-transaction') return replies.otherTransaction();
    if (verdict.kind !== 'go-on') return verdict.reply;
    return refusalOfRecipient(this.#macro) ?? replies.recipientOk();
  }

  #data(session: Session): void | Promise<void> {
    if (this.#refusedAtData !== undefined) {
      this.#say({ kind: 'reply', reply: this.#refusedAtData });
      return undefined;
    }
    return after(session.data(), (verdict) => {
      this.#verdict(verdict);
      if (verdict.kind === 'go-on') return;
      this.#endTransaction(verdict.reply);
      this.#refusedAtData = verdict.reply;
    });
  }

  #arriving(session: Session): ArrivingMessage {
    this.#message ??= new ArrivingMessage(this.#world.incoming(), session, this.#settings);
    return this.#message;
  }

  #take(wait: Promise<void> | undefined): void | Promise<void> {
    return after(wait, () => this.#say(CONTINUE));
  }

  #body(bytes: Buffer, session: Session): void | Promise<void> {
    const message = this.#arriving(session);
    return after(message.body(bytes), () => this.#say(message.tooLarge ? { kind: 'skip' } : CONTINUE));
  }

  async #endOfMessage(bytes: Buffer, session: Session): Promise<void> {
    const message = this.#arriving(session);
    this.#message = undefined;
    const progress = setInterval(() => this.#write(this.#protocol.progress()), PROGRESS_MS);
    try {
      if (bytes.length > 0) await message.body(bytes);
      const { reply, changes, sender } = await message.judge(session, this.#world);
      if (this.#ended) return;
      for (const change of changes) this.#write(this.#protocol.change(change));
      if (sender !== undefined) this.#write(this.#protocol.changeSender(`<${formatMailbox(sender)}>`));
      // First the MTA, then the books.
      this.#say(reply.code < 300 ? { kind: 'accept' } : { kind: 'reply', reply });
      this.#endTransaction(reply);
    } catch (error) {
      this.#fault(error, 'end-of-message');
    } finally {
      clearInterval(progress);
      message.dispose();
    }
  }

  #verdict(verdict: Verdict): void {
    this.#say(verdict.kind === 'go-on' ? CONTINUE : { kind: 'reply', reply: verdict.reply });
  }

  #endTransaction(final?: Reply): void {
    this.#dispose();
    record(this.#world, this.#session?.transactionEnded(final));
  }

  #endSession(): void {
    this.#dispose();
    if (this.#session !== undefined) recordEnd(this.#world, this.#session, this.#unreadSender);
    this.#session = undefined;
    this.#unreadSender = false;
    this.#turnedAway = undefined;
    this.#seat?.leave();
    this.#seat = undefined;
  }

  #dispose(): void {
    this.#message?.dispose();
    this.#message = undefined;
    this.#refusedAtData = undefined;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.removeAllListeners('data');
    this.#endSession();
  }

  #say(answer: MilterReply): void {
    if (!this.#ended) this.#write(this.#protocol.reply(answer));
  }

  #write(bytes: Buffer): void {
    if (this.#ended || bytes.length === 0) return;
    this.#socket.write(bytes);
    if (this.#socket.writableLength > MAX_UNREAD_OCTETS) this.cut();
  }
}

/** What fails within them is the message's end. */
const OF_A_MESSAGE: ReadonlySet<MilterEvent['kind']> = new Set([
  'mail',
  'data',
  'header',
  'end-of-header',
  'body',
  'end-of-message',
]);

type Sender = NonNullable<ReturnType<typeof readSender>>;

type Asked = Exclude<
  MilterEvent,
  { readonly kind: 'negotiated' | 'connect' | 'abort' | 'new-connection' | 'quit' | 'error' }
>;
