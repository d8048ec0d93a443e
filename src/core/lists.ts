import { domainToASCII } from 'node:url';
import { contains, formatNetwork, parseIp, parseNetwork } from '../mail/ip.ts';
import { mailboxKey, type Mailbox, type ReversePath } from '../mail/mailbox.ts';
import { networkSet } from '../mail/networks.ts';
import type { ListsPort } from './ports.ts';

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
  /** Where it stands: `postern.toml:31` or `/etc/postern/block.txt:12`. */
  readonly source: string;
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
export function buildLists(entries: readonly ListEntry[]): Lists {
  const conditions = entries.map(conditionsOf);
  const shared = new Map<string, number>();
  for (const keys of conditions) for (const key of keys) shared.set(key, (shared.get(key) ?? 0) + 1);

  const first = new Map<string, number>();
  const next = new Int32Array(entries.length).fill(NONE);
  const networks: string[] = [];
  const networkKeys: string[] = [];
  // Backwards, so that each chain stands in the order of the entries.
  for (let i = entries.length - 1; i >= 0; i--) {
    const key = rarest(conditions[i] ?? [], shared);
    const head = first.get(key);
    if (head !== undefined) next[i] = head;
    else if (key.startsWith('client ')) {
      networks.push(key.slice('client '.length));
      networkKeys.push(key);
    }
    first.set(key, i);
  }
  shared.clear();
  const clients = networkSet(networks);
  const clientHeads = Int32Array.from(networkKeys, (key) => first.get(key) ?? NONE);
  for (const key of networkKeys) first.delete(key);

  const find = (question: ListQuestion): readonly ListEntry[] => {
    if (entries.length === 0) return NOTHING;
    const found: number[] = [];
    const follow = (head: number | undefined) => {
      for (let i = head ?? NONE; i !== NONE; i = next[i] ?? NONE) {
        const entry = entries[i];
        if (entry !== undefined && matches(entry, question)) found.push(i);
      }
    };
    for (const n of clients.findAll(question.client)) follow(clientHeads[n]);
    if (first.size > 0) for (const key of keysOf(question)) follow(first.get(key));
    return found.sort((a, b) => a - b).flatMap((i) => entries[i] ?? []);
  };
  return { size: entries.length, namesHosts: entries.some((e) => e.host !== undefined), find };
}

const NONE = -1;
const NOTHING: readonly ListEntry[] = [];

/** Whether everything the entry names is so. What the question does not know yet does not match. */
function matches(entry: ListEntry, question: ListQuestion): boolean {
  if (entry.client !== undefined) {
    const network = parseNetwork(entry.client);
    const ip = parseIp(question.client);
    if (network.kind === 'bad' || ip === undefined || !contains(network, ip)) return false;
  }
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

function conditionsOf(entry: ListEntry): string[] {
  const fault = (problem: string) => new Error(`${entry.source}: ${problem}`);
  const keys: string[] = [];
  if (entry.client !== undefined) {
    const network = parseNetwork(entry.client);
    if (network.kind === 'bad') throw fault(network.problem);
    keys.push(`client ${formatNetwork(network)}`);
  }
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
    const isAddress = local !== undefined && local !== '' && !domain.startsWith('.');
    if (!isNull && (!isPattern(domain) || (local !== undefined && !isAddress))) {
      const forms = `user@example.net, example.net${side === 'sender' ? ', .example.net or <>' : ' or .example.net'}`;
      throw fault(`"${text}" is no ${side} such as ${forms}`);
    }
    keys.push(`${side} ${pattern}`);
  }
  if (keys.length === 0)
    throw fault('names no client, host, sender or recipient, so it would match everything');
  return keys;
}

function rarest(keys: readonly string[], shared: ReadonlyMap<string, number>): string {
  let best = keys[0] ?? '';
  for (const key of keys) if ((shared.get(key) ?? 0) < (shared.get(best) ?? 0)) best = key;
  return best;
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
