import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import { scoreOf } from '../core/classifier.ts';
import type { Clues } from '../core/clues.ts';
import type { FactsAt } from '../core/facts.ts';
import type { Finding } from '../core/finding.ts';
import type { MessagePort } from '../core/ports.ts';
import { count } from '../core/settings.ts';
import { addFindings, addSender } from '../mail/token-gate.ts';
import { MessageTokens, type Tokens } from '../mail/tokens.ts';

/** No words of the message: the journal is not the place for them. */
interface Evidence {
  /** Messages learnt. */
  readonly ham: number;
  readonly spam: number;
  /** Absent where too few were learnt. */
  readonly scored?: {
    readonly score: number;
    /** Tokens of the message, those seen before, and those that tell. */
    readonly tokens: number;
    readonly seen: number;
    readonly telling: number;
  };
}

const score = (byDefault: number, sentence: string) =>
  z.number().min(0).max(1).default(byDefault).meta({ description: sentence, bounds: '0 to 1' });

/** M6: the site's own spam filter, which learns from its users' ham and spam. */
export const classifier = defineCheck({
  name: 'classifier',
  summary: 'Scores the message by the words of ham and spam that this site has learnt.',
  stage: 'endOfMessage',
  // It costs less than what else stands there, but what authentication and attachments found is part of what it looks at.
  cost: 'scanner',
  codes: {
    spam: 'The score is at least `spam_cutoff`.',
    unsure: 'The score lies between the two: it speaks for both, or for neither.',
    ham: 'The score is at most `ham_cutoff`.',
    untrained: 'Fewer than `min_messages` of ham or of spam have been learnt: nothing is judged.',
  },
  settings: z
    .object({
      spam_cutoff: score(0.95, 'The score from which a message is spam.'),
      ham_cutoff: score(0.1, 'The score up to which a message is ham.'),
      min_messages: count(
        200,
        1,
        1_000_000,
        'How many messages of each kind must have been learnt before anything is judged.',
      ),
    })
    .refine(({ ham_cutoff, spam_cutoff }) => ham_cutoff < spam_cutoff, {
      path: ['ham_cutoff'],
      message: 'must be below `spam_cutoff`',
    }),
  defaults: { on_fail: 'tag', on_temperror: 'go-on', weight: 3, refuse_at: 'rcpt' },
  lifted: 'by-any',
  gather: async (
    facts,
    { classifier, message },
    { min_messages },
    signal,
    _site,
    clues,
  ): Promise<Evidence> => {
    // Whether it can judge at all comes first: reading the message is what costs.
    const { ham, spam } = (await classifier.recall([])).trained;
    if (message === undefined || ham < min_messages || spam < min_messages) return { ham, spam };
    const tokens = await tokensOf(message, facts, clues, signal);
    const { seen, trained } = await classifier.recall(tokens);
    const { score, telling } = scoreOf(seen, trained);
    return { ...trained, scored: { score, tokens: tokens.size, seen: seen.length, telling: telling.length } };
  },
  judge: (_facts, { ham, spam, scored }, { spam_cutoff, ham_cutoff, min_messages }): readonly Finding[] => {
    const learnt = `${ham} ham and ${spam} spam learnt`;
    if (scored === undefined || ham < min_messages || spam < min_messages)
      return [
        { result: 'none', code: 'untrained', text: `${learnt}, it takes ${min_messages} of each to judge` },
      ];
    const text = `the words of the message score ${scored.score.toFixed(4)} between ham 0 and spam 1`;
    if (scored.score >= spam_cutoff) return [{ result: 'fail', code: 'spam', text, enhanced: '5.7.1' }];
    if (scored.score <= ham_cutoff) return [{ result: 'pass', code: 'ham', text }];
    return [{ result: 'fail', code: 'unsure', text, enhanced: '5.7.1' }];
  },
});

async function tokensOf(
  { content }: MessagePort,
  { session, transaction }: FactsAt<'endOfMessage'>,
  clues: Clues,
  signal: AbortSignal,
): Promise<Tokens> {
  const reading = new MessageTokens();
  const path = transaction.reversePath;
  addSender(reading.tokens, {
    address: session.client.address,
    helo: session.helo?.name ?? '',
    ...(path === null ? {} : { sender: path }),
  });
  for (const [check, findings] of clues.all?.() ?? [])
    addFindings(
      reading.tokens,
      findings.filter(({ result }) => result !== 'none').map(({ code }) => `${check}:${code}`),
    );
  for await (const chunk of content.chunks()) {
    signal.throwIfAborted();
    if (!reading.write(chunk)) break;
  }
  return reading.end();
}
