/** Header fields of ours, and those that only pretend to be. All doors put the same ones on a message, each in its protocol's way. */
import type { MessageContent } from '../core/delivery.ts';
import type { SessionFacts } from '../core/facts.ts';
import type { SpamScore } from '../core/finding.ts';
import { formatAuthenticationResults, type AuthenticationResult } from '../mail/authentication-results.ts';
import { fields, headerEnd, laxFields, type Field, type Header } from '../mail/header.ts';
import { SPAM_FIELDS, spamFields } from './spam-fields.ts';

/**
 * Reads the header, at most `maxOctets` of it; what lies behind was refused already. A line that is no field ends it, but the octets
 * go on to the empty line, for some readers look for fields up to there.
 */
export async function readHeader(content: MessageContent, maxOctets: number): Promise<Header> {
  let bytes: Buffer = Buffer.alloc(0);
  let end: number | undefined;
  for await (const chunk of content.chunks()) {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    end ??= headerEnd(bytes, bytes.length >= content.sizeOctets);
    const read = end !== undefined && (end === 0 || bytes.indexOf(EMPTY_LINE, Math.max(0, end - 2)) >= 0);
    if (read || bytes.length > maxOctets) break;
  }
  end ??= bytes.length;
  return { bytes, end, fields: [...fields(bytes, end)] };
}

/**
 * Authentication-Results that claim to be ours (RFC 8601 5), our own mark, X-Postern, and tags that a mail filter behind us would take
 * for ours, unless it comes from `inside`: our own scanners stand there too. Looked for up to the empty line, as lax readers do.
 */
export function forgedFields({ bytes, end }: Header, hostName: string, inside: boolean): readonly Field[] {
  // It begins with its body: an empty line is put before that.
  if (end === 0) return [];
  const empty = bytes.indexOf(EMPTY_LINE, Math.max(0, end - 2));
  const text = bytes.toString('latin1', 0, empty < 0 ? bytes.length : empty + 2);
  const forged = forgedIn(text, hostName, inside);
  // A line behind one, that is no field and perhaps text, stays: unless without the one it would go on with another.
  const folded = forged.map((field) => ({ ...field, end: foldEnd(text, field) }));
  return folded.some((field, i) => field.end !== forged[i]?.end) &&
    forgedIn(without(text, folded), hostName, inside).length > 0
    ? forged
    : folded;
}

const forgedIn = (text: string, hostName: string, inside: boolean): readonly Field[] =>
  [...laxFields(text)].filter(({ name: written, start, end }) => {
    const name = written.toLowerCase();
    return (
      name === 'x-postern' ||
      (!inside && SPAM_FIELDS.has(name)) ||
      (name === 'authentication-results' && authservId(text.slice(start, end)) === hostName)
    );
  });

function foldEnd(text: string, { start, end }: Field): number {
  let at = text.indexOf('\r\n', text.indexOf(':', start));
  while (at >= 0 && at + 2 < end && /[ \t]/.test(text.charAt(at + 2))) at = text.indexOf('\r\n', at + 2);
  return at < 0 ? end : Math.min(at + 2, end);
}

function without(text: string, fields: readonly Field[]): string {
  let at = 0;
  let left = '';
  for (const { start, end } of fields) {
    left += text.slice(at, start);
    at = end;
  }
  return left + text.slice(at);
}

/**
 * The authserv-id, lower-case: the first word, comments passed over (RFC 8601 2.2). No name of ours has a slash; RFC 5451 put the
 * version behind one, and readers that cut there take what stands before for the name.
 */
function authservId(field: string): string {
  let depth = 0;
  let word = '';
  let quotedPair = false;
  // As the header has it: a fold is white space, and so is any other line end.
  for (const c of field.slice(field.indexOf(':') + 1)) {
    // RFC 5322 3.2.1: a parenthesis behind a backslash neither opens nor ends a comment.
    if (quotedPair) {
      quotedPair = false;
      if (depth === 0) word += c;
    } else if (c === '\\') quotedPair = true;
    else if (c === '(') depth++;
    else if (c === ')') depth = Math.max(0, depth - 1);
    else if (depth > 0) continue;
    else if (c === ';' || c === '/' || /\s/.test(c)) {
      if (word !== '') break;
    } else if (c !== '"') word += c;
  }
  return word.toLowerCase().replace(/\.$/, '');
}

const EMPTY_LINE = Buffer.from('\r\n\r\n');

/** What a session came to, for the fields that tell of it. */
export interface MarkFacts {
  readonly session: Pick<SessionFacts, 'authenticated'>;
  /** Of the decision. */
  readonly id: string;
  /** Our own name. */
  readonly by: string;
  readonly tags: readonly string[];
  readonly suspicion: number;
  readonly spam?: SpamScore | undefined;
  /** What the checks found out about who sent it (RFC 8601). */
  readonly authentication?: readonly AuthenticationResult[];
}

/** X-Postern with the id, the suspicion and all tags, and SpamAssassin's fields (M9). */
export function markFields({ id, tags, suspicion, spam }: MarkFacts): string {
  const marks = tags.length === 0 ? '' : `;\r\n\ttags=${tags.join(',')}`;
  return `X-Postern: id=${id}; suspicion=${Math.round(suspicion * 100) / 100}${marks}\r\n` + spamFields(spam);
}

/** On top, above our Received where we put one, for it is about what came with it (RFC 8601 4.1); nothing where nothing was looked into. */
export function authenticationResults({
  session,
  by,
  authentication = [],
}: Pick<MarkFacts, 'session' | 'by' | 'authentication'>): string {
  const { authenticated } = session;
  const auth: AuthenticationResult[] =
    authenticated === undefined
      ? []
      : [
          {
            method: 'auth',
            result: 'pass',
            comment: authenticated.mechanism.toLowerCase(),
            properties: { 'smtp.auth': authenticated.identity },
          },
        ];
  const results = [...auth, ...authentication];
  return results.length === 0 ? '' : formatAuthenticationResults(by, results);
}
