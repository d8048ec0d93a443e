/**
 * ZIP (PKWARE's APPNOTE 6.3), read as attackers expect others to read it: programs that list an archive by its central directory, by
 * the local headers from the front, or by the last of several archives put together see different files, and somebody's program will
 * show the bad one. So every file that any of them would find is an entry, under each of its names.
 */
import { Bomb, Damaged, type ArchiveEntry } from './archive.ts';
import { headOf, MOST_DEFLATED, readyFor, wholeOf, type Method } from './inflate.ts';

const LOCAL = Buffer.from('PK\x03\x04', 'latin1');
const CENTRAL = 0x02014b50;
const END = Buffer.from('PK\x05\x06', 'latin1');
const ZIP64_LOCATOR = 0x07064b50;
const ZIP64_END = 0x06064b50;
const LOCAL_OCTETS = 30;
const CENTRAL_OCTETS = 46;
const END_OCTETS = 22;
// 4.3.16: the comment behind it.
const MAX_COMMENT = 65_535;
const UNKNOWN_32 = 0xffffffff;

// 4.4.4
const ENCRYPTED = 0x0001;
const SIZES_BEHIND = 0x0008;
const UTF8 = 0x0800;
/** Names in the local headers are masked. */
const MASKED = 0x2000;

// 4.4.5. Deflate64 (9), the old shrinkers and the likes of JPEG (96) are not here: their files are known by name alone.
const METHODS: ReadonlyMap<number, Method> = new Map([
  [0, 'stored'],
  [8, 'deflate'],
  [12, 'bzip2'],
  [14, 'lzma'],
  [93, 'zstd'],
  [95, 'xz'],
  [98, 'ppmd'],
]);

interface Listed {
  readonly names: readonly string[];
  readonly flags: number;
  readonly method: number;
  readonly packedOctets: number;
  readonly octets: number;
  readonly at: number;
}

interface Local {
  readonly names: readonly string[];
  readonly flags: number;
  readonly method: number;
  readonly packedOctets: number;
  readonly octets: number;
  readonly dataAt: number;
}

/** Throws `Damaged` in the course, behind what can be read; `Bomb` where files share their octets. */
export function* zipEntries(zip: Buffer, maxEntries: number): Generator<ArchiveEntry> {
  const directory = centralDirectory(zip);
  const listed: Listed[] = [];
  if (directory !== undefined)
    for (const entry of listedFrom(zip, directory)) {
      listed.push(entry);
      // One more than may be shows that there are too many.
      if (listed.length > maxEntries) break;
    }
  listed.sort((a, b) => a.at - b.at);
  let end = 0;
  let overlap = false;
  for (const entry of listed) {
    yield* unlisted(zip, end, entry.at);
    const local = localAt(zip, entry.at);
    if (entry.at < end) overlap = true;
    end = Math.max(end, (local?.dataAt ?? entry.at + LOCAL_OCTETS) + entry.packedOctets);
    yield listedEntry(zip, entry, local);
  }
  // Behind the last one stands the directory; without it, whatever there is.
  yield* unlisted(zip, end, zip.length);
  if (overlap) throw new Bomb('its files share their octets');
  if (directory === undefined) throw new Damaged('it has no directory');
}

function listedEntry(zip: Buffer, entry: Listed, local: Local | undefined): ArchiveEntry {
  const hasOwn = local !== undefined && (local.flags & MASKED) === 0;
  const names = [...new Set([...entry.names, ...(hasOwn ? local.names : [])])];
  const flags = entry.flags | (local?.flags ?? 0);
  const packed = (): Buffer => {
    if (local === undefined) throw new Damaged('a file of it is not where its directory says');
    const end = local.dataAt + entry.packedOctets;
    if (end > zip.length) throw new Damaged('it is cut off');
    return zip.subarray(local.dataAt, end);
  };
  return entryOf(names, flags, local?.method ?? entry.method, entry.octets, packed);
}

function entryOf(
  names: readonly string[],
  flags: number,
  method: number,
  octets: number,
  packed: () => Buffer,
): ArchiveEntry {
  const known = (): Method => {
    const found = METHODS.get(method);
    if (found === undefined) throw new Damaged(`compression ${method} is not known here`);
    return found;
  };
  return {
    names,
    encrypted: (flags & ENCRYPTED) !== 0,
    octets,
    ...(method === 0 || method === 8 ? { most: MOST_DEFLATED } : {}),
    ready: readyFor(METHODS.get(method)),
    head: (wanted) => headOf(known(), packed(), wanted),
    whole: (max) => wholeOf(known(), packed(), max),
  };
}

/** Files that have a local header between two places and stand in no directory. */
function* unlisted(zip: Buffer, from: number, to: number): Generator<ArchiveEntry> {
  let at = from;
  while (at < to) {
    at = zip.indexOf(LOCAL, at);
    if (at < 0 || at >= to) return;
    const local = localAt(zip, at);
    if (local === undefined || !isLikely(local)) {
      at += LOCAL.length;
      continue;
    }
    const { dataAt, packedOctets } = local;
    const next = zip.indexOf(LOCAL, dataAt);
    const isKnown = (local.flags & SIZES_BEHIND) === 0 || packedOctets > 0;
    const end = isKnown ? Math.min(dataAt + packedOctets, zip.length) : next < 0 ? zip.length : next;
    yield entryOf(local.names, local.flags, local.method, local.octets, () => zip.subarray(dataAt, end));
    at = Math.max(end, at + LOCAL.length);
  }
}

/** Those four octets stand in other data now and then. */
function isLikely({ names, method }: Local): boolean {
  return METHODS.has(method) && names.every((name) => name !== '' && !/[\0-\x1f]/.test(name));
}

