import type { Header } from './header.ts';
import type { MimeBounds, MimeConsumer, Note, NoteKind, Part, PartSink } from './mime.ts';
import { contentOf, HeaderKeeper, MAX_HELD, type Said } from './mime-header.ts';
import { transferDecoder, type TransferDecoder, type TransferEncoding } from './transfer-encoding.ts';

/** What all readers of one message share. */
export interface Told {
  readonly consumer: MimeConsumer;
  readonly bounds: MimeBounds;
  readonly parts: Part[];
  partsSeen: number;
  readonly notes: Map<NoteKind, Note>;
}

/** Where a part stands, known before its header is. */
export interface Place {
  readonly path: string;
  readonly depth: number;
  readonly parent: Part | undefined;
  readonly role: Part['role'];
  /** RFC 2046 5.1.5: a digest's parts are messages unless they say otherwise. */
  readonly digested: boolean;
}

export const WHOLE_MESSAGE: Place = {
  path: '1',
  depth: 0,
  parent: undefined,
  role: 'message',
  digested: false,
};

interface Multipart {
  readonly part: Part;
  readonly boundaries: readonly string[];
  children: number;
}

interface Delimiter {
  readonly level: number;
  readonly last: boolean;
  /** Behind its line. */
  readonly end: number;
}

const LF = 10;
const CR = 13;
const DASH = 45;
const NOTHING = Buffer.alloc(0);
const LINE_END = Buffer.from('\n');
const CRLF = Buffer.from('\r\n');
const MAYBE_DELIMITER = Buffer.from('\n--');

/** Reads one entity with all that is in it; an attached message that is encoded has a reader of its own. */
export class EntityReader {
  sizeOctets = 0;
  readonly #told: Told;
  readonly #decodings: number;
  /** Octets not judged yet: the start of a line, never more than `MAX_HELD`; behind a line that is no field `MAX_DOUBTED`. */
  #held: Buffer = NOTHING;
  #state: 'header' | 'content' = 'header';
  #lineStart = true;
  /** The line at hand is none of the header's. */
  #passing = false;
  /** Up to there, counted from the first octet, it is known that the header goes on. */
  #goesOnTo = 0;
  /** The line end before a delimiter is the delimiter's (RFC 2046 5.1.1): kept back until it is known to be none. */
  #lineEnd: Buffer = NOTHING;
  #place: Place;
  #header: HeaderKeeper;
  readonly #multiparts: Multipart[] = [];
  /** Levels by boundary, the innermost last: nested ones may have the same. */
  readonly #levels = new Map<string, number[]>();
  #flow: Flow | undefined;

  constructor(told: Told, place: Place, decodings: number) {
    this.#told = told;
    this.#decodings = decodings;
    this.#place = place;
    this.#header = new HeaderKeeper(told.bounds.headerOctets);
  }

  write(octets: Buffer): void {
    this.sizeOctets += octets.length;
    const data = this.#held.length === 0 ? octets : Buffer.concat([this.#held, octets]);
    const read = this.#read(data, false);
    this.#held = read === data.length ? NOTHING : Buffer.from(data.subarray(read));
  }

  end(): void {
    const data = this.#held;
    this.#held = NOTHING;
    this.#read(data, true);
    this.#endHeaders();
    this.#giveLineEnd();
    this.#endFlow();
    while (this.#multiparts.length > 0) this.#leave('end-missing');
  }

  /** How far it came: what lies behind has to come again, with more octets. */
  #read(data: Buffer, complete: boolean): number {
    let at = 0;
    while (at < data.length) {
      const next =
        this.#state === 'header'
          ? this.#readHeader(data, at, complete)
          : this.#readContent(data, at, complete);
      if (next === undefined) return at;
      at = next;
    }
    return at;
  }

