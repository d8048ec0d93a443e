/** A message that is whole: judged, given its fields and handed on. What comes of it is the reply to the client's final dot. */
import { keepsTheSession, replies } from '../../core/replies.ts';
import type { Session } from '../../engine/session.ts';
import type { Reply } from '../../mail/reply.ts';
import { MAX_HEADER_FIELDS } from '../../wire/smtp/content.ts';
import type { EndOfMessage } from '../../wire/smtp/events.ts';
import { peeked } from '../arriving-header.ts';
import { readHeader } from '../fields.ts';
import type { IncomingContent } from '../session.ts';
import { hostNameOf } from './identity.ts';
import { addedFields, onward, onwardHeader } from './onward.ts';
import type { BackendTransaction } from './transaction.ts';
import type { GatewaySettings, GatewayWorld } from './world.ts';

// RFC 5321 6.3 wants at least 100 Received fields borne before mail is called a loop.
const MAX_RECEIVED = 100;

/** Where the next message goes; what its header names is asked for while the body comes in. */
export function incoming(world: Pick<GatewayWorld, 'incoming'>, session: Session): IncomingContent {
  const content = world.incoming();
  return session.asksAhead ? peeked(content, (header) => session.headerArrived(header)) : content;
}

export async function deliver(
  event: EndOfMessage,
  content: IncomingContent | undefined,
  session: Session,
  backend: BackendTransaction,
  { policy, protocolLimits }: Pick<GatewaySettings, 'policy' | 'protocolLimits'>,
  world: Pick<GatewayWorld, 'trouble' | 'nowMs'>,
): Promise<Reply> {
  const { id } = session;
  if (event.tooLarge) return replies.messageTooLarge(protocolLimits.messageOctets);
  // SMTP smuggling: where one reader sees a line end and the next one does not, a second message can hide.
  if (event.bareNewline) return replies.bareNewline(id);
  if (event.headerTooLarge) return replies.headerTooLarge(protocolLimits.headerOctets);
  if (event.tooManyFields) return replies.tooManyFields(MAX_HEADER_FIELDS);
  if (event.lineTooLong) return replies.lineTooLong(protocolLimits.textLineOctets);
  const message = await content?.finish();
  if (message === undefined || 'kind' in message) {
    world.trouble('the spool failed', message?.kind === 'failed' ? message.reason : 'disk full', id);
    return replies.storageFull();
  }
  const header = await readHeader(message, protocolLimits.headerOctets);
  const { address } = session.facts.client;
  const inside = policy.site.networks.has(address);
  const going = onwardHeader(header, policy.site.hostName, inside);
  if (going.received > MAX_RECEIVED) return replies.mailLoop(id);
  const { sizeOctets } = event;
  const verdict = await session.endOfMessage({ sizeOctets }, { header, content: message });
  if (verdict.kind !== 'go-on') return verdict.reply;
  const added = addedFields({
    session: session.facts,
    transaction: session.transactionFacts,
    by: policy.site.hostName,
    ...session.marks,
    authentication: session.authentication,
    ...(await hostNameOf(session)),
    nowMs: world.nowMs(),
  });
  const answer = await backend.send(onward(message, added, going));
  if (answer.kind === 'unreachable') {
    world.trouble('the backend did not take a message', answer.reason, id);
    return replies.backendUnreachable(id);
  }
  // The backend's final reply is the client's reply; only a positive one gets our id, for the sender's log.
  return answer.reply.code < 300 ? replies.delivered(id) : keepsTheSession(answer.reply);
}
