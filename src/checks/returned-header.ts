/**
 * The header that a bounce brings back (RFC 3462, RFC 3464, and the plain texts of qmail and Exim), and what in it shows that the message
 * was ours. All of it is a stranger's, of bounded size.
 */
import type { Site } from '../core/site.ts';
import { isOurDomain } from '../core/site.ts';
import { checkBatv, type BatvKey } from '../mail/batv.ts';
import { parseAddressList } from '../mail/addresses.ts';
import { fields, fieldValue, type Header } from '../mail/header.ts';
import { addressScope, parseIp, type AddressScope } from '../mail/ip.ts';
import { MIME_BOUNDS, walk, type Part, type PartSink } from '../mail/mime.ts';
import { hopsOf } from '../mail/trace.ts';
import type { MessagePort } from '../core/ports.ts';

/** Plain JSON. */
export interface Returned {
  /** `other`: it does not say that it is a bounce (a vacation reply, a receipt). */
  readonly kind: 'bounce' | 'other';
  /** By its form or its author; without, a text that quotes a header may be any automatic reply. */
  readonly formal: boolean;
  /** It brings back the header of a message. */
  readonly header: boolean;
  /** With Received fields: without them it was taken apart on the way, and shows nothing either way. */
  readonly received: boolean;
  /** What shows that it was ours. */
  readonly ours?: 'received' | 'message-id' | 'return-path';
}

export interface Ours {
  readonly site: Site;
  /** Lower-case; a leading dot takes all names below. */
  readonly names: readonly string[];
  readonly batvKeys: readonly BatvKey[];
  readonly today: number;
}

// A returned header is as long as a header; texts put theirs behind a page of explanation.
const MAX_TEXT_OCTETS = 131_072;
// A bounce has one text and one message; those in it in turn may be ours as well.
const MAX_TEXTS = 3;
const MAX_HEADERS = 10;

export async function returnedBy(message: MessagePort, ours: Ours, signal: AbortSignal): Promise<Returned> {
  const daemon = isDaemon(message.header);
  let report: string | undefined;
  let textsRead = 0;
  const attached: Header[] = [];
  const inTexts: Header[] = [];
  const keep = (into: Header[], header: Header | undefined) => {
    if (header !== undefined && into.length < MAX_HEADERS) into.push(header);
  };
  const part = ({ depth, role, container, contentType }: Part, header: Header): PartSink | undefined => {
    const { value, parameters } = contentType;
    if (depth === 0 && value === 'multipart/report')
      report = parameters.get('report-type') ?? 'delivery-status';
    if (depth > 0 && role === 'message') keep(attached, header);
    if (container) return undefined;
    if (value === 'text/rfc822-headers') return textSink((text) => keep(attached, headerOf(text)));
    if (value !== 'text/plain' || textsRead >= MAX_TEXTS) return undefined;
    textsRead++;
    return textSink((text) => keep(inTexts, embeddedHeader(text)));
  };
  await walk(message.content, { part }, MIME_BOUNDS, signal);
  // Receipts (RFC 8098) and complaints (RFC 5965) bring headers too, but of mail that somebody did get.
  const other = report !== undefined && report.toLowerCase() !== 'delivery-status';
  const bounce = !other && (report !== undefined || daemon || inTexts.length > 0);
  // An attached message is a returned one where the whole says that it is a bounce; a header in a text says so itself.
  const returned = !bounce ? [] : report !== undefined || daemon ? [...attached, ...inTexts] : inTexts;
  const shown = returned.map((header) => shownBy(header, ours)).find((found) => found !== undefined);
  return {
    kind: bounce ? 'bounce' : 'other',
    formal: bounce && (report !== undefined || daemon),
    header: returned.length > 0,
    received: returned.some((header) => first(header, 'received') !== undefined),
    ...(shown === undefined ? {} : { ours: shown }),
  };
}

