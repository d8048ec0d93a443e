/**
 * Authors whom a reader of mail may see in From, and our parser of addresses does not: `<a@a.example> <b@b.example>`, an address with a
 * comment in its domain. A forger writes so on purpose; what DMARC asks is asked of them as well. An address in a display name is no author,
 * quoted or not. The text is a stranger's; time is linear in it.
 */

// More domains than DMARC asks for, so that it calls the author ambiguous.
export const MAX_UNREAD = 8;

/** `fields`: values of From fields, as latin1 text; `read`: the addresses found in them. Addresses with the domains left over. */
export function unreadAuthors(fields: readonly string[], read: readonly string[]): readonly string[] {
  const known = new Set(read.map((address) => domainIn(address.slice(address.lastIndexOf('@') + 1))));
  const unread = new Set<string>();
  for (const field of fields) {
    const text = bare(Buffer.from(field, 'latin1').toString('utf8'));
    for (const { 0: all, 1: said = '', index } of text.matchAll(/@[ \t\r\n]*([^\s@<>,;:"()\\[\]]+)/g)) {
      const domain = domainIn(said);
      const [next] = text.slice(index + all.length, index + all.length + MAX_DISPLAY).match(/[<>,;]/) ?? [];
      if (domain === '' || known.has(domain) || next === '<') continue;
      if (unread.size < MAX_UNREAD) unread.add(domain);
    }
  }
  return [...unread].map((domain) => `unread@${domain}`);
}

// A display name ends with the address behind it, and is a line at most.
const MAX_DISPLAY = 1000;

const domainIn = (text: string): string => text.trim().toLowerCase().replace(/\.$/, '');

/** Without quoted strings and comments (RFC 5322 3.2.2, 3.2.4); those that are never closed are text. */
function bare(text: string): string {
  let said = '';
  let at = 0;
  while (at < text.length) {
    const c = text.charAt(at);
    const end = c === '"' ? quoteEnd(text, at) : c === '(' ? commentEnd(text, at) : undefined;
    // Each is looked for once: nothing behind one that is never closed closes another.
    if (end === Infinity) return said + text.slice(at + 1).replace(/["()]/g, ' ');
    said += end === undefined ? c : '';
    at = end ?? at + 1;
  }
  return said;
}

function quoteEnd(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const c = text.charAt(at);
    if (c === '\\') at++;
    else if (c === '"') return at + 1;
  }
  return Infinity;
}

function commentEnd(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const c = text.charAt(at);
    if (c === '\\') at++;
    else if (c === '(') depth++;
    else if (c === ')' && --depth === 0) return at + 1;
  }
  return Infinity;
}
