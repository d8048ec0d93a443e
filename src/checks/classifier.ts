import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import { scoreOf } from '../core/classifier.ts';
import type { Clues } from '../core/clues.ts';
import type { FactsAt } from '../core/facts.ts';
import type { Finding, SpamScore } from '../core/finding.ts';
import type { MessagePort } from '../core/ports.ts';
import { count, duration } from '../core/settings.ts';
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
    certain: 'It is at least `certain_cutoff` as well; comes beside `spam`.',
    unsure: 'The score lies between the two: it speaks for both, or for neither.',
    ham: 'The score is at most `ham_cutoff`.',
    untrained: 'Fewer than `min_messages` of ham or of spam have been learnt: nothing is judged.',
  },
  settings: z
    .object({
      spam_cutoff: score(0.95, 'The score from which a message is spam.'),
      certain_cutoff: score(0.999, 'The score from which spam is certain: `certain`.'),
      ham_cutoff: score(0.1, 'The score up to which a message is ham.'),
      min_messages: count(
        200,
        1,
        1_000_000,
        'How many messages of each kind must have been learnt before anything is judged.',
      ),
      remember: duration(
        '0s',
        '0s',
        '60d',
        'For so long the tokens of each message are kept, as numbers, so that the classifier can be taught from a decision. 0s: not at all.',
      ),
    })
    .refine(({ ham_cutoff, spam_cutoff }) => ham_cutoff < spam_cutoff, {
      path: ['ham_cutoff'],
      message: 'must be below `spam_cutoff`',
    }),
  defaults: { on_fail: 'tag', on_temperror: 'go-on', weight: 3, refuse_at: 'rcpt' },
  lifted: 'by-any',
  // Brought where the operator has it refuse: by default the classifier refuses nobody, and what is only tagged is held against nobody.
  charges: { certain: 'conviction' },
  gather: async (
    facts,
    { classifier, message },
    { min_messages, remember },
    signal,
    _site,
    clues,
  ): Promise<Evidence> => {
    // Whether it can judge at all comes first: reading the message is what costs.
    const { ham, spam } = (await classifier.recall([])).trained;
    const isTrained = ham >= min_messages && spam >= min_messages;
    // Who has learnt too little to judge is whom one wants to teach.
    const remembers = remember > 0 && classifier.remember !== undefined;
    if (message === undefined || (!isTrained && !remembers)) return { ham, spam };
    const tokens = await tokensOf(message, facts, clues, signal);
    if (remembers) classifier.remember?.(facts.transaction.id, tokens);
    if (!isTrained) return { ham, spam };
    const { seen, trained } = await classifier.recall(tokens);
    const { score, telling } = scoreOf(seen, trained);
    return { ...trained, scored: { score, tokens: tokens.size, seen: seen.length, telling: telling.length } };
  },
  judge: (
    _facts,
    { ham, spam, scored },
    { spam_cutoff, certain_cutoff, ham_cutoff, min_messages },
  ): readonly Finding[] => {
    const learnt = `${ham} ham and ${spam} spam learnt`;
    if (scored === undefined || ham < min_messages || spam < min_messages)
      return [
        { result: 'none', code: 'untrained', text: `${learnt}, it takes ${min_messages} of each to judge` },
      ];
    const { score } = scored;
    const text = `the words of the message score ${score.toFixed(4)} between ham 0 and spam 1`;
    const found = (code: string): Finding => ({
      result: 'fail',
      code,
      // Words are nothing that a sender could mend: whoever is refused for them has the contact, whose address the reply ends with.
      text: score < spam_cutoff ? text : `it is taken for spam: ${text}; if it is none, write to the contact`,
      enhanced: '5.7.1',
      spam: spamScore(score, spam_cutoff, code),
    });
    if (score <= ham_cutoff)
      return [{ result: 'pass', code: 'ham', text, spam: spamScore(score, spam_cutoff, 'ham') }];
    if (score < spam_cutoff) return [found('unsure')];
    // Both: whoever refuses `spam` need not know of `certain`.
    return score < certain_cutoff ? [found('spam')] : [found('certain'), found('spam')];
  },
});

/** Ten times as large as it is: mail filters write scores with one digit behind the point. Rounded down: 0.949 is not yet 9.5. */
function spamScore(score: number, cutoff: number, code: string): SpamScore {
  const shown = (value: number) => Math.floor(value * 100) / 10;
  return {
    isSpam: score >= cutoff,
    score: shown(score),
    required: shown(cutoff),
    tests: [`CLASSIFIER_${code.toUpperCase()}`],
  };
}

// Others have their turn after so much work: some milliseconds.
const TURN_OCTETS = 65_536;

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
    for (let at = 0; at < chunk.length; at += TURN_OCTETS) {
      if (!reading.write(chunk.subarray(at, at + TURN_OCTETS))) return reading.end();
      await setImmediate();
      signal.throwIfAborted();
    }
  }
  return reading.end();
}
