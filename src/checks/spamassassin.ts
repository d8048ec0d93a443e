import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import type { SpamVerdict } from '../core/scanners.ts';
import {
  idleWithout,
  scan,
  SCANNING_ACTIONS,
  SCANNING_CODES,
  scannerSettings,
  unscanned,
  type Unscanned,
} from './scanning.ts';

/** M7, M8: SpamAssassin's score. What it is certain of is refused and convicts; what it takes for spam is tagged. */
export const spamassassin = defineCheck({
  name: 'spamassassin',
  summary: 'Asks SpamAssassin (spamd) for the score of the message.',
  stage: 'endOfMessage',
  cost: 'scanner',
  codes: {
    ham: 'The score is below what SpamAssassin takes for spam.',
    spam: 'SpamAssassin takes the message for spam.',
    certain: 'The score is at least `certain_score`.',
    ...SCANNING_CODES,
  },
  settings: z.strictObject({
    // What is larger is no spam run's, and Perl takes seconds for it.
    ...scannerSettings('127.0.0.1:783', '1MiB'),
    certain_score: z
      .number()
      .min(1)
      .max(1000)
      .default(15)
      .meta({ description: 'Spam of this score or more is certain: `certain`.', bounds: '1 to 1000' }),
  }),
  defaults: {
    on_fail: 'tag',
    on_temperror: 'defer',
    weight: 4,
    refuse_at: 'rcpt',
    actions: { ...SCANNING_ACTIONS, certain: 'refuse' },
  },
  lifted: 'by-any',
  charges: { certain: 'conviction' },
  idle: idleWithout,
  gather: (facts, ports, settings, signal, site, clues): Promise<SpamVerdict | Unscanned> =>
    scan(ports.scanners.spamassassin, facts, ports, settings, signal, site, clues),
  judge({ message }, answer, { certain_score }): readonly Finding[] {
    if (answer.kind !== 'scored') return unscanned('the spam scanner', answer, message.sizeOctets);
    const { score, required, tests } = answer;
    const text = `SpamAssassin scores it ${score} (spam from ${required})`;
    const spam = { isSpam: answer.spam, score, required, tests };
    if (answer.spam && score >= certain_score) {
      const what = `the message is spam: ${text}`;
      return [{ result: 'fail', code: 'certain', text: what, enhanced: '5.7.1', replyCode: 554, spam }];
    }
    if (answer.spam) return [{ result: 'fail', code: 'spam', text, enhanced: '5.7.1', replyCode: 554, spam }];
    return [{ result: 'pass', code: 'ham', text, spam }];
  },
});
