/** List entries made from a decision. */
import type { Decision } from '../core/decision.ts';
import type { Conditions } from '../core/lists.ts';
import { clientNetwork, type Site } from '../core/site.ts';
import { formatMailbox, formatReversePath } from '../mail/mailbox.ts';
import type { ListRequest } from './api.ts';
import { Refused } from './refused.ts';

/** What an entry made from the decision names. Throws where the decision has nothing of that kind. */
export function conditionsOf(decision: Decision, request: ListRequest, site: Site): Conditions {
  const { scope, recipientOnly = false } = request;
  const address = decision.session.client.address;
  const to = recipientOnly || scope === 'recipient' ? { recipient: recipientOf(decision, request) } : {};
  switch (scope) {
    case 'client':
      return { client: address, ...to };
    case 'network':
      return { client: clientNetwork(site, address), ...to };
    case 'sender':
    case 'domain':
      return { sender: senderOf(decision, scope, recipientOnly), ...to };
    case 'recipient':
      return to;
    default:
      return scope satisfies never;
  }
}

function recipientOf({ recipients }: Decision, { recipient }: ListRequest): string {
  const wanted =
    recipient === undefined
      ? (recipients.find(({ outcome }) => outcome !== 'accepted' && outcome !== 'relayed') ?? recipients[0])
      : recipients.find(({ mailbox }) => formatMailbox(mailbox) === recipient);
  if (wanted !== undefined) return formatMailbox(wanted.mailbox);
  throw new Refused(422, 'The decision has no such recipient', { field: 'recipientOnly' });
}

function senderOf({ transaction }: Decision, scope: 'sender' | 'domain', recipientOnly: boolean): string {
  const path = transaction?.reversePath;
  if (path === undefined) throw new Refused(422, 'The client had named no sender yet', { field: 'scope' });
  if (path === null) {
    if (scope === 'sender' && recipientOnly) return '<>';
    throw new Refused(422, 'It is a bounce: all bounces have the same sender, so choose the client', {
      field: 'scope',
    });
  }
  if (scope === 'sender') return formatReversePath(path);
  if (path.domain === '') throw new Refused(422, 'The sender has no domain', { field: 'scope' });
  return path.domain;
}
