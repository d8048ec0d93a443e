/**
 * The thread that looks into messages: whatever an archive does to its reader, it does it here. It has one message at a time, piece by
 * piece, tells of each thing as it is found, and is ended from outside where it takes too long.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { ArchiveQuestion, ArchiveTrouble, SeenFile } from '../../core/archives.ts';
import { attachedFiles, type AttachedFile } from '../../mail/attached-files.ts';
import { decodeText } from '../../mail/charset.ts';
import { headerEnd } from '../../mail/header.ts';
import { MimeReader, type Part } from '../../mail/mime.ts';
import { MAX_LOOKED_OCTETS, Signatures, type SignatureRule } from '../../mail/signatures.ts';
import type { FileSuspicion } from '../../mail/file-suspicion.ts';
import { isWornOut } from './libarchive.ts';
import { Unpacking } from './unpack.ts';

export type Job = Pick<ArchiveQuestion, 'parts' | 'bounds' | 'extensions'>;

export type Request =
  | { readonly kind: 'begin'; readonly job: Job }
  | { readonly kind: 'octets'; readonly octets: Uint8Array }
  | { readonly kind: 'end' };

export type Told =
  /** It has started: whatever ends it from now on is what it reads. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'file'; readonly seen: SeenFile; readonly as: FileSuspicion['kind'] }
  | { readonly kind: 'trouble'; readonly found: ArchiveTrouble }
  | { readonly kind: 'signatures'; readonly names: readonly string[] }
  /** `last`: it is to be asked no more. */
  | { readonly kind: 'done'; readonly entries: number; readonly last: boolean };

const port = parentPort;
if (port === null) throw new Error('archives are looked into in a worker');
const tell = (told: Told) => port.postMessage(told);

const { rules } = workerData as { readonly rules: readonly SignatureRule[] };
const signatures = new Signatures(rules);
let message: Message | undefined;

port.on('message', (request: Request) => {
  switch (request.kind) {
    case 'begin':
      message = new Message(request.job);
      return;
    case 'octets':
      message?.write(
        Buffer.from(request.octets.buffer, request.octets.byteOffset, request.octets.byteLength),
      );
      return;
    case 'end': {
      const whole = message;
      message = undefined;
      // What fails here ends the thread, and the other side is told by that.
      void whole?.end();
      return;
    }
    default:
      request satisfies never;
  }
});

class Message {
  readonly #job: Job;
  readonly #reader: MimeReader;
  readonly #files: AttachedFile[] = [];
  readonly #start: Buffer[] = [];
  #startOctets = 0;
  #kept = 0;

  constructor(job: Job) {
    this.#job = job;
    const parts = new Set(job.parts);
    const wanted = (part: Part) =>
      parts.has(part.path)
        ? Math.max(0, job.bounds.unpackedOctets - this.#kept)
        : signatures.wants(isText(part) ? 'text' : 'file') || signatures.wants('file')
          ? MAX_LOOKED_OCTETS
          : 0;
    this.#reader = new MimeReader(
      attachedFiles(wanted, (file) => {
        const { part, octets } = file;
        if (parts.has(part.path)) {
          this.#kept += octets.length;
          this.#files.push(file);
        }
        this.#match(file);
      }),
    );
  }

  write(octets: Buffer): void {
    this.#reader.write(octets);
    if (this.#startOctets >= MAX_LOOKED_OCTETS || !(signatures.wants('raw') || signatures.wants('header')))
      return;
    this.#start.push(octets);
    this.#startOctets += octets.length;
  }

  async end(): Promise<void> {
    this.#reader.end();
    this.#matchStart();
    const { bounds, extensions } = this.#job;
    const unpacking = new Unpacking(
      { bounds, extensions: new Set(extensions), signatures, nowMs: () => performance.now() },
      {
        file: (seen, as) => tell({ kind: 'file', seen, as }),
        trouble: (found) => tell({ kind: 'trouble', found }),
        signatures: (names) => this.#signed(names),
      },
    );
    for (const [at, file] of this.#files.entries()) {
      if (file.cut) {
        const [name = ''] = file.part.names;
        tell({ kind: 'trouble', found: { kind: 'too-much', name, within: [], why: 'it is too large' } });
      } else await unpacking.open(file, this.#files.length - at);
    }
    tell({ kind: 'done', entries: unpacking.entries, last: isWornOut() });
  }

  #matchStart(): void {
    const start = Buffer.concat(this.#start).subarray(0, MAX_LOOKED_OCTETS);
    if (signatures.wants('raw')) this.#signed(signatures.matching('raw', start.toString('latin1')));
    if (signatures.wants('header')) {
      const end = headerEnd(start, true) ?? start.length;
      this.#signed(signatures.matching('header', start.toString('latin1', 0, end)));
    }
  }

  #match({ part, octets }: AttachedFile): void {
    if (signatures.wants('text') && isText(part) && octets.length > 0)
      this.#signed(signatures.matching('text', decodeText(octets, part.charset)));
    if (signatures.wants('file') && octets.length > 0)
      this.#signed(signatures.matching('file', octets.toString('latin1', 0, MAX_LOOKED_OCTETS)));
    for (const name of part.names) this.#signed(signatures.matching('name', name));
  }

  #signed(names: readonly string[]): void {
    if (names.length > 0) tell({ kind: 'signatures', names });
  }
}

const isText = ({ contentType }: Part): boolean => contentType.type === 'text';

tell({ kind: 'ready' });
