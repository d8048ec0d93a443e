import { batvDay, checkBatv } from '../mail/batv.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { isOurDomain, type Site } from './site.ts';

/** A forward-path as everything behind the doors knows it: lists, caches, the backend and the journal. */
export interface Recipient extends Mailbox {
  /**
   * It carried a bounce address tag (BATV), and keys are configured. `valid` and `expired`: the tag is ours, and the mailbox the one that
   * it was put on. `wrong`: it is not, and the mailbox is what the client said.
   */
  readonly tag?: 'valid' | 'expired' | 'wrong' | undefined;
}

/** `atMs`: when its transaction began, so that all of its recipients are looked at on the same day. */
export function recipientOf(forwardPath: Mailbox, site: Site, atMs: number): Recipient {
  // RFC 5321 4.5.1: <Postmaster> without a domain is ours.
  if (forwardPath.domain === '') return { ...forwardPath, domain: ownDomain(site) };
  const { batvKeys = [] } = site;
  if (batvKeys.length === 0 || !isOurDomain(site, forwardPath.domain)) return forwardPath;
  const found = checkBatv(forwardPath, batvKeys, batvDay(atMs));
  switch (found.kind) {
    case 'untagged':
      return forwardPath;
    case 'valid':
    case 'expired':
      return { ...found.mailbox, tag: found.kind };
    case 'forged':
    case 'unknown-key':
      return { ...forwardPath, tag: 'wrong' };
    default:
      return found satisfies never;
  }
}

function ownDomain({ domains }: Site): string {
  return domains.find((domain) => !domain.startsWith('.')) ?? '';
}
