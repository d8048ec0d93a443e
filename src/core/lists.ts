import { domainToASCII } from 'node:url';
import { contains, formatNetwork, parseIp, parseNetwork, type Network } from '../mail/ip.ts';
import { isLocalPart, mailboxKey, type Mailbox, type ReversePath } from '../mail/mailbox.ts';
import { NetworkCollector } from '../mail/networks.ts';
import type { ListsPort } from './ports.ts';
import { atOnce, type Slices } from './slices.ts';

/**
 * One line of the operator's lists (C1, E11, E12). Whatever it names must all match: client and recipient given together
 * let one user have mail from an otherwise blocked network.
 */
export interface ListEntry {
  /** `list-host`: a mailing-list server, never refused, only tagged. `mailbox`: a recipient that exists (E5). */
  readonly kind: 'allow' | 'block' | 'list-host' | 'mailbox';
  /** Address or network in CIDR form. */
  readonly client?: string;
  /** Forward-confirmed host name, or `.example.net` for all below it. */
  readonly host?: string;
  /** `user@example.net`, `example.net`, `.example.net`, `<>`. */
  readonly sender?: string;
  readonly recipient?: string;
  /** Names of the checks an allow entry lifts; absent: all that any entry can lift. */
  readonly lifts?: readonly string[];
  readonly reason?: string;
  /** Where it stands: `postern.toml:31`, `/etc/postern/block.txt:12`, or `listed by ann, 2026-11-21`. */
  readonly source: string;
  /** From then on it is not in force any more; absent: for good. */
  readonly endsMs?: number | undefined;
}

/** What an entry names, without where it stands. */
export type Conditions = Pick<ListEntry, 'client' | 'host' | 'sender' | 'recipient'>;

/** An array of entries, or what makes them anew from a file each time that they are asked for. */
export interface ListEntries extends Iterable<ListEntry> {
  readonly length: number;
  at(index: number): ListEntry | undefined;
  some(is: (entry: ListEntry) => boolean): boolean;
}

export interface ListQuestion {
  readonly client: string;
  /** The client's forward-confirmed names, where they are known. */
  readonly hosts?: readonly string[];
  /** Absent before MAIL. */
  readonly sender?: { readonly path: ReversePath } | undefined;
  /** Absent before RCPT. */
  readonly recipient?: Mailbox | undefined;
}

export interface Lists extends ListsPort {
  readonly size: number;
  readonly namesHosts: boolean;
}

/**
 * Makes the lists ready to be asked. Throws with file and line on an entry that can match nothing. Every entry is filed
 * under that one of its conditions which fewest others share, so that a look-up costs a binary search and a few hash
 * look-ups, however long the lists are.
 */
export function buildLists(entries: ListEntries): Lists {
  return atOnce(buildingLists(entries));
}

/** The same in slices of a few milliseconds, so that mail flows while half a million entries are read anew. */
export function* buildingLists(entries: ListEntries): Slices<Lists> {
  const clients = new NetworkCollector();
  const first = new Map<string, number>();
  const next = new Int32Array(entries.length).fill(NONE);
  const file = (key: string, i: number) => {
    next[i] = first.get(key) ?? NONE;
    first.set(key, i);
  };
  /** Entries with several conditions, and how often each of those is named by them. */
  const choosy: number[] = [];
  const shared = new Map<string, number>();
  const count = (key: string) => shared.set(key, (shared.get(key) ?? 0) + 1);
  let namesHosts = false;
  let i = 0;
  for (const entry of entries) {
    namesHosts ||= entry.host !== undefined;
    const { network, keys } = conditionsOf(entry);
    const [key] = keys;
    if (network !== undefined && keys.length === 0) clients.add(network, i);
    else if (network === undefined && keys.length === 1 && key !== undefined) file(key, i);
    else {
      choosy.push(i);
      for (const key of keys) count(key);
      if (network !== undefined) count(formatNetwork(network));
    }
    i += 1;
    if (i % SLICE === 0) yield;
  }
  for (const [n, i] of choosy.entries()) {
    const entry = entries.at(i);
    if (entry === undefined) continue;
    const { network, keys } = conditionsOf(entry);
    const rarest = keys.reduce((a, b) => ((shared.get(b) ?? 0) < (shared.get(a) ?? 0) ? b : a));
    const sharing = network === undefined ? Infinity : (shared.get(formatNetwork(network)) ?? 0);
    if (network !== undefined && sharing <= (shared.get(rarest) ?? 0)) clients.add(network, i);
    else file(rarest, i);
    if (n % SLICE === 0) yield;
  }
  shared.clear();
  const networks = yield* clients.collected();

  const find = (question: ListQuestion): readonly ListEntry[] => {
    if (entries.length === 0) return NOTHING;
    const found: { readonly i: number; readonly entry: ListEntry }[] = [];
    const look = (i: number, isClient: boolean) => {
      const entry = entries.at(i);
      if (entry === undefined) return;
      if ((isClient || clientMatches(entry, question)) && restMatches(entry, question))
        found.push({ i, entry });
    };
    for (const i of networks.findAll(question.client)) look(i, true);
    if (first.size > 0)
      for (const key of keysOf(question))
        for (let i = first.get(key) ?? NONE; i !== NONE; i = next[i] ?? NONE) look(i, false);
    return found.sort((a, b) => a.i - b.i).map(({ entry }) => entry);
  };
  return { size: entries.length, namesHosts, find };
}

