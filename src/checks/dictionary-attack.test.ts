import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { emptyPorts, factsOf, site } from '../../test/fakes/ask.ts';
import { checkSchema } from '../config/checks.ts';
import { BOUNCED_GUESSES, GUESSES, REACHED } from '../core/charges.ts';
import type { Json } from '../core/check.ts';
import { NO_CLUES } from '../core/clues.ts';
import type { Facts } from '../core/facts.ts';
import type { Ports } from '../core/ports.ts';
import type { CommonSettings } from '../core/settings.ts';
import type { ClientStanding } from '../core/standing.ts';
import { dictionaryAttack } from './dictionary-attack.ts';

interface Situation {
  readonly session?: number;
  /** All recipients of the session up to the last unknown one. */
  readonly asked?: number;
  readonly network?: number;
  /** Recipients of the network that got their mail. */
  readonly reached?: number;
  /** Of the null sender. */
  readonly bounced?: number;
  readonly from?: string;
  readonly standing?: ClientStanding;
}

const GOOD = { good: 50, bad: 0 };

async function judge(s: Situation, settings: Record<string, unknown> = {}, client = '192.0.2.7') {
  const facts = factsOf({ client, from: s.from ?? 'a@example.net', to: 'x@example.org' });
  const session = { ...facts.session, guesses: s.session, asked: s.asked ?? s.session };
  const counted: string[] = [];
  const ports: Ports = {
    ...emptyPorts(),
    rates: {
      add: () => assert.fail('the engine counts'),
      count: (space, key) => {
        counted.push(`${space} ${key}`);
        return { [GUESSES]: s.network, [BOUNCED_GUESSES]: s.bounced, [REACHED]: s.reached }[space] ?? 0;
      },
    },
    standing: {
      of: async () => s.standing ?? { good: 0, bad: 0 },
      note: () => assert.fail('a check notes nothing'),
    },
  };
  const parsed = checkSchema(dictionaryAttack).parse(settings) as CommonSettings;
  const all = { ...facts, session } satisfies Facts as never;
  const evidence = await dictionaryAttack.gather!(
    all,
    ports,
    parsed,
    new AbortController().signal,
    site,
    NO_CLUES,
  );
  const findings = dictionaryAttack.judge(
    // What replay has: the session's facts as they were at its end.
    { ...facts, session: { ...session, guesses: 999 } },
    JSON.parse(JSON.stringify(evidence)) as Json,
    parsed,
    site,
  );
  assert.equal(findings.length, 1);
  assert.ok(findings[0]!.code in dictionaryAttack.codes);
  return { code: findings[0]!.code, text: findings[0]!.text, counted };
}

describe('dictionary-attack', () => {
  const cases: [what: string, situation: Situation, code: string][] = [
    ['nothing', {}, 'few'],
    ['one below the limit of a session', { session: 4 }, 'few'],
    ['at the limit of a session', { session: 5 }, 'session'],
    ['above it', { session: 6 }, 'session'],
    ['as many unknown as known: a list with dead addresses', { session: 10, asked: 20 }, 'few'],
    ['one more unknown than known', { session: 10, asked: 19 }, 'session'],
    ['one below the limit of a network', { network: 19 }, 'few'],
    ['at the limit of a network', { network: 20 }, 'others'],
    ['at it, with one in this session', { session: 1, asked: 9, network: 20 }, 'network'],
    ['of a network, with less than half as many that got their mail', { network: 20, reached: 9 }, 'others'],
    ['of a network, with half as many that got their mail', { network: 20, reached: 10 }, 'mixed'],
    ['in good standing, at the limits', { session: 5, network: 20, standing: GOOD }, 'few'],
    [
      'in good standing, one below four times the limits',
      { session: 19, network: 79, standing: GOOD },
      'few',
    ],
    ['in good standing, at four times the limit of a session', { session: 20, standing: GOOD }, 'session'],
    ['in good standing, at four times the limit of a network', { network: 80, standing: GOOD }, 'others'],
    [
      'of the null sender: those of senders are not its own',
      { from: '<>', session: 50, network: 500 },
      'few',
    ],
    ['of the null sender, one below', { from: '<>', bounced: 79 }, 'few'],
    ['of the null sender, at four times the limit', { from: '<>', bounced: 80 }, 'bounces'],
    ['with a sender: those of the null sender are not its own', { bounced: 500 }, 'few'],
  ];
  for (const [what, situation, code] of cases)
    it(`${what}: ${code}`, async () => assert.equal((await judge(situation)).code, code));

  it('takes other limits', async () => {
    assert.equal((await judge({ session: 1 }, { per_session: 1 })).code, 'session');
    assert.equal((await judge({ network: 99 }, { per_network: 100 })).code, 'few');
  });

  it('counts by client network', async () => {
    const { counted } = await judge({}, {}, '2001:db8:1:2:3::4');
    assert.deepEqual(counted, [`${GUESSES} 2001:db8:1:2::/64`]);
  });

  it('says how many', async () => {
    assert.equal(
      (await judge({ session: 7 })).text,
      '192.0.2.7 asked for 7 recipients in this session that do not exist',
    );
  });

  it('defers, and what speaks for others than guessers stays deferred where the operator refuses', () => {
    assert.equal(dictionaryAttack.charges, undefined);
    const { on_fail, actions } = dictionaryAttack.defaults;
    assert.deepEqual([on_fail, actions], ['defer', { bounces: 'defer', mixed: 'defer', others: 'defer' }]);
  });
});