  #readHeader(data: Buffer, at: number, complete: boolean): number | undefined {
    const lf = data.indexOf(LF, at);
    const end = lf < 0 ? data.length : lf + 1;
    if (!this.#lineStart) {
      if (!this.#passing) this.#header.goOn(data.subarray(at, end));
      this.#lineStart = lf >= 0;
      return end;
    }
    if (lf < 0 && !complete && end - at <= MAX_HELD) return undefined;
    // A delimiter ends a header as it ends everything.
    const delimiter = this.#delimiter(data, at, complete);
    if (delimiter === 'incomplete') return undefined;
    if (delimiter !== undefined) {
      this.#endHeaders();
      this.#delimit(delimiter);
      return delimiter.end;
    }
    if (end - at <= 2 && lf >= 0 && (data[at] === LF || data[at] === CR)) {
      this.#endHeader();
      return end;
    }
    const line = data.subarray(at, end);
    this.#passing = false;
    if (!this.#header.take(line)) {
      const goesOn = this.#headerGoesOn(data, at, complete);
      if (goesOn === 'incomplete') return undefined;
      this.#note('header-unended', this.#place.path);
      if (!goesOn) {
        // Read again as content: the state is another one now.
        this.#endHeader();
        return at;
      }
      this.#passing = true;
    }
    this.#lineStart = lf >= 0;
    return end;
  }

  /**
   * Behind a line that is no field, some readers have text, others pass over the line: a `Content-` field before the empty line is for
   * them. A message that begins with such a line has no header: an empty line is put on top of it.
   */
  #headerGoesOn(data: Buffer, from: number, complete: boolean): boolean | 'incomplete' {
    const offset = this.sizeOctets - data.length;
    if (offset + from < this.#goesOnTo) return true;
    if (this.#place.depth === 0 && !this.#header.begun) return false;
    for (let at = from; ;) {
      const lf = data.indexOf(LF, at);
      if ((lf < 0 ? data.length : lf) - from > MAX_DOUBTED) return false;
      if (lf < 0 && !complete) return 'incomplete';
      if (lf >= 0 && lf - at <= 1 && (lf === at || data[at] === CR)) return false;
      const end = lf < 0 ? data.length : lf + 1;
      if (this.#delimiter(data, at, true) !== undefined) return false;
      if (CONTENT_FIELD.test(data.toString('latin1', at, Math.min(end, at + MAX_HELD)))) {
        this.#goesOnTo = offset + at;
        return true;
      }
      if (lf < 0) return false;
      at = end;
    }
  }

  #readContent(data: Buffer, at: number, complete: boolean): number | undefined {
    const delimited = this.#multiparts.length > 0;
    if (this.#lineStart && delimited) {
      const delimiter = this.#delimiter(data, at, complete);
      if (delimiter === 'incomplete') return undefined;
      if (delimiter !== undefined) {
        this.#lineEnd = NOTHING;
        this.#delimit(delimiter);
        return delimiter.end;
      }
    }
    this.#lineStart = false;
    this.#giveLineEnd();
    const next = delimited ? data.indexOf(MAYBE_DELIMITER, at) : -1;
    if (next >= 0) {
      const crlf = next > at && data[next - 1] === CR;
      this.#give(data.subarray(at, crlf ? next - 1 : next));
      this.#lineEnd = crlf ? CRLF : LINE_END;
      this.#lineStart = true;
      return next + 1;
    }
    const end = complete || !delimited ? data.length : data.length - delimiterStart(data, at);
    this.#give(data.subarray(at, end));
    return end === at ? undefined : end;
  }

  /** The delimiter in the line that begins at `at`: of any multipart that is open, for one without its end is ended by another's. */
  #delimiter(data: Buffer, at: number, complete: boolean): Delimiter | 'incomplete' | undefined {
    if (data[at] !== DASH || (at + 1 < data.length && data[at + 1] !== DASH)) return undefined;
    const maxOctets = this.#told.bounds.boundaryOctets + 64;
    const lf = data.indexOf(LF, at);
    const lineEnd = lf < 0 ? data.length : lf;
    if (lineEnd - at > Math.min(maxOctets, MAX_HELD)) return undefined;
    if (lf < 0 && !complete) return 'incomplete';
    let to = lineEnd;
    while (to > at && isBlank(data[to - 1])) to--;
    const said = data.toString('latin1', at + 2, to);
    const end = lf < 0 ? data.length : lf + 1;
    const level = this.#levels.get(said)?.at(-1);
    if (level !== undefined) return { level, last: false, end };
    const ended = said.endsWith('--') ? this.#levels.get(said.slice(0, -2))?.at(-1) : undefined;
    return ended === undefined ? undefined : { level: ended, last: true, end };
  }

