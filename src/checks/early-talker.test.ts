import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { factsOf, site } from '../../test/fakes/ask.ts';
import type { Violation } from '../core/facts.ts';
import { earlyTalker } from './early-talker.ts';

describe('early-talker', () => {
  const cases: [violations: Violation[], code: string][] = [
    [[], 'waited'],
    [['pipelining', 'bare-newline', 'too-many-errors'], 'waited'],
    [['early-talker'], 'spoke'],
    [['pipelining', 'early-talker'], 'spoke'],
  ];
  for (const [violations, code] of cases) {
    it(`${violations.join(', ') || 'none'}: ${code}`, () => {
      const { session } = factsOf({});
      const findings = earlyTalker.judge({ session: { ...session, violations } }, null, {} as never, site);
      assert.deepEqual(
        findings.map((f) => [f.result, f.code, f.enhanced]),
        [code === 'spoke' ? ['fail', code, '5.5.1'] : ['pass', code, undefined]],
      );
      assert.ok(code in earlyTalker.codes && findings[0]!.text.includes('192.0.2.7'));
    });
  }

  it('is refused at RCPT, where exemptions are known', () => {
    assert.equal(earlyTalker.defaults.on_fail, 'refuse');
    assert.equal(earlyTalker.defaults.refuse_at, 'rcpt');
  });

  it('is a strike', () => assert.deepEqual(earlyTalker.charges, { spoke: 'strike' }));
});
