/**
 * What a file is by its first octets, whatever it is called: programs, what holds other files, and the documents that people mail, so
 * that these are not taken for anything else. Signatures are those of the formats' own specifications. Octets are a stranger's:
 * every read is bounded by what is there.
 */
export interface FileType {
  readonly kind: FileKind;
  /** Stable: it stands in evidence. */
  readonly name: string;
  /** As a reader would be told: `Windows program`. */
  readonly shown: string;
  /** Where the registry has one that mailers use. */
  readonly mime?: string;
}

/**
 * `program`: the system runs it when it is opened. `script`: a Unix shell or interpreter does, where it is told to. `archive`: holds
 * files. `document`: anything else that is known.
 */
export type FileKind = 'program' | 'script' | 'archive' | 'document';

/** As much as is looked at, but for `isInstaller`. */
export const TYPE_OCTETS = 4096;

export function fileTypeOf(start: Buffer): FileType | undefined {
  for (const { at, magic, type, unless } of SIGNATURES) {
    if (
      start.length < at + magic.length ||
      start.compare(magic, 0, magic.length, at, at + magic.length) !== 0
    )
      continue;
    if (unless?.(start) !== true) return type;
  }
  return undefined;
}

const type = (kind: FileKind, name: string, shown: string, mime?: string): FileType => ({
  kind,
  name,
  shown,
  ...(mime === undefined ? {} : { mime }),
});

/** A compound file whose root says that it is an installation package: Office documents are compound files as well. */
export const INSTALLER = type('program', 'msi', 'Windows installation package', 'application/x-msi');

/** Not in the table, as no octets begin it: see `innocentTypeOf`. */
export const TEXT = type('document', 'text', 'text');

interface FileSignature {
  readonly at: number;
  readonly magic: Buffer;
  readonly type: FileType;
  readonly unless?: (start: Buffer) => boolean;
}

const signature = (
  magic: string,
  type: FileType,
  at = 0,
  unless?: (start: Buffer) => boolean,
): FileSignature => ({
  at,
  magic: Buffer.from(magic, 'latin1'),
  type,
  ...(unless === undefined ? {} : { unless }),
});

const MACHO = type('program', 'mach-o', 'macOS program');

const SIGNATURES: readonly FileSignature[] = [
  signature(
    'MZ',
    type('program', 'pe', 'Windows or DOS program', 'application/x-msdownload'),
    0,
    isNoProgram,
  ),
  signature('\x7fELF', type('program', 'elf', 'Unix program', 'application/x-executable')),
  signature('\xfe\xed\xfa\xce', MACHO),
  signature('\xfe\xed\xfa\xcf', MACHO),
  signature('\xce\xfa\xed\xfe', MACHO),
  signature('\xcf\xfa\xed\xfe', MACHO),
  // The same four octets begin a Mach-O program for several processors.
  signature(
    '\xca\xfe\xba\xbe',
    type('program', 'java-class', 'Java or macOS program', 'application/java-vm'),
  ),
  // [MS-SHLLINK] 2.1: the size of its header, then its class.
  signature('L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F', type('program', 'lnk', 'Windows shortcut')),
  signature('ITSF', type('program', 'chm', 'Windows help file', 'application/vnd.ms-htmlhelp')),
  signature('#!', type('script', 'shebang', 'script'), 0, isNoScript),
  // An empty one, and one in several volumes.
  signature('PK\x03\x04', type('archive', 'zip', 'zip archive', 'application/zip')),
  signature('PK\x05\x06', type('archive', 'zip', 'zip archive', 'application/zip')),
  signature('PK\x07\x08PK\x03\x04', type('archive', 'zip', 'zip archive', 'application/zip')),
  signature('\x1f\x8b\x08', type('archive', 'gzip', 'gzip file', 'application/gzip')),
  signature('BZh', type('archive', 'bzip2', 'bzip2 file', 'application/x-bzip2'), 0, isNoBzip2),
  signature('\xfd7zXZ\0', type('archive', 'xz', 'xz file', 'application/x-xz')),
  signature('\x28\xb5\x2f\xfd', type('archive', 'zstd', 'zstd file', 'application/zstd')),
  signature('7z\xbc\xaf\x27\x1c', type('archive', '7z', '7z archive', 'application/x-7z-compressed')),
  signature('Rar!\x1a\x07\0', type('archive', 'rar', 'rar archive', 'application/vnd.rar')),
  signature('Rar!\x1a\x07\x01\0', type('archive', 'rar5', 'rar archive', 'application/vnd.rar')),
  signature('MSCF\0\0\0\0', type('archive', 'cab', 'cabinet', 'application/vnd.ms-cab-compressed')),
  signature('ustar', type('archive', 'tar', 'tar archive', 'application/x-tar'), 257),
  signature('-lh', type('archive', 'lha', 'lha archive', 'application/x-lzh-compressed'), 2, isNoLha),
  signature('\x60\xea', type('archive', 'arj', 'arj archive', 'application/x-arj'), 0, isNoArj),
  signature('**ACE**', type('archive', 'ace', 'ace archive', 'application/x-ace-compressed'), 7),
  signature(
    '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1',
    type('document', 'ole', 'Office document', 'application/x-ole-storage'),
  ),
  signature('%PDF-', type('document', 'pdf', 'PDF', 'application/pdf')),
  signature('\x89PNG\r\n\x1a\n', type('document', 'png', 'image', 'image/png')),
  signature('\xff\xd8\xff', type('document', 'jpeg', 'image', 'image/jpeg')),
  signature('GIF87a', type('document', 'gif', 'image', 'image/gif')),
  signature('GIF89a', type('document', 'gif', 'image', 'image/gif')),
  signature('{\\rtf', type('document', 'rtf', 'RTF document', 'application/rtf')),
];

