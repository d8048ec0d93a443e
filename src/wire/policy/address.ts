import { formatMailbox, type Mailbox } from '../../mail/mailbox.ts';
import { parseForwardPath } from '../../mail/path.ts';

/**
 * An address as Postfix keeps it within itself: without angle brackets, and with a local part that may hold anything, for its quotes
 * are gone. Undefined where it is none that could have come by SMTP; the null reverse-path is the caller's to see.
 */
export function readAddress(text: string, localPartOctets?: number): Mailbox | undefined {
  const at = text.lastIndexOf('@');
  const written = formatMailbox({
    local: at === -1 ? text : text.slice(0, at),
    domain: at === -1 ? '' : text.slice(at + 1),
  });
  // The MTA has taken it, so its domain may have what ours would not take from a client.
  const result = parseForwardPath(`<${written}>`, {
    lenient: true,
    ...(localPartOctets === undefined ? {} : { localPartOctets }),
  });
  return result.kind === 'path' && result.rest === '' && result.path.local !== '' ? result.path : undefined;
}
