/**
 * The server side of SMTP (RFC 5321) as a codec: bytes in, events out; replies in, text out. events.ts shows how it is driven.
 *
 * Everything that `receive` is given is hostile. What is kept of it is bounded by `ServerLimits`: an unfinished command line, or what
 * came before its turn. Content is never kept, it goes out in slices of what came in.
 *
 * Only CR LF ends a command line. A line that ends in LF alone is answered (500), so that its sender learns why, and not obeyed.
 * Nothing that came before a 220 to STARTTLS outlives it (CVE-2011-0411).
 */
import { formatReply, reply, type Reply } from '../../mail/reply.ts';
import { readAuth, readCommand, readMail, readRcpt, type EnvelopeContext } from './commands.ts';
import { ContentReader } from './content.ts';
import { ehloReply } from './ehlo.ts';
import { PROTOCOL_ERRORS, type ProtocolErrorEntry } from './errors.ts';
import type {
  EhloOffer,
  ProtocolError,
  ProtocolViolation,
  ServerEvent,
  ServerLimits,
  ServerOptions,
  ServerState,
} from './events.ts';
import { Input } from './input.ts';
import {
  AFTER_ERROR,
  MOMENTS,
  outcomeOf,
  type CommandState,
  type Moment,
  type Outcomes,
  type Verb,
} from './transitions.ts';

/** What an answer is due to. */
type Due = Moment | Verb | 'error';

const NONE: readonly never[] = [];