/** Several lists asked as one: what the first knows stands first. What they hold may change from one question to the next. */
export function joinedLists(parts: readonly Lists[]): Lists {
  return {
    get size() {
      return parts.reduce((sum, { size }) => sum + size, 0);
    },
    get namesHosts() {
      return parts.some(({ namesHosts }) => namesHosts);
    },
    find(question) {
      let found = NOTHING;
      for (const part of parts) {
        if (part.size === 0) continue;
        const its = part.find(question);
        if (its.length > 0) found = found.length === 0 ? its : [...found, ...its];
      }
      return found;
    },
  };
}

/** Equal for entries that name the same, however it is written. Throws with the problem where one can match nothing. */
export function conditionKey(entry: Conditions): string {
  const { network, keys } = conditionsOf(entry);
  return [...(network === undefined ? [] : [formatNetwork(network)]), ...keys].join('\n');
}

/** Whether all mail that the narrow one is about is the wide one's as well, by what both say. Throws where one can match nothing. */
export function covering(narrow: Conditions): (wide: Conditions) => boolean {
  const within = conditionsOf(narrow);
  const named = new Set(within.keys.flatMap(widerKeys));
  return (wide) => {
    const { network, keys } = conditionsOf(wide);
    if (network !== undefined) {
      if (within.network === undefined || network.prefix > within.network.prefix) return false;
      if (!contains(network, within.network.base)) return false;
    }
    return keys.every((key) => named.has(key));
  };
}

/** `sender joe@example.net`, and what it lies within: `sender example.net`, `sender .net`. */
function widerKeys(key: string): string[] {
  const space = key.indexOf(' ');
  const of = key.slice(0, space);
  const pattern = key.slice(space + 1);
  return [key, ...domainKeys(of, pattern.slice(pattern.lastIndexOf('@') + 1))];
}

/** Entries of a slice: some milliseconds. */
const SLICE = 4096;
const NONE = -1;
const NOTHING: readonly ListEntry[] = [];

function clientMatches(entry: ListEntry, question: ListQuestion): boolean {
  if (entry.client === undefined) return true;
  const network = parseNetwork(entry.client);
  const ip = parseIp(question.client);
  return network.kind === 'network' && ip !== undefined && contains(network, ip);
}

/** Whether all else that the entry names is so. What the question does not know yet does not match. */
function restMatches(entry: ListEntry, question: ListQuestion): boolean {
  if (entry.host !== undefined) {
    const key = `host ${domainPattern(entry.host)}`;
    if (question.hosts?.some((name) => domainKeys('host', name).includes(key)) !== true) return false;
  }
  if (entry.sender !== undefined) {
    if (question.sender === undefined) return false;
    if (!senderKeys(question.sender.path).includes(`sender ${pathPattern(entry.sender)}`)) return false;
  }
  if (entry.recipient !== undefined) {
    if (question.recipient === undefined) return false;
    return mailboxKeys('recipient', question.recipient).includes(`recipient ${pathPattern(entry.recipient)}`);
  }
  return true;
}

