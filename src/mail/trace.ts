/**
 * Received fields (RFC 5321 4.4) as hops. What stands in them is written by strangers, the upper ones by servers that we may know, in as
 * many forms as there are servers: Postfix, Sendmail, Exim, Exchange, qmail, Gmail, CommuniGate, fetchmail. Nothing is believed here, it is
 * only told apart. Time is linear in what is read, which is bounded.
 */
import { parseDate } from './date.ts';
import { canonicalAddress } from './ip.ts';
import { fieldValue, type Header } from './header.ts';

export interface Hop {
  /** Who took the message: `mx.example.org`. */
  readonly by?: string;
  /** What the client called itself. */
  readonly helo?: string;
  /** What its address resolved to, as the server found; no server writes "unknown" on purpose here. */
  readonly reverseName?: string;
  /** The client's address, canonical. */
  readonly address?: string;
  /** Sendmail: the name does not resolve back to the address. */
  readonly mayBeForged?: boolean;
  /** As written: `ESMTPS`, `Microsoft SMTP Server`. */
  readonly protocol?: string;
  readonly id?: string;
  /** The one recipient that some servers name. */
  readonly recipient?: string;
  /** Milliseconds since 1970. */
  readonly dateMs?: number;
}

// Servers stop mail that goes in circles at 50 or 100 (RFC 5321 6.3).
export const MAX_HOPS = 100;
// Real ones have some 500 octets, with the certificates that Exchange and Gmail name.
export const MAX_HOP_OCTETS = 4096;

/** The newest first, as they stand. Fields that are no hop (qmail's notes of its own queue) are left out. */
export function hopsOf(header: Header): readonly Hop[] {
  const hops: Hop[] = [];
  let seen = 0;
  for (const field of header.fields) {
    if (field.name.length !== 8 || field.name.toLowerCase() !== 'received') continue;
    if (++seen > MAX_HOPS) break;
    const cut = { ...field, end: Math.min(field.end, field.start + MAX_HOP_OCTETS) };
    const hop = parseReceived(fieldValue(header.bytes, cut));
    if (hop !== undefined) hops.push(hop);
  }
  return hops;
}

/** Undefined where it says neither from whom nor by whom. */
export function parseReceived(value: string): Hop | undefined {
  const { clauses, date } = clausesOf(tokensOf(value.slice(0, MAX_HOP_OCTETS)));
  const from = clauses.get('from');
  const by = hostName(clauses.get('by')?.words[0]);
  if (from === undefined && by === undefined) return undefined;
  const protocol = clauses.get('with')?.words.join(' ').slice(0, MAX_WORD);
  const id = unbracketed(clauses.get('id')?.words[0]);
  const recipient = unbracketed(clauses.get('for')?.words[0]);
  const dateMs = parseDate(date);
  const exim = [...clauses.values()].some(({ comments }) => comments.some((c) => c.startsWith('Exim ')));
  return {
    ...(by === undefined ? {} : { by }),
    ...(from === undefined ? {} : clientOf(from, exim)),
    ...(protocol === undefined || protocol === '' ? {} : { protocol }),
    ...(id === undefined ? {} : { id }),
    ...(recipient === undefined ? {} : { recipient }),
    ...(dateMs === undefined ? {} : { dateMs }),
  };
}

const MAX_WORD = 255;

type Token = { readonly kind: 'word' | 'comment'; readonly text: string } | { readonly kind: ';' };

function tokensOf(value: string): readonly Token[] {
  const tokens: Token[] = [];
  let from = 0;
  let depth = 0;
  const word = (to: number) => {
    if (to > from) tokens.push({ kind: 'word', text: value.slice(from, to) });
    from = to + 1;
  };
  for (let i = 0; i < value.length; i++) {
    const c = value.charAt(i);
    if (depth > 0) {
      if (c === '\\') i++;
      else if (c === '(') depth++;
      else if (c === ')' && --depth === 0) {
        tokens.push({ kind: 'comment', text: value.slice(from, i) });
        from = i + 1;
      }
    } else if (c === '(') {
      word(i);
      depth = 1;
    } else if (c === ';') {
      word(i);
      tokens.push({ kind: ';' });
    } else if (c <= ' ') {
      word(i);
    }
  }
  // A comment without end is one all the same.
  if (depth > 0) tokens.push({ kind: 'comment', text: value.slice(from) });
  else word(value.length);
  return tokens;
}

interface Clause {
  readonly words: string[];
  readonly comments: string[];
}

const KEYWORDS = new Set(['from', 'by', 'via', 'with', 'id', 'for']);

