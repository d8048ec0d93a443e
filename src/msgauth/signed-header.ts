/**
 * What of a message's header its signatures are about, cut down before mailauth reads it: From, the signatures, the ARC
 * sets, and as many of the fields that they name as they can use. What a signature costs is its sender's choice (names
 * in `h=`, lengths in `l=`, white space, the number of fields), and some of it costs mailauth the square: so everything
 * has a limit here, and what goes beyond is left out, which can only make a signature fail. RFC 6376 3.5, 5.4, 6.1.
 * A line that begins no field counts as part of the one above, as mailauth and most readers have it, up to the empty line.
 */
import type { MessagePort } from '../core/ports.ts';
import { laxFields } from '../mail/header.ts';

export interface SignedHeader {
  /** One or two: what is signed over the body as it came is verified apart from what is signed over its relaxed form. */
  readonly passes: readonly Pass[];
  /** Offset of the body in the message. */
  readonly bodyStart: number;
  /** `selector._domainkey.domain` of what will be verified. */
  readonly keyNames: readonly string[];
  readonly signatures: number;
  /** DKIM signatures beyond the limits. */
  readonly leftOut: number;
  /** `too large`: the ARC fields, or their number, are beyond the limits. */
  readonly arc: 'none' | 'some' | 'too large';
  readonly fromFields: number;
  /** What they say, of as many as are read. */
  readonly fromTexts: readonly string[];
}

export interface Pass {
  /** The fields that matter, each octet as it came, in their order, with the empty line. */
  readonly bytes: Buffer;
  /** `none`: nothing is signed. */
  readonly body: 'none' | Canonicalization;
  readonly arc: boolean;
}

type Canonicalization = 'simple' | 'relaxed';

// RFC 6376 6.1 lets a verifier limit them. Mail with two is common, with more than four rare.
export const MAX_SIGNATURES = 10;
// Each hashes the whole body once more: two canonicalizations, two hashes, lengths.
export const MAX_BODY_HASHES = 4;
// A 4096-bit signature has 700; `z=` copies of fields take the most.
export const MAX_SIGNATURE_OCTETS = 8192;
export const MAX_SIGNED_NAMES = 200;
// RFC 8617 4.2.1 allows 50 sets of three; mailing lists and forwarders make three or four. Each seal is verified over all the
// sets before it, all of them without a pause: more are not looked at.
export const MAX_ARC_SETS = 20;
const MAX_ARC_FIELDS = 3 * MAX_ARC_SETS;
// Of all of them; a set has two or three thousand.
export const MAX_ARC_OCTETS = 65_536;
export const MAX_FROM_FIELDS = 4;
// A thousand recipients with a line each fit. mailauth takes the square of it to put a field's lines together.
export const MAX_FIELD_LINES = 2000;
export const MAX_FROM_OCTETS = 16_384;
// Folding takes a CRLF and some ten. Patterns that strip white space at ends take the square of a run in the middle.
export const MAX_WHITE_SPACE = 200;
// The protocol's own limit stands below it (`headerOctets`), unless a text without empty line goes on for ever.
const MAX_HEADER_OCTETS = 524_288;

export async function signedHeader(message: MessagePort): Promise<SignedHeader> {
  const { text, bodyStart } = await wholeHeader(message);
  const rows = rowsOf(text);
  const names = new Map<string, number>();
  const keyNames = new Set<string>();

  const signed = new Map<Row, Canonicalization>();
  const bodyHashes = new Set<string>();
  let leftOut = 0;
  for (const row of rows) {
    if (row.name !== 'dkim-signature') continue;
    const tags = signatureTags(row);
    const hash = tags === undefined ? '' : bodyHash(tags);
    const fits = signed.size < MAX_SIGNATURES && (bodyHashes.has(hash) || bodyHashes.size < MAX_BODY_HASHES);
    if (tags === undefined || !fits) {
      leftOut++;
      continue;
    }
    signed.set(row, canonicalization(tags));
    bodyHashes.add(hash);
    keyNames.add(keyName(tags));
    needNames(names, tags);
  }

  const sets = arcSets(rows);
  for (const tags of sets?.seals ?? []) keyNames.add(keyName(tags));
  if (sets?.newest !== undefined) keyNames.add(keyName(sets.newest));
  for (const tags of sets?.signatures ?? []) needNames(names, tags);

  const from = rows.filter(({ name }) => name === 'from');
  const named = new Set(from.slice(0, MAX_FROM_FIELDS).filter((row) => row.text.length <= MAX_FROM_OCTETS));
  const fromTexts = [...named].map(({ text: field }) => field.slice(field.indexOf(':') + 1));
  // RFC 6376 5.4.2: of fields of one name the lowest is signed first.
  for (const row of rows.toReversed()) {
    const needed = names.get(row.name) ?? 0;
    if (needed === 0 || NEVER_BY_NAME.has(row.name)) continue;
    names.set(row.name, needed - 1);
    if (row.name !== 'content-type' || row.text.length <= MAX_SIGNATURE_OCTETS) named.add(row);
  }

  const pass = (body: Pass['body']): Pass => {
    const arc = sets !== undefined && sets.body === body;
    const kept = rows.filter(
      (row) =>
        row.lines <= MAX_FIELD_LINES &&
        (named.has(row) || signed.get(row) === body || (arc && sets.rows.has(row))),
    );
    return {
      bytes: Buffer.from(`${kept.map((row) => `${row.text}\r\n`).join('')}\r\n`, 'latin1'),
      body,
      arc,
    };
  };
  const bodies = new Set<Canonicalization>(signed.values());
  if (sets !== undefined) bodies.add(sets.body);
  return {
    passes: bodies.size === 0 ? [pass('none')] : [...bodies].map(pass),
    bodyStart,
    keyNames: [...keyNames],
    signatures: signed.size,
    leftOut,
    arc: sets !== undefined ? 'some' : rows.some(({ name }) => ARC_FIELDS.has(name)) ? 'too large' : 'none',
    fromFields: from.length,
    fromTexts,
  };
}

