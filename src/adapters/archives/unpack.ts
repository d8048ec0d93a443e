/**
 * Goes through archives, the archives in them and the mail in those, within bounds, and tells of what is found. Of most files it decodes
 * the first octets alone: enough to know what they are. Only what holds further files is unpacked whole.
 */
import type { ArchiveBounds, ArchiveTrouble, SeenFile, TroubleKind } from '../../core/archives.ts';
import { attachedFiles, type AttachedFile } from '../../mail/attached-files.ts';
import { fileName } from '../../mail/file-name.ts';
import { fileTypeOf, TYPE_OCTETS, typeOfWhole, type FileType } from '../../mail/file-type.ts';
import {
  isArchiveName,
  isMailName,
  isOpenedFile,
  isZipName,
  showsNames,
  suspicionOf,
  type FileSuspicion,
} from '../../mail/file-suspicion.ts';
import { innocentTypeOf } from '../../mail/innocent-file.ts';
import { MIME_BOUNDS, MimeReader } from '../../mail/mime.ts';
import { MAX_LOOKED_OCTETS, type Signatures } from '../../mail/signatures.ts';
import { Bomb, Damaged, Locked, TooLarge, type ArchiveEntry } from './archive.ts';
import { growthOf, headOf, MOST_DEFLATED, readyFor, wholeOf, type Method } from './inflate.ts';
import { libarchiveEntries, readyLibarchive } from './libarchive.ts';
import { tarEntries } from './tar.ts';
import { hasZipEnd, zipEntries } from './zip.ts';

export interface Telling {
  file(seen: SeenFile, as: FileSuspicion['kind']): void;
  trouble(found: ArchiveTrouble): void;
  signatures(names: readonly string[]): void;
}

export interface UnpackSettings {
  readonly bounds: ArchiveBounds;
  readonly extensions: ReadonlySet<string>;
  readonly signatures: Signatures;
  readonly nowMs: () => number;
}

/** A file that is there whole. */
interface Whole {
  /** As it is told of; of its names, the worst. */
  readonly name: string;
  readonly names: readonly string[];
  readonly within: readonly string[];
  readonly octets: Buffer;
  readonly type: FileType | undefined;
}

/** Nothing further of an attached archive is looked at: a bound is reached. */
class Enough extends Error {}

// Names are evidence: those of a file, and of each archive around it.
const MAX_NAME = 200;
const short = (name: string): string => name.slice(-MAX_NAME);

export class Unpacking {
  entries = 0;
  readonly #settings: UnpackSettings;
  readonly #telling: Telling;
  readonly #endsMs: number;
  // Of the attached archive at hand: the one before it must not use up what this one needs.
  #archiveEndsMs = 0;
  #archiveEntries = 0;
  /** Its octets as it came, and of all that came out of it. */
  #packed = 0;
  #unpacked = 0;
  readonly #told = new Set<string>();

  constructor(settings: UnpackSettings, telling: Telling) {
    this.#settings = settings;
    this.#telling = telling;
    this.#endsMs = settings.nowMs() + settings.bounds.timeMs;
  }

  /** A part of the message itself, of which all octets are there. `left`: how many there are with it. */
  async open(attached: AttachedFile, left = 1): Promise<void> {
    const { part, type, octets } = attached;
    const { names } = part;
    const nowMs = this.#settings.nowMs();
    this.#archiveEndsMs = nowMs + Math.max(0, this.#endsMs - nowMs) / left;
    this.#archiveEntries = 0;
    this.#packed = octets.length;
    this.#unpacked = 0;
    try {
      await this.#open({ name: names[0] ?? '', names, within: [], octets, type });
    } catch (error) {
      if (!(error instanceof Enough)) throw error;
    }
  }

