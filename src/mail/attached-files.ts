import {
  fileTypeOf,
  INSTALLER,
  isInstallerClass,
  rootClassAt,
  TYPE_OCTETS,
  type FileType,
} from './file-type.ts';
import type { MimeConsumer, Part, PartSink } from './mime.ts';

export interface AttachedFile {
  readonly part: Part;
  /** By its first octets; undefined where they say nothing. */
  readonly type: FileType | undefined;
  /** What was kept of it: all, or as much as was wanted. */
  readonly octets: Buffer;
  /** More of it was there than was wanted. */
  readonly cut: boolean;
}

// A program says what it is long before; compound files say it where their directory is.
const CLASS_OCTETS = 16;

/** Reads the type of every part, and keeps of each as much as `wanted` says once its type is known. */
export function attachedFiles(
  wanted: (part: Part, type: FileType | undefined) => number,
  told: (file: AttachedFile) => void,
): MimeConsumer {
  return { part: (part) => (part.container ? undefined : new FileSink(part, wanted, told)) };
}

class FileSink implements PartSink {
  readonly #part: Part;
  readonly #wanted: (part: Part, type: FileType | undefined) => number;
  readonly #told: (file: AttachedFile) => void;
  readonly #pieces: Buffer[] = [];
  #kept = 0;
  #received = 0;
  #type: FileType | undefined;
  /** How much to keep; undefined while the type is not known. */
  #keeps: number | undefined;
  #cut = false;
  #classAt: number | undefined;
  #classOctets = Buffer.alloc(0);

  constructor(
    part: Part,
    wanted: (part: Part, type: FileType | undefined) => number,
    told: (file: AttachedFile) => void,
  ) {
    this.#part = part;
    this.#wanted = wanted;
    this.#told = told;
  }

  /** One more than is needed tells that there is more. */
  get limitOctets(): number {
    return this.#keeps === undefined || this.#received <= this.#needed ? Infinity : this.#received;
  }

  /** Where it may stop reading. */
  get #needed(): number {
    return Math.max(
      this.#keeps ?? TYPE_OCTETS,
      this.#classAt === undefined ? 0 : this.#classAt + CLASS_OCTETS,
    );
  }

  write(octets: Buffer): void {
    const at = this.#received;
    this.#received += octets.length;
    this.#takeClass(octets, at);
    const room = (this.#keeps ?? Infinity) - this.#kept;
    if (octets.length > room) this.#cut = true;
    if (room > 0) {
      const piece = Buffer.from(octets.subarray(0, room));
      this.#pieces.push(piece);
      this.#kept += piece.length;
    }
    if (this.#keeps === undefined && this.#kept >= TYPE_OCTETS) this.#settle();
  }

  end(): void {
    if (this.#keeps === undefined) this.#settle();
    const type = this.#type?.name === 'ole' && isInstallerClass(this.#classOctets) ? INSTALLER : this.#type;
    this.#told({ part: this.#part, type, octets: Buffer.concat(this.#pieces), cut: this.#cut });
  }

  #settle(): void {
    const start = Buffer.concat(this.#pieces);
    this.#type = fileTypeOf(start.subarray(0, TYPE_OCTETS));
    if (this.#type?.name === 'ole') {
      this.#classAt = rootClassAt(start);
      this.#takeClass(start, 0);
    }
    this.#keeps = this.#wanted(this.#part, this.#type);
    this.#cut = start.length > this.#keeps;
    this.#pieces.splice(0, Infinity, start.subarray(0, this.#keeps));
    this.#kept = Math.min(start.length, this.#keeps);
  }

  #takeClass(octets: Buffer, at: number): void {
    if (this.#classAt === undefined || this.#classOctets.length === CLASS_OCTETS) return;
    const from = this.#classAt + this.#classOctets.length - at;
    if (from < 0 || from >= octets.length) return;
    const piece = octets.subarray(from, this.#classAt + CLASS_OCTETS - at);
    this.#classOctets = Buffer.concat([this.#classOctets, piece]);
  }
}
