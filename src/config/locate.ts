/**
 * Says on which line of a TOML document a key stands. The parser gives values without places, and a problem without a
 * line is a search. The text has been through the parser before: what comes here is well-formed TOML, so this reads
 * forward only and trusts brackets and quotes to close (it still ends with the text whatever that holds).
 */
import { endOfString, unquoted } from './toml-string.ts';

export type KeyPath = readonly (string | number)[];

export interface Locator {
  /** The line of the key, or of the nearest table around it that is written down; 1 for the document itself. */
  line(path: KeyPath): number;
  /** The line of this very key, or undefined where the document does not have it. */
  exactly(path: KeyPath): number | undefined;
}

/** A place of the document: a tree of them, so that a key of ten thousand parts costs no more than ten thousand keys. */
interface Place {
  readonly line: number;
  /** The tables of `[[name]]` seen so far. */
  length: number;
  parts: Map<string | number, Place> | undefined;
}

export function locate(text: string): Locator {
  const root: Place = { line: 1, length: 0, parts: undefined };
  let at = 0;
  let line = 1;
  let table = root;

  skipBlank();
  while (at < text.length) {
    if (text[at] === '[') readHeader();
    else readPair(table);
    skipBlank();
  }

  return {
    line(path) {
      let place = root;
      for (const step of path) {
        const next = place.parts?.get(step);
        if (next === undefined) break;
        place = next;
      }
      return place.line;
    },
    exactly(path) {
      let place: Place | undefined = root;
      for (const step of path) place = place?.parts?.get(step);
      return place === root ? undefined : place?.line;
    },
  };

  function readHeader(): void {
    const isArray = text.startsWith('[[', at);
    at += isArray ? 2 : 1;
    const headerLine = line;
    const names = readDotted();
    at += isArray ? 2 : 1;
    let place = root;
    for (const [i, name] of names.entries()) {
      place = note(place, name, headerLine);
      if (isArray && i === names.length - 1) place = note(place, place.length++, headerLine);
      else if (place.length > 0) place = note(place, place.length - 1, headerLine); // `[a.b]` below `[[a]]` speaks of the last `a`
    }
    table = place;
  }

  function readPair(parent: Place): void {
    const start = at;
    const keyLine = line;
    let place = parent;
    for (const name of readDotted()) place = note(place, name, keyLine);
    skipSpace();
    if (text[at] === '=') at++;
    skipSpace();
    readValue(place);
    if (at === start) at++; // never stand still
  }

  function readDotted(): string[] {
    const names: string[] = [];
    while (at < text.length) {
      skipSpace();
      if (text[at] === '"' || text[at] === "'") names.push(readQuotedKey());
      else {
        const start = at;
        while (at < text.length && /[\w-]/.test(text[at] ?? '')) at++;
        names.push(text.slice(start, at));
      }
      skipSpace();
      if (text[at] !== '.') return names;
      at++;
    }
    return names;
  }

  function readQuotedKey(): string {
    const start = at;
    skipString();
    return unquoted(text.slice(start, at));
  }

  function readValue(place: Place): void {
    const open = text[at];
    if (open === '"' || open === "'") skipString();
    else if (open === '[') {
      at++;
      for (let i = 0; ; i++) {
        skipBlank();
        if (at >= text.length || text[at] === ']') break;
        const start = at;
        readValue(note(place, i, line));
        skipBlank();
        if (text[at] === ',') at++;
        if (at === start) at++;
      }
      at++;
    } else if (open === '{') {
      at++;
      for (;;) {
        skipBlank();
        if (at >= text.length || text[at] === '}') break;
        readPair(place);
        skipBlank();
        if (text[at] === ',') at++;
      }
      at++;
    } else while (at < text.length && !/[,\]}#\r\n]/.test(text[at] ?? '')) at++;
  }

  function skipString(): void {
    const end = endOfString(text, at);
    for (; at < end; at++) if (text[at] === '\n') line++;
  }

  function skipSpace(): void {
    while (text[at] === ' ' || text[at] === '\t') at++;
  }

  function skipBlank(): void {
    for (; at < text.length; at++) {
      const c = text[at];
      if (c === '\n') line++;
      else if (c === '#') {
        const end = text.indexOf('\n', at);
        at = (end === -1 ? text.length : end) - 1;
      } else if (c !== ' ' && c !== '\t' && c !== '\r') return;
    }
  }

  function note(place: Place, step: string | number, where: number): Place {
    place.parts ??= new Map();
    let part = place.parts.get(step);
    if (part === undefined) place.parts.set(step, (part = { line: where, length: 0, parts: undefined }));
    return part;
  }
}