function shownBy(header: Header, ours: Ours): Returned['ours'] {
  const isOurs = (name: string | undefined): boolean => name !== undefined && isOurHost(name, ours);
  for (const hop of hopsOf(header)) {
    // Not the greeting: whoever forges our address greets with our name as well.
    if (isOurs(hop.by) || (hop.mayBeForged !== true && isOurs(hop.reverseName))) return 'received';
    if (hop.address !== undefined && isOurAddress(hop.address, ours.site)) return 'received';
  }
  const messageId = first(header, 'message-id') ?? '';
  const domain = messageId
    .slice(messageId.lastIndexOf('@') + 1)
    .replace(/>.*$/s, '')
    .trim();
  if (isOurs(domain.toLowerCase())) return 'message-id';
  const [path] = parseAddressList(first(header, 'return-path') ?? '').mailboxes;
  const signed = path !== undefined && checkBatv(path.mailbox, ours.batvKeys, ours.today).kind === 'valid';
  return signed ? 'return-path' : undefined;
}

/** The hosts named, and every host of our domains. */
function isOurHost(name: string, { site, names }: Ours): boolean {
  if (name === site.hostName.toLowerCase() || isOurDomain(site, name)) return true;
  if (names.some((ours) => (ours.startsWith('.') ? name.endsWith(ours) : ours === name))) return true;
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1))
    if (isOurDomain(site, name.slice(dot + 1))) return true;
  return false;
}

/** Private addresses are everybody's: they show nothing. */
function isOurAddress(address: string, site: Site): boolean {
  const ip = parseIp(address);
  if (ip === undefined || EVERYBODYS.has(addressScope(ip))) return false;
  return site.addresses.includes(address) || site.networks.has(address) || site.relays.has(address);
}

const EVERYBODYS: ReadonlySet<AddressScope> = new Set(['private', 'loopback', 'link-local', 'multicast']);

/** Mail servers sign so; others may as well, and are then asked for more. */
function isDaemon(header: Header): boolean {
  const [author] = parseAddressList(first(header, 'from') ?? '').mailboxes;
  if (author !== undefined && /^(?:mailer-daemon|postmaster)$/i.test(author.mailbox.local)) return true;
  // qmail and Sendmail without a domain: `MAILER-DAEMON (Mail Delivery Subsystem)`.
  return author === undefined && /^\s*<?mailer-daemon\b/i.test((first(header, 'from') ?? '').slice(0, 200));
}

function first(header: Header, name: string): string | undefined {
  const field = header.fields.find((f) => f.name.length === name.length && f.name.toLowerCase() === name);
  return field === undefined ? undefined : fieldValue(header.bytes, field);
}

function textSink(take: (text: Buffer) => void): PartSink {
  const pieces: Buffer[] = [];
  return {
    limitOctets: MAX_TEXT_OCTETS,
    write: (octets) => void pieces.push(Buffer.from(octets)),
    end: () => take(Buffer.concat(pieces)),
  };
}

function headerOf(bytes: Buffer): Header {
  return { bytes, end: bytes.length, fields: [...fields(bytes, bytes.length)] };
}

// RFC 5322 2.2; names that mailers use are short.
const FIELD = /^[a-z][a-z0-9-]{0,60}:/i;

/** The first run of fields with a Received field in it: qmail, Exim and others put the message behind a line of their own. */
function embeddedHeader(text: Buffer): Header | undefined {
  let run: string[] = [];
  for (const line of [...text.toString('latin1').split('\n'), '']) {
    const said = line.replace(/^> ?/, '').replace(/\r$/, '');
    if (FIELD.test(said) || (run.length > 0 && /^[ \t]/.test(said))) {
      run.push(said);
      continue;
    }
    if (run.length >= MIN_FIELDS && run.some((field) => /^received:/i.test(field)))
      return headerOf(Buffer.from(`${run.join('\r\n')}\r\n`, 'latin1'));
    run = [];
  }
  return undefined;
}

// Fewer lines with colons are a text about mail.
const MIN_FIELDS = 3;
