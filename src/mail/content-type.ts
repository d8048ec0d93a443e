/**
 * Content-Type and Content-Disposition: RFC 2045 5.1, RFC 2183, with the continued and encoded parameters of RFC 2231. Values are a
 * stranger's and often malformed: what readers make of them counts, so missing quotes, spaces in bare values, comments, doubled
 * semicolons and parameters are taken. Time is linear in the value; what lies beyond the bounds is not read.
 */
import { decodeText } from './charset.ts';
import { decodeEncodedWords } from './encoded-words.ts';

export interface ParameterizedValue {
  /** Lower-case, up to the first semicolon: `text/plain`, `attachment`. */
  readonly value: string;
  /** By lower-case name without the marks of RFC 2231, decoded. The first of several counts, as with most readers. */
  readonly parameters: ReadonlyMap<string, string>;
  /** What else was said under a name already taken, or can be read from what was said: readers differ in what they believe. */
  readonly others: readonly { readonly name: string; readonly value: string }[];
  /** There was more than the bounds let in. */
  readonly cut: boolean;
}

export interface ContentType extends ParameterizedValue {
  readonly type: string;
  readonly subtype: string;
}

// Far beyond what mailers write; a line of 998 octets folded eight times.
export const MAX_VALUE_OCTETS = 8192;
export const MAX_PARAMETERS = 64;
// RFC 2231 3: pieces are numbered from 0.
const MAX_SECTIONS = 100;

