import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Soon } from '../core/ports.ts';
import { mailboxKey } from '../mail/mailbox.ts';
import {
  askedAgain,
  askGreylist,
  greylistingCodes,
  greylistingSettings,
  judgeGreylist,
  type GreylistingEvidence,
} from './greylisting.ts';

type Evidence = GreylistingEvidence | { readonly hasSender: true };

/** E7: bounces that are new from a doubtful client have to come again. They share the greylist with `greylist`. */
export const greylistNull = defineCheck({
  name: 'greylist-null',
  summary:
    "Defers what is new from doubtful clients with the null sender, at DATA so that others' callouts get through.",
  stage: 'data',
  cost: 'doubt',
  codes: {
    ...greylistingCodes,
    'has-sender': 'There is a sender: `greylist` judged it at RCPT.',
  },
  settings: z.object(greylistingSettings),
  follows: 'greylist',
  defaults: { on_fail: 'defer', on_temperror: 'go-on', weight: 1, refuse_at: 'rcpt' },
  lifted: 'by-any',
  gather: ({ session, transaction }, ports, settings, _signal, site, clues): Soon<Evidence> => {
    if (transaction.reversePath !== null) return { hasSender: true };
    const question = {
      address: session.client.address,
      sessionSinceMs: session.startedAtMs,
      sender: '',
      recipients: transaction.recipients.map(mailboxKey),
    };
    return askGreylist(question, ports, settings, site, clues);
  },
  again: (evidence, { session }, settings, _site, clues) =>
    'hasSender' in evidence ? { evidence } : askedAgain(session.client.address, evidence, settings, clues),
  judge: ({ session }, evidence, settings) =>
    'hasSender' in evidence
      ? [{ result: 'none', code: 'has-sender', text: 'mail with a sender is judged at RCPT' }]
      : judgeGreylist(session.client.address, evidence, settings),
});
