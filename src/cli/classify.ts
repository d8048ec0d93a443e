/**
 * `postern classify FILE`: what the classifier makes of a message, and the tokens that decided. Changes nothing. Exit codes: 0 ham, 1
 * spam, 2 unsure or too little learnt, 66 no message or nothing learnt. The tokens are a stranger's words.
 */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { classifier } from '../checks/classifier.ts';
import { checkSchema } from '../config/checks.ts';
import type { Config } from '../config/config.ts';
import { scoreOf } from '../core/classifier.ts';
import { CommandError, EX_NOINPUT } from './exit.ts';
import { learntTokens, openStore } from './learn.ts';
import { inPlainWords } from './plain-words.ts';
import { formatTable } from './table.ts';

type Where = Pick<Config, 'dataDir' | 'checks'>;

export interface ClassifyOptions {
  /** `-` is standard input. */
  readonly file: string;
  readonly json?: boolean;
  /** Tokens shown. */
  readonly limit?: string;
}

const MAX_SHOWN = 4000;
const EXIT = { ham: 0, spam: 1, unsure: 2, untrained: 2 } as const;

export async function classifyCommand(
  where: Where,
  { file, json = false, limit = '30' }: ClassifyOptions,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  if (!/^\d{1,4}$/.test(limit) || Number(limit) > MAX_SHOWN)
    throw new CommandError(`--limit "${limit}" is no count; it wants 0 to ${MAX_SHOWN}`);
  const message = await (file === '-' ? buffer(process.stdin) : readFile(file)).catch((error: unknown) => {
    throw new CommandError(inPlainWords(error, file), EX_NOINPUT);
  });
  const tokens = learntTokens(message);
  const store = openStore(where, 'read');
  try {
    const { trained, seen } = store.recall(tokens);
    const { score, telling } = scoreOf(seen, trained);
    const settings = settingsOf(where);
    if (trained.ham + trained.spam === 0)
      throw new CommandError(
        `nothing has been learnt yet; it takes ${settings.min_messages} messages of ham and as many of spam, see postern learn --help`,
        EX_NOINPUT,
      );
    const enough = Math.min(trained.ham, trained.spam) >= settings.min_messages;
    const kind = enough ? kindOf(score, settings) : 'untrained';
    const decided = telling
      .toSorted((a, b) => Math.abs(b.probability - 0.5) - Math.abs(a.probability - 0.5))
      .slice(0, Number(limit));
    const sizes = { tokens: tokens.size, seen: seen.length, telling: telling.length };
    if (json) {
      write(`${JSON.stringify({ kind, score, ...sizes, trained, decided })}\n`);
      return EXIT[kind];
    }
    write(
      `${kind}: score ${score.toFixed(6)} (ham up to ${settings.ham_cutoff}, spam from ${settings.spam_cutoff}); ` +
        `${trained.ham} ham and ${trained.spam} spam learnt` +
        (enough ? '\n' : `, it takes ${settings.min_messages} of each to judge\n`),
    );
    write(`${sizes.tokens} tokens, ${sizes.seen} of them seen before, ${sizes.telling} telling\n`);
    if (decided.length === 0) return EXIT[kind];
    const rows = decided.map(({ token, ham, spam, probability }) => [
      probability.toFixed(4),
      String(ham),
      String(spam),
      token,
    ]);
    write(
      `\n${formatTable(
        [
          { title: 'spam', align: 'right' },
          { title: 'in ham', align: 'right' },
          { title: 'in spam', align: 'right' },
          { title: 'token', max: 100 },
        ],
        rows,
      )}`,
    );
    return EXIT[kind];
  } finally {
    store.close();
  }
}

interface Settings {
  readonly spam_cutoff: number;
  readonly ham_cutoff: number;
  readonly min_messages: number;
}

const kindOf = (score: number, { spam_cutoff, ham_cutoff }: Settings): 'spam' | 'ham' | 'unsure' =>
  score >= spam_cutoff ? 'spam' : score <= ham_cutoff ? 'ham' : 'unsure';

function settingsOf({ checks }: Where): Settings {
  const configured = checks.find(({ check }) => check.name === classifier.name)?.settings;
  return (configured ?? checkSchema(classifier).parse({})) as unknown as Settings;
}
