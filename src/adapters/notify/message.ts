/** A mail of our own: RFC 5322, all of it ASCII, marked as written by a program (RFC 3834 5). */
import { createHash } from 'node:crypto';
import { formatMailbox, type Mailbox } from '../../mail/mailbox.ts';

export interface Mail {
  readonly from: Mailbox;
  readonly to: readonly Mailbox[];
  readonly hostName: string;
  readonly subject: string;
  readonly text: string;
  readonly atMs: number;
  /** The same each time the same thing is told: who gets it twice sees that it is the same. */
  readonly about: string;
}

// RFC 5322 2.1.1: 998 at most, 78 for the eye.
const MAX_LINE = 78;
const LONGEST_LINE = 900;
const MAX_SUBJECT = 200;

/** Lines end in CRLF. */
export function formatMail(mail: Mail): Buffer {
  const body = mail.text.replace(/\r\n|\r|\n/g, '\r\n');
  const ended = body.endsWith('\r\n') ? body : `${body}\r\n`;
  const plain =
    /^[\t\r\n\x20-\x7e]*$/.test(ended) && ended.split('\r\n').every((l) => l.length <= LONGEST_LINE);
  const id = createHash('sha256').update(`${mail.about}\n${mail.atMs}`).digest('hex').slice(0, 24);
  const header = [
    `From: Postern <${formatMailbox(mail.from)}>`,
    `To: ${mail.to.map((to) => formatMailbox(to)).join(',\r\n ')}`,
    folded('Subject', mail.subject),
    `Date: ${new Date(mail.atMs).toUTCString().replace(/GMT$/, '+0000')}`,
    `Message-ID: <${id}@${mail.hostName}>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    `Content-Type: text/plain; charset=${plain ? 'us-ascii' : 'utf-8'}`,
    `Content-Transfer-Encoding: ${plain ? '7bit' : 'base64'}`,
  ];
  return Buffer.from(`${header.join('\r\n')}\r\n\r\n${plain ? ended : base64Lines(ended)}`, 'latin1');
}

function folded(name: string, value: string): string {
  // No line of ours is begun by what stands in it.
  const line = value
    .replace(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, MAX_SUBJECT);
  // What looks like an encoded-word and is none would be decoded.
  const words = /^[\x20-\x7e]*$/.test(line) && !line.includes('=?') ? line.split(' ') : encodedWords(line);
  let out = `${name}:`;
  let length = out.length;
  for (const word of words) {
    if (length + 1 + word.length > MAX_LINE && length > name.length + 1) {
      out += '\r\n';
      length = 0;
    }
    out += ` ${word}`;
    length += 1 + word.length;
  }
  return out;
}

// RFC 2047 2: 75 characters with `=?utf-8?B?` and `?=`; 45 octets are 60 of base64.
const MAX_WORD_OCTETS = 45;

/** RFC 2047 5: no character is cut in two. */
function encodedWords(text: string): readonly string[] {
  const words: string[] = [];
  let octets = 0;
  let word = '';
  const close = (): void => {
    if (word !== '') words.push(`=?utf-8?B?${Buffer.from(word).toString('base64')}?=`);
    word = '';
    octets = 0;
  };
  for (const c of text) {
    const length = Buffer.byteLength(c);
    if (octets + length > MAX_WORD_OCTETS) close();
    word += c;
    octets += length;
  }
  close();
  return words;
}

const base64Lines = (text: string): string =>
  Buffer.from(text)
    .toString('base64')
    .replace(/.{1,76}/g, '$&\r\n');
