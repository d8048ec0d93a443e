import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import type { RspamdVerdict } from '../core/scanners.ts';
import {
  idleWithout,
  scan,
  SCANNING_ACTIONS,
  SCANNING_CODES,
  scannerSettings,
  unscanned,
  type Unscanned,
} from './scanning.ts';

/** What each of rspamd's actions is called here. */
const CODES: Readonly<Record<RspamdVerdict['action'], string>> = {
  'no action': 'ham',
  greylist: 'greylist',
  'add header': 'add-header',
  // The subject belongs to the sender, and to the signature.
  'rewrite subject': 'rewrite-subject',
  'soft reject': 'soft-reject',
  reject: 'reject',
  // Mail is never dropped without a word to its sender.
  discard: 'other',
  quarantine: 'other',
  other: 'other',
};

/** M7, M8: rspamd's verdict. Its actions are findings; what follows from them is the configuration's. */
export const rspamd = defineCheck({
  name: 'rspamd',
  summary: 'Asks rspamd what it would do with the message.',
  stage: 'endOfMessage',
  cost: 'scanner',
  codes: {
    ham: 'rspamd would do nothing (`no action`).',
    greylist: 'It would have the message come again (`greylist`).',
    'add-header': 'It takes the message for spam (`add header`).',
    'rewrite-subject': 'It takes the message for spam (`rewrite subject`); the subject stays as it is.',
    'soft-reject': 'It wants the message to come again (`soft reject`).',
    reject: 'It would refuse the message (`reject`).',
    certain: 'It would refuse the message, and the score is at least `certain_score`.',
    other: 'Another action: `discard`, `quarantine`, or one that it was taught.',
    skipped: 'Its rules said not to look at the message.',
    ...SCANNING_CODES,
  },
  settings: z.strictObject({
    ...scannerSettings('127.0.0.1:11333'),
    certain_score: z.number().min(1).max(1000).default(15).meta({
      description: 'What rspamd would refuse with this score or more is certain spam: `certain`.',
      bounds: '1 to 1000',
    }),
  }),
  defaults: {
    on_fail: 'tag',
    on_temperror: 'defer',
    weight: 4,
    refuse_at: 'rcpt',
    actions: {
      ...SCANNING_ACTIONS,
      greylist: 'observe',
      'soft-reject': 'defer',
      reject: 'refuse',
      certain: 'refuse',
    },
  },
  lifted: 'by-any',
  // Rules may refuse for other reasons than spam (a policy, a rate): only the score is held against the client at once.
  charges: { certain: 'conviction', reject: 'strike' },
  idle: idleWithout,
  gather: (facts, ports, settings, signal, site, clues): Promise<RspamdVerdict | Unscanned> =>
    scan(ports.scanners.rspamd, facts, ports, settings, signal, site, clues),
  judge({ message }, answer, { certain_score }): readonly Finding[] {
    if (answer.kind !== 'scored') return unscanned('the spam scanner', answer, message.sizeOctets);
    const { action, score, required, symbols } = answer;
    if (answer.skipped && action === 'no action')
      return [{ result: 'none', code: 'skipped', text: 'rspamd did not look at it' }];
    const code = action === 'reject' && score >= certain_score ? 'certain' : CODES[action];
    const says = answer.message === undefined ? '' : `, and says: ${answer.message.replace(/[.\s]+$/, '')}`;
    const isSpam = SPAM.has(code);
    // Old versions (3.4) do not say where spam begins, and rules may have an action of their own: no bound is above what it takes for spam.
    const told =
      isSpam && score < required
        ? `rspamd says "${action}" (score ${rounded(score)})`
        : `rspamd scores it ${rounded(score)} (spam from ${rounded(required)})`;
    const text = `${told}${says}`;
    const spam = { isSpam, score, required: isSpam ? Math.min(score, required) : required, tests: symbols };
    if (code === 'ham') return [{ result: 'pass', code, text, spam }];
    return [{ result: 'fail', code, text, enhanced: '5.7.1', replyCode: 554, spam }];
  },
});

const SPAM: ReadonlySet<string> = new Set(['add-header', 'rewrite-subject', 'reject', 'certain', 'other']);

const rounded = (score: number): number => Math.round(score * 100) / 100;
