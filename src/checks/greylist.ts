import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Soon } from '../core/ports.ts';
import { mailboxKey, type Mailbox } from '../mail/mailbox.ts';
import { senderKey } from '../mail/sender-key.ts';
import {
  askedAgain,
  askGreylist,
  greylistingCodes,
  greylistingSettings,
  judgeGreylist,
  type GreylistingEvidence,
} from './greylisting.ts';

type Evidence = GreylistingEvidence | { readonly nullSender: true };

/** E7: what is new from a doubtful client has to come again. */
export const greylist = defineCheck({
  name: 'greylist',
  summary: 'Defers what is new from doubtful clients and takes it when it comes again.',
  stage: 'rcpt',
  cost: 'doubt',
  codes: {
    ...greylistingCodes,
    'null-sender': 'The null sender is judged at DATA, by `greylist-null`.',
  },
  settings: z.object(greylistingSettings),
  // A store that is down must not hold up all mail.
  defaults: { on_fail: 'defer', on_temperror: 'go-on', weight: 1, refuse_at: 'rcpt' },
  lifted: 'by-any',
  gather: ({ session, transaction, recipient }, ports, settings, _signal, site, clues): Soon<Evidence> => {
    const path = transaction.reversePath;
    // Callouts of others come with the null sender and end before DATA: they learn at RCPT whether there is such a mailbox.
    if (path === null) return { nullSender: true };
    const question = {
      address: session.client.address,
      sessionSinceMs: session.startedAtMs,
      sender: keyOf(path),
      recipients: [mailboxKey(recipient.mailbox)],
    };
    return askGreylist(question, ports, settings, site, clues);
  },
  again: (evidence, { session }, settings, _site, clues) =>
    'nullSender' in evidence ? { evidence } : askedAgain(session.client.address, evidence, settings, clues),
  judge: ({ session }, evidence, settings) =>
    'nullSender' in evidence
      ? [{ result: 'none', code: 'null-sender', text: 'the null sender is judged at DATA' }]
      : judgeGreylist(session.client.address, evidence, settings),
});

const keyOf = ({ local, domain }: Mailbox): string => `${senderKey(local)}@${domain}`;
