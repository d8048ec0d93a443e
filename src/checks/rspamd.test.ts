import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import type { Action } from '../core/settings.ts';
import type { RspamdVerdict } from '../core/scanners.ts';
import { rspamd } from './rspamd.ts';

const SAID = { from: 'anna@example.net', message: 'Subject: x\r\n\r\nbody\r\n' };
const NOTHING: RspamdVerdict = {
  kind: 'scored',
  action: 'no action',
  skipped: false,
  score: 0.123,
  required: 6,
  symbols: ['A'],
};

const judged = async (answer: Partial<RspamdVerdict>, settings = {}) => {
  const scanners = {
    rspamd: { scan: async () => ({ ...NOTHING, ...answer }), probe: async () => undefined },
  };
  const { findings } = await ask(rspamd, SAID, { scanners }, { address: '127.0.0.1:11333', ...settings });
  assert.equal(findings.length, 1);
  return findings[0]!;
};
const actionOf = (code: string): Action => rspamd.defaults.actions?.[code] ?? rspamd.defaults.on_fail;

describe('rspamd', () => {
  const cases: [action: RspamdVerdict['action'], score: number, code: string, by: Action, isSpam: boolean][] =
    [
      ['greylist', 4, 'greylist', 'observe', false],
      ['add header', 6, 'add-header', 'tag', true],
      ['rewrite subject', 8, 'rewrite-subject', 'tag', true],
      ['soft reject', 0, 'soft-reject', 'defer', false],
      ['reject', 14.9, 'reject', 'refuse', true],
      ['reject', 15, 'certain', 'refuse', true],
      // What rspamd would let in is certain of nothing, whatever the score.
      ['add header', 20, 'add-header', 'tag', true],
      ['discard', 20, 'other', 'tag', true],
      ['quarantine', 20, 'other', 'tag', true],
      ['other', 1, 'other', 'tag', true],
    ];
  for (const [action, score, code, by, isSpam] of cases) {
    it(`${action} at ${score}: ${code}, ${by}`, async () => {
      const finding = await judged({ action, score });
      assert.deepEqual(
        [finding.result, finding.code, finding.enhanced, finding.replyCode],
        ['fail', code, '5.7.1', 554],
      );
      assert.equal(actionOf(code), by);
      // What is spam at a score is not told to filters with a bound above it.
      const required = isSpam ? Math.min(6, score) : 6;
      assert.deepEqual(finding.spam, { isSpam, score, required, tests: ['A'] });
    });
  }

  it('no action: ham', async () => {
    const finding = await judged({});
    assert.deepEqual([finding.result, finding.code, finding.spam?.isSpam], ['pass', 'ham', false]);
    assert.equal(finding.text, 'rspamd scores it 0.12 (spam from 6)');
  });

  it('that does not say where spam begins is quoted', async () => {
    const { text, spam } = await judged({ action: 'add header', score: 6, required: 15 });
    assert.equal(text, 'rspamd says "add header" (score 6)');
    assert.deepEqual([spam?.isSpam, spam?.score, spam?.required], [true, 6, 6]);
  });

  it('what its rules let it skip is not judged, unless they had an action for it', async () => {
    assert.deepEqual((await judged({ skipped: true })).result, 'none');
    const gtube = await judged({ skipped: true, action: 'reject', score: 15 });
    assert.deepEqual([gtube.result, gtube.code], ['fail', 'certain']);
  });

  it('tells the sender what rspamd would', async () => {
    const { text } = await judged({ action: 'soft reject', message: 'Try again later.' });
    assert.equal(text, 'rspamd scores it 0.12 (spam from 6), and says: Try again later');
  });

  it('counts by its own score', async () => {
    assert.equal((await judged({ action: 'reject', score: 9 }, { certain_score: 9 })).code, 'certain');
    assert.equal((await judged({ action: 'reject', score: 99 }, { certain_score: 100 })).code, 'reject');
  });

  it('convicts for what is certain; a refusal for another reason is a strike', () => {
    assert.deepEqual(rspamd.charges, { certain: 'conviction', reject: 'strike' });
  });
});
