/** The message as it goes on: our fields on top, forged ones of our name taken out, every other octet as it came. */
import type { MessageContent } from '../../core/delivery.ts';
import type { SessionFacts, TransactionFacts } from '../../core/facts.ts';
import type { SpamScore } from '../../core/finding.ts';
import { formatAuthenticationResults, type AuthenticationResult } from '../../mail/authentication-results.ts';
import { fieldValue, fields, headerEnd, type Header } from '../../mail/header.ts';
import { formatMailbox } from '../../mail/mailbox.ts';
import { SPAM_FIELDS, spamFields } from './spam-fields.ts';

export interface OnwardHeader {
  /** Number of Received fields it came with: a sign of mail that goes in circles (RFC 5321 6.3). */
  readonly received: number;
  /** Offsets, in the message, of what is left out. */
  readonly forged: readonly { readonly start: number; readonly end: number }[];
  /** It begins with text that is no header: an empty line must keep that text from becoming part of ours. */
  readonly bodyOnly: boolean;
}

/** Reads the header, at most `maxOctets` of it; what lies behind was refused already. */
export async function readHeader(content: MessageContent, maxOctets: number): Promise<Header> {
  let bytes: Buffer = Buffer.alloc(0);
  let end: number | undefined;
  for await (const chunk of content.chunks()) {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    end = headerEnd(bytes, bytes.length >= content.sizeOctets);
    if (end !== undefined || bytes.length > maxOctets) break;
  }
  end ??= bytes.length;
  return { bytes, end, fields: [...fields(bytes, end)] };
}

/**
 * Looks for Authentication-Results that claim to be ours (RFC 8601 5), for our own mark, X-Postern, and for tags that a mail filter behind us
 * would take for ours, unless it comes from `inside`: our own scanners stand there too.
 */
export function onwardHeader(
  { bytes, end, fields: all }: Header,
  hostName: string,
  inside = false,
): OnwardHeader {
  let received = 0;
  const forged: { start: number; end: number }[] = [];
  for (const field of all) {
    const name = field.name.toLowerCase();
    if (name === 'received') received++;
    else if (
      name === 'x-postern' ||
      (!inside && SPAM_FIELDS.has(name)) ||
      (name === 'authentication-results' && authservId(fieldValue(bytes, field)) === hostName)
    ) {
      forged.push({ start: field.start, end: field.end });
    }
  }
  return {
    received,
    forged,
    bodyOnly: end === 0 && !(bytes[0] === 13 && bytes[1] === 10) && bytes.length > 0,
  };
}

/** The authserv-id, lower-case: the first word, comments passed over (RFC 8601 2.2). */
function authservId(value: string): string {
  let depth = 0;
  let word = '';
  let quotedPair = false;
  for (const c of value) {
    // RFC 5322 3.2.1: a parenthesis behind a backslash neither opens nor ends a comment.
    if (quotedPair) {
      quotedPair = false;
      if (depth === 0) word += c;
    } else if (c === '\\') quotedPair = true;
    else if (c === '(') depth++;
    else if (c === ')') depth = Math.max(0, depth - 1);
    else if (depth > 0) continue;
    else if (c === ';' || c === ' ' || c === '\t') {
      if (word !== '') break;
    } else if (c !== '"') word += c;
  }
  return word.toLowerCase().replace(/\.$/, '');
}

export function onward(content: MessageContent, added: string, header: OnwardHeader): MessageContent {
  const left = header.forged.reduce((sum, f) => sum + f.end - f.start, 0);
  const top = Buffer.from(header.bodyOnly ? `${added}\r\n` : added, 'utf8');
  return {
    sizeOctets: top.length + content.sizeOctets - left,
    async *chunks() {
      yield top;
      let at = 0;
      for await (const chunk of content.chunks()) {
        yield* without(chunk, at, header.forged);
        at += chunk.length;
      }
    },
  };
}

function* without(chunk: Buffer, at: number, forged: OnwardHeader['forged']): Generator<Buffer> {
  let from = 0;
  for (const f of forged) {
    const start = f.start - at;
    const end = f.end - at;
    if (end <= from || start >= chunk.length) continue;
    if (start > from) yield chunk.subarray(from, start);
    from = Math.min(end, chunk.length);
  }
  if (from < chunk.length) yield from === 0 ? chunk : chunk.subarray(from);
}

export interface TraceFacts {
  readonly session: SessionFacts;
  readonly transaction: TransactionFacts;
  /** Our own name. */
  readonly by: string;
  /** The client's forward-confirmed name, where one is known. */
  readonly hostName?: string;
  readonly tags: readonly string[];
  readonly suspicion: number;
  readonly spam?: SpamScore | undefined;
  /** What the checks found out about who sent it (RFC 8601). */
  readonly authentication?: readonly AuthenticationResult[];
  readonly nowMs: number;
}

/** Received (RFC 5321 4.4), X-Postern with the id, the suspicion and all tags, and SpamAssassin's fields (M9). */
export function addedFields(t: TraceFacts): string {
  const { session, transaction } = t;
  const address = session.client.address.includes(':')
    ? `IPv6:${session.client.address}`
    : session.client.address;
  const tls = session.tls === undefined ? '' : `\r\n\t(${session.tls.protocol} ${session.tls.cipher})`;
  const only = transaction.recipients.length === 1 ? transaction.recipients[0] : undefined;
  // With more than one recipient the field would tell each who else was written to (RFC 5321 7.2).
  const recipient = only === undefined ? '' : `\r\n\tfor <${safe(formatMailbox(only))}>`;
  const marks = t.tags.length === 0 ? '' : `;\r\n\ttags=${t.tags.join(',')}`;
  return (
    authenticationResults(t) +
    `Received: from ${safe(session.helo?.name ?? 'unknown')} (${safe(t.hostName ?? 'unknown')} [${address}])${tls}\r\n` +
    `\tby ${t.by} (Postern) with ${protocolName(session, transaction)} id ${transaction.id}${recipient};\r\n` +
    `\t${dateTime(t.nowMs)}\r\n` +
    `X-Postern: id=${transaction.id}; suspicion=${Math.round(t.suspicion * 100) / 100}${marks}\r\n` +
    spamFields(t.spam)
  );
}

/** Above our Received, for it is about what came with it (RFC 8601 4.1); nothing where nothing was looked into. */
function authenticationResults({ session, by, authentication = [] }: TraceFacts): string {
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

/** RFC 3848 and RFC 6531 4.3. */
function protocolName(session: SessionFacts, transaction: TransactionFacts): string {
  const extended = session.helo?.verb !== 'HELO';
  const utf8 = transaction.parameters.smtputf8 === true;
  if (!extended) return 'SMTP';
  const s = session.tls === undefined ? '' : 'S';
  const a = session.authenticated === undefined ? '' : 'A';
  return utf8 ? `UTF8SMTP${s}${a}` : `ESMTP${s}${a}`;
}

// The HELO name and the addresses are the client's own words: nothing of them may fold, end or comment the field.
const safe = (text: string): string =>
  text.replace(/[^\x21-\x7e\x80-\u{10ffff}]|[()<>\\;]/gu, '?').slice(0, 320);

/** RFC 5322 3.3, in UTC: the gate's clock is no one's business but its own. */
function dateTime(ms: number): string {
  return new Date(ms).toUTCString().replace('GMT', '+0000');
}
