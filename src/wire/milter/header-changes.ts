/**
 * Changes of header fields, allowed in the answer to the end of a message (SMFIR_ADDHEADER, INSHEADER, CHGHEADER). Values quote what
 * clients said: what goes out cannot begin another field or end the header, and has no line that an MTA would cut.
 */
import { SMFIR } from './codes.ts';
import type { HeaderChange } from './events.ts';
import { frame } from './frame.ts';
import type { Agreed } from './negotiation.ts';

/** RFC 5322 2.1.1 without CRLF; smfi_addheader: "should be under 998 characters". */
export const MAX_HEADER_LINE_OCTETS = 998;
/** Sendmail keeps 32 KiB of header in all (MaxHeadersLength); no field of ours comes near. */
export const MAX_HEADER_VALUE_OCTETS = 16_384;

// RFC 5322 2.2: ftext. A name of more than 76 octets could not stand on a line with its value.
const NAME = /^[!-9;-~]{1,76}$/;

/** Empty where the MTA has not granted it. Names and indexes are ours: a wrong one is misuse. */
export function encodeChange(
  change: HeaderChange,
  agreed: Pick<Agreed, 'addHeaders' | 'changeHeaders' | 'leadingSpace'>,
): Buffer {
  const { name } = change;
  if (!NAME.test(name)) throw new Error(`no name of a header field: ${JSON.stringify(name)}`);
  const granted =
    change.kind === 'add' || change.kind === 'insert' ? agreed.addHeaders : agreed.changeHeaders;
  if (!granted) return NOTHING;
  // With SMFIP_HDR_LEADSPC the MTA adds no space of its own.
  const space = agreed.leadingSpace ? ' ' : '';
  switch (change.kind) {
    case 'add':
      return frame(SMFIR.addHeader, name, space + safeValue(name, change.value));
    case 'insert':
      return frame(SMFIR.insertHeader, atLeast(0, change.index), name, space + safeValue(name, change.value));
    case 'change': {
      const value = space + safeValue(name, change.value);
      // An empty value would delete the field.
      return frame(SMFIR.changeHeader, atLeast(1, change.index), name, value === '' ? ' ' : value);
    }
    case 'delete':
      return frame(SMFIR.changeHeader, atLeast(1, change.index), name, '');
    default:
      return change satisfies never;
  }
}

const NOTHING = Buffer.alloc(0);
const MAX_INDEX = 0x7fffffff;

/** MTAs read the index as a signed number. */
function atLeast(least: 0 | 1, index: number): number {
  if (!Number.isInteger(index) || index < least || index > MAX_INDEX) throw new Error(`no index: ${index}`);
  return index;
}

/**
 * Lines end in LF, for the MTA makes CRLF of it (smfi_addheader); each but the first begins with white space and has something behind
 * it. Control characters would end a string (NUL), a line (CR) or move a terminal.
 */
export function safeValue(name: string, value: string): string {
  const lines: string[] = [];
  let octets = 0;
  for (const raw of value.split(/\r?\n/)) {
    const line = raw.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, '?').trimEnd();
    if (line === '' || /^[\t ]*$/.test(line)) continue;
    const begun = lines.length === 0 ? line.trimStart() : /^[\t ]/.test(line) ? line : ` ${line}`;
    const room = lines.length === 0 ? MAX_HEADER_LINE_OCTETS - name.length - 2 : MAX_HEADER_LINE_OCTETS;
    const kept = cut(begun, room);
    octets += Buffer.byteLength(kept) + 1;
    if (octets > MAX_HEADER_VALUE_OCTETS) break;
    lines.push(kept);
  }
  return lines.join('\n');
}

/** At most so many octets, and no half of a character. */
function cut(line: string, maxOctets: number): string {
  if (Buffer.byteLength(line) <= maxOctets) return line;
  const bytes = Buffer.from(line).subarray(0, maxOctets + 1);
  let end = maxOctets;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
