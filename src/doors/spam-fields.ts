/**
 * The tags of mail that is delivered all the same (M9), in SpamAssassin's form, so that the Sieve rules that are there already work:
 * `header :contains "X-Spam-Flag" "YES"`, Pigeonhole's spamtest over the score in X-Spam-Status.
 */
import type { SpamScore } from '../core/finding.ts';

const MAX_TESTS = 50;
// RFC 5322 2.1.1.
const LINE_OCTETS = 78;

/** Fields of ours that mail from outside may not bring: a rule behind us would believe them. Lower-case. */
export const SPAM_FIELDS: ReadonlySet<string> = new Set([
  'x-spam-flag',
  'x-spam-status',
  'x-spam-level',
  'x-spam-score',
  'x-spam-bar',
  'x-spam-report',
]);

/** Empty where nobody has scored the content. */
export function spamFields(spam: SpamScore | undefined): string {
  if (spam === undefined) return '';
  const { isSpam, score, required } = spam;
  const tests = spam.tests.slice(0, MAX_TESTS);
  let status = `X-Spam-Status: ${isSpam ? 'Yes' : 'No'}, score=${score.toFixed(1)} required=${required.toFixed(1)}\r\n`;
  let line = `\ttests=${tests.length === 0 ? 'none' : ''}`;
  for (const [i, test] of tests.entries()) {
    const word = i === tests.length - 1 ? test : `${test},`;
    if (line.length + word.length > LINE_OCTETS) {
      status += `${line}\r\n`;
      line = '\t';
    }
    line += word;
  }
  return `${isSpam ? 'X-Spam-Flag: YES\r\n' : ''}${status}${line}\r\n`;
}
