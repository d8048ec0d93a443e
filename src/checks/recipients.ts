import { z } from 'zod';
import { acceptAllRecord, ACCEPT_ALL } from '../core/accept-all.ts';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import type { BackendAnswer, StorePort } from '../core/ports.ts';
import { keepsTheSession } from '../core/replies.ts';
import { duration, flag } from '../core/settings.ts';
import { isOurDomain } from '../core/site.ts';
import { formatMailbox } from '../mail/mailbox.ts';
import { isPermanent, isPositive, isTransient } from '../mail/reply.ts';
import { noMailbox, rememberRefusal, saysNoMore, saysUnknown } from './refused-recipients.ts';

const settings = z.strictObject({
  unknown_kept: duration(
    '2h',
    '1m',
    '7d',
    'How long a mailbox that the backend refused is refused without asking again, by `recipient-list`.',
  ),
  detect_accept_all: flag(
    true,
    'Asks the backend now and then for a recipient that cannot exist, to see whether it refuses any.',
  ),
  accept_all_every: duration('7d', '1h', '90d', 'How often it is asked so, for each domain.'),
});

interface Evidence {
  readonly backend: BackendAnswer;
  /** The backend takes any recipient of the domain, so that its yes says nothing. */
  readonly acceptsAll: boolean;
}

/**
 * E5: an unknown mailbox is refused while the sender's server still holds the message. Passing the recipient on to the
 * backend inside the client's own transaction is the question, so this check stands last before the message.
 */
export const recipients = defineCheck({
  name: 'recipients',
  summary: 'The backend takes the recipient.',
  stage: 'rcpt',
  cost: 'backend',
  codes: {
    taken: 'the backend takes the recipient',
    'accept-all': 'the backend takes the recipient, and would take any other',
    unknown: 'the backend says that there is no such mailbox',
    refused: 'the backend refused the recipient, or the transaction, for another reason',
    deferred: 'the backend deferred the recipient',
    unreachable: 'the backend could not be asked',
  },
  settings,
  defaults: { on_fail: 'refuse', on_temperror: 'defer', weight: 0, refuse_at: 'rcpt' },
  lifted: 'by-name',
  charges: { unknown: 'guess' },
  // A policy service is not told whom the mail server refuses.
  doors: ['gateway', 'milter'],
  async gather({ recipient }, ports, { unknown_kept }, signal, site): Promise<Evidence> {
    const { mailbox } = recipient;
    const backend = await ports.recipients.ask(mailbox, signal);
    if (backend.kind !== 'replied' || (mailbox.domain !== '' && !isOurDomain(site, mailbox.domain)))
      return { backend, acceptsAll: false };
    if (isPositive(backend.reply))
      return { backend, acceptsAll: await isAcceptAll(ports.store, mailbox.domain) };
    // Only what the backend says of the mailbox itself is kept: were a refusal of the sender or of the client kept as one of
    // the recipient, a stranger could have a mailbox refused for everybody.
    const worthKeeping = backend.of === undefined && ports.recipients.isFree !== true;
    if (worthKeeping && saysUnknown(backend.reply)) {
      try {
        await rememberRefusal(ports.store, mailbox, backend.reply, unknown_kept);
      } catch {
        // The backend is asked again the next time: a store that is ill makes of its no nothing temporary.
      }
    }
    return { backend, acceptsAll: false };
  },
  judge({ recipient }, { backend, acceptsAll }): readonly Finding[] {
    const name = `<${formatMailbox(recipient.mailbox)}>`;
    if (backend.kind === 'unreachable') {
      const text = 'the mailbox server behind this gate cannot be reached now';
      return [{ result: 'temperror', code: 'unreachable', text, enhanced: '5.4.1' }];
    }
    const said = backend.reply;
    const text = `the mailbox server says of ${name}: ${said.lines.join(' ')}`;
    if (isPermanent(said)) {
      const kept = keepsTheSession(said);
      if (backend.of === undefined && (saysUnknown(said) || saysNoMore(said)))
        return [{ result: 'fail', code: 'unknown', text, ...noMailbox(recipient.mailbox, kept) }];
      const { code, enhanced } = kept;
      return [{ result: 'fail', code: 'refused', text, enhanced: enhanced || '5.7.1', replyCode: code }];
    }
    if (isTransient(said)) {
      const enhanced = `5${(said.enhanced || '4.3.0').slice(1)}`;
      // RFC 5321 4.5.3.1.10: 452 tells a client to send the rest in another transaction. 421 would end the client's session.
      const own = said.code === 421 ? {} : { replyCode: said.code };
      return [{ result: 'temperror', code: 'deferred', text, enhanced, ...own }];
    }
    if (acceptsAll) {
      return [{ result: 'pass', code: 'accept-all', text: `the backend takes ${name}, as it takes any` }];
    }
    return [{ result: 'pass', code: 'taken', text: `the backend takes ${name}` }];
  },
});

/** The backend has taken the recipient: a store that is ill is no reason to undo that. */
async function isAcceptAll(store: StorePort, domain: string): Promise<boolean> {
  try {
    return acceptAllRecord(await store.recall(ACCEPT_ALL, domain))?.acceptsAll === true;
  } catch {
    return false;
  }
}