  async #open(file: Whole): Promise<void> {
    const { names, within, type } = file;
    if (!isOpenedFile(names, type)) return;
    const { depth } = this.#settings.bounds;
    if (within.length >= depth) {
      this.#trouble('bomb', file, `there are more than ${depth} archives inside each other`);
      return;
    }
    if (type?.kind === 'archive') await this.#guarded(file, () => this.#openType(file, type.name));
    else if (names.some(isMailName)) await this.#guarded(file, () => this.#openMail(file));
    if (type?.name !== 'zip') await this.#openBehind(file);
  }

  /** Programs find a zip behind whatever stands in front of it: by the record at its end. */
  async #openBehind(file: Whole): Promise<void> {
    const { names, octets, type } = file;
    const { entries } = this.#settings.bounds;
    const end = type?.kind !== 'archive' ? 'anywhere' : names.some(isZipName) ? 'near' : 'exact';
    if (hasZipEnd(octets, end))
      await this.#guarded(file, () => this.#each(file, zipEntries(octets, entries)));
    else if (type?.kind !== 'archive' && names.some(isArchiveName) && !names.some(isMailName))
      this.#trouble('unreadable', file, 'it is no archive');
  }

  async #guarded(file: Whole, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (error instanceof Damaged) this.#trouble('unreadable', file, error.message);
      else if (error instanceof Locked)
        this.#trouble('encrypted', file, 'even the names in it are encrypted');
      else if (error instanceof Bomb) this.#trouble('bomb', file, error.message);
      else throw error;
    }
  }

  async #openType(file: Whole, type: string): Promise<void> {
    const { octets } = file;
    switch (type) {
      case 'zip':
        return this.#each(file, zipEntries(octets, this.#settings.bounds.entries));
      case 'tar':
        return this.#each(file, tarEntries(octets));
      case 'gzip':
      case 'bzip2':
      case 'xz':
      case 'zstd':
        return this.#each(file, [onlyEntry(file, type)]);
      case '7z':
      case 'rar':
      case 'rar5':
      case 'cab':
      case 'lha':
        await readyLibarchive();
        // In a 7z each file is unpacked to come to the next one.
        return this.#each(
          file,
          libarchiveEntries(octets, type === '7z', () => this.#onTime(file)),
        );
      default:
        throw new Damaged('nobody here reads archives of its kind');
    }
  }

  async #each(archive: Whole, entries: Iterable<ArchiveEntry>): Promise<void> {
    const { bounds } = this.#settings;
    const within = [...archive.within, short(archive.name)];
    const trouble = (kind: TroubleKind, why: string) => this.#trouble(kind, archive, why);
    const namesCount = showsNames(archive.names);
    let declared = 0;
    let most = 0;
    for (const entry of entries) {
      this.#count(archive);
      declared += entry.octets ?? 0;
      most = Math.max(most, entry.most ?? Infinity);
      if (entry.encrypted) trouble('encrypted', 'files in it are encrypted');
      const room = this.#room;
      try {
        await this.#entry(entry, within, namesCount);
      } catch (error) {
        if (error instanceof Damaged) trouble('unreadable', error.message);
        else if (error instanceof TooLarge) {
          const growth = Math.max(
            entry.growth?.() ?? 0,
            (entry.octets ?? room) / archive.octets.length,
            this.#unpacked / this.#packed,
          );
          if (growth >= bounds.ratio) trouble('bomb', `it grows ${Math.round(growth)} times as large`);
          else trouble('too-much', `it unpacks to more than ${bounds.unpackedOctets} octets`);
        } else throw error;
      }
      const growth = declared / archive.octets.length;
      if (declared <= bounds.unpackedOctets || growth < bounds.ratio) continue;
      if (growth > most) {
        trouble('unreadable', 'the sizes in it cannot be true');
        continue;
      }
      // To go on would be what it was made for: some readers unpack all that they pass over.
      trouble('bomb', `it grows ${Math.round(growth)} times as large`);
      return;
    }
  }

  async #entry(entry: ArchiveEntry, within: readonly string[], namesCount: boolean): Promise<void> {
    const { signatures } = this.#settings;
    const name = this.#tellingName(entry.names);
    for (const said of entry.names) this.#match('name', said);
    if (entry.encrypted) {
      this.#judge(name, undefined, within, namesCount);
      return;
    }
    let head: Buffer;
    try {
      await entry.ready?.();
      head = this.#spend(entry.head(TYPE_OCTETS));
    } catch (error) {
      this.#judge(name, undefined, within, namesCount);
      throw error;
    }
    const start = fileTypeOf(head) ?? innocentTypeOf(entry.names, head);
    const isOpened = isOpenedFile(entry.names, start);
    if (!isOpened && start?.name !== 'ole' && !signatures.wants('file')) {
      this.#judge(name, start, within, namesCount);
      return;
    }
    let octets: Buffer;
    try {
      octets = this.#spend(entry.whole(this.#room));
    } catch (error) {
      this.#judge(name, start, within, namesCount);
      this.#match('file', head);
      if (!isOpened && error instanceof TooLarge) return;
      throw error;
    }
    const type = typeOfWhole(octets) ?? innocentTypeOf(entry.names, head);
    this.#judge(name, type, within, namesCount);
    this.#match('file', octets);
    await this.#open({ name, names: entry.names, within, octets, type });
  }

  /** Its parts, as those of the message itself. */
  async #openMail(mail: Whole): Promise<void> {
    const within = [...mail.within, short(mail.name)];
    const files: AttachedFile[] = [];
    const reader = new MimeReader(
      attachedFiles(
        // Decoded, a part is smaller than the message around it: there is room.
        (part, type) => (isOpenedFile(part.names, type) ? this.#room : TYPE_OCTETS),
        (file) => files.push({ ...file, octets: this.#spend(file.octets) }),
      ),
      { ...MIME_BOUNDS, parts: Math.min(MIME_BOUNDS.parts, this.#settings.bounds.entries) },
    );
    reader.write(mail.octets);
    const { notes } = reader.end();
    if (BEYOND.some((kind) => notes.has(kind)))
      this.#trouble('too-much', mail, 'its parts are too many, too deep, or not to be told apart');
    for (const { part, type, octets } of files) {
      this.#count(mail);
      const { names } = part;
      const name = this.#tellingName(names);
      const judged = type ?? innocentTypeOf(names, octets, part.contentType.value);
      this.#judge(name, judged, within, type?.kind !== 'script' || isAttached(names));
      for (const said of names) this.#match('name', said);
      await this.#open({ name, names, within, octets, type });
    }
  }

  #count(archive: Whole): void {
    const { bounds } = this.#settings;
    this.entries++;
    this.#archiveEntries++;
    if (this.#archiveEntries > bounds.entries) {
      this.#trouble('too-much', archive, `there are more than ${bounds.entries} files`);
      throw new Enough();
    }
    this.#onTime(archive);
  }

  #onTime(archive: Whole): void {
    const { bounds, nowMs } = this.#settings;
    if (nowMs() <= this.#archiveEndsMs) return;
    this.#trouble('too-much', archive, `it takes longer than its share of ${bounds.timeMs} ms`);
    throw new Enough();
  }

  get #room(): number {
    return Math.max(0, this.#settings.bounds.unpackedOctets - this.#unpacked);
  }

  #spend(octets: Buffer): Buffer {
    this.#unpacked += octets.length;
    return octets;
  }

  /** Of several names the worst. */
  #tellingName(names: readonly string[]): string {
    const { extensions } = this.#settings;
    return names.find((name) => extensions.has(fileName(name).extension)) ?? names[0] ?? '';
  }

  #judge(name: string, type: FileType | undefined, within: readonly string[], namesCount: boolean): void {
    const suspicion = suspicionOf(name, type, this.#settings.extensions, namesCount);
    if (suspicion === undefined) return;
    const seen: SeenFile = {
      within,
      name: short(name),
      ...(type === undefined ? {} : { type: type.name }),
      ...(namesCount ? {} : { unnamed: true }),
    };
    this.#telling.file(seen, suspicion.kind);
  }

  #match(place: 'name' | 'file', text: string | Buffer): void {
    const { signatures } = this.#settings;
    if (!signatures.wants(place)) return;
    const said = typeof text === 'string' ? text : text.toString('latin1', 0, MAX_LOOKED_OCTETS);
    this.#telling.signatures(signatures.matching(place, said));
  }

  #trouble(kind: TroubleKind, { name, within }: Whole, why: string): void {
    // One kind of trouble with an archive is told once: its files have the same each.
    const key = [kind, ...within, name].join('\0');
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#telling.trouble({ kind, name: short(name), within, why: why.slice(0, MAX_NAME) });
  }
}

