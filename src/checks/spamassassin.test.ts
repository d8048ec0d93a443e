import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import type { Action } from '../core/settings.ts';
import type { SpamVerdict } from '../core/scanners.ts';
import { spamassassin } from './spamassassin.ts';

const SAID = { from: 'anna@example.net', message: 'Subject: x\r\n\r\nbody\r\n' };
const scored = (score: number, required = 5): SpamVerdict => ({
  kind: 'scored',
  spam: score >= required,
  score,
  required,
  tests: ['A', 'B'],
});

const judged = async (answer: SpamVerdict, settings = {}) => {
  const scanners = { spamassassin: { scan: async () => answer, probe: async () => undefined } };
  const { findings } = await ask(spamassassin, SAID, { scanners }, { address: '127.0.0.1:783', ...settings });
  assert.equal(findings.length, 1);
  return findings[0]!;
};
const actionOf = (code: string): Action =>
  spamassassin.defaults.actions?.[code] ?? spamassassin.defaults.on_fail;

describe('spamassassin', () => {
  const cases: [answer: SpamVerdict, settings: object, code: string][] = [
    [scored(-2.5), {}, 'ham'],
    [scored(4.9), {}, 'ham'],
    [scored(5), {}, 'spam'],
    [scored(14.9), {}, 'spam'],
    [scored(15), {}, 'certain'],
    [scored(9), { certain_score: 9 }, 'certain'],
    // Whom SpamAssassin itself does not call spam is not convicted for it.
    [scored(16, 20), {}, 'ham'],
  ];
  for (const [answer, settings, code] of cases) {
    it(`${answer.score} of ${answer.required}: ${code}`, async () => {
      const { score, required, tests, spam: isSpam } = answer;
      const finding = await judged(answer, settings);
      assert.deepEqual([finding.result, finding.code], [code === 'ham' ? 'pass' : 'fail', code]);
      assert.deepEqual(finding.spam, { isSpam, score, required, tests });
      assert.match(finding.text, new RegExp(`SpamAssassin scores it ${score} \\(spam from ${required}\\)$`));
      if (code !== 'ham') assert.deepEqual([finding.enhanced, finding.replyCode], ['5.7.1', 554]);
    });
  }

  it('tags spam, refuses and convicts what is certain', () => {
    assert.deepEqual([actionOf('spam'), actionOf('certain')], ['tag', 'refuse']);
    assert.deepEqual(spamassassin.charges, { certain: 'conviction' });
  });
});
