import type { ListEntries, ListEntry } from '../core/lists.ts';
import type { Slices } from '../core/slices.ts';
import { parseNetwork } from '../mail/ip.ts';
import type { Problem } from './problems.ts';
import { aLabels, hostPattern, mailPattern } from './values.ts';

/**
 * List files: one entry a line, `#` begins a comment, and the comment after an entry is its reason. Block, allow and
 * list-host files hold addresses, networks and host names (C1, E12); recipient files hold mailboxes and domains (E5).
 * Made for half a million lines: what is kept is the text and where each entry stands in it. An object for each would
 * take ten times the memory, and as much time to collect as to read.
 */
export interface ListFile {
  readonly entries: ListEntries;
  readonly problems: readonly Problem[];
}

/** A file that is not a list at all would say so on every line. */
const MAX_PROBLEMS = 20;
/** Lines of a slice: some milliseconds. */
const SLICE = 4096;

export function* readingList(text: string, kind: ListEntry['kind'], file: string): Slices<ListFile> {
  const starts: number[] = [];
  const lines: number[] = [];
  const problems: Problem[] = [];
  let line = 0;
  let start = text.startsWith('\ufeff') ? 1 : 0;
  while (start < text.length && problems.length < MAX_PROBLEMS) {
    line++;
    const end = endOfLine(text, start);
    const entry = entryOf(text.slice(start, end), kind, file, line);
    if (typeof entry === 'string') problems.push({ file, line, key: '', message: entry });
    else if (entry !== undefined) {
      starts.push(start);
      lines.push(line);
    }
    start = end + 1;
    if (line % SLICE === 0) yield;
  }
  return { entries: new EntriesOfText(text, kind, file, starts, lines), problems };
}

/** Several lists as one. */
export class JoinedEntries implements ListEntries {
  readonly #parts: readonly ListEntries[];
  readonly length: number;

  constructor(parts: readonly ListEntries[]) {
    this.#parts = parts;
    this.length = parts.reduce((sum, part) => sum + part.length, 0);
  }

  at(index: number): ListEntry | undefined {
    let before = 0;
    for (const part of this.#parts) {
      if (index < before + part.length) return part.at(index - before);
      before += part.length;
    }
    return undefined;
  }

  some(is: (entry: ListEntry) => boolean): boolean {
    return this.#parts.some((part) => part.some(is));
  }

  *[Symbol.iterator](): Generator<ListEntry> {
    for (const part of this.#parts) yield* part;
  }
}

class EntriesOfText implements ListEntries {
  readonly #text: string;
  readonly #kind: ListEntry['kind'];
  readonly #file: string;
  readonly #starts: Uint32Array;
  readonly #lines: Uint32Array;

  constructor(text: string, kind: ListEntry['kind'], file: string, starts: number[], lines: number[]) {
    this.#text = text;
    this.#kind = kind;
    this.#file = file;
    this.#starts = Uint32Array.from(starts);
    this.#lines = Uint32Array.from(lines);
  }

  get length(): number {
    return this.#starts.length;
  }

  at(index: number): ListEntry | undefined {
    const start = this.#starts[index];
    if (start === undefined) return undefined;
    const whole = this.#text.slice(start, endOfLine(this.#text, start));
    const entry = entryOf(whole, this.#kind, this.#file, this.#lines[index] ?? 0);
    return typeof entry === 'string' ? undefined : entry;
  }

  some(is: (entry: ListEntry) => boolean): boolean {
    for (const entry of this) if (is(entry)) return true;
    return false;
  }

  *[Symbol.iterator](): Generator<ListEntry> {
    for (let i = 0; i < this.length; i++) {
      const entry = this.at(i);
      if (entry !== undefined) yield entry;
    }
  }
}

function endOfLine(text: string, start: number): number {
  const newline = text.indexOf('\n', start);
  return newline === -1 ? text.length : newline;
}

/** Undefined where nothing stands in the line, what is wrong with it where it is no entry. */
function entryOf(
  whole: string,
  kind: ListEntry['kind'],
  file: string,
  line: number,
): ListEntry | string | undefined {
  const hash = whole.indexOf('#');
  const text = (hash === -1 ? whole : whole.slice(0, hash)).trim();
  if (text === '') return undefined;
  const named = kind === 'mailbox' ? recipientOf(text) : clientOf(text);
  if (typeof named === 'string') return named;
  const entry = { kind, ...named, source: `${file}:${line}` };
  const reason = hash === -1 ? '' : whole.slice(hash + 1).trim();
  return reason === '' ? entry : { ...entry, reason: reason.slice(0, 200) };
}

function clientOf(entry: string): Pick<ListEntry, 'client' | 'host'> | string {
  const first = entry.charCodeAt(0);
  const isDigit = first >= 0x30 && first <= 0x39;
  if (isDigit || entry.includes(':') || entry.includes('/')) {
    const network = parseNetwork(entry);
    if (network.kind === 'network') return { client: entry };
    if (!/[g-z]/i.test(entry) || entry.includes('/')) return network.problem;
  }
  const host = hostPattern.safeParse(entry);
  return host.success
    ? { host: host.data }
    : `${quote(entry)} is no address, network or host name${asLabels(entry)}`;
}

function recipientOf(entry: string): Pick<ListEntry, 'recipient'> | string {
  const recipient = entry === '<>' ? undefined : mailPattern.safeParse(entry);
  return recipient?.success === true
    ? { recipient: recipient.data }
    : `${quote(entry)} is no mail address or domain${asLabels(entry)}`;
}

function asLabels(entry: string): string {
  const labels = aLabels(entry);
  return labels === undefined ? '' : `; write it as ${quote(labels)}`;
}

const quote = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
