/**
 * The header of a message as bytes: where it ends, which fields it has, without touching what is not ours. RFC 5322 2.2:
 * a field is a line and the folded lines behind it. Hostile: a message may be all header, have no header, or end in it.
 */
export interface Field {
  /** As written, without the colon. */
  readonly name: string;
  /** From the first octet of the name to behind the last CRLF. */
  readonly start: number;
  readonly end: number;
}

/** A header that has been read whole. */
export interface Header {
  /** The message's first octets, at least up to `end`. */
  readonly bytes: Buffer;
  /** Offset behind the last field: of the empty line, or of the body where there is none. */
  readonly end: number;
  readonly fields: readonly Field[];
}

const CR = 13;
const LF = 10;

/**
 * The offset behind the header: at the empty line, or at the first line that is no field (a body without header), or at
 * the end. Undefined when more octets are needed to tell. Lines end in CRLF.
 */
export function headerEnd(bytes: Buffer, complete: boolean): number | undefined {
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at] === CR && bytes[at + 1] === LF) return at;
    const lf = bytes.indexOf(LF, at);
    if (lf < 0) return complete ? endOfLine(bytes, at, bytes.length) : undefined;
    if (!continues(bytes, at) && fieldNameEnd(bytes, at, lf) === undefined) return at;
    at = lf + 1;
  }
  return complete ? bytes.length : undefined;
}

// White space on the very first line continues nothing: taken as header it would continue a field that is put on top.
const continues = (bytes: Buffer, at: number): boolean => at > 0 && isContinuation(bytes, at);

function endOfLine(bytes: Buffer, at: number, end: number): number {
  return continues(bytes, at) || fieldNameEnd(bytes, at, end) !== undefined ? end : at;
}

/** The fields of a header that ends at `end`. Folded lines before the first field belong to none and are passed over. */
export function* fields(bytes: Buffer, end: number): Generator<Field> {
  let at = 0;
  while (at < end) {
    const nameEnd = fieldNameEnd(bytes, at, end);
    let next = lineEnd(bytes, at, end);
    if (nameEnd === undefined) {
      at = next;
      continue;
    }
    while (next < end && isContinuation(bytes, next)) next = lineEnd(bytes, next, end);
    yield { name: bytes.toString('latin1', at, nameEnd).trimEnd(), start: at, end: next };
    at = next;
  }
}

// The name may stand alone, with its colon on the next line (RFC 5322 4.5.8, obsolete).
const LAX_START = /([!-9;-~]+)[ \t]*(?:\r\n[ \t]*)?:/y;

/**
 * The fields as lax readers have them, of a header as latin1 text up to the empty line: a line that begins no field ends nothing, but
 * belongs to the field above. What such readers believe must be looked for this way.
 */
export function* laxFields(text: string): Generator<Field> {
  let begun: { readonly name: string; readonly start: number } | undefined;
  let at = 0;
  while (at < text.length) {
    LAX_START.lastIndex = at;
    const name = LAX_START.exec(text)?.[1];
    if (name !== undefined) {
      if (begun !== undefined) yield { ...begun, end: at };
      begun = { name, start: at };
    }
    const crlf = text.indexOf('\r\n', at);
    at = crlf < 0 ? text.length : crlf + 2;
  }
  if (begun !== undefined) yield { ...begun, end: at };
}

/** The value with its folding undone, as latin1 text: one character an octet. */
export function fieldValue(bytes: Buffer, field: Field): string {
  const colon = bytes.indexOf(58, field.start);
  return bytes
    .toString('latin1', colon + 1, field.end)
    .replace(/\r\n/g, '')
    .trim();
}

/** The value with its folds, without the white space around it. */
export function foldedValue(bytes: Buffer, { start, end }: Field): string {
  return bytes.toString('utf8', bytes.indexOf(58, start) + 1, end).trim();
}

function lineEnd(bytes: Buffer, at: number, end: number): number {
  const lf = bytes.indexOf(LF, at);
  return lf < 0 || lf >= end ? end : lf + 1;
}

const isContinuation = (bytes: Buffer, at: number): boolean => bytes[at] === 32 || bytes[at] === 9;

// RFC 5322 3.6.8: ftext is %d33-57 / %d59-126; 4.5 allows white space before the colon.
function fieldNameEnd(bytes: Buffer, at: number, end: number): number | undefined {
  let i = at;
  while (i < end) {
    const c = bytes[i] ?? 0;
    if (c === 58) return i > at ? i : undefined;
    if (c < 33 || c > 126) break;
    i++;
  }
  const nameEnd = i;
  while (i < end && (bytes[i] === 32 || bytes[i] === 9)) i++;
  return nameEnd > at && bytes[i] === 58 ? i : undefined;
}
