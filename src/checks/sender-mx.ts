import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import type { DnsPort } from '../core/ports.ts';
import { isOurDomain } from '../core/site.ts';
import { addressScope, parseIp } from '../mail/ip.ts';
import { confirmedNames, iprev, isIprevOpen, type AnswerKind } from '../msgauth/iprev.ts';

interface Exchange {
  readonly name: string;
  /** It is an alias. */
  readonly cname: boolean;
  readonly A: AnswerKind;
  readonly AAAA: AnswerKind;
  /** The first ones. */
  readonly addresses: readonly string[];
}

interface Evidence {
  /** DNS was not asked, or says nothing that is this check's business. */
  readonly skipped?: 'null-sender' | 'literal' | 'ours' | 'no-mx';
  /** The answer to the question for MX records, where it is trouble. */
  readonly trouble?: 'servfail' | 'timeout';
  readonly exchanges: readonly Exchange[];
  /** Of the best exchange's public addresses, the first ones. */
  readonly reverse: readonly {
    readonly address: string;
    readonly confirmed: boolean;
    readonly open: boolean;
  }[];
}

// A mail server that had a bounce to deliver would look no further: Postfix tries five addresses.
const MAX_EXCHANGES = 5;
const MAX_ADDRESSES_KEPT = 10;
const MAX_REVERSED = 2;

/** E2: the hosts that take mail for the sender's domain are hosts that can. */
export const senderMx = defineCheck({
  name: 'sender-mx',
  summary: "Asks whether the mail exchangers of the sender's domain are real hosts.",
  stage: 'mail',
  cost: 'dns-chain',
  codes: {
    ok: 'They are.',
    bogus: 'They have only private, loopback or reserved addresses.',
    unresolved: 'None of them has an address.',
    cname: 'One of them is an alias, which RFC 2181 forbids.',
    'no-fcrdns': "The best one's addresses have no reverse name that leads back to them.",
    'no-mx': 'The domain has no MX record; see `sender-domain`.',
    ours: 'The domain is one of ours, whose names may mean something else inside.',
    'null-sender': 'The null sender has no domain.',
    literal: "The sender's domain is an address literal.",
    temperror: 'DNS did not answer.',
  },
  settings: z.object({}),
  defaults: {
    on_fail: 'suspect',
    on_temperror: 'go-on',
    weight: 1,
    refuse_at: 'rcpt',
    actions: { bogus: 'refuse' },
  },
  lifted: 'by-any',
  gather: async ({ transaction }, ports, _settings, signal, site): Promise<Evidence> => {
    const skip = (skipped: NonNullable<Evidence['skipped']>): Evidence => ({
      skipped,
      exchanges: [],
      reverse: [],
    });
    const path = transaction.reversePath;
    if (path === null) return skip('null-sender');
    if (path.domain.startsWith('[')) return skip('literal');
    if (isOurDomain(site, path.domain)) return skip('ours');
    const mx = await ports.dns.resolve(path.domain, 'MX', signal);
    if (mx.kind === 'servfail' || mx.kind === 'timeout') {
      return { trouble: mx.kind, exchanges: [], reverse: [] };
    }
    if (mx.kind !== 'found') return skip('no-mx');
    const names = mx.records
      .filter(({ exchange }) => exchange !== '')
      .toSorted((a, b) => a.priority - b.priority || (a.exchange < b.exchange ? -1 : 1))
      .map(({ exchange }) => exchange);
    if (names.length === 0) return skip('no-mx');
    const exchanges = await Promise.all(
      [...new Set(names)].slice(0, MAX_EXCHANGES).map((name) => lookUp(ports.dns, name, signal)),
    );
    const best = exchanges.find(({ addresses }) => addresses.some(isPublic));
    const reverse = await Promise.all(
      (best?.addresses.filter(isPublic) ?? []).slice(0, MAX_REVERSED).map(async (address) => {
        const found = await iprev(ports.dns, address, signal);
        return { address, confirmed: confirmedNames(found).length > 0, open: isIprevOpen(found) };
      }),
    );
    return { exchanges, reverse };
  },
  judge: ({ transaction }, { skipped, trouble, exchanges, reverse }): readonly Finding[] => {
    const domain = clipped(transaction.reversePath?.domain ?? '');
    if (skipped !== undefined) {
      return [{ result: 'none', code: skipped, text: 'the sender has no mail exchanger to look at' }];
    }
    const open: Finding = {
      result: 'temperror',
      code: 'temperror',
      text: `the mail exchangers of ${domain} could not be looked up`,
      enhanced: '5.4.3',
    };
    if (trouble !== undefined) return [open];
    const addresses = exchanges.flatMap((exchange) => exchange.addresses);
    const isMissing = exchanges.some(({ A, AAAA }) => [A, AAAA].some(isTrouble));
    // RFC 3463 3.2: X.1.8, bad sender's system address.
    const fail = (code: string, text: string): Finding => ({ result: 'fail', code, text, enhanced: '5.1.8' });
    const findings: Finding[] = [];
    if (!addresses.some(isPublic)) {
      if (isMissing) return [open];
      const [first] = addresses;
      findings.push(
        first === undefined
          ? fail('unresolved', `no mail exchanger of ${domain} has an address`)
          : fail('bogus', `the mail exchangers of ${domain} have no public address (${first})`),
      );
    }
    const alias = exchanges.find(({ cname }) => cname);
    if (alias !== undefined) {
      findings.push(fail('cname', `${clipped(alias.name)}, mail exchanger of ${domain}, is an alias`));
    }
    if (reverse.length > 0 && !reverse.some(({ confirmed }) => confirmed)) {
      const [first] = reverse;
      if (reverse.some((r) => r.open)) findings.push(open);
      else {
        const text = `${first?.address ?? ''}, mail exchanger of ${domain}, has no matching reverse DNS`;
        findings.push(fail('no-fcrdns', text));
      }
    }
    if (findings.length > 0) return findings;
    return [{ result: 'pass', code: 'ok', text: `the mail exchangers of ${domain} are real hosts` }];
  },
});

async function lookUp(dns: DnsPort, name: string, signal: AbortSignal): Promise<Exchange> {
  const [cname, a, aaaa] = await Promise.all([
    dns.resolve(name, 'CNAME', signal),
    dns.resolve(name, 'A', signal),
    dns.resolve(name, 'AAAA', signal),
  ]);
  const all = [a, aaaa].flatMap((answer) => (answer.kind === 'found' ? answer.records : []));
  // A public one among many decides, so it is kept whatever its place.
  const addresses = [...all.filter(isPublic), ...all.filter((address) => !isPublic(address))];
  return {
    name,
    cname: cname.kind === 'found',
    A: a.kind,
    AAAA: aaaa.kind,
    addresses: addresses.slice(0, MAX_ADDRESSES_KEPT),
  };
}

function isPublic(address: string): boolean {
  const ip = parseIp(address);
  return ip !== undefined && addressScope(ip) === 'public';
}

const isTrouble = (kind: AnswerKind): boolean => kind === 'servfail' || kind === 'timeout';

// The reply holds 512 octets.
const MAX_SHOWN = 80;
const clipped = (name: string): string => (name.length > MAX_SHOWN ? `...${name.slice(-MAX_SHOWN)}` : name);
