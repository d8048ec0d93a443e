import { batvDay, signBatv } from '../mail/batv.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { SessionFacts, TransactionFacts } from './facts.ts';
import { isOurDomain, type Site } from './site.ts';

/**
 * BATV: mail of our own networks and of those who authenticate, from a sender of ours, goes on with a signed reverse-path, so that what
 * comes back to it shows that it answers our mail. Undefined: it goes on with the one that it has.
 */
export function signedSender(
  { client, authenticated }: Pick<SessionFacts, 'client' | 'authenticated'>,
  { reversePath, startedAtMs }: Pick<TransactionFacts, 'reversePath' | 'startedAtMs'>,
  site: Site,
): Mailbox | undefined {
  const [key] = site.batvKeys ?? [];
  if (site.signsOutgoing !== true || key === undefined || reversePath === null) return undefined;
  if (!isOurDomain(site, reversePath.domain)) return undefined;
  if (authenticated === undefined && !site.networks.has(client.address)) return undefined;
  // The frames of other doors are no place for what is not plain text; a sender that needs SMTPUTF8 is rare.
  if (!/^[\x20-\x7e]+$/.test(reversePath.local)) return undefined;
  return signBatv(reversePath, key, batvDay(startedAtMs));
}
