import { randomBytes } from 'node:crypto';
import { mkdir, open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { MessageContent } from '../core/delivery.ts';
import { Disk } from './disk.ts';

/*
 * A message while it comes in: in memory up to a bound, in a file beyond it. The file is unlinked as soon as it is open,
 * so that nothing outlives the process, whatever kills it: this is no queue. It is never fsynced for the same reason:
 * nobody is told "accepted" on the strength of it. A disk that hangs is a failure like any other, after a while.
 */

export type SpoolFailure =
  { readonly kind: 'disk-full' } | { readonly kind: 'failed'; readonly reason: string };

export interface SpoolLimits {
  /** Where files go, made when first needed. */
  readonly directory: string;
  /** A message beyond this goes to a file. */
  readonly memoryBoundOctets: number;
  /** All spools together; when it is used up, further messages go to files from their first octet. */
  readonly maxMemoryOctets: number;
  /** For one step: the file opened, a block written or read. */
  readonly timeoutMs?: number;
  /** For tests: a disk that hangs. */
  readonly open?: typeof openUnlinked;
}

/** A block takes moments. */
const LONGEST_STEP_MS = 60_000;

export const SPOOL_DEFAULTS = { memoryBoundOctets: 262_144, maxMemoryOctets: 134_217_728 } as const;

// Blocks of our own, because a client may send its message octet by octet, and a Buffer for each would cost a hundredfold.
const FIRST_BLOCK_OCTETS = 4096;
const LARGEST_BLOCK_OCTETS = 65_536;

export class Spools {
  readonly #limits: SpoolLimits;
  readonly #disk: Disk;
  #usedOctets = 0;

  constructor(limits: SpoolLimits) {
    this.#limits = limits;
    this.#disk = new Disk(limits.timeoutMs ?? LONGEST_STEP_MS);
  }

  get usedMemoryOctets(): number {
    return this.#usedOctets;
  }

  create(): Spool {
    const account: MemoryAccount = {
      take: (octets) => {
        if (this.#usedOctets + octets > this.#limits.maxMemoryOctets) return false;
        this.#usedOctets += octets;
        return true;
      },
      give: (octets) => {
        this.#usedOctets -= octets;
      },
    };
    return new Spool(this.#limits, account, this.#disk);
  }
}

interface MemoryAccount {
  take(octets: number): boolean;
  give(octets: number): void;
}

export class Spool {
  readonly #limits: SpoolLimits;
  readonly #account: MemoryAccount;
  readonly #disk: Disk;
  /** Full blocks that are in memory: all of the message, or what still waits to be written. */
  #blocks: Buffer[] = [];
  #block: Buffer | undefined;
  #filled = 0;
  #nextBlockOctets = FIRST_BLOCK_OCTETS;
  #taken = 0;
  #sizeOctets = 0;
  #toFile = false;
  #file: FileHandle | undefined;
  #fileOctets = 0;
  #writing: Promise<void> | undefined;
  #failure: SpoolFailure | undefined;
  #disposed = false;

  constructor(limits: SpoolLimits, account: MemoryAccount, disk: Disk) {
    this.#limits = limits;
    this.#account = account;
    this.#disk = disk;
  }

  get sizeOctets(): number {
    return this.#sizeOctets;
  }

  /** Once set it stays; `append` then drops what comes, so that the rest of the message can be read and answered. */
  get failure(): SpoolFailure | undefined {
    return this.#failure;
  }

  get inMemory(): boolean {
    return !this.#toFile;
  }

  /** Takes a copy. A promise asks the caller to wait with further reading until it resolves; it never rejects. */
  append(chunk: Buffer): Promise<void> | undefined {
    if (this.#failure !== undefined || this.#disposed) return undefined;
    this.#sizeOctets += chunk.length;
    if (this.#sizeOctets > this.#limits.memoryBoundOctets) this.#toFile = true;
    for (let from = 0; from < chunk.length;) {
      const block = this.#room();
      const copied = chunk.copy(block, this.#filled, from);
      from += copied;
      this.#filled += copied;
    }
    if (!this.#toFile || (this.#blocks.length === 0 && this.#writing === undefined)) return undefined;
    return this.#write();
  }

  /** The whole message. It can be read until `dispose`. */
  async finish(): Promise<MessageContent | SpoolFailure> {
    this.#endBlock();
    if (this.#toFile) await this.#write();
    if (this.#failure !== undefined) return this.#failure;
    if (this.#disposed) return { kind: 'failed', reason: 'the spool was disposed of' };
    const file = this.#file;
    const blocks = this.#blocks;
    const sizeOctets = this.#sizeOctets;
    const disk = this.#disk;
    return { sizeOctets, chunks: () => (file === undefined ? blocks : readBack(file, sizeOctets, disk)) };
  }

  /** May be called at any time, and more than once. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#freeMemory();
    // A writer that runs closes the file itself when it sees `disposed`.
    if (this.#writing === undefined) this.#close();
  }

  #room(): Buffer {
    if (this.#block !== undefined && this.#filled < this.#block.length) return this.#block;
    this.#endBlock();
    if (!this.#toFile && this.#account.take(this.#nextBlockOctets)) this.#taken += this.#nextBlockOctets;
    else this.#toFile = true;
    this.#block = Buffer.allocUnsafeSlow(this.#nextBlockOctets);
    this.#nextBlockOctets = Math.min(2 * this.#nextBlockOctets, LARGEST_BLOCK_OCTETS);
    return this.#block;
  }

  #endBlock(): void {
    if (this.#block !== undefined && this.#filled > 0)
      this.#blocks.push(this.#block.subarray(0, this.#filled));
    this.#block = undefined;
    this.#filled = 0;
  }

  #freeMemory(): void {
    this.#blocks = [];
    this.#block = undefined;
    this.#filled = 0;
    this.#account.give(this.#taken);
    this.#taken = 0;
  }

  /** One writer at a time, until no full block is left. */
  #write(): Promise<void> {
    if (this.#writing !== undefined) return this.#writing;
    if (this.#blocks.length === 0 || this.#disposed) return Promise.resolve();
    this.#writing = this.#drain();
    return this.#writing;
  }

  async #drain(): Promise<void> {
    try {
      do {
        this.#file ??= await this.#open();
        const blocks = this.#blocks;
        this.#blocks = [];
        this.#account.give(this.#taken);
        this.#taken = 0;
        for (const block of blocks) await this.#writeWhole(this.#file, block);
      } while (this.#blocks.length > 0);
    } catch (error) {
      this.#failure = failureOf(error);
      this.#freeMemory();
    }
    // In the same step as the last look at the blocks: one that comes later starts a writer of its own.
    this.#writing = undefined;
    if (this.#disposed) this.#close();
  }

  #open(): Promise<FileHandle> {
    const { directory, open: openFile = openUnlinked } = this.#limits;
    return this.#disk.within(async (late) => {
      const file = await openFile(directory);
      // Nobody is there any more to close it.
      if (late.aborted) await file.close();
      return file;
    });
  }

  /** A write may take less than it was given, most of all shortly before the disk is full. */
  async #writeWhole(file: FileHandle, block: Buffer): Promise<void> {
    for (let from = 0; from < block.length;) {
      const { bytesWritten } = await this.#disk.within(() =>
        file.write(block, from, block.length - from, this.#fileOctets),
      );
      from += bytesWritten;
      this.#fileOctets += bytesWritten;
    }
  }

  #close(): void {
    const file = this.#file;
    this.#file = undefined;
    // The file is gone already, and closing what was only read back cannot lose anything.
    file?.close().catch(() => undefined);
  }
}

async function* readBack(file: FileHandle, sizeOctets: number, disk: Disk): AsyncGenerator<Buffer> {
  for (let position = 0; position < sizeOctets;) {
    const block = Buffer.allocUnsafeSlow(Math.min(LARGEST_BLOCK_OCTETS, sizeOctets - position));
    const at = position;
    const { bytesRead } = await disk.within(() => file.read(block, 0, block.length, at));
    if (bytesRead === 0) throw new Error('the spool file ends before the message');
    position += bytesRead;
    yield block.subarray(0, bytesRead);
  }
}

async function openUnlinked(directory: string): Promise<FileHandle> {
  const path = join(directory, `${process.pid}-${randomBytes(8).toString('hex')}`);
  let file: FileHandle;
  try {
    file = await open(path, 'wx+', 0o600);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    file = await open(path, 'wx+', 0o600);
  }
  try {
    await unlink(path);
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}

function failureOf(error: unknown): SpoolFailure {
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return { kind: 'disk-full' };
  return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
