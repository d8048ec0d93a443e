/**
 * Says on which line of a TOML document a key stands. The parser gives values without places, and a problem without a
 * line is a search. The text has been through the parser before: what comes here is well-formed TOML, so this reads
 * forward only and trusts brackets and quotes to close (it still ends with the text whatever that holds).
 */
export type KeyPath = readonly (string | number)[];

export interface Locator {
  /** The line of the key, or of the nearest table around it that is written down; 1 for the document itself. */
  line(path: KeyPath): number;
  /** The line of this very key, or undefined where the document does not have it. */
  exactly(path: KeyPath): number | undefined;
}

export function locate(text: string): Locator {
  const lines = new Map<string, number>();
  /** The tables of `[[name]]` seen so far, by the path of the array. */
  const lengths = new Map<string, number>();
  let at = 0;
  let line = 1;
  let table: KeyPath = [];

  skipBlank();
  while (at < text.length) {
    if (text[at] === '[') readHeader();
    else readPair(table);
    skipBlank();
  }

  return {
    line(path) {
      for (let depth = path.length; depth > 0; depth--) {
        const found = lines.get(keyOf(path.slice(0, depth)));
        if (found !== undefined) return found;
      }
      return 1;
    },
    exactly: (path) => lines.get(keyOf(path)),
  };

  function readHeader(): void {
    const isArray = text.startsWith('[[', at);
    at += isArray ? 2 : 1;
    const headerLine = line;
    const names = readDotted();
    at += isArray ? 2 : 1;
    let path: KeyPath = [];
    for (const [i, name] of names.entries()) {
      path = [...path, name];
      note(path, headerLine);
      const length = lengths.get(keyOf(path)) ?? 0;
      if (isArray && i === names.length - 1) {
        lengths.set(keyOf(path), length + 1);
        path = [...path, length];
        note(path, headerLine);
      } else if (length > 0) path = [...path, length - 1]; // `[a.b]` below `[[a]]` speaks of the last `a`
    }
    table = path;
  }

  function readPair(parent: KeyPath): void {
    const start = at;
    const keyLine = line;
    let path = parent;
    for (const name of readDotted()) {
      path = [...path, name];
      note(path, keyLine);
    }
    skipSpace();
    if (text[at] === '=') at++;
    skipSpace();
    readValue(path);
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
    const raw = text.slice(start, at);
    if (raw.startsWith("'")) return raw.slice(1, -1);
    try {
      return String(JSON.parse(raw)); // a basic string of one line: TOML's escapes are JSON's, and \U, \e, \x besides
    } catch {
      return raw.slice(1, -1);
    }
  }

  function readValue(path: KeyPath): void {
    const open = text[at];
    if (open === '"' || open === "'") skipString();
    else if (open === '[') {
      at++;
      for (let i = 0; ; i++) {
        skipBlank();
        if (at >= text.length || text[at] === ']') break;
        note([...path, i], line);
        const start = at;
        readValue([...path, i]);
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
        readPair(path);
        skipBlank();
        if (text[at] === ',') at++;
      }
      at++;
    } else while (at < text.length && !/[,\]}#\r\n]/.test(text[at] ?? '')) at++;
  }

  function skipString(): void {
    const quote = text[at] ?? '';
    const long = quote.repeat(3);
    const end = text.startsWith(long, at) ? long : quote;
    at += end.length;
    while (at < text.length && !text.startsWith(end, at)) {
      if (text[at] === '\n') line++;
      at += quote === '"' && text[at] === '\\' && text[at + 1] !== '\n' ? 2 : 1;
    }
    at += end.length;
    // A long string may end in one or two quotes of its own: `""""`.
    if (end.length === 3) while (text[at] === quote) at++;
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

  function note(path: KeyPath, where: number): void {
    const key = keyOf(path);
    if (!lines.has(key)) lines.set(key, where);
  }
}

const keyOf = (path: KeyPath): string => JSON.stringify(path);
