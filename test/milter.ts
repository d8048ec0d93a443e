/** The MTA's side of the milter protocol, for tests: it says what a test tells it to, and keeps the answers. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { frame } from '../src/wire/milter/frame.ts';
import { Arrival } from './arrival.ts';
import { onEnd, type Cleanup } from './program.ts';

export interface MtaAnswer {
  readonly kind: 'continue' | 'accept' | 'reject' | 'tempfail' | 'skip' | 'reply';
  /** `550 5.7.1 Text`, with percent signs as they are meant; lines of more than one with CRLF between. */
  readonly text: string;
  /** What stood before it: `insert 0 X-A: b`, `change 1 X-A: b`, `add X-A: b`, `sender <a@example.net>`, `progress`. */
  readonly changes: readonly string[];
}

export interface MtaOptions {
  readonly at: { readonly port: number; readonly host?: string } | { readonly path: string };
  readonly version?: number;
  readonly actions?: number;
  readonly protocol?: number;
  readonly timeoutMs?: number;
}

const KINDS: Readonly<Record<string, MtaAnswer['kind']>> = {
  c: 'continue',
  a: 'accept',
  r: 'reject',
  t: 'tempfail',
  s: 'skip',
  y: 'reply',
};
const SMFIP_NOBODY = 0x10;
const SMFIP_NODATA = 0x200;
const ALL_ACTIONS = 0x1ff;
const ALL_PROTOCOL = 0x1fffff;

export class Mta {
  readonly socket: Socket;
  /** What the filter asked for at the negotiation. */
  actions = 0;
  protocol = 0;
  /** Lists of macros by the number of their stage. */
  readonly macroLists = new Map<number, string>();
  #bytes: Buffer = Buffer.alloc(0);
  readonly #frames: Buffer[] = [];
  readonly #arrival: Arrival;
  readonly #timeoutMs: number;

  private constructor(socket: Socket, timeoutMs: number) {
    this.socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#arrival = new Arrival(socket, (bytes) => this.#take(bytes));
  }

  get closed(): Promise<void> {
    return this.#arrival.closed;
  }

  /** Connected and negotiated. */
  static async connect(options: MtaOptions, cleanup?: Cleanup): Promise<Mta> {
    const socket = connect({ ...options.at });
    if (cleanup !== undefined) onEnd(cleanup, () => void socket.destroy());
    await once(socket, 'connect');
    const mta = new Mta(socket, options.timeoutMs ?? 8_000);
    const { version = 6, actions = ALL_ACTIONS, protocol = ALL_PROTOCOL } = options;
    mta.send('O', version, actions, protocol);
    const answer = await mta.frame();
    if (answer === undefined) throw new Error('the filter closed at the negotiation');
    mta.actions = answer.readUInt32BE(5);
    mta.protocol = answer.readUInt32BE(9);
    for (let at = 13; at < answer.length;) {
      const end = answer.indexOf(0, at + 4);
      mta.macroLists.set(answer.readUInt32BE(at), answer.toString('latin1', at + 4, end));
      at = end + 1;
    }
    return mta;
  }

  send(command: string, ...fields: readonly (string | Buffer | number)[]): void {
    this.socket.write(frame(command, ...fields));
  }

  /** The next frame without its length; undefined once the connection is over. */
  async frame(): Promise<Buffer | undefined> {
    await this.#arrival.until(() => this.#frames.length > 0, this.#timeoutMs, 'the filter');
    return this.#frames.shift();
  }

  /** Sends a command and waits for the last word to it. */
  async ask(command: string, ...fields: readonly (string | Buffer | number)[]): Promise<MtaAnswer> {
    this.send(command, ...fields);
    return this.answer();
  }

  async answer(): Promise<MtaAnswer> {
    const changes: string[] = [];
    for (;;) {
      const said = await this.frame();
      if (said === undefined) throw new Error('the filter closed the connection');
      const letter = String.fromCharCode(said[0] ?? 0);
      const kind = KINDS[letter];
      if (kind === undefined) changes.push(changeText(letter, said));
      else return { kind, text: kind === 'reply' ? replyOf(said) : '', changes };
    }
  }

