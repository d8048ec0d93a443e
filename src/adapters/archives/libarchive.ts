/**
 * libarchive as WebAssembly, for what Node has no reader of: 7z, rar, cabinets, lha, and the methods bzip2, lzma, xz and ppmd. It has had
 * its share of memory errors; here it has a memory of its own and nothing else. An instance that fell is thrown away.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { libarchiveWasm } from 'libarchive-wasm';
import { Damaged, Locked, TooLarge, type ArchiveEntry } from './archive.ts';

/** What one instance may hold: archive, dictionary and a piece of what comes out. The largest dictionaries of 7-Zip do not fit. */
const MAX_MEMORY_OCTETS = 402_653_184;
/** An instance that has grown so large gives nothing back: the next archive gets a new one. */
const KEPT_MEMORY_OCTETS = 67_108_864;
const PAGE_OCTETS = 65_536;
const PIECE_OCTETS = 262_144;

// The language's own, for which Node's types have no name.
declare const WebAssembly: {
  Module: new (octets: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
  Memory: abstract new () => WasmMemory;
};
interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** Of the package's calls those used here; its own types name what it does not ship. They throw what libarchive says of an error. */
interface Calls {
  readonly module: { readonly HEAP8: Int8Array; _malloc(octets: number): number; _free(at: number): void };
  read_new(): number;
  read_support_format_all(archive: number): number;
  read_open_memory(archive: number, at: number, octets: number): number;
  /** 0 at the end, and at an error. */
  read_next_entry(archive: number): number;
  read_has_encrypted_entries(archive: number): number;
  read_data(archive: number, at: number, octets: number): number;
  read_free(archive: number): number;
  error_string(archive: number): string;
  entry_filetype(entry: number): number;
  entry_pathname(entry: number): string;
  entry_size(entry: number): number;
  entry_is_encrypted(entry: number): number;
}

interface Instance {
  readonly calls: Calls;
  readonly memory: WasmMemory;
}

let code: object | undefined;
let instance: Instance | undefined;
let made = 0;

/** Memory of instances that are gone comes back late if at all: a thread that has had so many is ended. */
const MAX_INSTANCES = 8;
export const isWornOut = (): boolean => made >= MAX_INSTANCES;

/** To be awaited before anything else here, for what follows does not wait. */
export async function readyLibarchive(): Promise<void> {
  if (instance !== undefined && instance.memory.buffer.byteLength <= KEPT_MEMORY_OCTETS) return;
  code ??= new WebAssembly.Module(readFileSync(codeFile()));
  const module = code;
  let memory: WasmMemory | undefined;
  const options = {
    instantiateWasm(imports: object, done: (instance: object, module: object) => void) {
      const { exports } = new WebAssembly.Instance(module, imports);
      memory = Object.values(exports).find((part) => part instanceof WebAssembly.Memory);
      if (memory !== undefined) bound(memory);
      done({ exports }, module);
      return exports;
    },
  };
  const calls = (await (libarchiveWasm as unknown as (options: object) => Promise<unknown>)(
    options,
  )) as Calls;
  if (memory === undefined) throw new Error('libarchive has no memory');
  made++;
  instance = { calls, memory };
}

function codeFile(): string {
  const main = createRequire(import.meta.url).resolve('libarchive-wasm');
  return join(dirname(main), 'libarchive.wasm');
}

function bound(memory: WasmMemory): void {
  const grow = memory.grow.bind(memory);
  Object.defineProperty(memory, 'grow', {
    value: (pages: number) => {
      if (memory.buffer.byteLength + pages * PAGE_OCTETS > MAX_MEMORY_OCTETS) throw new RangeError('no room');
      return grow(pages);
    },
  });
}

/**
 * Throws `Damaged` in the course, behind what could be read, or `Locked`. `solid`: to pass over a file takes as long as to read it.
 * `onPiece` is called often, and may throw to end it.
 */
export function* libarchiveEntries(
  octets: Buffer,
  solid: boolean,
  onPiece: () => void,
): Generator<ArchiveEntry> {
  const archive = new Opened(octets, solid ? onPiece : undefined);
  try {
    let count = 0;
    let locked = 0;
    for (;;) {
      const entry = archive.next();
      if (entry === undefined) break;
      count++;
      if (entry === 'folder') continue;
      if (entry.encrypted) locked++;
      yield entry;
    }
    // Not told by its files: even their names are encrypted.
    if (locked === 0 && archive.isLocked) throw new Locked();
    const error = archive.error();
    if (error !== '' && locked === 0) throw new Damaged(error);
    if (count === 0) throw new Damaged('nothing in it can be read');
  } finally {
    archive.close();
  }
}

/** One file's octets. `head`: as many as are wanted, of a damaged one those before; `whole`: all of them, or it throws. */
export function unpackStream(
  method: 'bzip2' | 'lzma' | 'xz' | 'ppmd',
  packed: Buffer,
  octets: number,
  want: 'head' | 'whole',
): Buffer {
  const said = { sum: 0, octets: ANY_SIZE };
  for (let learnt = 0; ; learnt++) {
    const archive = new Opened(asZip(STREAM_METHODS[method], packed, said));
    try {
      const entry = archive.next();
      if (entry === undefined || entry === 'folder') throw new Damaged(archive.error());
      return want === 'head' ? entry.head(octets) : entry.whole(octets);
    } catch (error) {
      if (!(error instanceof Damaged) || learnt === 2 || !learn(said, error.message)) throw error;
    } finally {
      archive.close();
    }
  }
}

/** With the last octets comes the complaint that their sum or number is wrong, and what it would be. */
function learn(said: { sum: number; octets: number }, complaint: string): boolean {
  const sum = /^ZIP bad CRC: 0x([\da-f]{1,8}) /.exec(complaint)?.[1];
  if (sum !== undefined) said.sum = Number.parseInt(sum, 16);
  const octets = /^ZIP uncompressed data is wrong size \(read (\d{1,9}),/.exec(complaint)?.[1];
  if (octets !== undefined) said.octets = Number(octets);
  return sum !== undefined || octets !== undefined;
}

const STREAM_METHODS = { bzip2: 12, lzma: 14, xz: 95, ppmd: 98 } as const;

/**
 * libarchive takes a lone stream for a file only in its raw format, which this build does not offer; as the one file of a zip it takes
 * it all the same, if its sum and size are right.
 */
function asZip(
  method: number,
  packed: Buffer,
  said: { readonly sum: number; readonly octets: number },
): Buffer {
  const local = Buffer.alloc(31);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(method, 8);
  local.writeUInt32LE(said.sum, 14);
  local.writeUInt32LE(packed.length, 18);
  local.writeUInt32LE(said.octets, 22);
  local.writeUInt16LE(1, 26);
  local.write('x', 30);
  const central = Buffer.alloc(47);
  central.writeUInt32LE(0x02014b50, 0);
  central.writeUInt16LE(method, 10);
  central.writeUInt32LE(said.sum, 16);
  central.writeUInt32LE(packed.length, 20);
  central.writeUInt32LE(said.octets, 24);
  central.writeUInt16LE(1, 28);
  central.write('x', 46);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length + packed.length, 16);
  return Buffer.concat([local, packed, central, end]);
}

// Not 0xffffffff, which would point to an extra field.
const ANY_SIZE = 0xfffffffe;

// archive_entry.h
const FOLDER = 0o040000;

class Opened {
  readonly #instance: Instance;
  readonly #archive: number;
  readonly #memory: number;
  readonly #piece: number;
  readonly #onPiece: (() => void) | undefined;
  #passing = false;

  constructor(octets: Buffer, onPiece?: () => void) {
    this.#onPiece = onPiece;
    if (instance === undefined) throw new Damaged('its reader fell over another file');
    this.#instance = instance;
    const { calls } = instance;
    this.#memory = this.#guarded(() => calls.module._malloc(octets.length));
    this.#piece = this.#guarded(() => calls.module._malloc(PIECE_OCTETS));
    if (this.#memory === 0 || this.#piece === 0) throw this.#fallen('there is no memory for it');
    calls.module.HEAP8.set(octets, this.#memory);
    this.#archive = this.#guarded(() => calls.read_new());
    try {
      this.#guarded(() => calls.read_support_format_all(this.#archive));
      this.#guarded(() => calls.read_open_memory(this.#archive, this.#memory, octets.length));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get isLocked(): boolean {
    return this.#guarded(() => this.#instance.calls.read_has_encrypted_entries(this.#archive)) > 0;
  }

  next(): ArchiveEntry | 'folder' | undefined {
    const { calls } = this.#instance;
    this.#passOver();
    const entry = this.#guarded(() => calls.read_next_entry(this.#archive));
    if (entry === 0) return undefined;
    return this.#guarded(() => {
      if (calls.entry_filetype(entry) === FOLDER) return 'folder';
      const octets = calls.entry_size(entry);
      const name: unknown = calls.entry_pathname(entry);
      const encrypted = calls.entry_is_encrypted(entry) !== 0;
      const reading = new Reading((octets) => this.#read(octets));
      this.#passing = !encrypted;
      return {
        names: [typeof name === 'string' ? name : ''],
        encrypted,
        ...(octets >= 0 ? { octets } : {}),
        head: (wanted) => reading.head(wanted),
        whole: (max) => reading.whole(max),
      };
    });
  }

  /** The rest of the file before, piece by piece: by itself libarchive does it in one go, however long it takes. */
  #passOver(): void {
    if (this.#passing && this.#onPiece !== undefined)
      try {
        while (this.#read(PIECE_OCTETS).length > 0);
      } catch (error) {
        // Whether it goes on behind it, the next call says.
        if (!(error instanceof Damaged)) throw error;
      }
    this.#passing = false;
  }

  error(): string {
    const said: unknown = this.#guarded(() => this.#instance.calls.error_string(this.#archive));
    return typeof said === 'string' ? said : '';
  }

  close(): void {
    // A fallen one is gone with all it held.
    if (instance !== this.#instance) return;
    const { calls } = this.#instance;
    this.#guarded(() => calls.read_free(this.#archive));
    this.#guarded(() => calls.module._free(this.#memory));
    this.#guarded(() => calls.module._free(this.#piece));
  }

  /** Empty at the end of the file. */
  #read(octets: number): Buffer {
    const { calls } = this.#instance;
    this.#onPiece?.();
    const size = Math.min(octets, PIECE_OCTETS);
    const piece = (): Buffer => {
      const { buffer, byteOffset } = calls.module.HEAP8;
      return Buffer.from(buffer, byteOffset + this.#piece, size);
    };
    const read = this.#guarded(() => calls.read_data(this.#archive, this.#piece, size));
    return Buffer.from(piece().subarray(0, read));
  }

  #guarded<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      if (error instanceof Damaged) throw error;
      throw isFall(error) ? this.#fallen(said) : new Damaged(said);
    }
  }

  /** Memory that was written to past its bounds is not used again. */
  #fallen(why: string): Damaged {
    if (instance === this.#instance) instance = undefined;
    return new Damaged(why);
  }
}

/** The wrapper's own errors are plain ones, with what libarchive says. */
const isFall = (error: unknown): boolean => !(error instanceof Error) || error.constructor !== Error;

/** A file's octets in their order: what was read for its head is not read again. */
class Reading {
  readonly #read: (octets: number) => Buffer;
  readonly #pieces: Buffer[] = [];
  #octets = 0;
  #ended = false;

  constructor(read: (octets: number) => Buffer) {
    this.#read = read;
  }

  head(octets: number): Buffer {
    try {
      this.#upTo(octets);
    } catch (error) {
      if (this.#octets === 0 || !(error instanceof Damaged)) throw error;
    }
    return Buffer.concat(this.#pieces).subarray(0, octets);
  }

  whole(maxOctets: number): Buffer {
    this.#upTo(maxOctets + 1);
    if (this.#octets > maxOctets) throw new TooLarge();
    return Buffer.concat(this.#pieces);
  }

  #upTo(octets: number): void {
    while (!this.#ended && this.#octets < octets) {
      const piece = this.#read(octets - this.#octets);
      if (piece.length === 0) this.#ended = true;
      this.#octets += piece.length;
      this.#pieces.push(piece);
    }
  }
}