  #delimit({ level, last }: Delimiter): void {
    this.#endFlow();
    while (this.#multiparts.length > level + 1) {
      this.#leave('end-missing');
    }
    const multipart = this.#multiparts[level];
    if (multipart === undefined) return;
    this.#state = 'content';
    this.#lineStart = true;
    if (last) {
      this.#leave();
      this.#flow = this.#asideFlow('epilogue', multipart.part);
      return;
    }
    multipart.children++;
    const { part } = multipart;
    this.#told.partsSeen++;
    this.#expect({
      path: `${part.path}.${multipart.children}`,
      depth: part.depth + 1,
      parent: part,
      role: 'part',
      digested: part.contentType.subtype === 'digest',
    });
  }

  /** A header is due; beyond the bound it is passed over with its part. */
  #expect(place: Place): void {
    if (this.#told.parts.length >= this.#told.bounds.parts) {
      this.#note('too-many-parts', place.path);
      this.#state = 'content';
      return;
    }
    this.#place = place;
    this.#header = new HeaderKeeper(this.#told.bounds.headerOctets);
    this.#state = 'header';
    this.#lineStart = true;
  }

  #leave(note?: NoteKind): void {
    const left = this.#multiparts.pop();
    if (left === undefined) return;
    for (const boundary of left.boundaries) {
      const levels = this.#levels.get(boundary);
      levels?.pop();
      if (levels?.length === 0) this.#levels.delete(boundary);
    }
    if (note !== undefined) this.#note(note, left.part.path);
    if (left.children === 0) this.#note('no-delimiter', left.part.path);
  }

  /** The header ends, and with it those of the messages in it, which have nothing left to be made of. */
  #endHeaders(): void {
    while (this.#state === 'header') this.#endHeader();
  }

  #endHeader(): void {
    const { path } = this.#place;
    if (this.#header.cut) this.#note('header-too-large', path);
    const header = this.#header.header();
    if (header.bytes.includes(0)) this.#note('nul', path);
    if (EIGHT_BIT.test(header.bytes.toString('latin1'))) this.#note('8-bit-header', path);
    this.#state = 'content';
    this.#lineStart = true;
    this.#open(header);
  }

  #open(header: Header): void {
    const note = (kind: NoteKind) => this.#note(kind, this.#place.path);
    const { boundaries: allSaid, ...said } = contentOf(header, this.#place.digested, note);
    const { type, subtype } = said.contentType;
    const boundaries = allSaid.filter(({ length }) => length <= this.#told.bounds.boundaryOctets);
    const opening =
      type === 'multipart'
        ? this.#multipartOpening(allSaid, boundaries, note)
        : type === 'message' && ATTACHED_MESSAGES.has(subtype)
          ? this.#messageOpening(said.encoding, note)
          : 'leaf';
    const { path, depth, parent, role } = this.#place;
    const part: Part = { path, depth, parent, role, ...said, container: opening !== 'leaf' };
    this.#told.parts.push(part);
    const sink = this.#told.consumer.part?.(part, header);
    if (opening === 'leaf') {
      this.#flow = sink === undefined ? undefined : new Flow(sink, transferDecoder(said.encoding));
      return;
    }
    if (opening === 'multipart') {
      if (said.encoding !== 'identity') note('encoded-multipart');
      for (const boundary of boundaries) {
        const levels = this.#levels.get(boundary) ?? [];
        levels.push(this.#multiparts.length);
        this.#levels.set(boundary, levels);
      }
      this.#multiparts.push({ part, boundaries, children: 0 });
      this.#flow = this.#asideFlow('preamble', part);
      return;
    }
    this.#told.partsSeen++;
    const place: Place = {
      path: `${path}.1`,
      depth: depth + 1,
      parent: part,
      role: 'message',
      digested: false,
    };
    if (said.encoding === 'identity') {
      this.#expect(place);
    } else if (this.#told.parts.length < this.#told.bounds.parts) {
      const inner = new EntityReader(this.#told, place, this.#decodings + 1);
      const into: PartSink = {
        limitOctets: Infinity,
        write: (octets) => inner.write(octets),
        end: () => inner.end(),
      };
      this.#flow = new Flow(into, transferDecoder(said.encoding));
    } else {
      note('too-many-parts');
    }
  }

  #multipartOpening(
    said: Said['boundaries'],
    short: Said['boundaries'],
    note: (kind: NoteKind) => void,
  ): 'multipart' | 'leaf' {
    if (said.length > 1) note('duplicate-field');
    if (short.length < said.length) note('boundary-too-long');
    if (said.length === 0) note('no-boundary');
    else if (short.length === 0) return 'leaf';
    else if (this.#place.depth >= this.#told.bounds.depth) note('too-deep');
    else return 'multipart';
    return 'leaf';
  }

  #messageOpening(encoding: TransferEncoding, note: (kind: NoteKind) => void): 'message' | 'leaf' {
    const tooDeep =
      this.#place.depth >= this.#told.bounds.depth ||
      (encoding !== 'identity' && this.#decodings >= this.#told.bounds.encodedMessages);
    if (tooDeep) note('too-deep');
    return tooDeep ? 'leaf' : 'message';
  }

  #asideFlow(where: 'preamble' | 'epilogue', of: Part): Flow | undefined {
    const sink = this.#told.consumer.aside?.(where, of);
    return sink === undefined ? undefined : new Flow(sink, transferDecoder('identity'));
  }

  #giveLineEnd(): void {
    this.#give(this.#lineEnd);
    this.#lineEnd = NOTHING;
  }

  #give(octets: Buffer): void {
    if (octets.length > 0) this.#flow?.write(octets);
  }

  #endFlow(): void {
    const garbage = this.#flow?.end() ?? 0;
    if (garbage > 0) this.#note('garbage', this.#place.path);
    this.#flow = undefined;
  }

  #note(kind: NoteKind, path: string): void {
    const before = this.#told.notes.get(kind);
    this.#told.notes.set(kind, { path: before?.path ?? path, count: (before?.count ?? 0) + 1 });
  }
}

