/** One RCPT: judged by the ladder, and taken only where the backend takes it. */
import { after } from '../../core/after.ts';
import { keepsTheSession, replies } from '../../core/replies.ts';
import type { Site } from '../../core/site.ts';
import type { Session } from '../../engine/session.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import type { RcptParameters } from '../../mail/parameters.ts';
import type { Reply } from '../../mail/reply.ts';
import type { ServerEvent } from '../../wire/smtp/events.ts';
import type { BackendTransaction } from './transaction.ts';
import type { GatewayWorld } from './world.ts';

/** Answers it to the session; the reply is for the client, undefined where that has left meanwhile. */
export function answerRecipient(
  { forwardPath, parameters }: ServerEvent & { kind: 'rcpt' },
  session: Session,
  backend: BackendTransaction,
  site: Site,
  world: Pick<GatewayWorld, 'trouble'>,
): Reply | undefined | Promise<Reply | undefined> {
  // RFC 5321 4.5.1: <Postmaster> without a domain is ours.
  const mailbox = forwardPath.domain === '' ? { ...forwardPath, domain: ownDomain(site) } : forwardPath;
  return after(replyTo(mailbox, parameters, session, backend, world), (reply) => {
    if (reply === undefined || backend.gone) return undefined;
    session.recipientAnswered(mailbox, reply);
    return reply;
  });
}

function replyTo(
  mailbox: Mailbox,
  parameters: RcptParameters,
  session: Session,
  backend: BackendTransaction,
  world: Pick<GatewayWorld, 'trouble'>,
): Reply | undefined | Promise<Reply | undefined> {
  if (!backend.fits(mailbox)) return replies.otherTransaction();
  backend.about(mailbox, parameters);
  return after(session.rcpt(mailbox, parameters), (verdict) => {
    if (backend.gone) return undefined;
    if (verdict.kind === 'other-transaction') return replies.otherTransaction();
    if (verdict.kind === 'go-on') return passOn(session, backend, mailbox, world);
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
  world: Pick<GatewayWorld, 'trouble'>,
): Promise<Reply> {
  const answer = backend.answer() ?? (await backend.ask(mailbox, session.signal));
  if (answer.kind === 'unreachable') {
    world.trouble('the backend cannot be reached', answer.reason, session.id);
    return replies.backendUnreachable(session.id);
  }
  return answer.reply.code < 300 ? replies.recipientOk() : keepsTheSession(answer.reply);
}

function ownDomain({ domains }: Site): string {
  return domains.find((domain) => !domain.startsWith('.')) ?? '';
}
