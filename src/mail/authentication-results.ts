/**
 * Authentication-Results (RFC 8601): what was found out about a message, in the header of what is handed on. Both ways it
 * meets strangers' text: what is written quotes the client's own words, what is read was written by anybody. Nothing of a
 * value may end the field, begin another result or leave its quotes.
 */

/** One `resinfo` of an Authentication-Results field (RFC 8601 2.2): `spf=pass smtp.mailfrom=a@example.net`. */
export interface AuthenticationResult {
  readonly method: 'spf' | 'iprev' | 'dkim' | 'dmarc' | 'arc' | 'auth';
  readonly result: string;
  /** A comment for people; without parentheses. */
  readonly comment?: string;
  /** By `ptype.property`. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** As another host wrote it: any method there is. Names are lower-case, values as they stand, without quotes. */
export interface ForeignResult {
  readonly method: string;
  readonly result: string;
  readonly properties: Readonly<Record<string, string>>;
}

export interface ForeignResults {
  readonly authservId: string;
  readonly results: readonly ForeignResult[];
}

// One a signature and one for each other method; more than that is nobody's honest work.
const MAX_RESULTS_WRITTEN = 32;
const MAX_RESULTS_READ = 64;
const MAX_PROPERTIES = 16;
// An address of RFC 5321 4.5.3.1 with both halves at their longest.
const MAX_VALUE = 320;
const MAX_COMMENT = 120;
export const MAX_FIELD_READ = 16_384;
// RFC 5322 2.1.1.
const LINE_LENGTH = 78;

/** The whole field, folded, with its last CRLF. */
export function formatAuthenticationResults(
  authservId: string,
  results: readonly AuthenticationResult[],
): string {
  const parts = results.slice(0, MAX_RESULTS_WRITTEN).map((r) => folded(wordsOf(r)));
  // RFC 8601 2.2: `none` says that nothing was tried.
  const said = parts.length === 0 ? ' none' : parts.map((part) => `\r\n\t${part}`).join(';');
  return `Authentication-Results: ${authservId};${said}\r\n`;
}

function wordsOf({ method, result, comment, properties = {} }: AuthenticationResult): string[] {
  const words = [`${method}=${keyword(result)}`];
  if (comment !== undefined && comment !== '') words.push(`(${commentText(comment)})`);
  for (const [name, value] of Object.entries(properties).slice(0, MAX_PROPERTIES)) {
    words.push(`${name.replace(/[^\w.-]/g, '')}=${pvalue(value)}`);
  }
  return words;
}

function folded(words: readonly string[]): string {
  let text = '';
  let length = 1;
  for (const word of words) {
    const breaks = text !== '' && length + 1 + word.length >= LINE_LENGTH;
    text += text === '' ? word : breaks ? `\r\n\t  ${word}` : ` ${word}`;
    length = breaks ? 3 + word.length : length + 1 + word.length;
  }
  return text;
}

const keyword = (text: string): string => text.toLowerCase().replace(/[^a-z0-9-]/g, '') || 'none';

const printable = (text: string, most: number): string => text.slice(0, most).replace(/[^\x20-\x7e]/g, '?');

// A parenthesis or backslash of a stranger could leave the comment.
const commentText = (text: string): string => printable(text, MAX_COMMENT).replace(/[()\\]/g, '?');

// RFC 2045 5.1: a token has no tspecials; RFC 8601 2.2 lets a mailbox stand without quotes.
const PLAIN = /^[\w.+~!#$%&'*^`{|}-]+$/;
const ADDRESS = /^[\w.+~!#$%&'*^`{|}-]*@[\w.-]+$/;

function pvalue(text: string): string {
  const value = printable(text, MAX_VALUE);
  return PLAIN.test(value) || ADDRESS.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
}

/** What stands behind the field's colon, or undefined where it does not follow the grammar as far as it is read. */
export function parseAuthenticationResults(value: string): ForeignResults | undefined {
  if (value.length > MAX_FIELD_READ) return undefined;
  const sections = sectionsOf(value);
  const authservId = sections?.shift()?.[0]?.key.toLowerCase();
  if (sections === undefined || authservId === undefined || authservId === '') return undefined;
  const results: ForeignResult[] = [];
  for (const [first, ...rest] of sections.slice(0, MAX_RESULTS_READ)) {
    // `none`, and white space behind the last semicolon.
    if (first === undefined || first.value === undefined) continue;
    const properties: Record<string, string> = Object.create(null) as Record<string, string>;
    for (const { key, value: said } of rest.slice(0, MAX_PROPERTIES)) {
      // RFC 8601 2.2: the first one counts; whoever appends another to it changes nothing.
      if (said !== undefined) properties[key.toLowerCase()] ??= said.slice(0, MAX_VALUE);
    }
    const method = first.key.toLowerCase().replace(/\/\d*$/, '');
    results.push({ method, result: first.value.toLowerCase(), properties });
  }
  return { authservId, results };
}

interface Pair {
  readonly key: string;
  readonly value?: string;
}

/**
 * `key`, or `key=value`, by sections between semicolons. Comments are white space (RFC 5322 3.2.2), and white space may
 * stand around `=`. Undefined where a quote or a comment never ends: then nobody knows what is inside of it.
 */
function sectionsOf(text: string): Pair[][] | undefined {
  const sections: Pair[][] = [[]];
  let key = '';
  let value: string | undefined;
  // White space behind a key may still be followed by `=`.
  let keyEnded = false;
  const end = () => {
    if (key !== '' || value !== undefined)
      sections.at(-1)?.push(value === undefined ? { key } : { key, value });
    key = '';
    value = undefined;
    keyEnded = false;
  };
  const add = (c: string) => {
    if (value !== undefined) value += c;
    else {
      if (keyEnded) end();
      key += c;
    }
  };
  const space = () => {
    if (value === undefined) keyEnded = key !== '';
    // `spf= pass`: the value has not begun.
    else if (value !== '') end();
  };
  for (let at = 0; at < text.length; at++) {
    const c = text.charAt(at);
    if (c === '(') {
      const behind = commentEnd(text, at);
      if (behind === undefined) return undefined;
      space();
      at = behind - 1;
    } else if (c === '"') {
      const quoted = quotedString(text, at);
      if (quoted === undefined) return undefined;
      add(quoted.text);
      // An empty quoted string is a value all the same.
      if (value === '') end();
      at = quoted.end - 1;
    } else if (c === ';') {
      end();
      sections.push([]);
    } else if (c === ' ' || c === '\t' || c === '\r' || c === '\n') space();
    else if (c === '=' && value === undefined) {
      value = '';
      keyEnded = false;
    } else add(c);
  }
  end();
  return sections;
}

function commentEnd(text: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const c = text.charAt(at);
    if (c === '\\') at++;
    else if (c === '(') depth++;
    else if (c === ')' && --depth === 0) return at + 1;
  }
  return undefined;
}

function quotedString(text: string, start: number): { text: string; end: number } | undefined {
  let inner = '';
  for (let at = start + 1; at < text.length; at++) {
    const c = text.charAt(at);
    if (c === '"') return { text: inner, end: at + 1 };
    inner += c === '\\' ? text.charAt(++at) : c;
  }
  return undefined;
}
