/**
 * What a message is made of, for a filter that learns: words and pairs of words, addresses, hosts of links, header fields, MIME
 * structure. The message is a stranger's. What is read of it, how long a token is and how many there are has bounds, so that no message
 * costs more than some milliseconds; beyond them it is judged by its beginning, which is what its reader sees. Nothing throws.
 */
import { charsetDecoder } from './charset.ts';
import { fieldValue, type Header } from './header.ts';
import { MIME_BOUNDS, MimeReader, type MimeConsumer, type Part, type PartSink } from './mime.ts';
import { addField, MAX_FIELDS, MAX_VALUE } from './token-fields.ts';
import { addHtml, looksLikeHtml } from './token-html.ts';
import { addText, addWords } from './token-words.ts';

/** Different tokens of one message; what comes behind them is not read. */
export const MAX_TOKENS = 4000;
/** Decoded octets of text, of all parts together. */
export const MAX_TEXT_OCTETS = 131_072;
/** Octets of the message that are looked at: text may stand behind an attachment, but not behind any number of them. */
export const MAX_READ_OCTETS = 1_048_576;
/** Parts that count; the rest is one token. */
const MAX_PARTS = 50;

/** The tokens of one message, each once, in their order. */
export class Tokens implements Iterable<string> {
  readonly #set = new Set<string>();

  get size(): number {
    return this.#set.size;
  }

  get full(): boolean {
    return this.#set.size >= MAX_TOKENS;
  }

  add(token: string): void {
    if (!this.full) this.#set.add(token);
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#set.values();
  }
}

export interface TokenOptions {
  /** Fields of the message's own header that are left out, by lower-case name. */
  readonly without?: (field: string) => boolean;
}

/** Reads a message, in pieces as they come. */
export class MessageTokens {
  readonly tokens = new Tokens();
  readonly #reader: MimeReader;
  #octets = 0;

  constructor(options: TokenOptions = {}) {
    this.#reader = new MimeReader(new Collector(this.tokens, options), {
      ...MIME_BOUNDS,
      parts: MAX_PARTS,
    });
  }

  /** False when it wants no more. */
  write(octets: Buffer): boolean {
    const room = MAX_READ_OCTETS - this.#octets;
    if (room > 0 && !this.tokens.full)
      this.#reader.write(octets.length > room ? octets.subarray(0, room) : octets);
    this.#octets += octets.length;
    return this.#octets < MAX_READ_OCTETS && !this.tokens.full;
  }

  end(): Tokens {
    const { parts } = this.#reader.end();
    this.tokens.add(`mime:parts:${parts.length < 6 ? parts.length : 'many'}`);
    return this.tokens;
  }
}

export function tokensOf(message: Buffer, options: TokenOptions = {}): Tokens {
  const reading = new MessageTokens(options);
  reading.write(message);
  return reading.end();
}

class Collector implements MimeConsumer {
  readonly #tokens: Tokens;
  readonly #options: TokenOptions;
  #textLeft = MAX_TEXT_OCTETS;

  constructor(tokens: Tokens, options: TokenOptions) {
    this.#tokens = tokens;
    this.#options = options;
  }

  part(part: Part, header: Header): PartSink | undefined {
    const { contentType, role, encoding } = part;
    if (role === 'message') this.#addHeader(part, header);
    this.#tokens.add(`mime:${contentType.value}`);
    this.#tokens.add(`mime:${contentType.value} ${encoding}`);
    if (part.charset !== '')
      this.#tokens.add(`mime:charset:${part.charset.slice(0, MAX_NAME).toLowerCase()}`);
    if (part.depth > 0 && part.disposition !== '')
      this.#tokens.add(`mime:disposition:${part.disposition.slice(0, MAX_NAME)}`);
    for (const name of part.names.slice(0, MAX_NAMES)) {
      const dot = name.lastIndexOf('.');
      if (dot >= 0) this.#tokens.add(`mime:extension:${name.slice(dot + 1, dot + 11).toLowerCase()}`);
      addWords(this.#tokens, 'mime:name:', name.slice(0, MAX_FILE_NAME), { pairs: false });
    }
    if (contentType.type !== 'text' || this.#textLeft <= 0 || this.#tokens.full) return undefined;
    return this.#textSink(part);
  }

  #addHeader(part: Part, header: Header): void {
    const { without } = this.#options;
    for (const field of header.fields.slice(0, MAX_FIELDS)) {
      if (part.depth === 0 && without?.(field.name.toLowerCase()) === true) continue;
      // Of an endless field no more is made into text than is read.
      const end = Math.min(field.end, field.start + field.name.length + MAX_VALUE + 100);
      addField(this.#tokens, field.name, fieldValue(header.bytes, { ...field, end }));
    }
  }

  #textSink(part: Part): PartSink {
    const decoder = charsetDecoder(part.charset);
    const pieces: string[] = [];
    return {
      limitOctets: this.#textLeft,
      write: (octets) => {
        this.#textLeft -= octets.length;
        pieces.push(decoder.write(octets));
      },
      end: () => {
        const text = pieces.join('') + decoder.end();
        if (part.contentType.subtype === 'html' || looksLikeHtml(text)) addHtml(this.#tokens, text);
        else addText(this.#tokens, text);
      },
    };
  }
}

const MAX_NAME = 30;
const MAX_NAMES = 4;
const MAX_FILE_NAME = 100;
