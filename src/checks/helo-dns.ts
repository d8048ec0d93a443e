import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import type { DnsAnswer } from '../core/ports.ts';
import { isFqdn, organizationalDomain } from '../mail/domain.ts';
import {
  confirmedNames,
  hasAddress,
  iprev,
  isIprevOpen,
  type AnswerKind,
  type Iprev,
} from '../msgauth/iprev.ts';

interface Evidence {
  /** A name that DNS can be asked for; otherwise nothing was asked. */
  readonly asked: boolean;
  /** Absent: not asked, because the client's address was found among those of its own family. */
  readonly forward: { readonly A?: AnswerKind; readonly AAAA?: AnswerKind };
  /** The name's addresses, the first ones. */
  readonly addresses: readonly string[];
  /** The client is among all of them. */
  readonly hasClient: boolean;
  readonly reverse?: Iprev;
}

// Kept with the decision; the comparison looks at all of them.
const MAX_ADDRESSES_KEPT = 10;

/** H2: the HELO name exists and belongs to the client. */
export const heloDns = defineCheck({
  name: 'helo-dns',
  summary: 'Asks whether the HELO name resolves and belongs to the client.',
  stage: 'helo',
  cost: 'dns-chain',
  codes: {
    ok: "The name has the client's address, or stands in the same organizational domain as its confirmed reverse name.",
    unresolved: 'The name has no address.',
    mismatch: 'The name has addresses, but nothing connects it with the client.',
    'not-a-name': 'The client gave no name that DNS could be asked for.',
    temperror: 'DNS did not answer.',
  },
  settings: z.object({}),
  defaults: { on_fail: 'suspect', on_temperror: 'go-on', weight: 2, refuse_at: 'rcpt' },
  lifted: 'by-any',
  gather: async ({ session }, ports, _settings, signal): Promise<Evidence> => {
    const name = askedName(session.helo.name);
    const client = session.client.address;
    if (name === undefined) return { asked: false, forward: {}, addresses: [], hasClient: false };
    const [own, other] = client.includes(':') ? (['AAAA', 'A'] as const) : (['A', 'AAAA'] as const);
    const first = await ports.dns.resolve(name, own, signal);
    const found = addressesIn(first);
    // Most clients that have a name are told by it: the other questions are for the rest.
    if (hasAddress(found, client)) {
      const addresses = found.slice(0, MAX_ADDRESSES_KEPT);
      return { asked: true, forward: { [own]: first.kind }, addresses, hasClient: true };
    }
    const [second, reverse] = await Promise.all([
      ports.dns.resolve(name, other, signal),
      iprev(ports.dns, client, signal),
    ]);
    const all = [...found, ...addressesIn(second)];
    return {
      asked: true,
      forward: { [own]: first.kind, [other]: second.kind },
      addresses: all.slice(0, MAX_ADDRESSES_KEPT),
      hasClient: hasAddress(all, client),
      reverse,
    };
  },
  judge: ({ session }, evidence) => {
    const { address } = session.client;
    const name = askedName(session.helo.name);
    if (!evidence.asked || name === undefined) {
      return [{ result: 'none', code: 'not-a-name', text: 'HELO gives no name to look up' }];
    }
    if (evidence.hasClient) return ok(`HELO ${name} has the address ${address}`);
    const { forward, reverse } = evidence;
    const missing = [forward.A, forward.AAAA].some((kind) => kind === 'servfail' || kind === 'timeout');
    if (evidence.addresses.length === 0) {
      return missing ? open(name) : fail('unresolved', `HELO ${name} has no address in DNS`);
    }
    const organization = organizationalDomain(name);
    const names = reverse === undefined ? [] : confirmedNames(reverse);
    const kin = names.find((n) => organizationalDomain(n) === organization);
    if (kin !== undefined) return ok(`HELO ${name} and the client's name ${kin} are both of ${organization}`);
    if (missing || (reverse !== undefined && isIprevOpen(reverse))) return open(name);
    return fail('mismatch', `HELO ${name} does not belong to ${address}`);
  },
});

const ok = (text: string): readonly Finding[] => [{ result: 'pass', code: 'ok', text }];
const fail = (code: string, text: string): readonly Finding[] => [
  { result: 'fail', code, text, enhanced: '5.7.1' },
];
const open = (name: string): readonly Finding[] => [
  { result: 'temperror', code: 'temperror', text: `HELO ${name} could not be looked up`, enhanced: '5.4.3' },
];

const addressesIn = (answer: DnsAnswer<string>): readonly string[] =>
  answer.kind === 'found' ? answer.records : [];

function askedName(said: string): string | undefined {
  const name = said.toLowerCase().replace(/\.$/, '');
  return isFqdn(name, { underscore: true }) ? name : undefined;
}
