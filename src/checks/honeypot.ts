import { z } from 'zod';
import { after } from '../core/after.ts';
import { TURNED_AWAY, turnedAwayKeys, UNSETTLED } from '../core/charges.ts';
import { defineCheck } from '../core/check.ts';
import type { Soon } from '../core/ports.ts';
import { isOurDomain } from '../core/site.ts';

type Evidence = {
  /** The gate has just started, or it is under load. */
  readonly unsettled: boolean;
  /** How often the client or a neighbour was deferred or sent away at the front door lately. */
  readonly turnedAway: number;
} | null;

/**
 * C3: a listener behind a very high-numbered MX. RFC 5321 5.1 has clients try the MXs in their order, so nobody legitimate comes here
 * while the front door takes mail; bots come here first, because backup MXs are often guarded worse. Every recipient is deferred:
 * a mistake of ours costs an honest server a retry and never a message. Whom strangers can send here convicts nobody: an MX record of
 * their own may name this host, and then their mail, through whatever provider, comes here; a forged sender brings bounces. On the first rung, so that a client which another check
 * refuses there is convicted all the same; it asks the store only at its own listeners.
 */
export const honeypot = defineCheck({
  name: 'honeypot',
  summary: 'The client came to a listener that nobody has a reason to come to.',
  stage: 'rcpt',
  cost: 'memory',
  codes: {
    'front-door': 'this listener is no honeypot',
    caught: 'the client came here with mail for us, without having been turned away at the front door',
    misdirected:
      'it came here with a bounce, or with mail for a domain that is not ours: somebody else may have sent it here',
    unsettled: 'it came here, but the front door may be why',
  },
  settings: z.strictObject({}),
  defaults: { on_fail: 'defer', on_temperror: 'defer', weight: 5, refuse_at: 'rcpt' },
  // Whoever is let in here is not delivered by mistake: postmaster too is reached at the front door.
  lifted: 'by-name',
  charges: { caught: 'conviction' },
  idle: (_settings, site) => (site.honeypot === true ? undefined : 'no listener has role = "honeypot"'),
  gather({ session }, { store, rates }): Soon<Evidence> {
    if (session.role !== 'honeypot') return null;
    const keys = turnedAwayKeys(session.client.address, session.startedAtMs);
    const sum = keys.reduce<Soon<number>>(
      (before, key) => after(before, (n) => after(rates.count(TURNED_AWAY, key), (more) => n + more)),
      0,
    );
    return after(store.recall(UNSETTLED.space, UNSETTLED.key), (unsettled) =>
      after(sum, (turnedAway) => ({ unsettled: unsettled !== undefined, turnedAway })),
    );
  },
  judge({ session, transaction, recipient }, evidence, _settings, site) {
    const { address } = session.client;
    if (session.role !== 'honeypot' || evidence === null)
      return [{ result: 'none', code: 'front-door', text: `${address} came to the front door` }];
    const isForUs = transaction.reversePath !== null && isOurDomain(site, recipient.mailbox.domain);
    const hasReason = evidence.unsettled || evidence.turnedAway > 0;
    const code = !isForUs ? 'misdirected' : hasReason ? 'unsettled' : 'caught';
    const text = `${address} came to a mail exchanger that is for nobody while the others take mail`;
    // RFC 3463 3.4: X.3.2, the system accepts no messages.
    return [{ result: 'fail', code, text, enhanced: '5.3.2', shownAs: 'mx-order' }];
  },
});
