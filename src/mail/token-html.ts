/**
 * HTML as tokens: the words that a reader sees, links, and the tags themselves. The text is a stranger's and mostly not well-formed:
 * one pass, no tree; a tag, comment or style that is never closed ends with the text.
 */
import { addAddresses, addText, addUrl, isLetter } from './token-words.ts';
import type { Tokens } from './tokens.ts';

/** What is read of one tag: links in attributes are long. */
const MAX_TAG = 1000;
const MAX_TAG_NAME = 20;
const MAX_ATTRIBUTES = 20;
const MAX_VALUE = 24;
const MAX_MAILTO = 300;

// They do not end a word: spam puts them into the middle of words that filters know.
const INLINE = new Set([
  'a',
  'b',
  'big',
  'em',
  'font',
  'i',
  'small',
  'span',
  'strong',
  'sub',
  'sup',
  'tt',
  'u',
]);
const LINKS = new Set(['href', 'src', 'background', 'action']);

export function addHtml(tokens: Tokens, html: string): void {
  const seen: string[] = [];
  let comments = 0;
  let at = 0;
  while (at < html.length && !tokens.full) {
    const open = html.indexOf('<', at);
    seen.push(html.slice(at, open < 0 ? html.length : open));
    if (open < 0) break;
    if (html.startsWith('<!--', open)) {
      comments++;
      const close = html.indexOf('-->', open + 4);
      at = close < 0 ? html.length : close + 3;
      continue;
    }
    const c = html.charCodeAt(open + 1);
    if (!isLetter(c) && c !== SLASH && c !== 33) {
      seen.push('<');
      at = open + 1;
      continue;
    }
    const close = html.indexOf('>', open);
    const end = close < 0 ? html.length : close;
    const name = addTag(tokens, html.slice(open + 1, Math.min(end, open + MAX_TAG)));
    if (!INLINE.has(name.startsWith('/') ? name.slice(1) : name)) seen.push(' ');
    at = end + 1;
    if (name === 'style' || name === 'script') {
      const shut = html.indexOf('</', at);
      at = shut < 0 ? html.length : shut;
    }
  }
  if (comments > 0) tokens.add(`html:comments:${Math.min(8, Math.ceil(Math.log2(comments + 1)))}`);
  addText(tokens, withoutEntities(seen.join('')));
}

const SLASH = 47;

/** A tag without its brackets, as tokens; its name, of an end tag with the slash. */
function addTag(tokens: Tokens, tag: string): string {
  let end = 0;
  while (end < Math.min(tag.length, MAX_TAG_NAME)) {
    const c = tag.charCodeAt(end);
    if (c <= 32 || (c === SLASH && end > 0)) break;
    end++;
  }
  const name = tag.slice(0, end).toLowerCase();
  if (name.startsWith('/')) return name;
  tokens.add(`html:${name}`);
  let at = end;
  for (let n = 0; n < MAX_ATTRIBUTES; n++) {
    const equals = tag.indexOf('=', at);
    if (equals < 0) break;
    let start = equals;
    while (start > at && equals - start < MAX_TAG_NAME && tag.charCodeAt(start - 1) > 32) start--;
    const value = valueAt(tag, equals + 1);
    addAttribute(tokens, name, tag.slice(start, equals).toLowerCase(), value.text);
    at = value.end + 1;
  }
  return name;
}

function valueAt(tag: string, from: number): { readonly text: string; readonly end: number } {
  let start = from;
  while (start < tag.length && tag.charCodeAt(start) <= 32) start++;
  const quote = tag.charAt(start);
  if (quote === '"' || quote === "'") {
    const close = tag.indexOf(quote, start + 1);
    const end = close < 0 ? tag.length : close;
    return { text: tag.slice(start + 1, end), end };
  }
  let end = start;
  while (end < tag.length && tag.charCodeAt(end) > 32) end++;
  return { text: tag.slice(start, end), end };
}

function addAttribute(tokens: Tokens, tag: string, name: string, value: string): void {
  if (!LINKS.has(name)) tokens.add(`html:${tag} ${name}=${value.slice(0, MAX_VALUE).toLowerCase()}`);
  else if (value.includes('://')) addUrl(tokens, value.trim());
  else if (/^\s{0,9}mailto:/i.test(value)) addAddresses(tokens, 'mail:', value.slice(0, MAX_MAILTO));
  // `cid:` of a picture that came with it, or a path without a host.
  else tokens.add(`html:${tag} ${name}:${value.slice(0, 4).toLowerCase()}`);
}

const ENTITIES: Readonly<Record<string, string>> = {
  nbsp: ' ',
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};
const ENTITY = /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));?/gi;
const MAX_CODE_POINT = 0x10ffff;

function withoutEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(ENTITY, (whole, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return ENTITIES[name.toLowerCase()] ?? whole;
    const code = decimal === undefined ? parseInt(hex ?? '', 16) : Number(decimal);
    return code > MAX_CODE_POINT ? ' ' : String.fromCodePoint(code);
  });
}

/** Whether a text without a type, or with a wrong one, is HTML all the same. */
export function looksLikeHtml(text: string): boolean {
  return /<(?:html|body|br|font|table|p)\b/i.test(text.slice(0, 2000));
}
