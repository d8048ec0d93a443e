import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import { isOurDomain } from '../core/site.ts';

/** H6: no relaying except for authenticated clients and our own networks. */
export const relay = defineCheck({
  name: 'relay',
  summary:
    'Mail for domains that are not ours is taken only from our own networks and authenticated clients.',
  stage: 'rcpt',
  cost: 'memory',
  codes: {
    ours: 'the recipient is in one of our domains',
    permitted: 'the client may relay',
    denied: 'the recipient is elsewhere and the client may not relay',
  },
  settings: z.strictObject({}),
  defaults: { on_fail: 'refuse', on_temperror: 'defer', weight: 0, refuse_at: 'rcpt' },
  lifted: 'by-name',
  // Elsewhere the mail server decides about relaying.
  doors: ['gateway'],
  judge({ session, recipient }, _evidence, _settings, site) {
    const { domain } = recipient.mailbox;
    // RFC 5321 4.5.1: <Postmaster> without a domain is always local.
    if (domain === '' || isOurDomain(site, domain)) {
      return [
        { result: 'pass', code: 'ours', text: `we accept mail for ${domain === '' ? 'postmaster' : domain}` },
      ];
    }
    if (session.authenticated !== undefined || site.networks.has(session.client.address)) {
      return [{ result: 'pass', code: 'permitted', text: `${session.client.address} may send to ${domain}` }];
    }
    const text = `we do not relay mail for ${domain}`;
    return [{ result: 'fail', code: 'denied', text, enhanced: '5.7.1', replyCode: 554 }];
  },
});
