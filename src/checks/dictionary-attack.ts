import { z } from 'zod';
import { after } from '../core/after.ts';
import { BOUNCED_GUESSES, GUESSES, REACHED } from '../core/charges.ts';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import { isGuessing, isMixed, marksFor } from '../core/guesses.ts';
import { count, duration } from '../core/settings.ts';
import { clientNetwork } from '../core/site.ts';
import { standingKind } from '../core/standing.ts';

type Evidence = {
  /** Unknown recipients asked for so far in the session, those of the null sender aside. */
  readonly session: number;
  /** All recipients asked for in it, up to the last unknown one. */
  readonly asked: number;
  /** Unknown recipients lately asked for by the client's network, with a sender or with the null sender as this transaction has. */
  readonly network: number;
  /** Recipients that got a message from it meanwhile. */
  readonly reached: number;
  readonly standing: 'good' | 'unknown' | 'bad';
};

/**
 * E10: who asks for many recipients that do not exist is guessing. Stands before everything that asks DNS, so that a guesser, once
 * known, costs nothing. It defers: at the fifth unknown name nobody can tell a guesser from a list whose first addresses are dead, nor
 * one customer of a provider from the next. Who is convicted is said when the session is over (`engine/guessers.ts`).
 */
export const dictionaryAttack = defineCheck({
  name: 'dictionary-attack',
  summary: 'The client, or its network, asked for too many recipients that do not exist.',
  stage: 'rcpt',
  cost: 'store',
  codes: {
    few: 'few unknown recipients were asked for, or none',
    session: 'too many unknown recipients in this session, and more of them than of others',
    network: 'too many unknown recipients from this network lately, one of them in this session',
    others: 'too many unknown recipients from this network lately, none of them in this session',
    mixed: 'too many unknown recipients from this network lately, but half as many or more got their mail',
    bounces: 'too many unknown recipients from this network lately, all of them from the null sender',
  },
  settings: z.strictObject({
    per_session: count(5, 1, 1000, 'Unknown recipients in one session that make an attack.'),
    per_network: count(20, 1, 100_000, 'Unknown recipients from one client network that make an attack.'),
    guess_window: duration('1h', '1m', '7d', 'How long those of a network are counted together.'),
  }),
  defaults: {
    on_fail: 'defer',
    on_temperror: 'go-on',
    weight: 5,
    refuse_at: 'rcpt',
    actions: { bounces: 'defer', mixed: 'defer', others: 'defer' },
  },
  lifted: 'by-any',
  gather({ session, transaction }, { rates, standing }, _settings, _signal, site) {
    const key = clientNetwork(site, session.client.address);
    const space = transaction.reversePath === null ? BOUNCED_GUESSES : GUESSES;
    return after(rates.count(space, key), (network) => {
      const here = { session: session.guesses ?? 0, asked: session.asked ?? 0, network, reached: 0 };
      // Most clients never guessed: their standing need not be asked for.
      if (here.session === 0 && network === 0) return { ...here, standing: 'unknown' as const };
      return after(rates.count(REACHED, key), (reached) =>
        after(standing.of(key), (of): Evidence => ({ ...here, reached, standing: standingKind(of) })),
      );
    });
  },
  judge(
    { session, transaction },
    { session: guesses, asked, network, reached, standing }: Evidence,
    { per_session, per_network },
  ): readonly Finding[] {
    const { address } = session.client;
    const isBounce = transaction.reversePath === null;
    const isDoubtful = isBounce || standing === 'good';
    const marks = marksFor({ perSession: per_session, perNetwork: per_network }, isDoubtful);
    if (!isBounce && isGuessing({ guesses, asked }, marks)) {
      const text = `${address} asked for ${guesses} recipients in this session that do not exist`;
      return [{ result: 'fail', code: 'session', text, enhanced: '5.7.1' }];
    }
    if (network >= marks.perNetwork) {
      const text = `${address} and its network asked for ${network} recipients lately that do not exist`;
      const own = guesses > 0 ? 'network' : 'others';
      const code = isBounce ? 'bounces' : isMixed(network, reached) ? 'mixed' : own;
      return [{ result: 'fail', code, text, enhanced: '5.7.1' }];
    }
    return [{ result: 'pass', code: 'few', text: `${address} asked for few recipients that do not exist` }];
  },
});