function localAt(zip: Buffer, at: number): Local | undefined {
  if (at < 0 || at + LOCAL_OCTETS > zip.length) return undefined;
  if (zip.compare(LOCAL, 0, LOCAL.length, at, at + LOCAL.length) !== 0) return undefined;
  const flags = zip.readUInt16LE(at + 6);
  const nameEnd = at + LOCAL_OCTETS + zip.readUInt16LE(at + 26);
  const dataAt = nameEnd + zip.readUInt16LE(at + 28);
  if (dataAt > zip.length) return undefined;
  const sizes = withZip64(zip.subarray(nameEnd, dataAt), [
    zip.readUInt32LE(at + 22),
    zip.readUInt32LE(at + 18),
  ]);
  return {
    names: namesOf(zip.subarray(at + LOCAL_OCTETS, nameEnd), zip.subarray(nameEnd, dataAt), flags),
    flags,
    method: zip.readUInt16LE(at + 8),
    octets: sizes[0] ?? 0,
    packedOctets: sizes[1] ?? 0,
    dataAt,
  };
}

/**
 * Whether a zip's end record is there, whatever is in front of it: `near` the last octets, where programs look for it, or with a comment
 * `exact`ly up to them.
 */
export function hasZipEnd(octets: Buffer, where: 'anywhere' | 'near' | 'exact'): boolean {
  const earliest = where === 'anywhere' ? 0 : Math.max(0, octets.length - END_OCTETS - MAX_COMMENT);
  const at = earliest + octets.subarray(earliest).lastIndexOf(END);
  if (at < earliest) return false;
  if (where !== 'exact') return true;
  return at + END_OCTETS <= octets.length && at + END_OCTETS + octets.readUInt16LE(at + 20) === octets.length;
}

interface Directory {
  readonly from: number;
  readonly to: number;
  /** What stands in front of the archive, which its offsets do not count. */
  readonly shift: number;
}

function centralDirectory(zip: Buffer): Directory | undefined {
  const earliest = Math.max(0, zip.length - END_OCTETS - MAX_COMMENT);
  for (let at = zip.lastIndexOf(END); at >= earliest; at = at === 0 ? -1 : zip.lastIndexOf(END, at - 1)) {
    if (at + END_OCTETS > zip.length) continue;
    let octets = zip.readUInt32LE(at + 12);
    let said = zip.readUInt32LE(at + 16);
    let to = at;
    const locator = at - 20;
    if (locator >= 0 && zip.readUInt32LE(locator) === ZIP64_LOCATOR) {
      const end64 = Number(zip.readBigUInt64LE(locator + 8));
      if (end64 + 56 <= zip.length && zip.readUInt32LE(end64) === ZIP64_END) {
        octets = Number(zip.readBigUInt64LE(end64 + 40));
        said = Number(zip.readBigUInt64LE(end64 + 48));
        to = end64;
      }
    }
    const from = to - octets;
    if (from < 0) continue;
    return { from, to, shift: from - said };
  }
  return undefined;
}

function* listedFrom(zip: Buffer, { from, to, shift }: Directory): Generator<Listed> {
  let at = from;
  while (at + CENTRAL_OCTETS <= to && zip.readUInt32LE(at) === CENTRAL) {
    const flags = zip.readUInt16LE(at + 8);
    const nameEnd = at + CENTRAL_OCTETS + zip.readUInt16LE(at + 28);
    const extraEnd = nameEnd + zip.readUInt16LE(at + 30);
    const next = extraEnd + zip.readUInt16LE(at + 32);
    if (next > to) return;
    const extra = zip.subarray(nameEnd, extraEnd);
    const [octets = 0, packedOctets = 0, offset = 0] = withZip64(extra, [
      zip.readUInt32LE(at + 24),
      zip.readUInt32LE(at + 20),
      zip.readUInt32LE(at + 42),
    ]);
    yield {
      names: namesOf(zip.subarray(at + CENTRAL_OCTETS, nameEnd), extra, flags),
      flags,
      method: zip.readUInt16LE(at + 10),
      packedOctets,
      octets,
      at: offset + shift,
    };
    at = next;
  }
}

/** 4.5.3: those of the fields that have no room stand in the extra field 1, in this order. */
function withZip64(extra: Buffer, fields: readonly number[]): readonly number[] {
  if (!fields.includes(UNKNOWN_32)) return fields;
  const field = extraField(extra, 0x0001);
  if (field === undefined) return fields;
  let at = 0;
  return fields.map((said) => {
    if (said !== UNKNOWN_32 || at + 8 > field.length) return said;
    at += 8;
    return Number(field.readBigUInt64LE(at - 8));
  });
}

/** 4.6.9: Info-ZIP's Unicode path, which some show, and some only where its sum is that of the other name. */
function namesOf(octets: Buffer, extra: Buffer, flags: number): readonly string[] {
  const own = nameOf(octets, flags);
  const unicode = extraField(extra, 0x7075);
  if (unicode === undefined || unicode.length <= 5) return [own];
  const other = unicode.toString('utf8', 5);
  return other === own ? [own] : [own, other];
}

/** 4.4.4 bit 11; else UTF-8 where it is, and letters beyond ASCII do not matter. */
function nameOf(octets: Buffer, flags: number): string {
  if ((flags & UTF8) !== 0) return octets.toString('utf8');
  const text = octets.toString('utf8');
  return text.includes('\ufffd') ? octets.toString('latin1') : text;
}

function extraField(extra: Buffer, id: number): Buffer | undefined {
  let at = 0;
  while (at + 4 <= extra.length) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (end > extra.length) return undefined;
    if (extra.readUInt16LE(at) === id) return extra.subarray(at + 4, end);
    at = end;
  }
  return undefined;
}
