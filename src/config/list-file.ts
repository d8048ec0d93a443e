import { readFileSync } from 'node:fs';
import type { ListEntry } from '../core/lists.ts';
import { parseNetwork } from '../mail/ip.ts';
import type { Problem } from './problems.ts';
import { hostPattern, mailPattern } from './values.ts';

/**
 * List files: one entry a line, `#` begins a comment, and the comment after an entry is its reason. Block, allow and
 * list-host files hold addresses, networks and host names (C1, E12); recipient files hold mailboxes and domains (E5).
 * Made for half a million lines: the loop looks at each once and keeps nothing but the entries.
 */
export interface ListFile {
  readonly entries: readonly ListEntry[];
  readonly problems: readonly Problem[];
  readonly text: string;
}

/** A file that is not a list at all would say so on every line. */
const MAX_PROBLEMS = 20;

export function readListFile(file: string, kind: ListEntry['kind']): ListFile {
  const text = readFileSync(file, 'utf8');
  const entries: ListEntry[] = [];
  const problems: Problem[] = [];
  let line = 0;
  for (
    let start = text.startsWith('\ufeff') ? 1 : 0;
    start < text.length && problems.length < MAX_PROBLEMS;
  ) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    line++;
    const whole = text.slice(start, end);
    start = end + 1;
    const hash = whole.indexOf('#');
    const entry = (hash === -1 ? whole : whole.slice(0, hash)).trim();
    if (entry === '') continue;
    const reason =
      hash === -1
        ? ''
        : whole
            .slice(hash + 1)
            .trim()
            .slice(0, 200);
    const named = kind === 'mailbox' ? recipientOf(entry) : clientOf(entry);
    if (typeof named === 'string') problems.push({ file, line, key: '', message: named });
    else entries.push({ kind, ...named, ...(reason === '' ? {} : { reason }), source: `${file}:${line}` });
  }
  return { entries, problems, text };
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
  return host.success ? { host: host.data } : `${quote(entry)} is no address, network or host name`;
}

function recipientOf(entry: string): Pick<ListEntry, 'recipient'> | string {
  const recipient = entry === '<>' ? undefined : mailPattern.safeParse(entry);
  return recipient?.success === true
    ? { recipient: recipient.data }
    : `${quote(entry)} is no mail address or domain`;
}

const quote = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
