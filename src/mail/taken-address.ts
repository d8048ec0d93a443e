import { formatMailbox, type Mailbox } from './mailbox.ts';
import { parseForwardPath } from './path.ts';

/**
 * An address that an MTA has taken, in the words that it keeps it in: without angle brackets, with a local part that may hold anything, for
 * its quotes are gone, perhaps with a dot behind the domain (RFC 1034 3.1), perhaps without a domain: the MTA puts its own there (Postfix's
 * append_at_myorigin), and the caller has to. Undefined where it is none; the null reverse-path is the caller's to see.
 */
export function takenAddress(text: string, localPartOctets?: number): Mailbox | undefined {
  const at = text.lastIndexOf('@');
  const isBare = at === -1;
  const written = formatMailbox({
    local: isBare ? text : text.slice(0, at),
    domain: isBare ? SOME_DOMAIN : text.slice(at + 1).replace(/\.$/, ''),
  });
  // Its domain may have what ours would not take from a client.
  const result = parseForwardPath(`<${written}>`, {
    lenient: true,
    ...(localPartOctets === undefined ? {} : { localPartOctets }),
  });
  if (result.kind === 'error' || result.rest !== '' || result.path.local === '') return undefined;
  return isBare ? { ...result.path, domain: '' } : result.path;
}

// The parser wants one.
const SOME_DOMAIN = 'localhost';
