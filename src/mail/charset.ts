/**
 * Octets of mail as text, by the name of their charset (RFC 2046 4.1.2). Names and octets are a stranger's: unknown names, wrong names
 * and broken sequences give the text that most readers would show, never an error. Nothing is encoded here.
 */
import iconv from 'iconv-lite';

/** Takes octets as they come, characters cut anywhere. */
export interface CharsetDecoder {
  write(octets: Buffer): string;
  end(): string;
}

// The longest registered name has 45 characters.
const MAX_NAME = 64;

// WHATWG Encoding 4.2: who says ASCII or Latin-1 means windows-1252, and nowadays UTF-8.
const GUESSED = new Set([
  '',
  'us-ascii',
  'ascii',
  'ansi_x3.4-1968',
  'unknown-8bit',
  'x-unknown',
  '8bit',
  'default',
]);
const LATIN_1 = new Set(['iso-8859-1', 'iso8859-1', 'iso_8859-1', 'latin1', 'l1', 'cp819']);
// iconv-lite knows no charset with escape sequences but UTF-7; Node's own ICU has this one.
const BY_ICU = new Set(['iso-2022-jp', 'x-mac-cyrillic']);

// What iconv-lite has beside charsets: text in them would be no text at all.
const NO_CHARSETS = new Set(['base64', 'hex', 'binary', 'utf7imap']);

export function charsetDecoder(name: string): CharsetDecoder {
  const label = labelOf(name);
  if (BY_ICU.has(label)) {
    const decoder = new TextDecoder(label);
    return { write: (octets) => decoder.decode(octets, { stream: true }), end: () => decoder.decode() };
  }
  if (label === 'utf-7' || label === 'utf7' || label === 'unicode-1-1-utf-7') return ofUtf7();
  if (!GUESSED.has(label) && isOfIconv(label)) return ofIconv(label);
  return guessing();
}

export function decodeText(octets: Buffer, name: string): string {
  const decoder = charsetDecoder(name);
  return decoder.write(octets) + decoder.end();
}

/** Header text that was read as latin1 (one character an octet): UTF-8 where it is (RFC 6532), else windows-1252. */
export function decodeOctetText(latin1: string): string {
  return ASCII.test(latin1) ? latin1 : decodeText(Buffer.from(latin1, 'latin1'), '');
}

/** Whether a name is known, for findings; guessed ones count as known. */
export function isKnownCharset(name: string): boolean {
  const label = labelOf(name);
  return GUESSED.has(label) || BY_ICU.has(label) || isOfIconv(label);
}

const ASCII = /^[\x00-\x7f]*$/;

function labelOf(name: string): string {
  const label = name.slice(0, MAX_NAME).trim().toLowerCase();
  return LATIN_1.has(label) ? 'windows-1252' : label;
}

// iconv-lite overlooks a year at the end, and all that is neither letter nor digit.
function isOfIconv(label: string): boolean {
  return !NO_CHARSETS.has(label.replace(/:\d{4}$|[^0-9a-z]/g, '')) && iconv.encodingExists(label);
}

function ofIconv(label: string): CharsetDecoder {
  const decoder = iconv.getDecoder(label);
  return { write: (octets) => decoder.write(octets), end: () => decoder.end() ?? '' };
}

// Longer runs are no text, and may come out with a character broken.
const MAX_UTF7_RUN = 4096;

/** iconv-lite loses its place where a piece ends within base64: an open run waits for its end. */
function ofUtf7(): CharsetDecoder {
  const decoder = ofIconv('utf-7');
  let held: Buffer = Buffer.alloc(0);
  return {
    write(octets) {
      const all = held.length === 0 ? octets : Buffer.concat([held, octets]);
      const tail = all.toString('latin1', Math.max(0, all.length - MAX_UTF7_RUN));
      let from = tail.length;
      let open = tail.length;
      while (from > 0 && /[\w+/]/.test(tail.charAt(from - 1))) if (tail.charAt(--from) === '+') open = from;
      const cut = all.length - (tail.length - open);
      held = Buffer.from(all.subarray(cut));
      return decoder.write(all.subarray(0, cut));
    },
    end: () => decoder.write(held) + decoder.end(),
  };
}

/** UTF-8 until an octet shows that it is not; what came before that was ASCII, or UTF-8 all the same. */
function guessing(): CharsetDecoder {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let fallback: CharsetDecoder | undefined;
  // The start of a character that a piece was cut in.
  let held: Buffer = Buffer.alloc(0);
  return {
    write(octets) {
      if (fallback !== undefined) return fallback.write(octets);
      const all = held.length === 0 ? octets : Buffer.concat([held, octets]);
      const cut = all.length - unfinished(all);
      try {
        const text = utf8.decode(all.subarray(0, cut));
        held = Buffer.from(all.subarray(cut));
        return text;
      } catch {
        fallback = ofIconv('windows-1252');
        return fallback.write(all);
      }
    },
    end() {
      return fallback?.end() ?? (held.length === 0 ? '' : iconv.decode(held, 'windows-1252'));
    },
  };
}

/** Octets at the end that begin a UTF-8 character and do not finish it. */
function unfinished(octets: Buffer): number {
  for (let back = 1; back <= Math.min(3, octets.length); back++) {
    const c = octets[octets.length - back] ?? 0;
    if (c < 0x80) return 0;
    if (c >= 0xc0) return back < (c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}
