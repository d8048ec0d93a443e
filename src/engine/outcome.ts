/** What became of a transaction, from the replies that its client got. */
import type { DecisionOutcome, RecipientDecision } from '../core/decision.ts';
import type { Would } from '../core/ladder.ts';
import type { Reply } from '../mail/reply.ts';

export type Deciding = Pick<RecipientDecision, 'reply' | 'check' | 'code'>;

export function lastRefusal(recipients: readonly RecipientDecision[]): Deciding | undefined {
  return recipients.findLast((r) => r.reply.code >= 400);
}

export function outcomeOf(reply: Reply): DecisionOutcome {
  return reply.code >= 500 ? 'refused' : reply.code >= 400 ? 'deferred' : 'accepted';
}

/** Of the whole: with nobody left there would have been no message. `ofRest`: what the last climb would have come to. */
export function wouldHave(
  recipients: readonly RecipientDecision[],
  ofRest: Would | undefined,
): Would | undefined {
  if (ofRest === undefined) return undefined;
  const letIn = recipients.filter((r) => r.reply.code < 400);
  const last = letIn.at(-1)?.would;
  if (last !== undefined && letIn.every(({ would }) => would !== undefined)) return last;
  return ofRest.kind === 'go-on' && ofRest.suspicion === 0 ? undefined : ofRest;
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
