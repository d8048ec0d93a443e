import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import { formatMailbox } from '../mail/mailbox.ts';

/**
 * M2 at RCPT: where our outgoing mail is signed (BATV), what has no sender and goes to a tag that is not good answers no mail of ours. The
 * message need not be seen for that. Whoever writes with a sender to a tagged address writes to the user behind it.
 */
export const bounceTag = defineCheck({
  name: 'bounce-tag',
  summary: 'What comes from the null sender to a tagged address (BATV) answers mail that we sent.',
  stage: 'rcpt',
  cost: 'memory',
  codes: {
    untagged: 'the recipient has no tag',
    'has-sender': 'the recipient has a tag, and the message a sender: it is no bounce',
    valid: 'the tag is ours and good',
    expired: 'the tag is ours and has expired',
    wrong: 'the tag is forged, or of a key that is not there any more',
  },
  settings: z.strictObject({}),
  defaults: { on_fail: 'refuse', on_temperror: 'go-on', weight: 3, refuse_at: 'rcpt' },
  lifted: 'by-any',
  idle: (_settings, { batvKeys = [] }) =>
    batvKeys.length === 0 ? 'no `batv_keys` are set under `[checks.fake-bounce]`' : undefined,
  judge({ transaction, recipient: { mailbox } }) {
    const name = `<${formatMailbox(mailbox).replace(/[^\x20-\x7e]/g, '?')}>`.slice(0, 200);
    if (mailbox.tag === undefined)
      return [{ result: 'none', code: 'untagged', text: `${name} has no bounce address tag` }];
    if (transaction.reversePath !== null)
      return [{ result: 'none', code: 'has-sender', text: 'it is no bounce, so the tag is of no matter' }];
    switch (mailbox.tag) {
      case 'valid':
        return [{ result: 'pass', code: 'valid', text: `it answers mail that ${name} sent` }];
      case 'expired': {
        const text = `the bounce address tag of ${name} has expired: nothing sent lately can be returned to it`;
        return [{ result: 'fail', code: 'expired', text, enhanced: '5.7.1' }];
      }
      case 'wrong': {
        const text = `${name} is no bounce address of ours, so we sent nothing that could be returned to it`;
        return [{ result: 'fail', code: 'wrong', text, enhanced: '5.7.1' }];
      }
      default:
        return mailbox.tag satisfies never;
    }
  },
});
