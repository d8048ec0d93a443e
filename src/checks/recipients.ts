import { z } from 'zod';
import type { Json } from '../core/check.ts';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import type { BackendAnswer } from '../core/ports.ts';
import { keepsTheSession } from '../core/replies.ts';
import { duration } from '../core/settings.ts';
import { isOurDomain } from '../core/site.ts';
import { formatMailbox, mailboxKey } from '../mail/mailbox.ts';
import type { Reply } from '../mail/reply.ts';

const settings = z.strictObject({
  known_only: z.boolean().default(false).meta({
    description:
      'Takes mail only for recipients that stand in `recipient_files`, without asking the backend first.',
  }),
  unknown_kept: duration(
    '2h',
    '1m',
    '7d',
    'How long a mailbox that the backend refused is refused without asking again.',
  ),
});

/** `listed`: whether the recipient stands in our own list. `remembered`: an earlier refusal of the backend. */
type Evidence = {
  readonly listed: boolean | null;
  readonly remembered: Reply | null;
  readonly backend: BackendAnswer | null;
};

const SPACE = 'recipients';

/**
 * E5: an unknown mailbox is refused while the sender's server still holds the message. Passing the recipient on to the
 * backend inside the client's own transaction is the question, so this check stands last before the message.
 */
export const recipients = defineCheck({
  name: 'recipients',
  summary: 'The recipient exists: it stands in our list, and the backend takes it.',
  stage: 'rcpt',
  cost: 'backend',
  codes: {
    taken: 'the backend takes the recipient',
    unlisted: 'the recipient does not stand in the list of those we know',
    unknown: 'the backend refused the recipient, now or a short while ago',
    deferred: 'the backend deferred the recipient',
    unreachable: 'the backend could not be asked',
  },
  settings,
  defaults: { on_fail: 'refuse', on_temperror: 'defer', weight: 0, refuse_at: 'rcpt' },
  lifted: 'by-name',
  async gather({ session, recipient }, ports, { known_only, unknown_kept }, signal, site): Promise<Evidence> {
    const { mailbox } = recipient;
    const ours = mailbox.domain === '' || isOurDomain(site, mailbox.domain);
    const listed =
      known_only && ours
        ? ports.lists
            .find({ client: session.client.address, recipient: mailbox })
            .some((e) => e.kind === 'mailbox')
        : null;
    if (listed === false) return { listed, remembered: null, backend: null };
    const remembered = ours ? await ports.store.recall(SPACE, mailboxKey(mailbox)) : undefined;
    if (isReply(remembered)) return { listed, remembered, backend: null };
    const backend = await ports.recipients.ask(mailbox, signal);
    // Only what the backend says of the mailbox itself is kept: were a refusal of the sender or of the client kept as one of
    // the recipient, a stranger could have a mailbox refused for everybody.
    if (ours && backend.kind === 'replied' && backend.of === undefined && isUnknownMailbox(backend.reply)) {
      await ports.store.remember(SPACE, mailboxKey(mailbox), { ...backend.reply }, unknown_kept);
    }
    return { listed, remembered: null, backend };
  },
  judge({ recipient }, { listed, remembered, backend }): readonly Finding[] {
    const name = `<${formatMailbox(recipient.mailbox)}>`;
    if (listed === false) {
      return [{ result: 'fail', code: 'unlisted', text: `${name} is no mailbox here`, enhanced: '5.1.1' }];
    }
    if (remembered !== null) return [refused(name, remembered)];
    if (backend === null) return [{ result: 'none', code: 'unreachable', text: `${name} was not asked for` }];
    if (backend.kind === 'unreachable') {
      const text = 'the mailbox server behind this gate cannot be reached now';
      return [{ result: 'temperror', code: 'unreachable', text, enhanced: '5.4.1' }];
    }
    const said = backend.reply;
    if (said.code >= 500) return [refused(name, said)];
    if (said.code >= 400) {
      const text = `the mailbox server says of ${name}: ${words(said)}`;
      return [
        { result: 'temperror', code: 'deferred', text, enhanced: `5${(said.enhanced || '4.3.0').slice(1)}` },
      ];
    }
    return [{ result: 'pass', code: 'taken', text: `the backend takes ${name}` }];
  },
});

function refused(name: string, said: Reply): Finding {
  const text = `the mailbox server says of ${name}: ${words(said)}`;
  const { code, enhanced } = keepsTheSession(said);
  return { result: 'fail', code: 'unknown', text, enhanced: enhanced || '5.1.1', replyCode: code };
}

// RFC 3463 3.2: X.1.1 bad mailbox, X.1.6 mailbox has moved; X.1.10 is Exchange's "recipient not found".
const isUnknownMailbox = (said: Reply): boolean =>
  said.code >= 500 && /^5\.1\.(?:1|6|10)$/.test(said.enhanced);

const words = (said: Reply): string => said.lines.join(' ');

function isReply(value: Json | undefined): value is Json & Reply {
  return (
    typeof value === 'object' && value !== null && 'code' in value && 'lines' in value && 'enhanced' in value
  );
}
