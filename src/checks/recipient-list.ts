import { z } from 'zod';
import { after } from '../core/after.ts';
import { defineCheck } from '../core/check.ts';
import { isAlwaysReachable } from '../core/exemption.ts';
import type { Finding } from '../core/finding.ts';
import type { Soon } from '../core/ports.ts';
import { keepsTheSession } from '../core/replies.ts';
import { flag } from '../core/settings.ts';
import { isOurDomain } from '../core/site.ts';
import { formatMailbox } from '../mail/mailbox.ts';
import type { Reply } from '../mail/reply.ts';
import { noMailbox, recallRefusal } from './refused-recipients.ts';

/** `listed`: whether the recipient stands in our own list. `remembered`: an earlier refusal of the backend. */
type Evidence =
  | { readonly skipped: 'foreign' | 'always' }
  | { readonly listed: boolean | null; readonly remembered: Reply | null };

/**
 * E5: what can be said of a recipient without asking anybody. Strangers who guess at mailboxes are turned away here, before a
 * question goes to DNS or to the backend on their account.
 */
export const recipientList = defineCheck({
  name: 'recipient-list',
  summary: 'The recipient is not known to be missing: by our list, or by what the backend said a while ago.',
  stage: 'rcpt',
  cost: 'store',
  codes: {
    listed: 'the recipient stands in the list of those we know',
    unlisted: 'the recipient does not stand in the list of those we know',
    unknown: 'the backend refused the recipient a short while ago',
    open: 'nothing is known against the recipient; the backend decides',
    always: 'postmaster and abuse are left to the backend, whatever the list says',
    foreign: 'the domain is not one of ours',
  },
  settings: z.strictObject({
    known_only: flag(false, 'Takes mail only for recipients that stand in `recipient_files`.'),
  }),
  defaults: { on_fail: 'refuse', on_temperror: 'go-on', weight: 0, refuse_at: 'rcpt' },
  lifted: 'by-name',
  charges: { unknown: 'guess', unlisted: 'guess' },
  gather({ session, recipient: { mailbox } }, ports, { known_only }, _signal, site): Soon<Evidence> {
    if (isAlwaysReachable(mailbox, site)) return { skipped: 'always' };
    if (mailbox.domain !== '' && !isOurDomain(site, mailbox.domain)) return { skipped: 'foreign' };
    const listed = known_only
      ? ports.lists
          .find({ client: session.client.address, recipient: mailbox })
          .some(({ kind }) => kind === 'mailbox')
      : null;
    if (listed === false) return { listed, remembered: null };
    return after(recallRefusal(ports.store, mailbox), (remembered) => ({
      listed,
      remembered: remembered ?? null,
    }));
  },
  again(evidence, _facts, { known_only }) {
    if ('skipped' in evidence) return { evidence };
    const { listed, remembered } = evidence;
    if (known_only) return { evidence, unasked: listed === null };
    // Of those who stood in no list nothing else was asked.
    return listed === false ? { unasked: true } : { evidence: { listed: null, remembered } };
  },
  judge({ recipient }, evidence): readonly Finding[] {
    const name = `<${formatMailbox(recipient.mailbox)}>`;
    if ('skipped' in evidence) {
      const { skipped } = evidence;
      const text = skipped === 'always' ? `${name} is always reachable` : `${name} is none of ours`;
      return [{ result: 'none', code: skipped, text }];
    }
    const { listed, remembered } = evidence;
    if (listed === false) {
      const text = `${name} stands in no list of recipients`;
      return [{ result: 'fail', code: 'unlisted', text, ...noMailbox(recipient.mailbox) }];
    }
    if (remembered !== null) {
      const kept = keepsTheSession(remembered);
      const text = `the mailbox server says of ${name}: ${kept.lines.join(' ')}`;
      return [{ result: 'fail', code: 'unknown', text, ...noMailbox(recipient.mailbox, kept) }];
    }
    return listed === true
      ? [{ result: 'pass', code: 'listed', text: `${name} stands in the list of recipients` }]
      : [{ result: 'none', code: 'open', text: `nothing is known against ${name}` }];
  },
});