export class ServerProtocol {
  limits: ServerLimits;
  readonly #options: ServerOptions;
  #state: ServerState = 'connected';
  #due: Due | undefined = 'greeting';
  /** Where the answer that is due leads. */
  #outcomes: Outcomes = MOMENTS.greeting;
  readonly #input = new Input();
  /** Bytes were thrown away because too many came early. */
  #overflowed = false;
  /** An event that waits behind a violation or behind the last content. */
  #held: ServerEvent | undefined;
  /** Still to tell, and all so far. */
  #violationsDue: readonly ProtocolViolation[] = NONE;
  #violationsSeen: readonly ProtocolViolation[] = NONE;
  #content: ContentReader | undefined;
  #helloVerb: 'HELO' | 'EHLO' = 'HELO';
  #secured: boolean;
  #authenticated = false;
  #smtputf8 = false;
  /** The transaction that MAIL asks for, until it is granted. */
  #smtputf8Asked = false;
  #recipients = 0;
  #errors = 0;
  #commands = 0;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.limits = options.limits;
    this.#secured = options.tls === true;
  }

  get state(): ServerState {
    return this.#state;
  }

  get wantsReply(): boolean {
    return this.#due !== undefined;
  }

  get secured(): boolean {
    return this.#secured;
  }

  get authenticated(): boolean {
    return this.#authenticated;
  }

  get recipients(): number {
    return this.#recipients;
  }

  get bufferedOctets(): number {
    return this.#input.octets;
  }

  get deadlineMs(): number | undefined {
    if (this.#due !== undefined || this.#state === 'closed') return undefined;
    return this.#state === 'content' ? this.limits.contentMs : this.limits.commandMs;
  }

  receive(bytes: Buffer): void {
    if (this.#state === 'closed' || bytes.length === 0) return;
    // Nothing may be read past a gap: the next event is the error that ends the session.
    if (this.#overflowed || this.#overflows()) {
      this.#overflowed = true;
      return;
    }
    this.#input.add(bytes);
    this.#noteEarlyInput();
  }

  next(): ServerEvent | undefined {
    const violation = this.#violationsDue[0];
    if (violation !== undefined) {
      this.#violationsDue = this.#violationsDue.slice(1);
      return { kind: 'violation', violation };
    }
    if (this.#held !== undefined) {
      const event = this.#held;
      this.#held = undefined;
      return event;
    }
    if (this.#overflowed || this.#overflows()) {
      this.#overflowed = false;
      this.#input.drop();
      return this.#error('input-overflow');
    }
    if (this.#due !== undefined || this.#state === 'closed' || this.#state === 'connected') {
      this.#input.keep();
      return undefined;
    }
    return this.#state === 'content' ? this.#nextContent() : this.#nextLine(this.#state);
  }

  greet(greeting: Reply): string {
    if (this.#state === 'closed') return '';
    if (this.#due !== 'greeting') throw new Error('the greeting was given');
    return this.reply(greeting);
  }

  reply(answer: Reply): string {
    if (this.#state === 'closed') return '';
    // RFC 5321 3.8: 421 at any time. RFC 7504: 521 says that nothing is served here at all.
    if (answer.code === 421 || answer.code === 521) {
      this.#close();
      return formatReply(answer);
    }
    const due = this.#due;
    if (due === undefined || this.#held !== undefined) throw new Error('no reply is due');
    this.#due = undefined;
    this.#advance(due, answer.code);
    return formatReply(answer);
  }

  /** 250 for the last `hello`. */
  helloReply(): Reply {
    const { offer } = this.#options;
    if (this.#helloVerb === 'HELO') return reply(250, '', offer.hostName);
    const stage = !this.#secured ? 'plain' : this.#authenticated ? 'authenticated' : 'secured';
    let made = EHLO_REPLIES.get(offer);
    if (made === undefined) EHLO_REPLIES.set(offer, (made = {}));
    // STARTTLS only outside TLS (RFC 3207 4.2), AUTH only inside and once (RFC 4954 4).
    return (made[stage] ??= ehloReply({
      ...offer,
      starttls: offer.starttls && stage === 'plain',
      auth: stage === 'secured' ? offer.auth : [],
    }));
  }

  #advance(due: Due, code: number): void {
    const digit = Math.trunc(code / 100);
    const next = this.#outcomes[digit as keyof Outcomes];
    if (next !== undefined) this.#state = next;
    switch (due) {
      case 'EHLO':
      case 'HELO':
      case 'RSET':
        if (digit === 2) this.#endTransaction();
        break;
      case 'MAIL':
        if (digit === 2) this.#smtputf8 = this.#smtputf8Asked;
        break;
      case 'RCPT':
        if (digit === 2) this.#recipients++;
        break;
      case 'DATA':
        if (digit === 3) this.#content = new ContentReader(this.limits);
        break;
      case 'end-of-message':
        this.#endTransaction();
        if (digit === 2) this.#commands = 0;
        break;
      case 'STARTTLS':
        if (digit === 2) this.#enterTls();
        break;
      case 'AUTH':
      case 'auth-response':
        if (digit === 2) this.#authenticated = true;
        break;
      case 'QUIT':
        this.#close();
        break;
      case 'greeting':
      case 'NOOP':
      case 'VRFY':
      case 'HELP':
      case 'error':
        break;
      default:
        due satisfies never;
    }
  }

  #endTransaction(): void {
    this.#recipients = 0;
    this.#smtputf8 = false;
    this.#content = undefined;
  }

  #enterTls(): void {
    this.#secured = true;
    this.#helloVerb = 'HELO';
    this.#input.drop();
  }

  #close(): void {
    this.#state = 'closed';
    this.#due = undefined;
    this.#held = undefined;
    this.#endTransaction();
    this.#input.drop();
  }

  // Bytes are here although it is our turn: told as a violation, kept up to a limit.
  #noteEarlyInput(): void {
    if (this.#due === undefined || this.#input.octets === 0) return;
    if (this.#due === 'greeting') this.#violate('early-talker');
    // Nothing can be smuggled in by who only leaves, and the message is judged for what it is.
    else if (this.#due === 'end-of-message' && this.#input.isQuit) return;
    // Even a client that may pipeline must wait here: 354 may not come (RFC 2920 3.1), and TLS begins after 220 (RFC 3207 4).
    else if (this.#options.allowPipelining !== true || this.#due === 'DATA' || this.#due === 'STARTTLS') {
      this.#violate('pipelining');
    }
  }

  #violate(violation: ProtocolViolation): void {
    if (this.#violationsSeen.includes(violation)) return;
    this.#violationsSeen = [...this.#violationsSeen, violation];
    this.#violationsDue = [...this.#violationsDue, violation];
  }

  #overflows(): boolean {
    const { earlyInputOctets, pipelinedInputOctets } = this.limits;
    const limit = this.#options.allowPipelining === true ? pipelinedInputOctets : earlyInputOctets;
    return this.#due !== undefined && this.#input.octets > limit;
  }

  #want(due: Due, outcomes: Outcomes, event: ServerEvent): ServerEvent | undefined {
    this.#hold(due, outcomes, event);
    return this.next();
  }

  /** The event wants an answer. It comes behind the violations that its bytes committed: whoever judges it shall know of them. */
  #hold(due: Due, outcomes: Outcomes, event: ServerEvent): void {
    this.#due = due;
    this.#outcomes = outcomes;
    this.#held = event;
    this.#noteEarlyInput();
  }

  #error(error: ProtocolError, verb?: Verb): ServerEvent | undefined {
    let told = error;
    const entry: ProtocolErrorEntry = PROTOCOL_ERRORS[error];
    if (entry.forgiven !== true && ++this.#errors > this.limits.errors && entry.reply.code !== 421) {
      told = 'too-many-errors';
      this.#violate('too-many-errors');
    }
    if (error === 'foreign-protocol') this.#violate(error);
    const answer = PROTOCOL_ERRORS[told].reply;
    const event: ServerEvent =
      verb === undefined
        ? { kind: 'error', error: told, reply: answer }
        : { kind: 'error', error: told, reply: answer, verb };
    // RFC 4954 4: a line that is no response ends the exchange.
    if (this.#state === 'auth') return this.#want('error', MOMENTS['auth-response'], event);
    return this.#want('error', AFTER_ERROR, event);
  }

  #nextContent(): ServerEvent | undefined {
    const reader = this.#content;
    if (reader === undefined || this.#input.octets === 0) return undefined;
    this.#input.feed(reader);
    const { piece } = reader;
    reader.piece = undefined;
    if (!reader.ended) {
      this.#input.drop();
      return piece === undefined ? undefined : { kind: 'content', bytes: piece };
    }
    const end = reader.endOfMessage();
    if (end.bareNewline) this.#violate('bare-newline');
    this.#hold('end-of-message', MOMENTS['end-of-message'], end);
    return piece === undefined ? this.next() : { kind: 'content', bytes: piece };
  }

  /** The next command, or the next response of the AUTH exchange. */
  #nextLine(state: CommandState | 'auth'): ServerEvent | undefined {
    const line = this.#input.takeLine(this.limits, state === 'auth');
    if (line === undefined) return undefined;
    if (line.kind === 'error') {
      if (line.error === 'bare-newline') this.#violate('bare-newline');
      return this.#error(line.error);
    }
    if (state === 'auth') {
      if (line.text === '*') return this.#error('auth-cancelled');
      return this.#want('auth-response', MOMENTS['auth-response'], {
        kind: 'auth-response',
        response: line.text,
      });
    }
    if (++this.#commands > this.limits.commands) return this.#error('too-many-commands');
    const command = readCommand(line.text);
    if (typeof command === 'string') return this.#error(command);
    const { verb, argument } = command;
    const outcomes = outcomeOf(state, verb);
    if (typeof outcomes === 'string') return this.#error(outcomes, verb);
    if (this.#options.requireTls === true && !this.#secured && !OUTSIDE_TLS.has(verb)) {
      return this.#error('tls-required', verb);
    }
    const event = this.#eventOf(verb, argument);
    return typeof event === 'string' ? this.#error(event, verb) : this.#want(verb, outcomes, event);
  }

  #eventOf(verb: Verb, argument: string): ServerEvent | ProtocolError {
    switch (verb) {
      case 'EHLO':
      case 'HELO': {
        const name = argument.trim();
        if (name === '') return 'hello-name-missing';
        this.#helloVerb = verb;
        return { kind: 'hello', verb, name };
      }
      case 'MAIL': {
        const event = readMail(argument, this.#envelopeContext());
        if (typeof event !== 'string') this.#smtputf8Asked = event.parameters.smtputf8 === true;
        return event;
      }
      case 'RCPT':
        if (this.#recipients >= this.limits.recipients) return 'too-many-recipients';
        return readRcpt(argument, this.#envelopeContext(), this.#smtputf8);
      case 'STARTTLS':
        if (this.#secured) return 'already-tls';
        if (!this.#options.offer.starttls) return 'not-implemented';
        return bare(verb, argument);
      case 'AUTH': {
        const { auth } = this.#options.offer;
        if (auth.length === 0) return 'not-implemented';
        if (!this.#secured) return 'auth-needs-tls';
        return this.#authenticated ? 'already-authenticated' : readAuth(argument, auth);
      }
      case 'VRFY':
        return argument === '' ? 'syntax' : { kind: 'vrfy', text: argument };
      case 'DATA':
      case 'RSET':
      case 'QUIT':
        return bare(verb, argument);
      // Arguments of NOOP and HELP say nothing (RFC 5321 4.1.1.8 and 4.1.1.9).
      case 'NOOP':
        return SIMPLE.NOOP;
      case 'HELP':
        return SIMPLE.HELP;
      default:
        return verb satisfies never;
    }
  }

  #envelopeContext(): EnvelopeContext {
    const { offer } = this.#options;
    const { messageOctets, localPartOctets } = this.limits;
    return {
      offer,
      lenient: this.#options.lenientPaths === true,
      localPartOctets,
      maxSizeOctets: offer.sizeOctets > 0 ? Math.min(offer.sizeOctets, messageOctets) : messageOctets,
    };
  }
}

// Connections of one configuration share their offer, and so the replies made from it.
const EHLO_REPLIES = new WeakMap<EhloOffer, Partial<Record<'plain' | 'secured' | 'authenticated', Reply>>>();

// RFC 3207 4.
const OUTSIDE_TLS: ReadonlySet<Verb> = new Set<Verb>(['EHLO', 'NOOP', 'STARTTLS', 'QUIT']);

// Events without content are the same object each time.
const SIMPLE = {
  DATA: { kind: 'data' },
  RSET: { kind: 'rset' },
  NOOP: { kind: 'noop' },
  HELP: { kind: 'help' },
  QUIT: { kind: 'quit' },
  STARTTLS: { kind: 'starttls' },
} as const satisfies Partial<Record<Verb, ServerEvent>>;

function bare(verb: keyof typeof SIMPLE, argument: string): ServerEvent | ProtocolError {
  return argument === '' ? SIMPLE[verb] : 'unexpected-argument';
}
