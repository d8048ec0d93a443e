/**
 * Files in the text of a message, as they were sent before MIME: `begin 644 NAME`, lines of uuencoded octets, `end` (POSIX, uuencode). Some
 * readers still show such a file as attached. Only its name is read. The text is a stranger's: a line is kept up to a bound.
 */
import type { MimeConsumer, PartSink } from './mime.ts';

// The longest name of a file, and what stands before it.
const MAX_LINE = 300;
/** Of one message. */
const MAX_NAMES = 100;

/** Tells the names of such files in all parts that are text, beside what the consumer wants. */
export function withUuencoded(consumer: MimeConsumer, told: (name: string) => void): MimeConsumer {
  let names = 0;
  const tell = (name: string) => {
    if (names++ < MAX_NAMES) told(name);
  };
  return {
    ...consumer,
    part(part, header) {
      const sink = consumer.part?.(part, header);
      return part.container || part.contentType.type !== 'text' ? sink : beside(sink, new Lines(tell));
    },
  };
}

/** All octets for the lines, and as much as it wants for the sink. */
function beside(sink: PartSink | undefined, lines: Lines): PartSink {
  let given = 0;
  let cut = false;
  return {
    limitOctets: Infinity,
    write(octets) {
      lines.write(octets);
      if (sink === undefined || cut) return;
      const piece = octets.subarray(0, Math.max(0, sink.limitOctets - given));
      cut = piece.length < octets.length;
      given += piece.length;
      if (piece.length > 0) sink.write(piece);
    },
    end(end) {
      lines.end();
      sink?.end?.({ ...end, decodedOctets: given, cut });
    },
  };
}

class Lines {
  readonly #told: (name: string) => void;
  /** The line at hand, as far as it is kept. */
  #line = '';
  /** Said by the line before. */
  #name: string | undefined;

  constructor(told: (name: string) => void) {
    this.#told = told;
  }

  write(octets: Buffer): void {
    let at = 0;
    for (let lf = octets.indexOf(LF); lf >= 0; lf = octets.indexOf(LF, at)) {
      this.#keep(octets, at, lf);
      this.end();
      at = lf + 1;
    }
    this.#keep(octets, at, octets.length);
  }

  #keep(octets: Buffer, from: number, to: number): void {
    const room = MAX_LINE - this.#line.length;
    if (room > 0 && from < to) this.#line += octets.toString('latin1', from, Math.min(to, from + room));
  }

  end(): void {
    const line = this.#line.replace(/\r$/, '');
    this.#line = '';
    if (this.#name !== undefined && isEncoded(line)) this.#told(this.#name);
    this.#name = line.startsWith('begin ') ? BEGIN.exec(line)?.[1] : undefined;
  }
}

const LF = 10;
const BEGIN = /^begin +[0-7]{3,4} +(\S.*)$/;

/** The first character is the number of octets; each three are four characters. Mail about such files has words there. */
function isEncoded(line: string): boolean {
  const octets = (line.charCodeAt(0) - 32) & 63;
  const characters = Math.ceil(octets / 3) * 4;
  return octets > 0 && /^[\x20-\x60]+$/.test(line) && Math.abs(line.trimEnd().length - 1 - characters) <= 2;
}
