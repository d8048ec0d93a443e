/**
 * ClamAV's end of the wire: clamd over TCP or a unix socket, INSTREAM inside a session, so that one connection serves many messages,
 * one at a time. A connection rests a few seconds at most: clamd ends idle ones (CommandReadTimeout, IdleTimeout) without a word.
 * One that was ended while it rested is no trouble of clamd's: the message is sent once more, on a new one.
 */
import type {
  ScanFailure,
  Scanner,
  ScannerSettings,
  ScanQuestion,
  VirusVerdict,
} from '../../core/scanners.ts';
import type { MessageContent } from '../../core/delivery.ts';
import { CLAMD, ClamdReader, streamed, type ClamdReply } from '../../wire/scanners/clamd.ts';
import { Line, type Failed } from './line.ts';
import { Turns } from './turns.ts';

/** Below the shortest idle time that clamd is run with. */
const REST_MS = 5000;
/** clamd counts commands; a fresh connection now and then costs nothing. */
const MAX_COMMANDS = 1000;

interface Session {
  readonly line: Line;
  commands: number;
}

export class Clamd implements Scanner<VirusVerdict> {
  readonly #settings: ScannerSettings;
  readonly #turns: Turns;
  readonly #resting = new Map<Session, NodeJS.Timeout>();
  #closed = false;

  constructor(settings: ScannerSettings) {
    this.#settings = settings;
    this.#turns = new Turns(settings);
  }

  async scan({ content }: ScanQuestion, signal: AbortSignal): Promise<VirusVerdict | ScanFailure> {
    const leave = await this.#turns.take(signal);
    if ('kind' in leave) return leave;
    try {
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(this.#settings.timeoutMs)]);
      const reply = await this.#ask((begin) => stream(begin, content), inTime);
      return reply.kind === 'pong' ? { kind: 'failed', reason: 'it answers another question' } : reply;
    } finally {
      leave();
    }
  }

  async probe(signal: AbortSignal): Promise<ScanFailure | undefined> {
    const reply = await this.#ask((begin) => [...begin, CLAMD.ping], signal);
    if (reply.kind === 'pong') return undefined;
    return reply.kind === 'failed' ? reply : { kind: 'failed', reason: 'it answers another question' };
  }

  /** Ends the connections that rest; what is under way comes to its own end. */
  close(): void {
    this.#closed = true;
    for (const [session, timer] of this.#resting) {
      clearTimeout(timer);
      session.line.leave(CLAMD.endSession);
    }
    this.#resting.clear();
  }

  async #ask(
    question: (begin: readonly Buffer[]) => Iterable<Buffer> | AsyncIterable<Buffer>,
    signal: AbortSignal,
  ): Promise<ClamdReply | Failed> {
    const rested = this.#rested();
    if (rested !== undefined) {
      const heardOctets = rested.line.heardOctets;
      const reply = await this.#askOn(rested, question, signal);
      const wasDead = reply.kind === 'failed' && rested.line.heardOctets === heardOctets;
      if (!wasDead || signal.aborted) return reply;
    }
    const line = await Line.open(this.#settings.address, signal);
    return 'kind' in line ? line : this.#askOn({ line, commands: 0 }, question, signal);
  }

  async #askOn(
    session: Session,
    question: (begin: readonly Buffer[]) => Iterable<Buffer> | AsyncIterable<Buffer>,
    signal: AbortSignal,
  ): Promise<ClamdReply | Failed> {
    const begin = session.commands === 0 ? [CLAMD.session] : [];
    const reader = new ClamdReader(++session.commands);
    const reply = await session.line.ask({ pieces: question(begin) }, reader, signal);
    if (reply.kind === 'failed' || reply.kind === 'too-large') session.line.cut('it failed');
    else this.#rest(session);
    return reply;
  }

  #rested(): Session | undefined {
    // The one that rested last: the others get the chance to be ended.
    for (const [session, timer] of [...this.#resting].reverse()) {
      clearTimeout(timer);
      this.#resting.delete(session);
      if (session.line.open) return session;
    }
    return undefined;
  }

  #rest(session: Session): void {
    if (this.#closed || session.commands >= MAX_COMMANDS || !session.line.open) {
      session.line.leave(CLAMD.endSession);
      return;
    }
    const timer = setTimeout(() => {
      this.#resting.delete(session);
      session.line.leave(CLAMD.endSession);
    }, REST_MS);
    this.#resting.set(session, timer.unref());
  }
}

async function* stream(begin: readonly Buffer[], content: MessageContent): AsyncGenerator<Buffer> {
  yield* begin;
  yield CLAMD.stream;
  for await (const chunk of content.chunks()) yield* streamed(chunk);
  yield CLAMD.endOfStream;
}
