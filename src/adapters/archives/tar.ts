/** POSIX ustar with the long names of pax (IEEE 1003.1) and of GNU: names and where the octets are. */
import { Damaged, TooLarge, type ArchiveEntry } from './archive.ts';

const BLOCK = 512;
/** Headers of one file's own, at most; a name is in there. */
const MAX_META_OCTETS = 65_536;

export function* tarEntries(tar: Buffer): Generator<ArchiveEntry> {
  let at = 0;
  let longName: string | undefined;
  while (at + BLOCK <= tar.length) {
    const header = tar.subarray(at, at + BLOCK);
    if (header[0] === 0 && header.every((octet) => octet === 0)) return;
    if (!isSummed(header)) throw new Damaged('a header of it is wrong');
    const octets = numberIn(header.subarray(124, 136));
    if (octets === undefined) throw new Damaged('a header of it is wrong');
    const from = at + BLOCK;
    const data = tar.subarray(from, from + octets);
    const isCut = data.length < octets;
    at = from + Math.ceil(octets / BLOCK) * BLOCK;
    const flag = String.fromCharCode(header[156] ?? 0);
    if (flag === 'L') {
      longName = textIn(data.subarray(0, MAX_META_OCTETS));
      continue;
    }
    if (flag === 'x') {
      longName = paxPath(data.subarray(0, MAX_META_OCTETS)) ?? longName;
      continue;
    }
    if (flag === 'g' || flag === 'K') continue;
    const prefix = textIn(header.subarray(345, 500));
    const short = textIn(header.subarray(0, 100));
    const own =
      prefix === '' || header.toString('latin1', 257, 263) !== 'ustar\0' ? short : `${prefix}/${short}`;
    const names = longName === undefined || longName === own ? [own] : [longName];
    longName = undefined;
    // Folders, links and devices have no octets.
    if (flag >= '1' && flag <= '6') continue;
    yield {
      names,
      encrypted: false,
      octets,
      head: (wanted) => data.subarray(0, wanted),
      whole(max) {
        if (octets > max) throw new TooLarge();
        if (isCut) throw new Damaged('it is cut off');
        return data;
      },
    };
    if (isCut) throw new Damaged('it is cut off');
  }
}

function textIn(field: Buffer): string {
  const nul = field.indexOf(0);
  return field.toString('utf8', 0, nul < 0 ? field.length : nul);
}

/** Octal digits, or for what is too large for them a binary number with its first bit set. */
function numberIn(field: Buffer): number | undefined {
  if (((field[0] ?? 0) & 0x80) !== 0) {
    const big = field.readUIntBE(field.length - 6, 6);
    return field.subarray(1, field.length - 6).every((octet) => octet === 0) ? big : undefined;
  }
  const digits = field.toString('latin1').replace(/[\0 ]+/g, '');
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits === '' ? '0' : digits, 8) : undefined;
}

/** The sum of its octets, with spaces where the sum itself stands. */
function isSummed(header: Buffer): boolean {
  let sum = 8 * 32;
  for (const [i, octet] of header.entries()) if (i < 148 || i >= 156) sum += octet;
  return numberIn(header.subarray(148, 156)) === sum;
}

/** Records `LENGTH KEY=VALUE\n`. */
function paxPath(data: Buffer): string | undefined {
  let at = 0;
  while (at < data.length) {
    const space = data.indexOf(32, at);
    if (space < 0 || space - at > 10) return undefined;
    const length = Number(data.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= space - at) return undefined;
    const record = data.toString('utf8', space + 1, at + length - 1);
    if (record.startsWith('path=')) return record.slice(5);
    at += length;
  }
  return undefined;
}