function conditionsOf(entry: Conditions & { readonly source?: string }): {
  readonly network: Network | undefined;
  readonly keys: string[];
} {
  const fault = (problem: string) =>
    new Error(entry.source === undefined ? problem : `${entry.source}: ${problem}`);
  const network = entry.client === undefined ? undefined : parseNetwork(entry.client);
  if (network?.kind === 'bad') throw fault(network.problem);
  const keys: string[] = [];
  if (entry.host !== undefined) {
    const pattern = domainPattern(entry.host);
    if (!isPattern(pattern))
      throw fault(`"${entry.host}" is no host name such as mail.example.net or .example.net`);
    keys.push(`host ${pattern}`);
  }
  for (const side of ['sender', 'recipient'] as const) {
    const text = entry[side];
    if (text === undefined) continue;
    const pattern = pathPattern(text);
    const domain = pattern.slice(pattern.lastIndexOf('@') + 1);
    const local = pattern.includes('@') ? pattern.slice(0, -domain.length - 1) : undefined;
    const isNull = pattern === '<>' && side === 'sender';
    // A dot before the domain takes all names below it, which makes no sense behind a user's name.
    const isAddress = isLocalPart(text.slice(0, text.lastIndexOf('@'))) && !domain.startsWith('.');
    if (!isNull && (!isPattern(domain) || (local !== undefined && !isAddress))) {
      const forms = `user@example.net, example.net${side === 'sender' ? ', .example.net or <>' : ' or .example.net'}`;
      throw fault(`"${text}" is no ${side} such as ${forms}`);
    }
    keys.push(`${side} ${pattern}`);
  }
  if (network === undefined && keys.length === 0)
    throw fault('names no client, host, sender or recipient, so it would match everything');
  return { network, keys };
}

/** Every key under which an entry that matches may be filed, networks aside. */
function keysOf(question: ListQuestion): Set<string> {
  const keys = new Set<string>();
  for (const name of question.hosts ?? []) for (const key of domainKeys('host', name)) keys.add(key);
  if (question.sender !== undefined) for (const key of senderKeys(question.sender.path)) keys.add(key);
  if (question.recipient !== undefined)
    for (const key of mailboxKeys('recipient', question.recipient)) keys.add(key);
  return keys;
}

function senderKeys(path: ReversePath): string[] {
  return path === null ? ['sender <>'] : mailboxKeys('sender', path);
}

function mailboxKeys(of: 'sender' | 'recipient', mailbox: Mailbox): string[] {
  return [`${of} ${mailboxKey(mailbox)}`, ...domainKeys(of, mailbox.domain)];
}

/** `a.b.c` fits the patterns `a.b.c`, `.b.c` and `.c`. An address literal fits only itself. */
function domainKeys(of: string, name: string): string[] {
  const keys = [`${of} ${name}`];
  if (name.startsWith('[')) return keys;
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1))
    keys.push(`${of} ${name.slice(dot)}`);
  return keys;
}

function domainPattern(text: string): string {
  const dot = text.startsWith('.') ? '.' : '';
  const name = text.slice(dot.length).replace(/\.$/, '');
  // `domainToASCII` gives '' for what is no domain; ASCII is left alone, for it turns away underscores in places.
  return dot + (/^[\x00-\x7f]*$/.test(name) ? name : domainToASCII(name)).toLowerCase();
}

function pathPattern(text: string): string {
  const at = text.lastIndexOf('@');
  if (at < 0) return text === '<>' ? text : domainPattern(text);
  const local = text.slice(0, at);
  const quoted = /^"(.*)"$/s.exec(local)?.[1];
  const plain = quoted === undefined ? local : quoted.replace(/\\(.)/gs, '$1');
  return `${plain.toLowerCase()}@${domainPattern(text.slice(at + 1))}`;
}

// A domain in the shape of RFC 1035 names with underscores, or an address literal.
const PATTERN = /^(?:\.?[\w-]{1,63}(?:\.[\w-]{1,63})*|\[[\w:.]{2,60}\])$/;
const isPattern = (text: string): boolean => text.length <= 254 && PATTERN.test(text);
