/**
 * Words, links and addresses of a text, as tokens. The text is a stranger's: one pass from left to right, every look ahead or back has
 * a bound, and nothing backtracks.
 */
import type { Tokens } from './tokens.ts';

/** Longer words are only a length: nobody writes them, and each is met once. */
export const MAX_WORD = 40;
// Single characters teach nothing.
const MIN_WORD = 2;
/** What is read of a link. */
export const MAX_URL = 400;
// RFC 5321 4.5.3.1.1 and 4.5.3.1.2.
const MAX_LOCAL = 64;
const MAX_DOMAIN = 255;
/** What a token keeps of a host's name: its end says whose it is. */
const MAX_HOST = 100;
/** Names above a host's own. */
const MAX_LABELS = 6;
const MAX_SCHEME = 8;

// In ASCII: letters, digits, and what gives a word its tone. Beyond: all but spaces and punctuation.
const WORD = new Uint8Array(128);
for (const c of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789$'-_!%")
  WORD[c.charCodeAt(0)] = 1;

function isWordCharacter(c: number): boolean {
  if (c < 128) return WORD[c] === 1;
  if (c < 0xc0) return false;
  return !((c >= 0x2000 && c <= 0x206f) || (c >= 0x3000 && c <= 0x303f) || (c >= 0xff00 && c <= 0xff0f));
}

// Thai, Japanese, Chinese, Korean: no space between words, or endings of many kinds. Each pair of characters stands for a word.
const isUnspaced = (c: number): boolean =>
  (c >= 0x0e00 && c <= 0x0eff) || (c >= 0x3040 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7af);

/** Characters of one run that are read. */
const MAX_UNSPACED = 5000;

const isDigit = (c: number): boolean => c >= 48 && c <= 57;
export const isLetter = (c: number): boolean => (c >= 97 && c <= 122) || (c >= 65 && c <= 90);

/** The words of a text, each with the prefix of its place, and each with the word before it. */
export function addWords(tokens: Tokens, prefix: string, text: string, { pairs = true } = {}): void {
  let before = '';
  let at = 0;
  while (at < text.length && !tokens.full) {
    const first = text.charCodeAt(at);
    if (!isWordCharacter(first)) {
      at++;
      continue;
    }
    const start = at;
    const unspaced = isUnspaced(first);
    at = wordEnd(text, at, unspaced);
    if (unspaced) {
      // The collector has a bound, but a text of this kind can be far longer.
      const end = Math.min(at, start + MAX_UNSPACED);
      for (let i = start; i + 1 < end; i++) tokens.add(prefix + text.slice(i, i + 2));
      before = '';
      continue;
    }
    const written = trimmed(text, start, at);
    if (written.length < MIN_WORD) continue;
    if (written.length > MAX_WORD) {
      tokens.add(`${prefix}long:${Math.min(8, written.length >> 5)}`);
      before = '';
      continue;
    }
    const word = written.toLowerCase();
    tokens.add(prefix + word);
    if (word !== written && written.length > 3 && written === written.toUpperCase())
      tokens.add(prefix + written);
    if (pairs && before !== '') tokens.add(`${prefix}${before} ${word}`);
    before = word;
  }
}

function wordEnd(text: string, start: number, unspaced: boolean): number {
  let at = start + 1;
  for (; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (isWordCharacter(c)) {
      if (c >= 0x0e00 && isUnspaced(c) !== unspaced) return at;
      continue;
    }
    // Between digits a point or comma belongs to the number.
    const joins =
      (c === 46 || c === 44) && isDigit(text.charCodeAt(at - 1)) && isDigit(text.charCodeAt(at + 1));
    if (!joins) return at;
  }
  return at;
}

// Quotes and dashes around a word are not its own, and one exclamation mark is as many as twenty.
function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isEdge(text.charCodeAt(start))) start++;
  while (end > start && isEdge(text.charCodeAt(end - 1))) end--;
  while (end > start + 2 && text.charCodeAt(end - 1) === 33 && text.charCodeAt(end - 2) === 33) end--;
  return text.slice(start, end);
}

const isEdge = (c: number): boolean => c === 45 || c === 39 || c === 95;