const TOKEN = /^[\w!#$%&'*+.^`{|}~-]{1,127}$/;

/** Undefined where there is no `type/subtype`. */
export function parseContentType(text: string): ContentType | undefined {
  return asContentType(parseParameterized(text));
}

export function asContentType(parsed: ParameterizedValue): ContentType | undefined {
  const slash = parsed.value.indexOf('/');
  const type = parsed.value.slice(0, slash).trim();
  const subtype = parsed.value.slice(slash + 1).trim();
  if (slash < 0 || !TOKEN.test(type) || !TOKEN.test(subtype)) return undefined;
  return { ...parsed, value: `${type}/${subtype}`, type, subtype };
}

/** From a value as latin1 text (one character an octet). */
export function parseParameterized(text: string): ParameterizedValue {
  const scanner = new Scanner(text.slice(0, MAX_VALUE_OCTETS));
  const value = scanner.until(';').toLowerCase();
  const plain = new Map<string, string>();
  const extended = new Map<string, string>();
  const sections = new Map<string, Section[]>();
  const others: { name: string; value: string }[] = [];
  const take = (into: Map<string, string>, name: string, said: string) => {
    const before = into.get(name);
    if (before === undefined) into.set(name, said);
    else if (before !== said) others.push({ name, value: said });
  };
  for (let count = 0; count < MAX_PARAMETERS && scanner.next(); count++) {
    const attribute = scanner.until('=', ';').toLowerCase();
    if (!scanner.take('=')) continue;
    const { said, word = said } = scanner.value();
    if (attribute === '') continue;
    const marks = /^([^*]+)\*(?:(\d{1,3})(\*)?)?$/.exec(attribute);
    if (marks === null) {
      // A boundary is octets: nothing in it is text.
      const text = (octets: string) => (attribute === 'boundary' ? octets : decodeEncodedWords(octets));
      take(plain, attribute, text(said));
      if (word !== said) others.push({ name: attribute, value: text(word) });
    } else if (marks[2] === undefined) {
      take(extended, marks[1] ?? '', decodeExtended(said));
    } else if (Number(marks[2]) < MAX_SECTIONS) {
      const name = marks[1] ?? '';
      const list = sections.get(name) ?? [];
      list.push({ number: Number(marks[2]), text: said, encoded: marks[3] === '*' });
      sections.set(name, list);
    }
  }
  for (const [name, list] of sections) {
    const sorted = list.toSorted((a, b) => a.number - b.number);
    const all = join(sorted);
    take(extended, name, all);
    for (const value of new Set([join(unbroken(sorted)), join(unbroken(sorted.toReversed()))]))
      if (value !== all && value !== '') others.push({ name, value });
  }
  // RFC 2231 says nothing of both; RFC 6266 4.3 and readers prefer the extended one.
  const parameters = new Map(extended);
  for (const [name, said] of plain) take(parameters, name, said);
  const cut = text.length > MAX_VALUE_OCTETS || scanner.next();
  return { value, parameters, others, cut };
}

interface Section {
  readonly number: number;
  readonly text: string;
  readonly encoded: boolean;
}

/** RFC 2231 4.1: the first piece names the charset, any piece may be encoded. */
function join(list: readonly Section[]): string {
  const [first] = list;
  if (first === undefined) return '';
  const { charset, rest } = first.encoded ? charsetOf(first.text) : { charset: '', rest: first.text };
  const octets = list.map(({ text, encoded }, i) => {
    const said = i === 0 ? rest : text;
    return encoded ? percentDecoded(said) : Buffer.from(said, 'latin1');
  });
  return decodeText(Buffer.concat(octets), charset);
}

/** RFC 2231 3: up to the first number that is missing, and of two pieces with one number the first in the list. */
function unbroken(list: readonly Section[]): readonly Section[] {
  const byNumber = new Map<number, Section>();
  for (const section of list) if (!byNumber.has(section.number)) byNumber.set(section.number, section);
  const pieces: Section[] = [];
  for (let next = byNumber.get(0); next !== undefined; next = byNumber.get(pieces.length)) pieces.push(next);
  return pieces;
}

/** RFC 2231 4: `utf-8'en'%e2%82%ac%20rates`. */
function decodeExtended(said: string): string {
  const { charset, rest } = charsetOf(said);
  return decodeText(percentDecoded(rest), charset);
}

function charsetOf(said: string): { readonly charset: string; readonly rest: string } {
  const first = said.indexOf("'");
  const second = first < 0 ? -1 : said.indexOf("'", first + 1);
  if (second < 0) return { charset: '', rest: said };
  return { charset: said.slice(0, first), rest: said.slice(second + 1) };
}

function percentDecoded(text: string): Buffer {
  const latin1 = text.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(latin1, 'latin1');
}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Goes behind the semicolon; false at the end. */
  next(): boolean {
    this.take(';');
    return this.#at < this.#text.length;
  }

  take(mark: string): boolean {
    if (this.#text.charAt(this.#at) !== mark) return false;
    this.#at++;
    return true;
  }

  /** What stands before one of the marks, without comments and outer white space. */
  until(...marks: readonly string[]): string {
    let said = '';
    for (; this.#at < this.#text.length; this.#at++) {
      const c = this.#text.charAt(this.#at);
      if (marks.includes(c)) break;
      if (c === '(') this.#comment();
      else said += c;
    }
    return said.trim();
  }

  /** `word`: of a value without quotes up to its first space or comment, where RFC 2045 5.1 has it end. */
  value(): { readonly said: string; readonly word?: string } {
    while (/^[ \t\r\n(]$/.test(this.#text.charAt(this.#at))) {
      if (this.#text.charAt(this.#at) === '(') this.#comment();
      this.#at++;
    }
    if (!this.take('"')) {
      const said = this.#bare();
      return { said, word: /^[^ \t\r\n(]+/.exec(said)?.[0] ?? said };
    }
    let said = '';
    for (; this.#at < this.#text.length; this.#at++) {
      const c = this.#text.charAt(this.#at);
      if (c === '"') break;
      if (c === '\\' && this.#at + 1 < this.#text.length) this.#at++;
      said += this.#text.charAt(this.#at);
    }
    this.take('"');
    // Whatever stands between the quote and the semicolon means nothing.
    this.until(';');
    return { said };
  }

  // No comments here: `name=report (1).exe` is a name that mailers write.
  #bare(): string {
    const end = this.#text.indexOf(';', this.#at);
    const said = this.#text.slice(this.#at, end < 0 ? this.#text.length : end);
    this.#at = end < 0 ? this.#text.length : end;
    return said.trim();
  }

  /** To the parenthesis that closes it; one that is never closed ends with the value. */
  #comment(): void {
    let depth = 0;
    for (; this.#at < this.#text.length; this.#at++) {
      const c = this.#text.charAt(this.#at);
      if (c === '\\') this.#at++;
      else if (c === '(') depth++;
      else if (c === ')' && --depth === 0) return;
    }
  }
}