interface ArcSets {
  readonly rows: ReadonlySet<Row>;
  readonly seals: readonly Tags[];
  readonly signatures: readonly Tags[];
  /** The newest message signature, the only one that is verified. */
  readonly newest: Tags | undefined;
  /** Its canonicalization. */
  readonly body: Canonicalization;
}

/** Undefined where there are none, or one is beyond the limits. */
function arcSets(all: readonly Row[]): ArcSets | undefined {
  const rows = all.filter(({ name }) => ARC_FIELDS.has(name));
  const octets = rows.reduce((sum, { text }) => sum + text.length, 0);
  if (rows.length > MAX_ARC_FIELDS || octets > MAX_ARC_OCTETS) return undefined;
  const fields: { name: string; tags: Tags }[] = [];
  for (const row of rows) {
    const tags = signatureTags(row);
    if (tags === undefined) return undefined;
    fields.push({ name: row.name, tags });
  }
  if (fields.length === 0) return undefined;
  const named = (wanted: string) => fields.filter(({ name }) => name === wanted).map(({ tags }) => tags);
  const signatures = named('arc-message-signature');
  const instance = (tags: Tags) => Number(tags.get('i'));
  const newest = signatures.reduce<Tags | undefined>(
    (best, tags) => (best === undefined || instance(tags) > instance(best) ? tags : best),
    undefined,
  );
  const body = newest === undefined ? 'simple' : canonicalization(newest);
  return { rows: new Set(rows), seals: named('arc-seal'), signatures, newest, body };
}

const ARC_FIELDS = new Set(['arc-seal', 'arc-message-signature', 'arc-authentication-results']);
// Those are in already, as far as they are let in.
const NEVER_BY_NAME = new Set(['dkim-signature', 'from', ...ARC_FIELDS]);

/** Up to the empty line, as latin1 text. Where the message begins with no field at all it has no header. */
async function wholeHeader({ header, content }: MessagePort): Promise<{ text: string; bodyStart: number }> {
  const { end } = header;
  if (end === 0) {
    const empty = header.bytes[0] === 13 && header.bytes[1] === 10;
    return { text: '', bodyStart: empty ? 2 : 0 };
  }
  if (end >= content.sizeOctets || header.bytes.subarray(end, end + 2).equals(CRLF)) {
    return { text: header.bytes.toString('latin1', 0, end), bodyStart: end + 2 };
  }
  let text = '';
  for await (const chunk of content.chunks()) {
    text += chunk.toString('latin1');
    if (text.length > MAX_HEADER_OCTETS || text.indexOf('\r\n\r\n', end) >= 0) break;
  }
  const empty = text.indexOf('\r\n\r\n', end);
  const stop = empty >= 0 ? empty + 2 : Math.min(text.length, MAX_HEADER_OCTETS);
  return { text: text.slice(0, stop), bodyStart: stop + 2 };
}

const CRLF = Buffer.from('\r\n');

interface Row {
  /** Lower-case. */
  readonly name: string;
  /** Without the last CRLF. */
  readonly text: string;
  readonly lines: number;
}

function rowsOf(text: string): Row[] {
  return [...laxFields(text)].map(({ name, start, end }) => {
    const row = text.slice(start, text.endsWith('\r\n', end) ? end - 2 : end);
    return { name: name.toLowerCase(), text: row, lines: row.split('\r\n').length };
  });
}

const LONG_WHITE_SPACE = new RegExp(`[ \\t\\r\\n]{${MAX_WHITE_SPACE + 1}}`);

type Tags = ReadonlyMap<string, string>;

/** The tags of a signature or an ARC field, or undefined where it is beyond the limits. What is wrong with them mailauth says. */
function signatureTags({ text, lines }: Row): Tags | undefined {
  if (text.length > MAX_SIGNATURE_OCTETS || lines > MAX_FIELD_LINES || LONG_WHITE_SPACE.test(text))
    return undefined;
  const tags = new Map<string, string>();
  for (const tag of text.slice(text.indexOf(':') + 1).split(';')) {
    const equals = tag.indexOf('=');
    if (equals >= 0) tags.set(tag.slice(0, equals).trim(), tag.slice(equals + 1).trim());
  }
  return signedNames(tags).length > MAX_SIGNED_NAMES ? undefined : tags;
}

const signedNames = (tags: Tags): string[] => (tags.get('h') ?? '').split(':');

/** RFC 6376 5.4.2: a field named twice is signed twice. */
function needNames(needed: Map<string, number>, tags: Tags): void {
  const counted = new Map<string, number>();
  for (const written of signedNames(tags)) {
    const name = written.trim().toLowerCase();
    counted.set(name, (counted.get(name) ?? 0) + 1);
  }
  for (const [name, count] of counted) needed.set(name, Math.max(needed.get(name) ?? 0, count));
}

/** RFC 6376 3.5: what is not given is simple. Of what does not exist mailauth says that it cannot be verified. */
const canonicalization = (tags: Tags): Canonicalization =>
  (tags.get('c') ?? '').split('/')[1]?.trim().toLowerCase() === 'relaxed' ? 'relaxed' : 'simple';

/** Equal keys hash the body once. */
const bodyHash = (tags: Tags): string =>
  `${canonicalization(tags)} ${tags.get('a')?.split('-')[1]?.trim().toLowerCase() ?? ''} ${tags.get('l') ?? ''}`;

const keyName = (tags: Tags): string => `${tags.get('s') ?? ''}._domainkey.${tags.get('d') ?? ''}`;
