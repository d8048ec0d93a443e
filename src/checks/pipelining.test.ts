import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { factsOf, site } from '../../test/fakes/ask.ts';
import type { Violation } from '../core/facts.ts';
import { pipelining } from './pipelining.ts';

describe('pipelining', () => {
  const cases: [violations: Violation[], code: string][] = [
    [[], 'waited'],
    [['early-talker', 'bare-newline', 'too-many-errors'], 'waited'],
    [['pipelining'], 'unasked'],
    [['pipelining', 'early-talker'], 'unasked'],
  ];
  for (const [violations, code] of cases) {
    it(`${violations.join(', ') || 'none'}: ${code}`, () => {
      const { session } = factsOf({});
      const findings = pipelining.judge({ session: { ...session, violations } }, null, {} as never, site);
      assert.deepEqual(
        findings.map((f) => [f.result, f.code, f.enhanced]),
        [code === 'unasked' ? ['fail', code, '5.5.0'] : ['pass', code, undefined]],
      );
      assert.ok(code in pipelining.codes && findings[0]!.text.includes('192.0.2.7'));
    });
  }

  it('is refused at RCPT, where exemptions are known', () => {
    assert.equal(pipelining.defaults.on_fail, 'refuse');
    assert.equal(pipelining.defaults.refuse_at, 'rcpt');
  });

  it('is a strike', () => assert.deepEqual(pipelining.charges, { unasked: 'strike' }));
});
