/**
 * Encoded-words in header text: RFC 2047, with the language tag of RFC 2231 5. Tolerant as readers are: inside quoted strings, next to
 * other text, with spaces in them, characters cut between two of them. Sees a stranger's text; time is linear in its length.
 */
import { decodeOctetText, decodeText } from './charset.ts';

// Real subjects have a handful; a list of recipients one each. What lies beyond stays as it is written.
export const MAX_ENCODED_WORDS = 5000;

// Sticky. RFC 2047 2 wants no spaces in the text, mailers write them all the same. Neither part can run past a question mark.
const WORD = /=\?([\w!#$%&'*+^`{|}~.:-]{1,80})\?([bq])\?([^?]*)\?=/iy;
const BLANK = /^[ \t\r\n]*$/;

/** From a field's value as latin1 text (one character an octet) to what a reader shows. */
export function decodeEncodedWords(value: string, maxWords = MAX_ENCODED_WORDS): string {
  let at = value.indexOf('=?');
  if (at < 0) return decodeOctetText(value);
  let text = '';
  let plainFrom = 0;
  let words = 0;
  let run: Run | undefined;
  const close = () => {
    if (run !== undefined) text += decodeText(Buffer.concat(run.octets), run.charset);
    run = undefined;
  };
  while (at >= 0 && words < maxWords) {
    WORD.lastIndex = at;
    const word = WORD.exec(value);
    if (word === null) {
      at = value.indexOf('=?', at + 2);
      continue;
    }
    words++;
    const [whole, label = '', encoding = '', encoded = ''] = word;
    // RFC 2231 5: `=?us-ascii*en?Q?...?=`.
    const charset = (label.split('*')[0] ?? '').toLowerCase();
    const octets = /b/i.test(encoding) ? Buffer.from(encoded, 'base64') : decodeQ(encoded);
    const between = value.slice(plainFrom, at);
    // RFC 2047 6.2: white space between two encoded-words is not shown. 5: a character is not to be cut, but it is.
    if (run?.charset === charset && BLANK.test(between)) {
      run.octets.push(octets);
    } else {
      const adjacent = run !== undefined && BLANK.test(between);
      close();
      if (!adjacent) text += decodeOctetText(between);
      run = { charset, octets: [octets] };
    }
    plainFrom = at + whole.length;
    at = value.indexOf('=?', plainFrom);
  }
  close();
  return text + decodeOctetText(value.slice(plainFrom));
}

interface Run {
  readonly charset: string;
  readonly octets: Buffer[];
}

/** RFC 2047 4.2. */
function decodeQ(encoded: string): Buffer {
  const octets = Buffer.alloc(encoded.length);
  let length = 0;
  for (let i = 0; i < encoded.length; i++) {
    const c = encoded.charCodeAt(i);
    const hex = c === 0x3d ? encoded.slice(i + 1, i + 3) : '';
    if (c === 0x3d && /^[0-9a-f]{2}$/i.test(hex)) {
      octets[length++] = Number.parseInt(hex, 16);
      i += 2;
    } else {
      octets[length++] = c === 0x5f ? 0x20 : c;
    }
  }
  return octets.subarray(0, length);
}
