/**
 * Decisions are kept whole, as JSON, some tens of them compressed together: one after the other says much the same, so
 * that a chunk takes a fifteenth of its text, and one that is read costs no more than its chunk.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Decision } from '../../core/decision.ts';

/** Decisions in a chunk at most. Twice as many save a tenth of the space and cost twice as much to read. */
export const CHUNK = 32;

// Higher levels take several times as long and save next to nothing here.
const FAST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** One decision a line: JSON has no line ends of its own. */
export const chunkText = (decisions: readonly Decision[]): string =>
  decisions.map((d) => JSON.stringify(d)).join('\n');

export const packed = (text: string): Uint8Array => zstdCompressSync(Buffer.from(text), FAST);

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
