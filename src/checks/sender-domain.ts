import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import type { DnsAnswer, DnsRecords } from '../core/ports.ts';

interface Evidence {
  /** Null sender, address literal: DNS was not asked. */
  readonly skipped?: 'null-sender' | 'literal';
  readonly mx?: DnsAnswer<DnsRecords['MX']>['kind'];
  /** The exchanges, the first ones; the root (`''`) is a null MX. */
  readonly exchanges?: readonly string[];
  /** Asked only where there is no MX record. */
  readonly address?: { readonly A: Kind; readonly AAAA: Kind };
}
type Kind = DnsAnswer<string>['kind'];

const MAX_EXCHANGES_KEPT = 10;

/** E1: a bounce to the sender could be delivered. */
export const senderDomain = defineCheck({
  name: 'sender-domain',
  summary: "Asks whether the sender's domain exists and takes mail.",
  stage: 'mail',
  cost: 'dns-chain',
  codes: {
    ok: 'The domain has MX or address records.',
    nxdomain: 'The domain does not exist.',
    'no-mail': 'The domain exists but has neither MX nor address records.',
    'null-mx': 'The domain says that it takes no mail (RFC 7505).',
    'null-sender': 'The null sender has no domain.',
    literal: "The sender's domain is an address literal.",
    temperror: 'DNS did not answer.',
  },
  settings: z.object({}),
  defaults: { on_fail: 'refuse', on_temperror: 'defer', weight: 5, refuse_at: 'rcpt' },
  lifted: 'by-any',
  gather: async ({ transaction }, ports, _settings, signal): Promise<Evidence> => {
    const path = transaction.reversePath;
    if (path === null) return { skipped: 'null-sender' };
    if (path.domain.startsWith('[')) return { skipped: 'literal' };
    const mx = await ports.dns.resolve(path.domain, 'MX', signal);
    if (mx.kind === 'found') {
      // Records that say both "none" and some host are a mistake in the sender's favour: RFC 7505 3 forbids the mixture.
      const real = mx.records.filter((r) => r.exchange !== '');
      const exchanges = (real.length > 0 ? real : mx.records).map((r) => r.exchange);
      return { mx: 'found', exchanges: exchanges.slice(0, MAX_EXCHANGES_KEPT) };
    }
    // RFC 5321 5.1: without MX records the domain's own address is its mail host; NXDOMAIN means none of either (RFC 8020).
    if (mx.kind !== 'no-data') return { mx: mx.kind };
    const [a, aaaa] = await Promise.all([
      ports.dns.resolve(path.domain, 'A', signal),
      ports.dns.resolve(path.domain, 'AAAA', signal),
    ]);
    return { mx: mx.kind, address: { A: a.kind, AAAA: aaaa.kind } };
  },
  judge: ({ transaction }, evidence) => {
    const domain = transaction.reversePath?.domain ?? '';
    if (evidence.skipped !== undefined) {
      return [{ result: 'none', code: evidence.skipped, text: 'the sender has no domain to look up' }];
    }
    const { mx, exchanges = [], address } = evidence;
    if (mx === 'found') {
      if (exchanges.some((exchange) => exchange !== '')) return ok(`sender domain ${domain} has MX records`);
      // RFC 7505 4.2: a refusal of mail from such a domain is 550 5.7.27.
      return fail('null-mx', `sender domain ${domain} says that it takes no mail (null MX)`, '5.7.27');
    }
    // RFC 3463 3.2: X.1.8, bad sender's system address.
    if (mx === 'nxdomain') return fail('nxdomain', `sender domain ${domain} does not exist`, '5.1.8');
    if (address !== undefined) {
      const kinds = [address.A, address.AAAA];
      if (kinds.includes('found')) return ok(`sender domain ${domain} has an address`);
      if (!kinds.some((kind) => kind === 'servfail' || kind === 'timeout')) {
        return fail('no-mail', `sender domain ${domain} has neither MX nor address records`, '5.1.8');
      }
    }
    const text = `sender domain ${domain} could not be looked up`;
    return [{ result: 'temperror', code: 'temperror', text, enhanced: '5.4.3' }];
  },
});

const ok = (text: string): readonly Finding[] => [{ result: 'pass', code: 'ok', text }];
const fail = (code: string, text: string, enhanced: string): readonly Finding[] => [
  { result: 'fail', code, text, enhanced },
];
