import { z } from 'zod';
import {
  keepSeen,
  type ArchiveBounds,
  type ArchiveFailure,
  type ArchivesPort,
  type ArchiveTrouble,
  type ArchivesSettings,
  type SeenFile,
} from '../core/archives.ts';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import type { MessagePort } from '../core/ports.ts';
import { count, duration, size } from '../core/settings.ts';
import { clientNetwork } from '../core/site.ts';
import { attachedFiles, type AttachedFile } from '../mail/attached-files.ts';
import { DANGEROUS_EXTENSIONS } from '../mail/dangerous-extensions.ts';
import { fileName, shownName } from '../mail/file-name.ts';
import { isOpenedFile, suspicionOf, type FileSuspicion } from '../mail/file-suspicion.ts';
import { fileTypeNamed, type FileType } from '../mail/file-type.ts';
import { INNOCENT_OCTETS, innocentTypeOf, mayBeInnocent } from '../mail/innocent-file.ts';
import { withUuencoded } from '../mail/uuencoded.ts';
import {
  MIME_BOUNDS,
  walk,
  type MimeConsumer,
  type NoteKind,
  type Part,
  type Structure,
} from '../mail/mime.ts';

/** What is kept of a message: what is dangerous or odd about it, and which kinds of things it holds. No contents. */
type Evidence =
  | { readonly kind: 'no-message' }
  | {
      readonly kind: 'looked';
      readonly parts: number;
      /** MIME types, as said and as the octets say; those that are refused first. */
      readonly types: readonly string[];
      /** What is odd about its structure. */
      readonly notes: readonly StructureNote[];
      /** Programs, scripts and disguised files, in archives too. */
      readonly files: readonly SeenFile[];
      readonly troubles: readonly ArchiveTrouble[];
      readonly signatures: readonly string[];
      /** Files in archives. */
      readonly entries: number;
      readonly unlooked?: ArchiveFailure;
    };

/** `no-part`: a multipart has content and no part: some reader sees parts where this one sees none. */
type StructureNote = NoteKind | 'no-part';

const extensions = (sentence: string) =>
  z
    .array(
      z
        .string()
        .transform((text, ctx) => {
          if (/^\.?[\w-]{1,32}$/.test(text)) return text.replace('.', '').toLowerCase();
          ctx.addIssue({ code: 'custom', message: 'wants the extension of a file, such as "url"' });
          return z.NEVER;
        })
        .meta({ wants: 'the extension of a file', example: 'url' }),
    )
    .max(200)
    .default([])
    .meta({ description: sentence });

const mimeTypes = z
  .array(
    z
      .string()
      .transform((text, ctx) => {
        if (/^[\w.+-]{1,127}\/(?:\*|[\w.+-]{1,127})$/.test(text)) return text.toLowerCase();
        ctx.addIssue({ code: 'custom', message: 'wants a MIME type, such as "image/png" or "image/*"' });
        return z.NEVER;
      })
      .meta({ wants: 'a MIME type, or image/* for all of a kind', example: 'application/x-msdownload' }),
  )
  .max(200)
  .default([])
  .meta({ description: 'MIME types that are refused whole, said or found: for emergencies.' });

const settings = z.strictObject({
  extensions: extensions('Extensions that are refused besides those that are refused anyway.'),
  allow_extensions: extensions('Extensions that are not refused. What a file really is counts all the same.'),
  refuse_types: mimeTypes,
  max_depth: count(8, 1, 32, 'Archives inside each other; one more is a bomb.'),
  max_entries: count(10_000, 1, 1_000_000, 'Files in one attached archive and in the archives in it.'),
  max_unpacked: size(
    '100MiB',
    '1MiB',
    '1GiB',
    'What is unpacked of one attached archive at most; it takes as much memory.',
  ),
  max_ratio: count(
    500,
    10,
    100_000,
    'An archive that grows beyond `max_unpacked`, and so many times, is a bomb.',
  ),
  timeout: duration('10s', '1s', '2m', 'How long the archives of one message may take; each has its share.'),
  at_once: count(
    2,
    1,
    64,
    'Messages whose archives are looked into at one time, each in a thread; of one client network half as many.',
  ),
  max_waiting: count(100, 0, 100_000, 'Messages that wait for their turn; what comes beyond is deferred.'),
  wait: duration('10s', '0s', '5m', 'How long a message waits for its turn before it is deferred.'),
});

export type AttachmentSettings = z.output<typeof settings>;