const BY_NAME: ReadonlyMap<string, FileType> = new Map(
  [INSTALLER, TEXT, ...SIGNATURES.map(({ type }) => type)].map((type) => [type.name, type]),
);

export const fileTypeNamed = (name: string | undefined): FileType | undefined => BY_NAME.get(name ?? '');

/**
 * A text may begin with "MZ". A program has numbers behind it ([PE Format], the DOS header): the octets used of its last block, at most
 * 512, where a text has two letters; and nothing but programs has the mark of one where the header says.
 */
function isNoProgram(start: Buffer): boolean {
  if (start.length < 64) return /^[\t\r\n\x20-\x7e]*$/.test(start.toString('latin1'));
  const header = start.readUInt32LE(60);
  if (header + 4 <= start.length && start.toString('latin1', header, header + 2) === 'PE') return false;
  return start.readUInt16LE(2) > 512 && !start.subarray(0, 512).includes(0);
}

/** `#!` alone begins a line of a chat or a heading as well. */
function isNoScript(start: Buffer): boolean {
  return !/^#![ \t]*\/[\w./+-]{1,200}/.test(start.toString('latin1', 0, 256));
}

function isNoBzip2(start: Buffer): boolean {
  // `1` to `9`, then the digits of pi, or of its square root where nothing is in it.
  return !/^[1-9](?:1AY&SY|\x17rE8P\x90)/.test(start.toString('latin1', 3, 10));
}

function isNoLha(start: Buffer): boolean {
  return !/^[0-7dx]-/.test(start.toString('latin1', 5, 7));
}

/** Two octets are few: its first header is at most 2,600 octets, and says that it is an archive's. */
function isNoArj(start: Buffer): boolean {
  return start.length < 11 || start.readUInt16LE(2) > 2600 || start.readUInt16LE(2) < 30 || start[10] !== 2;
}

// [MS-CFB] 2.2, 2.6.1.
const ROOT_CLASS_AT = 80;
const CLASS_OCTETS = 16;
// {000C1084-0000-0000-C000-000000000046}; its neighbours are patches and transforms, which are run in the same way.
const INSTALLER_CLASSES = [0x84, 0x86, 0x82].map((low) =>
  Buffer.from([low, 0x10, 0x0c, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46]),
);

/** Where in a compound file its root says what it is; undefined where its header makes no sense. */
export function rootClassAt(start: Buffer): number | undefined {
  if (start.length < 52) return undefined;
  const shift = start.readUInt16LE(30);
  if (shift !== 9 && shift !== 12) return undefined;
  return (start.readUInt32LE(48) + 1) * 2 ** shift + ROOT_CLASS_AT;
}

/** Whether those octets, at `rootClassAt`, are an installation package's. */
export const isInstallerClass = (octets: Buffer): boolean =>
  INSTALLER_CLASSES.some((known) => known.equals(octets.subarray(0, CLASS_OCTETS)));

/** The type of a file that is there whole. */
export function typeOfWhole(file: Buffer): FileType | undefined {
  const found = fileTypeOf(file);
  if (found?.name !== 'ole') return found;
  const at = rootClassAt(file);
  return at !== undefined && isInstallerClass(file.subarray(at, at + CLASS_OCTETS)) ? INSTALLER : found;
}
