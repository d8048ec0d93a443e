/**
 * The filter side of the milter protocol, versions 2 to 6, as a codec: bytes in, events out; answers in, bytes out. events.ts shows
 * how it is driven. After include/libmilter/mfdef.h, libmilter/engine.c and Postfix's src/milter/milter8.c: there is no other standard.
 *
 * The MTA is the operator's own; what it passes on is not. What is kept of it is bounded by `MilterLimits`: a frame that is not whole
 * yet, and the macros of each stage. Whatever is no milter protocol ends the connection or is deferred, and nothing throws.
 */
import { COMMANDS, SMFIR, type CommandLetter, type CommandName } from './codes.ts';
import { isQuestion, readQuestion, type Question } from './commands.ts';
import type {
  HeaderChange,
  MilterError,
  MilterEvent,
  MilterLimits,
  MilterOptions,
  MilterReply,
  MilterState,
} from './events.ts';
import { frame, FrameReader } from './frame.ts';
import { encodeChange } from './header-changes.ts';
import { Macros } from './macros.ts';
import { negotiate, readOffer, symlists, type Agreed } from './negotiation.ts';
import { encodeReply, PROGRESS } from './replies.ts';
import { cellOf, outcomeOf, type Answered, type OpenState, type Told } from './transitions.ts';

const NOTHING = Buffer.alloc(0);
/** A frame's length stands before it. */
const LENGTH_OCTETS = 4;

export class MilterProtocol {
  limits: MilterLimits;
  readonly #options: MilterOptions;
  readonly #input = new FrameReader();
  readonly #macros = new Macros();
  #state: MilterState = 'start';
  #agreed: Agreed | undefined;
  /** What an answer is due to, and where it leads. */
  #due: { readonly command: Question; readonly cell: Answered } | undefined;
  /** The event that wants the answer, behind the `abort` that its command brought. */
  #held: MilterEvent | undefined;
  #overflowed = false;

  constructor(options: MilterOptions) {
    // A name of a macro that is none is the door's mistake, and shall show before an MTA comes.
    symlists(options.needs.macros);
    this.#options = options;
    this.limits = options.limits;
  }

  get agreed(): Agreed | undefined {
    return this.#agreed;
  }

  get state(): MilterState {
    return this.#state;
  }

  get wantsReply(): boolean {
    return this.#due !== undefined;
  }

  get bufferedOctets(): number {
    return this.#input.bufferedOctets;
  }

  get deadlineMs(): number | undefined {
    return this.#due !== undefined || this.#state === 'closed' ? undefined : this.limits.commandMs;
  }

  macro(name: string): string | undefined {
    return this.#macros.get(name);
  }