/** For the adapter. */
export const archivesSettingsOf = (said: AttachmentSettings): ArchivesSettings => ({
  atOnce: said.at_once,
  maxWaiting: said.max_waiting,
  waitMs: said.wait,
});

/** M4: programs do not come by mail, whatever they are called and however they are packed. */
export const attachments = defineCheck({
  name: 'attachments',
  summary: 'Looks for programs among the attached files, in archives too, and for signatures.',
  stage: 'endOfMessage',
  cost: 'parse',
  codes: {
    ok: 'There is nothing dangerous among the files.',
    executable: 'A file is a program, by what it is or by its name.',
    script: 'A file is a script for Unix.',
    'disguised-name': 'A file has a name that people read as another one.',
    'encrypted-archive': 'An archive is locked with a password.',
    'unreadable-archive': 'An archive is damaged, or of a kind that cannot be read here.',
    'archive-bomb': 'An archive is made to fill whatever unpacks it.',
    'too-much': 'An archive goes beyond the bounds, and was not looked through to its end.',
    'beyond-bounds': 'Parts of the message are too many, too deep or too long in words to be looked at.',
    'broken-multipart': 'A multipart has content in which no part can be found.',
    'refused-type': 'A part has a MIME type that is refused.',
    signature: 'A rule by signature matches.',
    busy: 'Too many messages with archives were looked into.',
    temperror: 'The archives could not be looked into.',
    'no-message': 'There is no message to look at: this is a trial.',
  },
  settings,
  defaults: {
    on_fail: 'refuse',
    on_temperror: 'defer',
    weight: 2,
    refuse_at: 'rcpt',
    actions: {
      script: 'tag',
      'disguised-name': 'suspect',
      'encrypted-archive': 'suspect',
      'unreadable-archive': 'suspect',
      // What was not looked at may be anything; a large archive of an honest sender is no reason to lose mail.
      'too-much': 'suspect',
      // Bounces cut off what they quote.
      'broken-multipart': 'suspect',
    },
  },
  lifted: 'by-any',
  gather: async ({ session }, { message, archives }, said, signal, site): Promise<Evidence> =>
    message === undefined
      ? { kind: 'no-message' }
      : look(message, clientNetwork(site, session.client.address), archives, said, signal),
  judge(_facts, evidence, said) {
    if (evidence.kind === 'no-message')
      return [{ result: 'none', code: 'no-message', text: 'there is no message to look at' }];
    const found = [
      ...signed(evidence.signatures),
      ...refusedTypes(evidence.types, said),
      ...structural(evidence.notes),
      ...suspicious(evidence.files, said),
      ...troubled(evidence.troubles),
    ];
    if (evidence.unlooked !== undefined) found.push(unlookedInto(evidence.unlooked));
    const text = `nothing dangerous among ${evidence.parts + evidence.entries} parts and files`;
    return found.length > 0 ? found : [{ result: 'pass', code: 'ok', text }];
  },
});

async function look(
  { content }: MessagePort,
  client: string,
  archives: ArchivesPort | undefined,
  said: AttachmentSettings,
  signal: AbortSignal,
): Promise<Evidence> {
  const refused = extensionsOf(said);
  const files: SeenFile[] = [];
  const opened: string[] = [];
  const types = new Set<string>();
  const see = (names: readonly string[], type: FileType | undefined) => {
    const name = names.find((name) => refused.has(fileName(name).extension)) ?? names[0] ?? '';
    if (suspicionOf(name, type, refused) === undefined) return;
    const seen = { within: [], name: name.slice(-MAX_NAME) };
    keepFile(files, type === undefined ? seen : { ...seen, type: type.name }, refused);
  };
  const consumer = attachedFiles(
    ({ names }) => (mayBeInnocent(names) ? INNOCENT_OCTETS : 0),
    ({ part, type: found, octets }: AttachedFile) => {
      const type = found ?? innocentTypeOf(part.names, octets, part.contentType.value);
      if (type?.mime !== undefined) types.add(type.mime);
      if (isOpenedFile(part.names, found)) opened.push(part.path);
      // A message that is itself a script's text, and one that quotes it, are no attached scripts.
      if (type?.kind !== 'script' || isAttached(part)) see(part.names, type);
    },
  );
  const preambles = new Set<string>();
  const all = withUuencoded(withPreambles(consumer, preambles), (name) => see([name], undefined));
  const structure = await walk(content, all, MIME_BOUNDS, signal);
  const { parts } = structure;
  for (const part of parts) {
    types.add(part.contentType.value);
    // An attached message is called by its subject: `Re: example.com`.
    if (part.container) see(part.names, MESSAGE);
  }
  const looked = {
    kind: 'looked',
    parts: parts.length,
    types: keptTypes(types, said),
    notes: notesOf(structure, preambles),
  } as const;
  if (opened.length === 0 && (archives === undefined || archives.rules === 0))
    return { ...looked, files, troubles: [], signatures: [], entries: 0 };
  const question = { client, content, parts: opened, bounds: boundsOf(said), extensions: [...refused] };
  const answer =
    archives === undefined
      ? ({ kind: 'failed', reason: 'nobody is there to do it' } as const)
      : await archives.look(question, signal);
  if (answer.kind !== 'looked')
    return { ...looked, files, troubles: [], signatures: [], entries: 0, unlooked: answer };
  for (const file of answer.files) keepFile(files, file, refused);
  return {
    ...looked,
    files,
    troubles: answer.troubles,
    signatures: answer.signatures,
    entries: answer.entries,
  };
}

