/** What became of a transaction, from the replies that its client got. */
import type { DecisionOutcome, RecipientDecision } from '../core/decision.ts';
import type { Reply } from '../mail/reply.ts';

export type Deciding = Pick<RecipientDecision, 'reply' | 'check' | 'code'>;

export function lastRefusal(recipients: readonly RecipientDecision[]): Deciding | undefined {
  return recipients.findLast((r) => r.reply.code >= 400);
}

export function outcomeOf(reply: Reply): DecisionOutcome {
  return reply.code >= 500 ? 'refused' : reply.code >= 400 ? 'deferred' : 'accepted';
}

export function overall(
  recipients: readonly RecipientDecision[],
  final: Reply | undefined,
  deciding: Deciding | undefined,
): DecisionOutcome {
  const delivered = recipients.find((r) => r.outcome === 'accepted' || r.outcome === 'relayed');
  if (delivered !== undefined) return delivered.outcome;
  if (final !== undefined && final.code >= 400) return outcomeOf(final);
  if (recipients.some((r) => r.reply.code < 400)) return 'abandoned';
  return deciding === undefined ? 'abandoned' : outcomeOf(deciding.reply);
}
