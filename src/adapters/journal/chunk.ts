/**
 * Decisions are kept whole, a line each (`record.ts`), some tens of them compressed together: one after the other says much the same, so
 * that a chunk takes an eighth of its text, and one that is read costs no more than its chunk.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

/** Decisions in a chunk at most. Twice as many save a twentieth of the space and cost twice as much to read. */
export const CHUNK = 64;

// Higher levels take several times as long and save next to nothing here.
const FAST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** JSON has no line ends of its own. */
export function packed(lines: readonly string[]): Uint8Array {
  let most = 0;
  for (const line of lines) most += 3 * line.length + 1;
  if (most > MAX_SCRATCH) return zstdCompressSync(Buffer.from(lines.join('\n')), FAST);
  if (most > scratch.length) scratch = Buffer.allocUnsafe(most);
  let end = 0;
  for (const [i, line] of lines.entries()) {
    if (i > 0) scratch[end++] = LINE_END;
    end += scratch.write(line, end);
  }
  return zstdCompressSync(scratch.subarray(0, end), FAST);
}

/** As one string, a chunk would be laid out in pages of its own each time, which costs more than to fill them. */
let scratch = Buffer.alloc(0);
const MAX_SCRATCH = 2 ** 22;

/** The decisions' texts, in the order in which they were recorded. */
export const unpacked = (body: Uint8Array): string[] => zstdDecompressSync(body).toString().split('\n');

/** The same, each made text when it is wanted: most of what is found is alone in its chunk. */
export function unpackedLines(body: Uint8Array): readonly (() => string)[] {
  const text = zstdDecompressSync(body);
  const lines: (() => string)[] = [];
  for (let from = 0; from <= text.length;) {
    const end = text.indexOf(LINE_END, from);
    const [first, to] = [from, end < 0 ? text.length : end];
    lines.push(() => text.toString('utf8', first, to));
    from = to + 1;
  }
  return lines;
}

const LINE_END = 10;