const MESSAGE: FileType = { kind: 'document', name: 'message', shown: 'message' };
const MAX_NAME = 200;
const MAX_TYPES = 50;

function keepFile(files: SeenFile[], file: SeenFile, refused: ReadonlySet<string>): void {
  const kind = suspicionOfSeen(file, refused)?.kind;
  keepSeen(files, file, (other) => suspicionOfSeen(other, refused)?.kind === kind);
}

/** Notes which multiparts have something in front of their first part. */
function withPreambles(consumer: MimeConsumer, paths: Set<string>): MimeConsumer {
  return {
    ...consumer,
    aside: (where, { path }) =>
      where === 'epilogue'
        ? undefined
        : {
            limitOctets: PREAMBLE_OCTETS,
            write: (octets) => {
              if (/\S/.test(octets.toString('latin1'))) paths.add(path);
            },
          },
  };
}

const PREAMBLE_OCTETS = 65_536;

/** Where a header alone is quoted, its multipart has no part, and nothing that might be one. */
function notesOf({ notes, parts }: Structure, preambles: ReadonlySet<string>): readonly StructureNote[] {
  const parents = new Set(parts.map(({ parent }) => parent));
  const hasLost = parts.some(
    (part) => part.contentType.type === 'multipart' && !parents.has(part) && preambles.has(part.path),
  );
  return hasLost && !notes.has('too-many-parts') ? [...notes.keys(), 'no-part'] : [...notes.keys()];
}

const isAttached = ({ names, contentType, disposition }: Part): boolean =>
  names.length > 0 || disposition === 'attachment' || contentType.type !== 'text';

function boundsOf(said: AttachmentSettings): ArchiveBounds {
  return {
    depth: said.max_depth,
    entries: said.max_entries,
    unpackedOctets: said.max_unpacked,
    ratio: said.max_ratio,
    timeMs: said.timeout,
  };
}

function extensionsOf({ extensions, allow_extensions }: AttachmentSettings): ReadonlySet<string> {
  const refused = new Set([...Object.keys(DANGEROUS_EXTENSIONS), ...extensions]);
  for (const extension of allow_extensions) refused.delete(extension);
  return refused;
}

function keptTypes(types: ReadonlySet<string>, said: AttachmentSettings): readonly string[] {
  const isRefused = refusesType(said);
  return [...types].sort((a, b) => Number(isRefused(b)) - Number(isRefused(a))).slice(0, MAX_TYPES);
}

function refusesType({ refuse_types }: AttachmentSettings): (type: string) => boolean {
  const whole = new Set(refuse_types);
  return (type) => whole.has(type) || whole.has(`${type.slice(0, type.indexOf('/'))}/*`);
}

function refusedTypes(types: readonly string[], said: AttachmentSettings): readonly Finding[] {
  const refused = types.find(refusesType(said));
  if (refused === undefined) return [];
  const text = `parts of the type ${shownName(refused)} are not taken now; send it without them`;
  return [failed('refused-type', text)];
}

function signed(rules: readonly string[]): readonly Finding[] {
  const [rule] = rules;
  if (rule === undefined) return [];
  const others = rules.length === 1 ? '' : ` and ${rules.length - 1} more`;
  return [failed('signature', `the message matches the rule ${shownName(rule)}${others}`)];
}

const BEYOND: Partial<Record<StructureNote, string>> = {
  'too-many-parts': 'it has too many parts',
  'too-deep': 'its parts are too deep inside each other',
  'boundary-too-long': 'what is between its parts is too long',
  'value-cut': 'what it says of a part is too long',
};