  macros(command: string, values: Readonly<Record<string, string>>): void {
    this.send('D', Buffer.from(command), ...Object.entries(values).flat());
  }

  from(address: string, host = 'unknown', port = 40_000): Promise<MtaAnswer> {
    const family = address.includes(':') ? '6' : '4';
    return this.ask('C', host, Buffer.from([family.charCodeAt(0), port >> 8, port & 255]), address);
  }

  helo(name: string): Promise<MtaAnswer> {
    return this.ask('H', name);
  }

  mail(path: string, ...parameters: readonly string[]): Promise<MtaAnswer> {
    return this.ask('M', `<${path}>`, ...parameters);
  }

  rcpt(path: string, ...parameters: readonly string[]): Promise<MtaAnswer> {
    return this.ask('R', `<${path}>`, ...parameters);
  }

  header(name: string, value: string): Promise<MtaAnswer> {
    return this.ask('L', Buffer.from(`${name}\0${value}\0`, 'latin1'));
  }

  body(bytes: string | Buffer): Promise<MtaAnswer> {
    return this.ask('B', Buffer.from(bytes));
  }

  endOfMessage(): Promise<MtaAnswer> {
    return this.ask('E');
  }

  /** A whole message with CRLF lines, as far as the filter wants it told: the first answer that is no `continue`, or that to its end. */
  async message(text: string): Promise<MtaAnswer> {
    const end = text.indexOf('\r\n\r\n');
    const header = text.slice(0, end);
    if ((this.protocol & SMFIP_NODATA) === 0) {
      const answer = await this.ask('T');
      if (answer.kind !== 'continue') return answer;
    }
    for (const field of header.split(/\r\n(?![ \t])/)) {
      const colon = field.indexOf(':');
      // With SMFIP_HDR_LEADSPC the value begins right behind the colon.
      const answer = await this.header(
        field.slice(0, colon),
        field.slice(colon + 1).replaceAll('\r\n', '\n'),
      );
      if (answer.kind !== 'continue') return answer;
    }
    const ended = await this.ask('N');
    if (ended.kind !== 'continue') return ended;
    if ((this.protocol & SMFIP_NOBODY) === 0) {
      const body = Buffer.from(text.slice(end + 4), 'latin1');
      for (let at = 0; at < body.length; at += MAX_PIECE_OCTETS) {
        const answer = await this.body(body.subarray(at, at + MAX_PIECE_OCTETS));
        if (answer.kind === 'skip') break;
        if (answer.kind !== 'continue') return answer;
      }
    }
    return this.endOfMessage();
  }

  #take(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    while (this.#bytes.length >= 4) {
      const octets = this.#bytes.readUInt32BE(0);
      if (this.#bytes.length < 4 + octets) break;
      this.#frames.push(this.#bytes.subarray(4, 4 + octets));
      this.#bytes = this.#bytes.subarray(4 + octets);
    }
  }
}

// MILTER_CHUNK_SIZE.
const MAX_PIECE_OCTETS = 65_535;

/** Undone as the MTA does it: the text is a format to it. */
const replyOf = (said: Buffer): string => said.toString('latin1', 1).replace(/\0$/, '').replaceAll('%%', '%');

function changeText(letter: string, said: Buffer): string {
  const strings = (from: number) => said.toString('utf8', from).split('\0');
  switch (letter) {
    case 'p':
      return 'progress';
    case 'h': {
      const [name, value] = strings(1);
      return `add ${name}:${value}`;
    }
    case 'i':
    case 'm': {
      const [name, value] = strings(5);
      return `${letter === 'i' ? 'insert' : 'change'} ${said.readUInt32BE(1)} ${name}:${value}`;
    }
    case 'e':
      return `sender ${strings(1)[0]}`;
    default:
      throw new Error(`the filter sent ${JSON.stringify(said.toString('latin1'))}`);
  }
}
