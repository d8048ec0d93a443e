/**
 * Who guesses recipients (E10) is convicted when it can be said: by the session's guesses when the session is over, for only then is
 * it known what else was asked for; by those of its own address when one of them is there in this transaction. A neighbour's, or
 * those of another session, are held against nobody's good mail.
 */
import { after } from '../core/after.ts';
import { convictedNetwork, GUESSES, REACHED } from '../core/charges.ts';
import { hearingOf, type Treatment } from '../core/exemption.ts';
import { isGuessing, isMixed, marksFor, type Asked } from '../core/guesses.ts';
import type { Policy } from '../core/policy.ts';
import type { Soon } from '../core/ports.ts';
import { clientNetwork } from '../core/site.ts';
import { standingKind } from '../core/standing.ts';
import { convictable, type Found, type Remembering } from './charges.ts';

const CHECK = 'dictionary-attack';

/** Guesses that may convict: those of the null sender, and those that an exemption lifts the check for, are left out. */
export interface Guessed {
  readonly inTransaction: number;
  /** Once the session is over; all its recipients, with what became of them unknown. */
  readonly inSession: Asked | undefined;
}

export const isHeard = (treatment: Treatment): boolean =>
  hearingOf(treatment, { name: CHECK, stage: 'rcpt', lifted: 'by-any' }) === 'full';

export function attackOf(
  client: string,
  { inTransaction, inSession = NOTHING }: Guessed,
  policy: Pick<Policy, 'site' | 'convictions'>,
  { standing, rates }: Remembering,
): Soon<Found<'conviction'> | undefined> {
  const marks = convictable(client, policy)?.guessMarks;
  if (marks === undefined || inTransaction + inSession.guesses === 0) return undefined;
  const { site } = policy;
  const own = convictedNetwork(site, client);
  const found = (n: number, where: string): Found<'conviction'> => ({
    charge: 'conviction',
    check: CHECK,
    text: `${client} asked for ${n} recipients ${where} that do not exist`,
  });
  return after(standing.of(clientNetwork(site, client)), (of): Soon<Found<'conviction'> | undefined> => {
    const its = marksFor(marks, standingKind(of) === 'good');
    if (isGuessing(inSession, its)) return found(inSession.guesses, 'in one session');
    if (inTransaction === 0) return undefined;
    return after(rates.count(GUESSES, own), (guesses): Soon<Found<'conviction'> | undefined> => {
      if (guesses < its.perNetwork) return undefined;
      return after(rates.count(REACHED, own), (reached) =>
        isMixed(guesses, reached) ? undefined : found(guesses, 'lately'),
      );
    });
  });
}

const NOTHING: Asked = { guesses: 0, asked: 0 };