/** Plain text: links are taken out of it, addresses are told beside their words. */
export function addText(tokens: Tokens, text: string): void {
  let from = 0;
  let mark = text.indexOf('://');
  while (mark >= 0 && !tokens.full) {
    let start = mark;
    while (start > from && mark - start < MAX_SCHEME && isLetter(text.charCodeAt(start - 1))) start--;
    let end = mark + 3;
    while (end < text.length && end - mark < MAX_URL && isUrlCharacter(text.charCodeAt(end))) end++;
    addUrl(tokens, text.slice(start, end));
    addAddresses(tokens, 'mail:', text.slice(from, start));
    addWords(tokens, '', text.slice(from, start));
    from = end;
    mark = text.indexOf('://', from);
  }
  addAddresses(tokens, 'mail:', text.slice(from));
  addWords(tokens, '', text.slice(from));
}

// Ends at space, quotes, brackets, backslash: what stands around links in text.
const URL_ENDS = new Set([34, 39, 41, 60, 62, 92, 93, 125, 160]);
const isUrlCharacter = (c: number): boolean => c > 32 && !URL_ENDS.has(c);

/** A link: its host with the names above it, what is odd about it, and the words of its path. */
export function addUrl(tokens: Tokens, address: string): void {
  const url = address.slice(0, MAX_URL);
  const scheme = url.indexOf('://');
  const from = scheme < 0 ? 0 : scheme + 3;
  let end = from;
  while (end < url.length && !'/?#'.includes(url.charAt(end))) end++;
  let host = url.slice(from, end);
  const at = host.lastIndexOf('@');
  if (at >= 0) {
    tokens.add('url:userinfo');
    host = host.slice(at + 1);
  }
  const colon = host.indexOf(':');
  if (colon >= 0) {
    tokens.add(`url:port:${host.slice(colon + 1, colon + 6)}`);
    host = host.slice(0, colon);
  }
  addHost(tokens, 'url:', host);
  if (url.includes('%', end)) tokens.add('url:escaped');
  addWords(tokens, 'url-path:', url.slice(end), { pairs: false });
}

/** Addresses of mail; says how many there are. */
export function addAddresses(tokens: Tokens, prefix: string, text: string): number {
  let count = 0;
  let at = text.indexOf('@');
  while (at >= 0 && !tokens.full) {
    let start = at;
    while (start > 0 && at - start < MAX_LOCAL && isLocalCharacter(text.charCodeAt(start - 1))) start--;
    let end = at + 1;
    while (end < text.length && end - at < MAX_DOMAIN && isHostCharacter(text.charCodeAt(end))) end++;
    if (start < at && end > at + 1) {
      count++;
      addAddress(tokens, prefix, text.slice(start, at), text.slice(at + 1, end));
    }
    at = text.indexOf('@', end);
  }
  return count;
}

export function addAddress(tokens: Tokens, prefix: string, local: string, domain: string): void {
  const host = domain.toLowerCase();
  tokens.add(`${prefix}${local.slice(0, MAX_LOCAL).toLowerCase()}@${host.slice(-MAX_HOST)}`);
  addHost(tokens, `${prefix}@`, host);
}

const isLocalCharacter = (c: number): boolean =>
  (c < 128 && WORD[c] === 1) || c === 46 || c === 43 || c === 61;
export const isHostCharacter = (c: number): boolean => isDigit(c) || isLetter(c) || c === 45 || c === 46;

/** A host's name and the names above it; an IPv4 address and the networks around it. */
export function addHost(tokens: Tokens, prefix: string, host: string): void {
  let name = host.slice(-MAX_HOST).toLowerCase();
  if (name.endsWith('.')) name = name.slice(0, -1);
  if (isIpv4(name)) {
    tokens.add(`${prefix}numeric`);
    for (let i = 0; i < 3; i++, name = name.slice(0, name.lastIndexOf('.'))) tokens.add(prefix + name);
    return;
  }
  for (let i = 0; i < MAX_LABELS && name !== ''; i++) {
    tokens.add(prefix + name);
    const dot = name.indexOf('.');
    name = dot < 0 ? '' : name.slice(dot + 1);
  }
}

function isIpv4(name: string): boolean {
  if (name.length > 15) return false;
  let dots = 0;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c === 46) dots++;
    else if (!isDigit(c)) return false;
  }
  return dots === 3;
}
