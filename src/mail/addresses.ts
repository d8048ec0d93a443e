/**
 * The address lists of From, To, Cc and the like: RFC 5322 3.4 with its obsolete forms, RFC 6532. Text is a stranger's and bounded in
 * octets and in number; time is linear. What is no address is counted, not kept.
 */
import { decodeOctetText } from './charset.ts';
import { decodeEncodedWords } from './encoded-words.ts';
import type { Mailbox } from './mailbox.ts';
import { parseForwardPath } from './path.ts';

export interface NamedMailbox {
  /** As a reader shows it, decoded; empty where there is none. */
  readonly displayName: string;
  readonly mailbox: Mailbox;
}

export interface AddressList {
  readonly mailboxes: readonly NamedMailbox[];
  /** Entries that are no address. */
  readonly malformed: number;
  /** There was more than is read. */
  readonly cut: boolean;
}

export const MAX_LIST_OCTETS = 65_536;
export const MAX_LIST_MAILBOXES = 1000;
// RFC 5321's 64 is for what is sent; what is shown may be longer, and still has to fit a path.
const MAX_LOCAL_PART_OCTETS = 200;

/** From a field's value as latin1 text (one character an octet). Members of groups count as any other. */
export function parseAddressList(value: string): AddressList {
  const text = value.slice(0, MAX_LIST_OCTETS);
  const mailboxes: NamedMailbox[] = [];
  let malformed = 0;
  let entry = emptyEntry();
  const end = () => {
    const { phrase, comment, route } = entry;
    entry = emptyEntry();
    const written = (route ?? phrase).trim();
    if (written === '') {
      if (route !== undefined) malformed++;
      return;
    }
    const mailbox = mailboxOf(written);
    if (mailbox === undefined) malformed++;
    else {
      // Old mailers write `a@example.net (Ann)`.
      const name = route === undefined ? comment : unquoted(phrase);
      mailboxes.push({ displayName: decodeEncodedWords(name.trim()), mailbox });
    }
  };
  let at = 0;
  while (at < text.length && mailboxes.length < MAX_LIST_MAILBOXES) {
    const c = text.charAt(at);
    if (c === '"') {
      const to = quotedEnd(text, at);
      entry.phrase += text.slice(at, to);
      at = to;
      continue;
    }
    if (c === '(') {
      const to = commentEnd(text, at);
      entry.comment ||= text.slice(at + 1, to - 1);
      at = to;
      continue;
    }
    if (c === '<') {
      const to = routeEnd(text, at);
      entry.route ??= text.slice(at + 1, text.charAt(to - 1) === '>' ? to - 1 : to);
      at = to;
      continue;
    }
    if (c === ',' || c === ';') end();
    // A group's name; an address literal has its colons in brackets.
    else if (c === ':' && !entry.addressed) entry = emptyEntry();
    else {
      entry.addressed ||= c === '@' || c === '[';
      entry.phrase += c;
    }
    at++;
  }
  const cut = at < text.length || value.length > text.length;
  // What the end of reading cut through is no entry.
  if (!cut) end();
  return { mailboxes, malformed, cut };
}

interface Entry {
  phrase: string;
  /** It holds an at sign or an opening bracket outside of quotes. */
  addressed: boolean;
  comment: string;
  /** What stands between angle brackets. */
  route: string | undefined;
}

const emptyEntry = (): Entry => ({ phrase: '', addressed: false, comment: '', route: undefined });

/** Behind the closing quote, or the end. */
function quotedEnd(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    const c = text.charAt(i);
    if (c === '\\') i++;
    else if (c === '"') return i + 1;
  }
  return text.length;
}

function commentEnd(text: string, from: number): number {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const c = text.charAt(i);
    if (c === '\\') i++;
    else if (c === '(') depth++;
    else if (c === ')' && --depth === 0) return i + 1;
  }
  return text.length;
}

/** An angle that is never closed ends with the entry. */
function routeEnd(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    const c = text.charAt(i);
    if (c === '"') i = quotedEnd(text, i) - 1;
    else if (c === '>') return i + 1;
    else if (c === ',' && text.charAt(from + 1) !== '@') return i;
  }
  return text.length;
}

function mailboxOf(written: string): Mailbox | undefined {
  const text = decodeOctetText(written);
  // RFC 5322 4.4: white space around dots and the at sign; inside quotes it is the name's own.
  const bare = text.startsWith('"') ? text : text.replace(/\s+/g, '');
  const parsed = parseForwardPath(`<${bare}>`, {
    lenient: true,
    localPartOctets: MAX_LOCAL_PART_OCTETS,
  });
  return parsed.kind === 'path' && parsed.rest === '' && parsed.path.domain !== '' ? parsed.path : undefined;
}

/** Quoted strings in a display name, without their quotes; encoded-words in them are decoded as readers do. */
function unquoted(phrase: string): string {
  return phrase.replace(/"((?:[^"\\]|\\.)*)"/gs, (_all, inner: string) => inner.replace(/\\(.)/gs, '$1'));
}
