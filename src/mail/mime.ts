/**
 * The MIME structure of a message, read from its octets as they come (RFC 2045, 2046, 2183, 2231): one pass, no second look, nothing
 * kept but the header of the part at hand and the start of a line that may be a delimiter. A consumer is told of each part
 * and given the decoded octets of those it wants. Everything here is a stranger's: a broken message is read as most mail readers would
 * read it, what goes beyond a bound is left closed, and both are told as notes; nothing throws. Work is linear in the message.
 */
import { setImmediate } from 'node:timers/promises';
import type { ContentType } from './content-type.ts';
import type { Header } from './header.ts';
import { EntityReader, WHOLE_MESSAGE, type Told } from './mime-entity.ts';
import type { TransferEncoding } from './transfer-encoding.ts';

export interface MimeBounds {
  /** A container this far below the message stays closed: its content is one part. Mail forwarded ten times is twenty deep. */
  readonly depth: number;
  /** Parts beyond are passed over. */
  readonly parts: number;
  /** What is kept of one part's header; of what lies beyond, as much again of its `Content-` fields, as they say what the part is. */
  readonly headerOctets: number;
  /** RFC 2046 5.1.1 allows 70; readers take whatever fits a line. */
  readonly boundaryOctets: number;
  /** Attached messages in base64 or quoted-printable inside each other: each is decoded again, so that the work is this much. */
  readonly encodedMessages: number;
}

export const MIME_BOUNDS: MimeBounds = {
  depth: 32,
  parts: 1000,
  headerOctets: 65_536,
  boundaryOctets: 998,
  encodedMessages: 4,
};

export interface Part {
  /** `1` for the message, `1.2` for its second part; the message inside `1.2` is `1.2.1`. */
  readonly path: string;
  /** 0 for the message. */
  readonly depth: number;
  readonly parent: Part | undefined;
  /** `message`: its header is that of a message, the whole one or an attached one. */
  readonly role: 'message' | 'part';
  /** What it is taken for: `text/plain` where nothing, or nothing sensible, is said. */
  readonly contentType: ContentType;
  /** Of its text, as said; empty where nothing is. See `charsetDecoder`. */
  readonly charset: string;
  /** Lower-case: `inline`, `attachment`; empty where nothing is said. */
  readonly disposition: string;
  /** Every file name said of it, distinct and decoded, the one that most readers show first. */
  readonly names: readonly string[];
  /** `identity` also for encodings that nobody knows. */
  readonly encoding: TransferEncoding;
  /** Its content is parts, which are told of in turn, not octets. */
  readonly container: boolean;
}

export interface MimeConsumer {
  /**
   * Told of each part in the message's order, containers first. The sink gets its octets decoded; a container has none. The header is
   * the consumer's to keep: its fields in their order; of a huge one, see `headerOctets`.
   */
  part?(part: Part, header: Header): PartSink | undefined;
  /** Text before a multipart's first part, and behind its last: shown by no reader that knows MIME, and never decoded. */
  aside?(where: 'preamble' | 'epilogue', of: Part): PartSink | undefined;
}

export interface PartSink {
  /** As much as it wants; then it gets no more, and its end says `cut`. */
  readonly limitOctets: number;
  /** The octets are lent for the call: what is kept has to be copied. */
  write(octets: Buffer): void;
  end?(end: PartEnd): void;
}

export interface PartEnd {
  readonly encodedOctets: number;
  /** Handed over. */
  readonly decodedOctets: number;
  /** There was more than the sink wanted. */
  readonly cut: boolean;
  /** Octets among those decoded that the encoding does not have. */
  readonly garbageOctets: number;
}

/** What is odd about a message, by kind, with the path of the first part of which it is true. */
export type NoteKind =
  | 'too-deep'
  | 'too-many-parts'
  | 'header-too-large'
  | 'boundary-too-long'
  | 'no-boundary'
  /** A multipart ended with what surrounds it, not with its own last delimiter. */
  | 'end-missing'
  /** None of its boundaries is found in a multipart: all of it is preamble. */
  | 'no-delimiter'
  /** What a field says of the content goes on beyond the bounds: a boundary or a name may stand there. */
  | 'value-cut'
  /** A line that is no field stands in the header, or where the empty line behind it is due. */
  | 'header-unended'
  | 'bad-content-type'
  /** Two fields, or two boundaries, say what the part is, and some reader takes the other: a multipart is one by any, with all boundaries. */
  | 'duplicate-field'
  | 'unknown-encoding'
  /** RFC 2045 6.4: only its parts may be encoded; read as if it were not. */
  | 'encoded-multipart'
  | 'garbage'
  | 'nul'
  | '8-bit-header';

export interface Note {
  readonly path: string;
  readonly count: number;
}

export interface Structure {
  /** In the message's order. */
  readonly parts: readonly Part[];
  /** Those beyond the bound too. */
  readonly partsSeen: number;
  readonly notes: ReadonlyMap<NoteKind, Note>;
  readonly sizeOctets: number;
}

// Others have their turn after so much work: about a millisecond.
const TURN_OCTETS = 131_072;

/** Reads a message to its end. Rejects where the chunks do, where a consumer throws, or at the end of the signal. */
export async function walk(
  content: { chunks(): Iterable<Buffer> | AsyncIterable<Buffer> },
  consumer: MimeConsumer = {},
  bounds: MimeBounds = MIME_BOUNDS,
  signal?: AbortSignal,
): Promise<Structure> {
  const reader = new MimeReader(consumer, bounds);
  let since = 0;
  for await (const chunk of content.chunks()) {
    for (let at = 0; at < chunk.length; at += TURN_OCTETS) {
      const piece = chunk.subarray(at, at + TURN_OCTETS);
      reader.write(piece);
      since += piece.length;
      if (since < TURN_OCTETS) continue;
      since = 0;
      await setImmediate();
      signal?.throwIfAborted();
    }
  }
  return reader.end();
}

/** The same for those who have the octets and no need to wait. */
export class MimeReader {
  readonly #told: Told;
  readonly #entity: EntityReader;

  constructor(consumer: MimeConsumer, bounds: MimeBounds = MIME_BOUNDS) {
    this.#told = { consumer, bounds, parts: [], partsSeen: 1, notes: new Map() };
    this.#entity = new EntityReader(this.#told, WHOLE_MESSAGE, 0);
  }

  write(octets: Buffer): void {
    this.#entity.write(octets);
  }

  end(): Structure {
    this.#entity.end();
    const { parts, partsSeen, notes } = this.#told;
    return { parts, partsSeen, notes, sizeOctets: this.#entity.sizeOctets };
  }
}
