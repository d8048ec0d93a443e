import { asContentType, MAX_VALUE_OCTETS, parseParameterized } from './content-type.ts';
import type { ContentType, ParameterizedValue } from './content-type.ts';
import { fields, fieldValue, type Header } from './header.ts';
import type { NoteKind, Part } from './mime.ts';
import { transferEncoding, type TransferEncoding } from './transfer-encoding.ts';

// A field's name, or a delimiter, ends within so many octets of its line; a line is held back no longer.
export const MAX_HELD = 2048;
// Which of several fields says what a part is differs between readers; nobody honest has two.
const MAX_SAME_FIELDS = 8;
// The name of the field and its folding come on top.
const MAX_FIELD_OCTETS = 2 * MAX_VALUE_OCTETS;

export interface Said extends Pick<Part, 'contentType' | 'charset' | 'disposition' | 'names' | 'encoding'> {
  /** Every boundary said of a multipart, the one that most readers take first. */
  readonly boundaries: readonly string[];
}

/** What a header says its content is. `digested`: RFC 2046 5.1.5, it is a message unless it says otherwise. */
export function contentOf(header: Header, digested: boolean, note: (kind: NoteKind) => void): Said {
  const byName = new Map<string, string[]>();
  for (const field of header.fields) {
    const name = field.name.toLowerCase();
    if (!name.startsWith('content-')) continue;
    const values = byName.get(name) ?? [];
    const end = Math.min(field.end, field.start + MAX_FIELD_OCTETS);
    if (TELLING.has(name) && (end < field.end || values.length >= MAX_SAME_FIELDS)) note('value-cut');
    if (values.length < MAX_SAME_FIELDS)
      values.push(fieldValue(header.bytes, { ...field, end }).replace(/[\r\n]/g, ''));
    byName.set(name, values);
  }
  const types = (byName.get('content-type') ?? []).map(parseParameterized);
  const dispositions = (byName.get('content-disposition') ?? []).map(parseParameterized);
  const encodings = byName.get('content-transfer-encoding') ?? [];
  for (const values of [types, dispositions, encodings]) if (values.length > 1) note('duplicate-field');
  for (const { cut } of [...types, ...dispositions]) if (cut) note('value-cut');
  const multiparts = types.filter(isMultipart);
  const typeSaid = multiparts[0] ?? types[0];
  const parsed = typeSaid === undefined ? undefined : asContentType(typeSaid);
  if (typeSaid !== undefined && parsed === undefined) note('bad-content-type');
  const byDefault = typeSaid === undefined && digested ? DIGESTED : PLAIN;
  // Of a type that makes no sense, the parameters still may: a charset, a name.
  const { parameters, others, cut } = typeSaid ?? EMPTY;
  const contentType = parsed ?? { ...byDefault, parameters, others, cut };
  return {
    contentType,
    charset: contentType.parameters.get('charset') ?? '',
    disposition: dispositions[0]?.value ?? '',
    names: namesIn(dispositions, types),
    encoding: encodingIn(encodings, note),
    boundaries: boundariesIn(multiparts),
  };
}

const TELLING = new Set(['content-type', 'content-disposition', 'content-transfer-encoding']);
const EMPTY = { parameters: new Map<string, string>(), others: [], cut: false };
const PLAIN: ContentType = { value: 'text/plain', type: 'text', subtype: 'plain', ...EMPTY };
const DIGESTED: ContentType = { value: 'message/rfc822', type: 'message', subtype: 'rfc822', ...EMPTY };

const isMultipart = (said: ParameterizedValue): boolean => asContentType(said)?.type === 'multipart';

/** Of several the first that encodes: what is not encoded is seldom worth hiding. */
function encodingIn(said: readonly string[], note: (kind: NoteKind) => void): TransferEncoding {
  const encodings = said.map(transferEncoding);
  if (encodings.includes(undefined)) note('unknown-encoding');
  return encodings.find((encoding) => encoding !== undefined && encoding !== 'identity') ?? 'identity';
}

// As many as one field may say it, and each as most readers have it and up to its first space.
const MAX_BOUNDARIES = 16;

function boundariesIn(types: readonly ParameterizedValue[]): readonly string[] {
  const said = types.flatMap(({ parameters, others }) => [
    parameters.get('boundary') ?? '',
    ...others.filter(({ name }) => name === 'boundary').map(({ value }) => value),
  ]);
  const boundaries = new Set(said.map((boundary) => boundary.trimEnd()));
  boundaries.delete('');
  return [...boundaries].slice(0, MAX_BOUNDARIES);
}

// A file system takes 255 octets. What counts of a longer name is its end.
const MAX_NAME = 1024;
const MAX_NAMES = 16;

function namesIn(
  dispositions: readonly ParameterizedValue[],
  types: readonly ParameterizedValue[],
): readonly string[] {
  const names = new Set<string>();
  const add = (said: string | undefined) => {
    if (said !== undefined && said !== '' && names.size < MAX_NAMES) names.add(said.slice(-MAX_NAME));
  };
  for (const { parameters } of dispositions) add(parameters.get('filename'));
  for (const { parameters } of types) add(parameters.get('name'));
  for (const { parameters } of dispositions) add(parameters.get('name'));
  for (const { others } of [...dispositions, ...types])
    for (const { name, value } of others) if (name === 'filename' || name === 'name') add(value);
  return [...names];
}

/** A header as its lines come, in bounds. */
export class HeaderKeeper {
  cut = false;
  /** It has a line. */
  begun = false;
  readonly #bound: number;
  readonly #pieces: Buffer[] = [];
  #octets = 0;
  #contentOctets = 0;
  #keeps = false;

  constructor(bound: number) {
    this.#bound = bound;
  }

  /** A line, or a long one's start; false where it cannot belong to a header. */
  take(line: Buffer): boolean {
    const folded = line[0] === 32 || line[0] === 9;
    if (folded && this.begun) {
      this.goOn(line);
      return true;
    }
    const name = FIELD_NAME.exec(line.toString('latin1', 0, MAX_HELD))?.[0];
    if (name === undefined) {
      // What mailbox files put on top of a message.
      if (this.begun || !/^>?From /.test(line.toString('latin1', 0, 6))) return false;
      this.begun = true;
      return true;
    }
    this.begun = true;
    this.#keeps = this.#octets < this.#bound || /^content-/i.test(name);
    if (!this.#keeps) this.cut = true;
    this.goOn(line);
    return true;
  }

  /** More of the line, or of its field. */
  goOn(piece: Buffer): void {
    if (!this.#keeps) return;
    const beyond = this.#octets >= this.#bound;
    const room = this.#bound - (beyond ? this.#contentOctets : this.#octets);
    if (piece.length > room) {
      this.cut = true;
      this.#keeps = false;
      if (room <= 0) return;
    }
    // A line cut short ends all the same: what is kept behind it is another field.
    const kept =
      piece.length <= room ? Buffer.from(piece) : Buffer.concat([piece.subarray(0, room), LINE_END]);
    this.#pieces.push(kept);
    if (beyond) this.#contentOctets += kept.length;
    else this.#octets += kept.length;
  }

  header(): Header {
    const bytes = Buffer.concat(this.#pieces);
    return { bytes, end: bytes.length, fields: [...fields(bytes, bytes.length)] };
  }
}

// RFC 5322 3.6.8, 4.5: as `headerEnd` of `header.ts` has it.
const FIELD_NAME = /^[!-9;-~]+(?=[ \t]*:)/;
const LINE_END = Buffer.from('\n');
