/**
 * Answers of a policy service: one line, one empty line (SMTPD_POLICY_README, access(5)). There is no HOLD, which keeps a message
 * without telling, no DISCARD, which loses it, and no OK, which would lift the restrictions that the operator put behind us.
 */
import type { Reply } from '../../mail/reply.ts';

export type PolicyAction =
  /** Nothing against it; what stands behind us decides. */
  | { readonly kind: 'dunno' }
  /** Refused or deferred with our code, status and text. Lines of more than one become one. 421 ends the client's session. */
  | { readonly kind: 'reply'; readonly reply: Reply }
  /** Deferred unless something behind us refuses for good: an unknown recipient hears of it at once. The MTA chooses the code. */
  | { readonly kind: 'defer-if-permit'; readonly enhanced: string; readonly text: string }
  /** Deferred at once, with the MTA's code. */
  | { readonly kind: 'defer'; readonly enhanced: string; readonly text: string }
  /** A header field above the message. Not at CONNECT to MAIL where smtpd_delay_reject is off: there is no message yet. */
  | { readonly kind: 'prepend'; readonly name: string; readonly value: string };

/** RFC 5321 4.5.3.1.5: 512 octets of a reply with code, status and CRLF; as in the gateway's own replies. */
export const MAX_TEXT_OCTETS = 480;
/** RFC 5322 2.1.1: the field cannot be folded here. */
export const MAX_FIELD_OCTETS = 998;

export function formatAction(action: PolicyAction): string {
  return `action=${words(action)}\n\n`;
}

function words(action: PolicyAction): string {
  switch (action.kind) {
    case 'dunno':
      return 'DUNNO';
    case 'reply': {
      const { code, enhanced, lines } = action.reply;
      if (!Number.isInteger(code) || code < 400 || code > 599)
        throw new Error(`no code of a refusal: ${code}`);
      return `${code} ${status(enhanced, code < 500 ? 4 : 5)} ${oneLine(lines.join(' '))}`.trimEnd();
    }
    case 'defer-if-permit':
      return `DEFER_IF_PERMIT ${status(action.enhanced, 4)} ${oneLine(action.text)}`.trimEnd();
    case 'defer':
      return `DEFER ${status(action.enhanced, 4)} ${oneLine(action.text)}`.trimEnd();
    case 'prepend':
      return `PREPEND ${field(action.name, action.value)}`;
    default:
      return action satisfies never;
  }
}

// RFC 3463 2. Postfix puts its own 4.7.1 or 5.7.1 where there is none, and the class has to be that of the code.
const ENHANCED = /^[245]\.\d{1,3}\.\d{1,3}$/;

function status(enhanced: string, digit: 4 | 5): string {
  return ENHANCED.test(enhanced) ? `${digit}${enhanced.slice(1)}` : `${digit}.7.1`;
}

// RFC 5321 4.2: textstring. Texts quote what clients sent; a line end would be the end of the answer.
function oneLine(text: string): string {
  return text
    .replace(/[\r\n\t ]+/g, ' ')
    .replace(/[^\x20-\x7e]/g, '?')
    .trim()
    .slice(0, MAX_TEXT_OCTETS);
}

// RFC 5322 2.2: ftext.
const NAME = /^[!-9;-~]{1,76}$/;

/** Unfolded: what was folded loses its line ends and keeps its white space (RFC 5322 2.2.3). */
function field(name: string, value: string): string {
  if (!NAME.test(name)) throw new Error(`no name of a header field: ${JSON.stringify(name)}`);
  const unfolded = value
    .replace(/[\r\n]+[\t ]*/g, ' ')
    .replace(/[^\t\x20-\x7e\x80-\u{10ffff}]/gu, '?')
    .trim();
  return cut(`${name}: ${unfolded}`, MAX_FIELD_OCTETS);
}

/** At most so many octets, and no half of a character. */
function cut(line: string, maxOctets: number): string {
  if (Buffer.byteLength(line) <= maxOctets) return line;
  let kept = '';
  let octets = 0;
  for (const character of line) {
    octets += Buffer.byteLength(character);
    if (octets > maxOctets) break;
    kept += character;
  }
  return kept;
}