const isAttached = (names: readonly string[]): boolean => names.length > 0;

// What stands in those that were passed over, nobody has seen.
const BEYOND = ['too-many-parts', 'too-deep', 'boundary-too-long', 'value-cut'] as const;

// Text does not.
const MUCH = 50;

/** What holds one file, which has its name without the last extension. */
function onlyEntry({ name, octets }: Whole, method: Method): ArchiveEntry {
  const { base, extension } = fileName(name);
  const inner = /^t(?:gz|bz2?|xz|zst)$/.test(extension)
    ? `${base.slice(0, -extension.length)}tar`
    : extension === ''
      ? base
      : base.slice(0, -extension.length - 1);
  const growth = growthOf(method, octets);
  // RFC 1952 2.3.1: ISIZE, modulo 2^32; what stands there otherwise is only believed of what does grow.
  const said =
    method === 'gzip' && growth >= MUCH && octets.length >= 18
      ? octets.readUInt32LE(octets.length - 4)
      : undefined;
  const own = method === 'gzip' ? gzipName(octets) : undefined;
  return {
    names: own === undefined || own === inner ? [inner] : [inner, own],
    encrypted: false,
    ...(said === undefined ? {} : { octets: said, most: MOST_DEFLATED }),
    ready: readyFor(method),
    growth: () => growth,
    head: (wanted) => headOf(method, octets, wanted),
    whole: (max) => wholeOf(method, octets, max),
  };
}

/** RFC 1952 2.3.1: FNAME, which some unpackers give the file again. */
function gzipName(gzip: Buffer): string | undefined {
  const flags = gzip[3] ?? 0;
  if (gzip.length < GZIP_HEADER_OCTETS || (flags & FNAME) === 0) return undefined;
  let at = GZIP_HEADER_OCTETS;
  if ((flags & FEXTRA) !== 0) at += 2 + (at + 2 <= gzip.length ? gzip.readUInt16LE(at) : 0);
  const end = gzip.indexOf(0, at);
  return end <= at ? undefined : gzip.toString('latin1', at, Math.min(end, at + MAX_GZIP_NAME));
}

const GZIP_HEADER_OCTETS = 10;
const FEXTRA = 0x04;
const FNAME = 0x08;
const MAX_GZIP_NAME = 4096;
