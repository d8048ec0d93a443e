import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { emptyPorts, factsOf, site } from '../../test/fakes/ask.ts';
import { checkSchema } from '../config/checks.ts';
import { TURNED_AWAY, turnedAwayKey, turnedAwayKeys, UNSETTLED } from '../core/charges.ts';
import type { Json } from '../core/check.ts';
import { NO_CLUES } from '../core/clues.ts';
import { hearingOf, treatmentOf } from '../core/exemption.ts';
import type { Ports } from '../core/ports.ts';
import type { CommonSettings } from '../core/settings.ts';
import { honeypot } from './honeypot.ts';

interface Situation {
  readonly role?: 'honeypot';
  readonly unsettled?: Json;
  readonly turnedAway?: number;
  readonly from?: string;
  readonly to?: string;
}

async function judge({ role, unsettled, turnedAway = 0, ...said }: Situation) {
  const facts = factsOf({ from: 'a@example.net', to: 'user@example.org', ...said });
  const asked: string[] = [];
  const ports: Ports = {
    ...emptyPorts(),
    store: {
      ...emptyPorts().store,
      recall: async (space, key) => {
        asked.push(`${space} ${key}`);
        return unsettled;
      },
    },
    rates: {
      add: () => assert.fail('the engine counts'),
      count: (space, key) => {
        asked.push(`${space} ${key}`);
        return key === turnedAwayKey('192.0.2.7', facts.session.startedAtMs) ? turnedAway : 0;
      },
    },
  };
  const settings = checkSchema(honeypot).parse({}) as CommonSettings;
  const all = { ...facts, session: { ...facts.session, role } } as never;
  const evidence = await honeypot.gather!(all, ports, settings, AbortSignal.abort(), site, NO_CLUES);
  const findings = honeypot.judge(all, JSON.parse(JSON.stringify(evidence)) as Json, settings, site);
  assert.equal(findings.length, 1);
  assert.ok(findings[0]!.code in honeypot.codes);
  return { finding: findings[0]!, asked };
}

describe('honeypot', () => {
  const here = { role: 'honeypot' } as const;
  const cases: [what: string, situation: Situation, result: string, code: string][] = [
    ['at the front door', {}, 'none', 'front-door'],
    ['for no reason', here, 'fail', 'caught'],
    ['turned away at the front door', { ...here, turnedAway: 1 }, 'fail', 'unsettled'],
    ['while the gate is unsettled', { ...here, unsettled: true }, 'fail', 'unsettled'],
    ['with a bounce', { ...here, from: '<>' }, 'fail', 'misdirected'],
    ['with mail for a stranger', { ...here, to: 'a@attacker.example' }, 'fail', 'misdirected'],
    [
      'with that, after it was turned away',
      { ...here, to: 'a@b.example', turnedAway: 1 },
      'fail',
      'misdirected',
    ],
    ['for a domain below ours', { ...here, to: 'a@x.sub.example.org' }, 'fail', 'caught'],
    ['whatever was remembered of that', { ...here, unsettled: null }, 'fail', 'unsettled'],
  ];
  for (const [what, situation, result, code] of cases)
    it(`${what}: ${code}`, async () => {
      const { finding } = await judge(situation);
      assert.deepEqual([finding.result, finding.code], [result, code]);
    });

  // A count by the hour that begins with its first event would have a moment each hour in which nobody was turned away.
  it('knows for an hour whom the front door turned away, whenever that was, and its neighbours', () => {
    const hourMs = 3_600_000;
    for (let at = 0; at < 2 * hourMs; at += hourMs / 8) {
      const key = turnedAwayKey('192.0.2.7', at);
      for (const laterMs of [-1000, 0, hourMs / 2, hourMs - 1])
        assert.ok(turnedAwayKeys('192.0.2.200', at + laterMs).includes(key), `${at} and ${laterMs}`);
      assert.ok(!turnedAwayKeys('192.0.2.7', at + 2 * hourMs).includes(key));
      assert.ok(!turnedAwayKeys('198.51.100.7', at).includes(key));
    }
  });

  it('asks at its own listeners only', async () => {
    assert.deepEqual((await judge({})).asked, []);
    const { asked } = await judge(here);
    assert.equal(asked.filter((what) => what === `${UNSETTLED.space} ${UNSETTLED.key}`).length, 1);
    assert.equal(asked.filter((what) => what.startsWith(`${TURNED_AWAY} 192.0.2.0/24 `)).length, 3);
  });

  it('defers, also postmaster, and does not give its name away', async () => {
    assert.deepEqual([honeypot.defaults.on_fail, honeypot.defaults.on_temperror], ['defer', 'defer']);
    const facts = factsOf({ from: 'a@example.net', to: 'postmaster@example.org' });
    assert.equal(hearingOf(treatmentOf(facts, site, []), honeypot), 'full');
    const { finding } = await judge(here);
    assert.deepEqual([finding.enhanced, finding.shownAs], ['5.3.2', 'mx-order']);
    assert.doesNotMatch(finding.text, /honeypot/);
  });

  it('convicts whom it caught', () => assert.deepEqual(honeypot.charges, { caught: 'conviction' }));

  it('is idle where no listener is one', () => {
    const settings = checkSchema(honeypot).parse({}) as CommonSettings;
    assert.equal(honeypot.idle!(settings, site), 'no listener has role = "honeypot"');
    assert.equal(honeypot.idle!(settings, { ...site, honeypot: true }), undefined);
  });
});
