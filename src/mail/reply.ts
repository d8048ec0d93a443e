/** An SMTP reply as a value: RFC 5321 4.2 code, RFC 3463 enhanced status code, one line of text or more. */
export interface Reply {
  readonly code: number;
  /** `class.subject.detail` (RFC 3463), or empty where RFC 2034 allows none (greeting, EHLO, HELO, 354). */
  readonly enhanced: string;
  readonly lines: readonly string[];
}

export function reply(code: number, enhanced: string, ...lines: string[]): Reply {
  return { code, enhanced, lines };
}

/** A reply that is given again and again: its text is made once. */
export function constantReply(code: number, enhanced: string, ...lines: string[]): Reply {
  const made = reply(code, enhanced, ...lines);
  TEXTS.set(made, format(made));
  return made;
}

export const isPositive = (r: Reply): boolean => r.code >= 200 && r.code < 400;
export const isTransient = (r: Reply): boolean => r.code >= 400 && r.code < 500;
export const isPermanent = (r: Reply): boolean => r.code >= 500 && r.code < 600;

// Of the constant replies, by the reply itself: it is journalled as it is, so the text can be no field of it.
const TEXTS = new WeakMap<Reply, string>();

// RFC 5321 4.5.3.1.5: a reply line has at most 512 octets with its code and CRLF.
const MAX_TEXT_OCTETS = 480;

/** The reply's bytes as text with CRLF line ends. Whatever a line holds that could end it early or move a terminal is replaced. */
export function formatReply(r: Reply): string {
  return TEXTS.get(r) ?? format(r);
}

function format(r: Reply): string {
  const prefix = r.enhanced === '' ? '' : `${r.enhanced} `;
  const last = r.lines.length - 1;
  if (last <= 0) return `${r.code} ${prefix}${printable(r.lines[0] ?? '')}\r\n`;
  let out = '';
  for (const [i, line] of r.lines.entries())
    out += `${r.code}${i === last ? ' ' : '-'}${prefix}${printable(line)}\r\n`;
  return out;
}

// RFC 5321 4.2: textstring = 1*(%d09 / %d32-126). Replies quote what clients sent, so this is where it is made harmless.
const UNPRINTABLE = /[^\t\x20-\x7e]/;
const EVERY_UNPRINTABLE = /[^\t\x20-\x7e]/g;

function printable(line: string): string {
  const clean = UNPRINTABLE.test(line) ? line.replace(EVERY_UNPRINTABLE, '?') : line;
  return clean.length > MAX_TEXT_OCTETS ? clean.slice(0, MAX_TEXT_OCTETS) : clean;
}
