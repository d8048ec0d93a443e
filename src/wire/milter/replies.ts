/** The filter's answers as frames. */
import type { Reply } from '../../mail/reply.ts';
import { SMFIR } from './codes.ts';
import type { MilterReply } from './events.ts';
import { frame } from './frame.ts';

/** libmilter's smfi_setmlreply takes as many (MAXREPLIES). */
export const MAX_REPLY_LINES = 32;
/** RFC 5321 4.5.3.1.5: 512 octets with code, status and CRLF; counted before percent signs are doubled. */
export const MAX_REPLY_TEXT_OCTETS = 480;

const CONTINUE = frame(SMFIR.continue);
const ACCEPT = frame(SMFIR.accept);
const REJECT = frame(SMFIR.reject);
const TEMPFAIL = frame(SMFIR.tempfail);
const SKIP = frame(SMFIR.skip);

/** SMFIR_PROGRESS. */
export const PROGRESS = frame(SMFIR.progress);

export function encodeReply(answer: MilterReply): Buffer {
  switch (answer.kind) {
    case 'continue':
      return CONTINUE;
    case 'accept':
      return ACCEPT;
    case 'reject':
      return REJECT;
    case 'tempfail':
      return TEMPFAIL;
    case 'skip':
      return SKIP;
    case 'reply':
      return frame(SMFIR.replyCode, replyText(answer.reply));
    default:
      return answer satisfies never;
  }
}

// RFC 3463 2; its class is the first digit of the code, or Postfix calls the reply malformed.
const ENHANCED = /^[45]\.\d{1,3}\.\d{1,3}$/;

/**
 * `550 5.7.1 Text`, lines of more than one with `550-5.7.1 ` and CRLF between them. MTAs take the text for a format (Sendmail's
 * usrerr) and undo what is doubled; one percent sign alone makes Sendmail throw the text away.
 */
export function replyText({ code, enhanced, lines }: Reply): string {
  if (!Number.isInteger(code) || code < 400 || code > 599) throw new Error(`no code of a refusal: ${code}`);
  const digit = Math.trunc(code / 100);
  // Without any, smfi_setmlreply puts x.0.0.
  const status = ENHANCED.test(enhanced) ? `${digit}${enhanced.slice(1)}` : `${digit}.0.0`;
  const texts = (lines.length === 0 ? [''] : lines).slice(0, MAX_REPLY_LINES);
  const last = texts.length - 1;
  return texts
    .map((line, i) => `${code}${i === last ? ' ' : '-'}${`${status} ${printable(line)}`.trimEnd()}`)
    .join('\r\n');
}

// RFC 5321 4.2: textstring. Texts quote what clients sent.
function printable(line: string): string {
  return line
    .slice(0, MAX_REPLY_TEXT_OCTETS)
    .replace(/[^\t\x20-\x7e]/g, '?')
    .replaceAll('%', '%%');
}
