/** The message as it goes on: our fields on top, forged ones of our name taken out, every other octet as it came. */
import type { MessageContent } from '../../core/delivery.ts';
import type { SessionFacts, TransactionFacts } from '../../core/facts.ts';
import type { Header } from '../../mail/header.ts';
import { formatMailbox } from '../../mail/mailbox.ts';
import { authenticationResults, forgedFields, markFields, type MarkFacts } from '../fields.ts';

export interface OnwardHeader {
  /** Number of Received fields it came with: a sign of mail that goes in circles (RFC 5321 6.3). */
  readonly received: number;
  /** Offsets, in the message, of what is left out. */
  readonly forged: readonly { readonly start: number; readonly end: number }[];
  /** It begins with text that is no header: an empty line must keep that text from becoming part of ours. */
  readonly bodyOnly: boolean;
}

export function onwardHeader(header: Header, hostName: string, inside = false): OnwardHeader {
  const { bytes, end, fields } = header;
  return {
    received: fields.filter(({ name }) => name.toLowerCase() === 'received').length,
    forged: forgedFields(header, hostName, inside),
    bodyOnly: end === 0 && !(bytes[0] === 13 && bytes[1] === 10) && bytes.length > 0,
  };
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

export interface TraceFacts extends Omit<MarkFacts, 'id'> {
  readonly session: SessionFacts;
  readonly transaction: TransactionFacts;
  /** The client's forward-confirmed name, where one is known. */
  readonly hostName?: string;
  readonly nowMs: number;
}

/** The fields that all doors put on a message, with Received (RFC 5321 4.4) among them. */
export function addedFields(t: TraceFacts): string {
  const { session, transaction } = t;
  const address = session.client.address.includes(':')
    ? `IPv6:${session.client.address}`
    : session.client.address;
  const tls = session.tls === undefined ? '' : `\r\n\t(${session.tls.protocol} ${session.tls.cipher})`;
  const only = transaction.recipients.length === 1 ? transaction.recipients[0] : undefined;
  // With more than one recipient the field would tell each who else was written to (RFC 5321 7.2).
  const recipient = only === undefined ? '' : `\r\n\tfor <${safe(formatMailbox(only))}>`;
  return (
    authenticationResults(t) +
    `Received: from ${safe(session.helo?.name ?? 'unknown')} (${safe(t.hostName ?? 'unknown')} [${address}])${tls}\r\n` +
    `\tby ${t.by} (Postern) with ${protocolName(session, transaction)} id ${transaction.id}${recipient};\r\n` +
    `\t${dateTime(t.nowMs)}\r\n` +
    markFields({ ...t, id: transaction.id })
  );
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
