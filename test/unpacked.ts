/** What is found in an archive, in short; `times`: so many like it are in the message. */
import type { ArchiveBounds } from '../src/core/archives.ts';
import { Unpacking } from '../src/adapters/archives/unpack.ts';
import { typeOfWhole } from '../src/mail/file-type.ts';
import type { Part } from '../src/mail/mime.ts';
import { Signatures } from '../src/mail/signatures.ts';

const BOUNDS: ArchiveBounds = {
  depth: 8,
  entries: 10_000,
  unpackedOctets: 4_194_304,
  ratio: 500,
  timeMs: 60_000,
};

export interface Found {
  /** `outer > inner > name type`. */
  readonly files: string[];
  /** `kind name`. */
  readonly troubles: string[];
  readonly signatures: string[];
  entries: number;
}

export async function unpacked(
  name: string,
  octets: Buffer,
  bounds: Partial<ArchiveBounds> = {},
  signatures: Signatures = new Signatures([]),
  nowMs: () => number = () => 0,
  times = 1,
): Promise<Found> {
  const found: Found = { files: [], troubles: [], signatures: [], entries: 0 };
  const unpacking = new Unpacking(
    { bounds: { ...BOUNDS, ...bounds }, extensions: new Set(['exe', 'js']), signatures, nowMs },
    {
      file: ({ within, name, type }) => found.files.push(`${[...within, name].join(' > ')} ${type ?? '-'}`),
      trouble: ({ kind, within, name }) => found.troubles.push(`${kind} ${[...within, name].join(' > ')}`),
      signatures: (names) => found.signatures.push(...names),
    },
  );
  const part = { names: [name] } as unknown as Part;
  for (let left = times; left > 0; left--)
    await unpacking.open({ part, type: typeOfWhole(octets), octets, cut: false }, left);
  found.entries = unpacking.entries;
  return found;
}