// RFC 2046 5.2.1, RFC 6532 3.7; the others are not messages that a reader opens as such.
const ATTACHED_MESSAGES = new Set(['rfc822', 'global', 'news']);

const CONTENT_FIELD = /^content-[a-z-]{1,40}[ \t]*:/i;
// Beyond, text it is.
const MAX_DOUBTED = 16_384;

const EIGHT_BIT = /[\x80-\xff]/;

const isBlank = (octet: number | undefined): boolean => octet === 32 || octet === 9 || octet === CR;

/** How many octets at the end may be the start of `CRLF--`. */
function delimiterStart(data: Buffer, from: number): number {
  let at = data.length;
  if (at > from && data[at - 1] === DASH) at--;
  if (at > from && data[at - 1] === LF) {
    at--;
    if (at > from && data[at - 1] === CR) at--;
    return data.length - at;
  }
  return at === data.length && at > from && data[at - 1] === CR ? 1 : 0;
}

/** The octets of one part on their way to its sink. */
class Flow {
  readonly #sink: PartSink;
  readonly #decoder: TransferDecoder;
  #encodedOctets = 0;
  #decodedOctets = 0;
  #cut = false;

  constructor(sink: PartSink, decoder: TransferDecoder) {
    this.#sink = sink;
    this.#decoder = decoder;
  }

  write(octets: Buffer): void {
    this.#encodedOctets += octets.length;
    if (!this.#cut) this.#hand(this.#decoder.write(octets));
  }

  /** Says how much of it was garbage. */
  end(): number {
    if (!this.#cut) this.#hand(this.#decoder.end());
    const garbageOctets = this.#decoder.garbage;
    this.#sink.end?.({
      encodedOctets: this.#encodedOctets,
      decodedOctets: this.#decodedOctets,
      cut: this.#cut,
      garbageOctets,
    });
    return garbageOctets;
  }

  #hand(octets: Buffer): void {
    const room = this.#sink.limitOctets - this.#decodedOctets;
    const handed = octets.length <= room ? octets : octets.subarray(0, room);
    this.#cut = handed.length < octets.length;
    this.#decodedOctets += handed.length;
    if (handed.length > 0) this.#sink.write(handed);
  }
}
