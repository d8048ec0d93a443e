import { fileName } from './file-name.ts';
import type { FileType } from './file-type.ts';

/** Why a file is not simply taken. `program`: who opens it runs it; `script`: a Unix shell would; `disguised`: its name misleads. */
export interface FileSuspicion {
  readonly kind: 'program' | 'script' | 'disguised';
  readonly by: 'type' | 'name';
}

/** By its octets before its name: those are what it is. `namesCount`: false where whoever opens it never sees the name. */
export function suspicionOf(
  name: string,
  type: Pick<FileType, 'kind'> | undefined,
  extensions: ReadonlySet<string>,
  namesCount = true,
): FileSuspicion | undefined {
  if (type?.kind === 'program') return { kind: 'program', by: 'type' };
  if (namesCount) {
    const { extension, disguised } = fileName(name);
    const isInnocent =
      (extension === 'com' && (type?.kind === 'document' || type?.kind === 'archive')) ||
      ((extension === 'img' || extension === 'url') && type?.kind === 'document');
    // `report of example.com` is no program where it is a PDF, and `photo.img` is no disk where it is a picture.
    if (extensions.has(extension) && !isInnocent) return { kind: 'program', by: 'name' };
    if (type?.kind === 'script') return { kind: 'script', by: 'type' };
    if (disguised) return { kind: 'disguised', by: 'name' };
  }
  return undefined;
}

// Opened by one program, which takes from the archive inside what it knows: nobody is shown the names in it.
const DOCUMENTS = new Set(
  (
    'docx docm dotx dotm xlsx xlsm xlsb xltx xltm pptx pptm potx ppsx ppsm sldx vsdx vsdm thmx ' +
    'odt ods odp odg odf odc odb ott ots otp sxw sxc sxi epub pages numbers key kmz xps oxps 3mf idml mmap xmind ora kra'
  ).split(' '),
);

export const isDocumentName = (name: string): boolean => DOCUMENTS.has(fileName(name).extension);

/** Whether names in it count: they do where one of its own names lets another program open it. */
export const showsNames = (names: readonly string[]): boolean =>
  names.length === 0 || !names.every(isDocumentName);

const ARCHIVES = new Set(
  'zip zipx 7z rar tar tgz tbz tbz2 txz gz bz2 xz zst cab lzh lha arj ace r00 z01 001'.split(' '),
);

/** Somebody will try to open it as an archive. */
export const isArchiveName = (name: string): boolean => ARCHIVES.has(fileName(name).extension);

/** Read as a zip, whatever it begins with: Explorer looks for the directory at its end. */
export const isZipName = (name: string): boolean => /^zipx?$/.test(fileName(name).extension);

export const isMailName = (name: string): boolean => fileName(name).extension === 'eml';

/** Whether what is in it counts, and not only what it is. With the name of an archive some program opens it, whatever it begins with. */
export function isOpenedFile(names: readonly string[], type: Pick<FileType, 'kind'> | undefined): boolean {
  if (type?.kind === 'archive' || type?.kind === 'program') return type.kind === 'archive';
  return names.some((name) => isArchiveName(name) || isMailName(name));
}