function structural(notes: readonly StructureNote[]): readonly Finding[] {
  const found: Finding[] = [];
  const beyond = notes.find((note) => note in BEYOND);
  if (beyond !== undefined)
    found.push(failed('beyond-bounds', `the message cannot be looked through: ${BEYOND[beyond] ?? ''}`));
  if (notes.includes('no-part') || notes.includes('no-boundary'))
    found.push(failed('broken-multipart', 'the message says that it has parts, and none can be found'));
  return found;
}

const CODES = { program: 'executable', script: 'script', disguised: 'disguised-name' } as const;

/** One finding of a kind, by the first file: a message with a hundred programs is refused once. */
function suspicious(files: readonly SeenFile[], said: AttachmentSettings): readonly Finding[] {
  const refused = extensionsOf(said);
  const found = new Map<FileSuspicion['kind'], Finding>();
  for (const file of files) {
    const suspicion = suspicionOfSeen(file, refused);
    if (suspicion === undefined || found.has(suspicion.kind)) continue;
    const text = textOf(file, suspicion, fileTypeNamed(file.type));
    found.set(suspicion.kind, failed(CODES[suspicion.kind], text));
  }
  return Object.values(['program', 'script', 'disguised'] as const).flatMap((kind) => found.get(kind) ?? []);
}

const suspicionOfSeen = (file: SeenFile, refused: ReadonlySet<string>): FileSuspicion | undefined =>
  suspicionOf(file.name, fileTypeNamed(file.type) ?? messageType(file), refused, file.unnamed !== true);

const messageType = ({ type }: SeenFile): FileType | undefined =>
  type === MESSAGE.name ? MESSAGE : undefined;

function textOf(file: SeenFile, { kind, by }: FileSuspicion, type: FileType | undefined): string {
  const { extension } = fileName(file.name);
  const what = called(file);
  switch (kind) {
    case 'program': {
      const kindOfFile = DANGEROUS_EXTENSIONS[extension];
      const dotted = `.${shownName(extension).slice(1, -1)}`;
      if (by !== 'type' && kindOfFile === undefined)
        return `${what} has the extension ${dotted}, which is not taken here; share it by a link, or in another form`;
      const it = by === 'type' ? (type?.shown ?? 'program') : `${dotted}, ${kindOfFile ?? ''}`;
      return `${what} is a program or works like one (${it}); share it by a link, or send a document`;
    }
    case 'script':
      return `${what} is a script`;
    case 'disguised':
      return `${what} has a name that is read as another one; give it a plain name`;
    default:
      return kind satisfies never;
  }
}

/** `"invoice.exe" in "invoice.zip" in "all.zip"`: sender and recipient have to know which one is meant. */
function called({ name, within }: { readonly name: string; readonly within: readonly string[] }): string {
  const file = name === '' ? 'a file without name' : shownName(fileName(name).base);
  const shown = (archive: string): string => (archive === '' ? 'an archive' : shownName(archive));
  // The outermost is the one that the recipient sees; of many the innermost are left out.
  const archives = within.slice(0, MAX_ARCHIVES_TOLD).map(shown).reverse();
  return [file, ...archives].join(' in ');
}

const MAX_ARCHIVES_TOLD = 3;

const TROUBLE = {
  encrypted: ['encrypted-archive', 'is locked with a password, so that nobody can see what it holds'],
  unreadable: ['unreadable-archive', 'cannot be read'],
  bomb: ['archive-bomb', 'is made to fill whatever unpacks it'],
  'too-much': ['too-much', 'is too much to look through'],
} as const;

function troubled(troubles: readonly ArchiveTrouble[]): readonly Finding[] {
  const found = new Map<string, Finding>();
  for (const trouble of troubles) {
    const [code, text] = TROUBLE[trouble.kind];
    const why = trouble.why.replace(/[^\x20-\x7e]/g, '?').replace(/\.+$/, '');
    const archive = trouble.name === '' ? 'an archive' : `the archive ${called(trouble)}`;
    if (!found.has(code)) found.set(code, failed(code, `${archive} ${text} (${why})`));
  }
  return [...found.values()];
}

// RFC 3463 3.8: X.7.1, delivery not authorized: what the site does not want.
const failed = (code: string, text: string): Finding => ({ result: 'fail', code, text, enhanced: '5.7.1' });

function unlookedInto({ kind, reason }: ArchiveFailure): Finding {
  const code = kind === 'busy' ? 'busy' : 'temperror';
  const shownText = 'the archives could not be looked into';
  const text = `${shownText}: ${reason.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)}`;
  return { result: 'temperror', code, text, shownText, enhanced: '5.3.2' };
}
