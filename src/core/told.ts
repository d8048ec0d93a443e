/** Parts of a decision in words: the same in the log, on the terminal and on the dashboard. */
import { formatMailbox, formatReversePath } from '../mail/mailbox.ts';
import { formatReply } from '../mail/reply.ts';
import type { BroughtCharge } from './charges.ts';
import type { Decision, RecipientDecision } from './decision.ts';

/** `would be deferred by greylist:new, suspicion 3`: without `profile = "watch"`. */
export function wouldText({ kind, check, code, suspicion }: NonNullable<Decision['would']>): string {
  const done = kind === 'go-on' ? 'let in' : kind === 'refuse' ? 'refused' : 'deferred';
  const by = check === undefined ? '' : ` by ${check}${code === undefined ? '' : `:${code}`}`;
  return `would be ${done}${by}, suspicion ${suspicion}`;
}

export function chargeText(
  { charge, check, times = 1, block }: BroughtCharge,
  formatTime: (ms: number) => string,
): string {
  if (block !== undefined)
    return `${charge} by ${check}: ${block.network} is blocked until ${formatTime(block.endsMs)}`;
  return charge === 'guess'
    ? `${times} recipients that do not exist, by ${check}`
    : `${charge} by ${check}, ${times} by now`;
}

/** Whoever was let in at RCPT may still be refused with the message: its own reply tells but half of that. */
export function fateOf({ outcome, reply }: Pick<RecipientDecision, 'outcome' | 'reply'>): string {
  const said = formatReply(reply).trim();
  if (reply.code >= 400 || outcome === 'accepted' || outcome === 'relayed') return `${outcome}, ${said}`;
  return outcome === 'abandoned'
    ? `let in (${said}), then abandoned`
    : `let in (${said}), then ${outcome} with the message`;
}

/** `-` before MAIL. */
export function senderOf({ transaction }: Pick<Decision, 'transaction'>): string {
  if (transaction === undefined) return '-';
  return transaction.reversePath === null ? '<>' : formatReversePath(transaction.reversePath);
}

/** `ann@example.org: refused, 550 5.7.1 …`. */
export const recipientText = (recipient: RecipientDecision): string =>
  `${formatMailbox(recipient.mailbox)}: ${fateOf(recipient)}`;
