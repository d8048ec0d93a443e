/** One RCPT: judged by the ladder, and taken only where the backend takes it. */
import { after } from '../../core/after.ts';
import { keepsTheSession, replies } from '../../core/replies.ts';
import type { Policy } from '../../core/policy.ts';
import { recipientOf, type Recipient } from '../../core/recipient.ts';
import type { Session } from '../../engine/session.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import type { RcptParameters } from '../../mail/parameters.ts';
import type { Reply } from '../../mail/reply.ts';
import type { ServerEvent } from '../../wire/smtp/events.ts';
import type { BackendTransaction } from './transaction.ts';
import type { GatewayWorld } from './world.ts';

type RecipientPolicy = Pick<Policy, 'site' | 'recipientTimeoutMs'>;

/** Answers it to the session; the reply is for the client, undefined where that has left meanwhile. */
export function answerRecipient(
  { forwardPath, parameters }: ServerEvent & { kind: 'rcpt' },
  session: Session,
  backend: BackendTransaction,
  policy: RecipientPolicy,
  world: Pick<GatewayWorld, 'trouble'>,
): Reply | undefined | Promise<Reply | undefined> {
  const mailbox = recipientOf(forwardPath, policy.site, session.transactionFacts.startedAtMs);
  return after(replyTo(mailbox, parameters, session, backend, policy, world), (reply) => {
    if (reply === undefined || backend.gone) return undefined;
    session.recipientAnswered(mailbox, reply);
    return reply;
  });
}

function replyTo(
  mailbox: Recipient,
  parameters: RcptParameters,
  session: Session,
  backend: BackendTransaction,
  policy: RecipientPolicy,
  world: Pick<GatewayWorld, 'trouble'>,
): Reply | undefined | Promise<Reply | undefined> {
  if (!backend.fits(mailbox)) return replies.otherTransaction();
  backend.about(mailbox, parameters);
  return after(session.rcpt(mailbox, parameters), (verdict) => {
    if (backend.gone) return undefined;
    if (verdict.kind === 'other-transaction') return replies.otherTransaction();
    if (verdict.kind === 'go-on') return passOn(session, backend, mailbox, policy, world);
    const asked = backend.answer();
    if (asked?.kind === 'replied' && asked.reply.code < 300) backend.renounce();
    return verdict.reply;
  });
}

/** The ladder let it through, but only the backend can take it: whatever the settings say, its answer stands (P1). */
async function passOn(
  session: Session,
  backend: BackendTransaction,
  mailbox: Mailbox,
  { recipientTimeoutMs }: RecipientPolicy,
  world: Pick<GatewayWorld, 'trouble'>,
): Promise<Reply> {
  const answer =
    backend.answer() ?? (await backend.ask(mailbox, withDeadline(session.signal, recipientTimeoutMs)));
  if (answer.kind === 'unreachable') {
    world.trouble('the backend cannot be reached', answer.reason, session.id);
    return replies.backendUnreachable(session.id);
  }
  return answer.reply.code < 300 ? replies.recipientOk() : keepsTheSession(answer.reply);
}

// Nobody but us waits here: without the check there is no deadline of the ladder's.
function withDeadline(gone: AbortSignal, timeoutMs: number | undefined): AbortSignal {
  return timeoutMs === undefined ? gone : AbortSignal.any([gone, AbortSignal.timeout(timeoutMs)]);
}
