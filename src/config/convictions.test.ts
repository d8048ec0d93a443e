import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dictionaryAttack } from '../checks/dictionary-attack.ts';
import { shortTermBlock } from '../checks/short-term-block.ts';
import { spf } from '../checks/spf.ts';
import type { AnyCheck } from '../core/check.ts';
import type { CheckSettings } from '../core/policy.ts';
import { checkSchema } from './checks.ts';
import { convictionsOf } from './convictions.ts';

const running = (check: AnyCheck, said: Record<string, unknown> = {}) => ({
  check,
  settings: checkSchema(check).parse(said) as CheckSettings,
});

const HOUR = 3_600_000;

describe('convictions', () => {
  it('come from the settings of the checks', () => {
    const { spared, ...rest } = convictionsOf([
      running(shortTermBlock, { first: '2h', strikes: 5 }),
      running(dictionaryAttack, { guess_window: '3h' }),
      running(spf, { forwarders: ['192.0.2.0/24', '2001:db8::/32'] }),
    ])!;
    assert.deepEqual(rest, {
      strikes: 5,
      strikeWindowMs: 24 * HOUR,
      guessWindowMs: 3 * HOUR,
      guessMarks: { perSession: 5, perNetwork: 20 },
      firstMs: 2 * HOUR,
      factor: 4,
      longestMs: 7 * 24 * HOUR,
      forgottenMs: 30 * 24 * HOUR,
    });
    assert.deepEqual(
      ['192.0.2.7', '2001:db8::1', '198.51.100.1'].map((address) => spared!.has(address)),
      [true, true, false],
    );
  });

  it('come from no mark that leads to nothing', () => {
    const marks = (said: Record<string, unknown>) =>
      convictionsOf([running(shortTermBlock), running(dictionaryAttack, said)])!.guessMarks;
    assert.deepEqual(marks({ on_fail: 'observe' }), { perSession: Infinity, perNetwork: Infinity });
    assert.deepEqual(marks({ actions: { network: 'off' } }), { perSession: 5, perNetwork: Infinity });
    assert.deepEqual(marks({ on_fail: 'tag', per_session: 9 }), { perSession: 9, perNetwork: 20 });
  });

  it('are none where the list is not asked', () => {
    assert.equal(convictionsOf([running(dictionaryAttack), running(spf)]), undefined);
  });

  it('count no guesses that nobody asks for, and spare nobody where nobody forwards', () => {
    const only = convictionsOf([running(shortTermBlock)])!;
    assert.deepEqual([only.guessWindowMs, only.guessMarks], [0, undefined]);
    assert.equal(only.spared!.has('192.0.2.7'), false);
  });
});