  receive(bytes: Buffer): void {
    if (this.#state === 'closed' || bytes.length === 0) return;
    // The MTA asks one thing at a time, so while it waits for us there is nothing honest to come but the end.
    if (
      this.#due !== undefined &&
      this.bufferedOctets + bytes.length > this.limits.frameOctets + LENGTH_OCTETS
    ) {
      this.#overflowed = true;
      return;
    }
    this.#input.add(bytes);
  }

  next(): MilterEvent | undefined {
    if (this.#held !== undefined) {
      const event = this.#held;
      this.#held = undefined;
      return event;
    }
    if (this.#overflowed) return this.#fail('input-overflow');
    while (this.#due === undefined && this.#state !== 'closed') {
      const taken = this.#input.take(this.limits.frameOctets);
      if (taken.kind === 'incomplete') return undefined;
      if (taken.kind === 'too-large') return this.#fail('frame-too-large');
      const event = this.#command(this.#state, taken.command, taken.payload);
      if (event !== undefined) return event;
    }
    return undefined;
  }

  reply(answer: MilterReply): Buffer {
    if (this.#state === 'closed') return NOTHING;
    const due = this.#due;
    if (due === undefined || this.#held !== undefined) throw new Error('no answer is due');
    if (answer.kind === 'skip' && due.command !== 'body') throw new Error('only body can be skipped');
    // MTAs without SMFIP_SKIP take it for nonsense; they send on, and nobody has to read it.
    const said: MilterReply =
      answer.kind === 'skip' && this.#agreed?.skip !== true ? { kind: 'continue' } : answer;
    const bytes = encodeReply(said);
    this.#due = undefined;
    const next = due.cell[outcomeOf(said)];
    if (next === 'ready') this.#macros.endMessage();
    this.#state = next;
    return bytes;
  }

  change(change: HeaderChange): Buffer {
    const agreed = this.#atEndOfMessage();
    return agreed === undefined ? NOTHING : encodeChange(change, agreed);
  }

  changeSender(path: string): Buffer {
    if (!PATH.test(path)) throw new Error(`no path: ${JSON.stringify(path)}`);
    return this.#atEndOfMessage()?.changeSender === true ? frame(SMFIR.changeSender, path) : NOTHING;
  }

  progress(): Buffer {
    return this.#atEndOfMessage() === undefined ? NOTHING : PROGRESS;
  }

  /** Undefined once the connection is closed. Before the last answer to a message is the only time for more than an answer. */
  #atEndOfMessage(): Agreed | undefined {
    if (this.#state === 'closed') return undefined;
    if (this.#due?.command !== 'end-of-message') throw new Error('no message is at its end');
    return this.#agreed;
  }

  /** Undefined for what is nobody's business but ours. */
  #command(state: OpenState, letter: string, payload: Buffer): MilterEvent | undefined {
    if (!isLetter(letter)) return this.#fail('unknown-command');
    const command: CommandName = COMMANDS[letter];
    const cell = cellOf(state, command);
    if (cell === undefined) {
      return isQuestion(command) && state !== 'start'
        ? deferred('out-of-order', command)
        : this.#fail('out-of-order', command);
    }
    return 'to' in cell
      ? this.#told(command, cell, payload)
      : this.#asked(command as Question, cell, payload);
  }

  #asked(command: Question, cell: Answered, payload: Buffer): MilterEvent | undefined {
    const event = readQuestion(command, payload, {
      limits: this.limits,
      leadingSpace: this.#agreed?.leadingSpace === true,
    });
    if (event === 'malformed') return deferred('malformed', command);
    this.#macros.begin(command);
    this.#due = { command, cell };
    if (cell.aborts !== true) return event;
    this.#state = 'ready';
    this.#held = event;
    return { kind: 'abort' };
  }

  #told(command: CommandName, cell: Told, payload: Buffer): MilterEvent | undefined {
    if (command === 'optneg') return this.#negotiate(payload);
    this.#state = cell.to;
    switch (command) {
      case 'macro':
        this.#macros.define(payload, this.limits);
        return undefined;
      case 'abort':
        this.#macros.endMessage();
        return cell.aborts === true ? { kind: 'abort' } : undefined;
      case 'quit-nc':
        this.#macros.forget();
        return { kind: 'new-connection' };
      default:
        this.#close();
        return { kind: 'quit' };
    }
  }

  #negotiate(payload: Buffer): MilterEvent {
    const offer = readOffer(payload);
    if (typeof offer === 'string') return this.#fail(offer, 'optneg');
    const { agreed, answer } = negotiate(offer, this.#options.needs);
    this.#agreed = agreed;
    this.#state = 'agreed';
    return { kind: 'negotiated', agreed, answer };
  }

  #fail(error: MilterError, command?: CommandName): MilterEvent {
    this.#close();
    const event = { kind: 'error', error, answer: NOTHING } as const;
    return command === undefined ? event : { ...event, command };
  }

  #close(): void {
    this.#state = 'closed';
    this.#due = undefined;
    this.#held = undefined;
    this.#overflowed = false;
    this.#input.drop();
    this.#macros.forget();
  }
}

/** The state stays: whether the MTA still has a message open it will show. */
function deferred(error: MilterError, command: CommandName): MilterEvent {
  return { kind: 'error', error, command, answer: encodeReply({ kind: 'tempfail' }) };
}

/** Ours: a wrong one is misuse. */
const PATH = /^<[\x20-\x7e]{0,320}>$/;

const isLetter = (letter: string): letter is CommandLetter => Object.hasOwn(COMMANDS, letter);
