import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { ListEntry } from '../core/lists.ts';
import { formatMailbox, formatReversePath } from '../mail/mailbox.ts';

/** E11: the operator's block list of senders and recipients. */
export const envelopeList = defineCheck({
  name: 'envelope-list',
  summary: 'Refuses senders and recipients on your own block list.',
  stage: 'rcpt',
  cost: 'memory',
  codes: {
    sender: 'The sender is on the block list.',
    recipient: 'The recipient is on the block list.',
    'not-listed': 'Neither is on the block list.',
  },
  settings: z.object({}),
  defaults: { on_fail: 'refuse', on_temperror: 'go-on', weight: 8, refuse_at: 'rcpt' },
  lifted: 'by-any',
  asksLists: true,
  gather: ({ session, transaction, recipient }, ports): { entries: readonly ListEntry[] } => {
    const question = {
      client: session.client.address,
      sender: { path: transaction.reversePath },
      recipient: recipient.mailbox,
    };
    const names = (e: ListEntry) => e.sender !== undefined || e.recipient !== undefined;
    return { entries: ports.lists.find(question).filter((e) => e.kind === 'block' && names(e)) };
  },
  judge: ({ transaction, recipient }, { entries }) => {
    const [entry] = entries;
    if (entry === undefined) {
      return [{ result: 'pass', code: 'not-listed', text: 'sender and recipient are on no block list' }];
    }
    const reason = entry.reason === undefined ? '' : `: ${entry.reason}`;
    if (entry.sender === undefined) {
      const text = ascii(`${formatMailbox(recipient.mailbox)} takes no mail from you${reason}`);
      return [{ result: 'fail', code: 'recipient', text, enhanced: '5.7.1' }];
    }
    const text = ascii(
      `sender <${formatReversePath(transaction.reversePath)}> is on our block list${reason}`,
    );
    return [{ result: 'fail', code: 'sender', text, enhanced: '5.7.1' }];
  },
});

/** Local parts may hold UTF-8 and line ends; the reply's text must not. */
function ascii(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 300);
}
