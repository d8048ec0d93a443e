/** What compresses one file: zlib's methods by Node's own, the others by libarchive. */
import { constants, gunzipSync, inflateRawSync, zstdDecompressSync } from 'node:zlib';
import { Bomb, Damaged, TooLarge } from './archive.ts';
import { readyLibarchive, unpackStream } from './libarchive.ts';

/** APPNOTE 4.4.5, and gzip. */
export type Method = 'stored' | 'deflate' | 'gzip' | 'zstd' | 'bzip2' | 'lzma' | 'xz' | 'ppmd';

// What has been cut off is no error: the octets before count.
const CUT_INFLATE = { finishFlush: constants.Z_SYNC_FLUSH } as const;
const CUT_ZSTD = { finishFlush: constants.ZSTD_e_flush } as const;
/** Deflate cannot do more than 1,032, and damage often says it has. */
export const MOST_DEFLATED = 1100;
/** Packed octets that give the head, fewest first: a thousandfold growth is not asked for more than it takes. */
const PACKED_HEADS = [64, 512];
const PACKED_STEP = 4096;
/** Blocks with nothing in them, in front of what it is. */
const MAX_PACKED_HEAD = 65_536;

/** The first octets, at least a type's worth where there are so many; of what is damaged behind them, those before. */
export function headOf(method: Method, packed: Buffer, octets: number): Buffer {
  switch (method) {
    case 'stored':
      return packed.subarray(0, octets);
    case 'deflate':
    case 'gzip':
    case 'zstd':
      return beginningOf(method, packed, octets).subarray(0, octets);
    default:
      return unpackStream(method, packed, octets, 'head');
  }
}

export function wholeOf(method: Method, packed: Buffer, maxOctets: number): Buffer {
  switch (method) {
    case 'stored':
      if (packed.length > maxOctets) throw new TooLarge();
      return packed;
    case 'deflate':
    case 'gzip':
    case 'zstd':
      return decompress(method, packed, maxOctets);
    default:
      return unpackStream(method, packed, maxOctets, 'whole');
  }
}

/** What has to be awaited before the method is used. */
export function readyFor(method: Method | undefined): (() => Promise<void>) | undefined {
  return method === 'bzip2' || method === 'lzma' || method === 'xz' || method === 'ppmd'
    ? readyLibarchive
    : undefined;
}

/** How many times as large its beginning gets. */
export function growthOf(method: Method, packed: Buffer): number {
  if (method !== 'deflate' && method !== 'gzip' && method !== 'zstd') return 0;
  // Behind the header of gzip, and long enough for the ends of blocks not to count.
  const start = packed.subarray(0, GROWTH_OCTETS);
  return start.length === 0 ? 0 : decompress(method, start, undefined).length / start.length;
}

const GROWTH_OCTETS = 2048;

function beginningOf(method: 'deflate' | 'gzip' | 'zstd', packed: Buffer, octets: number): Buffer {
  for (const tried of packedHeads()) {
    const out = decompress(method, packed.subarray(0, tried), undefined);
    if (out.length >= octets || tried >= packed.length) return out;
  }
  throw new Bomb('its files hide behind blocks with nothing in them');
}

function* packedHeads(): Generator<number> {
  yield* PACKED_HEADS;
  for (let tried = PACKED_STEP; tried <= MAX_PACKED_HEAD; tried += PACKED_STEP) yield tried;
}

function decompress(
  method: 'deflate' | 'gzip' | 'zstd',
  packed: Buffer,
  maxOctets: number | undefined,
): Buffer {
  // Zero would mean no bound to zlib.
  const bound = maxOctets === undefined ? {} : { maxOutputLength: Math.max(1, maxOctets) };
  try {
    if (method === 'deflate') return inflateRawSync(packed, { ...CUT_INFLATE, ...bound });
    if (method === 'gzip') return gunzipSync(packed, { ...CUT_INFLATE, ...bound });
    return zstdDecompressSync(packed, { ...CUT_ZSTD, ...bound });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw new TooLarge();
    throw new Damaged(error instanceof Error ? error.message : String(error));
  }
}