/** RFC 5321 4.4: each clause is a keyword and what follows it, in any order; the first of several counts. */
function clausesOf(tokens: readonly Token[]): {
  readonly clauses: ReadonlyMap<string, Clause>;
  readonly date: string;
} {
  const clauses = new Map<string, Clause>();
  const end = tokens.findLastIndex(({ kind }) => kind === ';');
  let clause: Clause | undefined;
  for (const token of end < 0 ? tokens : tokens.slice(0, end)) {
    if (token.kind === ';') continue;
    const keyword = token.kind === 'word' ? token.text.toLowerCase() : '';
    // A host may be called "id", but not where a keyword is due.
    if (KEYWORDS.has(keyword) && clause?.words.length !== 0) {
      clause = { words: [], comments: [] };
      if (!clauses.has(keyword)) clauses.set(keyword, clause);
    } else if (token.kind === 'word') {
      clause?.words.push(token.text);
    } else {
      clause?.comments.push(token.text);
    }
  }
  const date = end < 0 ? [] : tokens.slice(end + 1).map((token) => (token.kind === 'word' ? token.text : ''));
  return { clauses, date: date.join(' ') };
}

type Client = Pick<Hop, 'helo' | 'reverseName' | 'address' | 'mayBeForged'>;

function clientOf({ words, comments }: Clause, exim: boolean): Client {
  // fetchmail: `from localhost [127.0.0.1]`; some write `name([192.0.2.1])`, which is a word and a comment here.
  const [first, second] = words;
  let helo: string | undefined;
  let reverseName: string | undefined;
  let address = second === undefined ? undefined : addressIn(second);
  let mayBeForged = false;
  for (const comment of comments) {
    // qmail and CommuniGate: (HELO name); Exim: (helo=name), with the address before it.
    const greeting = /(?:^|\s)(?:(?:HELO|EHLO|helo|ehlo)\s|helo=)(\S{1,255})/.exec(comment.slice(0, 512));
    if (greeting !== null) helo ??= greeting[1];
    const parts = comment.slice(0, 1024).trim().split(/\s+/);
    const at = parts.findIndex((part) => addressIn(part) !== undefined);
    if (at < 0 || address !== undefined) continue;
    address = addressIn(parts[at] ?? '');
    // Postfix, Sendmail, Gmail: (name [192.0.2.1]); Sendmail with ident: (user@name [192.0.2.1]).
    const name = at === 0 ? undefined : parts[at - 1];
    if (name !== undefined && !name.includes('=') && greeting === null) {
      reverseName = hostName(name.slice(name.lastIndexOf('@') + 1));
    }
    if (comment.includes('may be forged')) mayBeForged = true;
  }
  const named = hostName(first);
  const literal = first === undefined ? undefined : addressIn(first);
  if (helo !== undefined) {
    // Whoever writes the greeting in a comment writes the reverse name in front: qmail "unknown", others the address.
    if (literal === undefined) reverseName ??= named;
  } else {
    helo = first;
    // Exim leaves the greeting out where it is the reverse name.
    if (exim && literal === undefined && address !== undefined) reverseName ??= named;
  }
  address ??= literal;
  const greeted = helo?.slice(0, MAX_WORD);
  return {
    ...(greeted === undefined || greeted === '' ? {} : { helo: greeted }),
    ...(reverseName === undefined ? {} : { reverseName }),
    ...(address === undefined ? {} : { address }),
    ...(mayBeForged ? { mayBeForged } : {}),
  };
}

// `[192.0.2.1]:4711`, `[IPv6:2001:db8::1]`, `192.0.2.1`, `user@192.0.2.1`, `[192.0.2.1],`; brackets may hold no more.
const ADDRESS = /^(?:[^\s@[\]]{0,64}@)?\[?(?:ipv6:)?([0-9a-f:.]{2,45})\]?(?::\d{1,5})?[,;]?$/i;

function addressIn(word: string): string | undefined {
  const written = word.length > 128 ? undefined : ADDRESS.exec(word)?.[1];
  if (written === undefined) return undefined;
  // Without brackets the port of an IPv4 address is taken for part of it.
  return canonicalAddress(written) ?? canonicalAddress(written.replace(/:\d{1,5}$/, ''));
}

/** Lower-case and without the final dot; undefined for what says that there is none. */
function hostName(word: string | undefined): string | undefined {
  const name = word?.slice(0, MAX_WORD).toLowerCase().replace(/[.,]$/, '');
  if (name === undefined || name === '' || name === 'unknown' || name === 'unverified') return undefined;
  return name;
}

function unbracketed(word: string | undefined): string | undefined {
  const said = word?.slice(0, MAX_WORD).replace(/^</, '').replace(/>$/, '');
  return said === '' ? undefined : said;
}
