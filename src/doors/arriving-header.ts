/**
 * The header of a message while it comes in, so that what it names can be asked for before the body is there. A hint, not a
 * judgement: what is longer than the limit is not waited for, and everything is read anew when the message is whole.
 * Octets may come one by one: each is looked at once.
 */
import { fields, headerEnd, type Header } from '../mail/header.ts';
import type { IncomingContent } from './session.ts';

// Most headers have 4 to 10 KiB, and signatures stand at their top.
export const MAX_PEEKED_OCTETS = 32_768;
const FIRST_OCTETS = 4096;

/** `onHeader` is called once at most, with as much of the header as fits. */
export function peeked(content: IncomingContent, onHeader: (header: Header) => void): IncomingContent {
  let peek: Buffer | undefined = Buffer.allocUnsafe(FIRST_OCTETS);
  let filled = 0;
  const look = (bytes: Buffer): void => {
    if (peek === undefined) return;
    const taken = Math.min(bytes.length, MAX_PEEKED_OCTETS - filled);
    if (filled + taken > peek.length) {
      const larger = Buffer.allocUnsafe(Math.min(MAX_PEEKED_OCTETS, 2 * (filled + taken)));
      peek.copy(larger, 0, 0, filled);
      peek = larger;
    }
    bytes.copy(peek, filled, 0, taken);
    // The end may have begun in the last piece.
    const from = Math.max(0, filled - EMPTY_LINE.length + 1);
    filled += taken;
    const known = peek.subarray(0, filled);
    if (filled < MAX_PEEKED_OCTETS && known.indexOf(EMPTY_LINE, from) < 0) return;
    peek = undefined;
    const end = headerEnd(known, true) ?? filled;
    onHeader({ bytes: known, end, fields: [...fields(known, end)] });
  };
  return {
    append: (bytes) => {
      look(bytes);
      return content.append(bytes);
    },
    finish: () => content.finish(),
    dispose: () => content.dispose(),
  };
}

const EMPTY_LINE = Buffer.from('\r\n\r\n');
