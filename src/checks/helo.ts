import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import { flag } from '../core/settings.ts';
import { isOurDomain, type Site } from '../core/site.ts';
import { isDomainName, isFqdn, parseAddressLiteral } from '../mail/domain.ts';
import { canonicalAddress } from '../mail/ip.ts';

/** H1: the HELO name is one that a mail server could have, and not ours. */
export const helo = defineCheck({
  name: 'helo',
  summary: 'Asks whether the HELO name is well formed, fully qualified and not our own.',
  stage: 'helo',
  cost: 'memory',
  codes: {
    ok: 'Nothing is wrong with it.',
    syntax: 'It is neither a domain name nor an address literal.',
    'bare-address': 'It is an IP address without the brackets that RFC 5321 wants.',
    'not-fqdn': 'It is a name without a domain.',
    'literal-refused': 'It is an address literal, and the setting `literals` is off.',
    'literal-mismatch': 'It is an address literal, but not of the client.',
    'own-name': 'It is the name of this host.',
    'own-domain': 'It is a domain that we accept mail for.',
    'own-address': 'It is an address of this host.',
  },
  settings: z.object({
    literals: flag(true, 'Whether an address literal such as [192.0.2.7] will do.'),
    underscores: flag(
      true,
      'Whether names with underscores will do: no host name has any, but some hosts say so.',
    ),
  }),
  defaults: { on_fail: 'refuse', on_temperror: 'go-on', weight: 5, refuse_at: 'rcpt' },
  lifted: 'by-any',
  // A name of ours is a lie that no misconfigured server tells by accident; a domain of ours may be a customer's own web server.
  charges: { 'own-name': 'strike', 'own-address': 'strike' },
  judge: ({ session }, _evidence, settings, site) => {
    const said = session.helo.name;
    const shown = `HELO ${said.replace(/[^\x20-\x7e]/g, '?').slice(0, 100)}`;
    const client = canonicalAddress(session.client.address) ?? session.client.address;
    const fail = (code: string, text: string, enhanced: string, replyCode: number): readonly Finding[] => [
      { result: 'fail', code, text: `${shown} ${text}`, enhanced, replyCode },
    ];

    if (said.startsWith('[')) {
      const address = parseAddressLiteral(said);
      if (address === undefined) return fail('syntax', 'is not an address literal', '5.5.2', 501);
      if (isOurAddress(address, site) && address !== client) {
        return fail('own-address', 'is our own address', '5.7.1', 550);
      }
      if (address !== client) return fail('literal-mismatch', `is not your address ${client}`, '5.7.1', 550);
      if (!settings.literals)
        return fail('literal-refused', 'is an address, and we want a name', '5.7.1', 550);
      return ok(`${shown} is the client's address`);
    }
    if (canonicalAddress(said) !== undefined) {
      return fail('bare-address', 'is an address without brackets', '5.5.2', 501);
    }
    const name = said.toLowerCase().replace(/\.$/, '');
    const options = { underscore: settings.underscores };
    if (!isDomainName(name, options)) return fail('syntax', 'is not a domain name', '5.5.2', 501);
    // Before the question of dots: our host may well have a short name.
    if (name === site.hostName.toLowerCase()) return fail('own-name', 'is our own name', '5.7.1', 550);
    if (isOurDomain(site, name)) return fail('own-domain', 'is a domain of ours, not yours', '5.7.1', 550);
    if (!isFqdn(name, options)) return fail('not-fqdn', 'is not a fully qualified name', '5.5.2', 504);
    return ok(`${shown} is a well-formed name`);
  },
});

const ok = (text: string): readonly Finding[] => [{ result: 'pass', code: 'ok', text }];

function isOurAddress(address: string, site: Site): boolean {
  return site.addresses.some((ours) => canonicalAddress(ours) === address);
}
