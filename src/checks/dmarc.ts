import { z } from 'zod';
import type { AuthenticationResult } from '../mail/authentication-results.ts';
import { defineCheck } from '../core/check.ts';
import type { Clues } from '../core/clues.ts';
import type { FactsAt } from '../core/facts.ts';
import type { Finding } from '../core/finding.ts';
import type { DnsPort } from '../core/ports.ts';
import type { Site } from '../core/site.ts';
import type { ArcSet } from '../msgauth/arc.ts';
import { isFqdn, organizationalDomain, parseDomain } from '../mail/domain.ts';
import { authenticateMessage, type DkimOutcome } from '../msgauth/dkim.ts';
import { askDmarc, type AuthorOutcome } from '../msgauth/dmarc.ts';
import { shownDomain } from '../msgauth/shown.ts';
import { checkHost, SPF_RESULTS, type SpfResult } from '../msgauth/spf.ts';

export interface DmarcEvidence {
  readonly authors: readonly AuthorOutcome[];
  readonly ambiguous: boolean;
  /** The ARC chain, where it holds. */
  readonly sealed: readonly ArcSet[];
  /** Of the authors for whom nothing stands: the signature that would have, and why it does not hold. */
  readonly broken?: readonly BrokenSignature[];
}

interface BrokenSignature {
  readonly author: string;
  readonly domain: string;
  readonly problem: string;
}

const MAX_SEALERS = 256;

/** As it stands in `d=`: a pattern would be believed to match, and nobody would ever be vouched for. */
const sealer = z
  .string()
  .transform((text, ctx) => {
    const domain = parseDomain(text, { underscore: true });
    if (domain !== undefined && isFqdn(domain, { underscore: true })) return domain;
    const message = 'wants a domain as it stands in d= of the seal, such as "lists.example.net"';
    ctx.addIssue({ code: 'custom', message });
    return z.NEVER;
  })
  .meta({ wants: 'a domain as it stands in d= of the seal', example: 'lists.example.net' });

/** M5: the author's domain stands behind the message, or what it asks for is done (RFC 9989). */
export const dmarc = defineCheck({
  name: 'dmarc',
  summary: "Asks whether the author's domain stands behind the message (DMARC), and obeys its policy.",
  stage: 'endOfMessage',
  // The rung below is where doubt has been cast: what SPF found is in by then.
  cost: 'network',
  codes: {
    pass: "A DKIM signature or the SPF result is of the author's domain.",
    reject: 'None is, and the domain asks to refuse such mail.',
    quarantine: 'None is, and the domain asks for suspicion.',
    monitor: 'None is, and the domain asks for nothing.',
    vouched: 'None is, but one of `trusted_sealers` sealed that one was when the message came to it.',
    'several-authors': 'From names several domains or cannot be read in part, or there are several.',
    'no-author': 'From names nobody with a domain.',
    none: 'The domain has no DMARC record.',
    exempt: 'It comes from our own networks, a relay of ours, or an authenticated user.',
    temperror: 'DNS did not answer, and the outcome hangs on it.',
  },
  settings: z.object({
    trusted_sealers: z.array(sealer).max(MAX_SEALERS).prefault([]).meta({
      description:
        'Domains whose ARC seals are believed: mail that passed DMARC when it came to them is not refused for failing it here.',
      example: '["lists.example.net"]',
      default: '[]',
    }),
  }),
  defaults: {
    on_fail: 'refuse',
    on_temperror: 'defer',
    weight: 3,
    refuse_at: 'rcpt',
    actions: {
      quarantine: 'suspect',
      monitor: 'observe',
      'several-authors': 'suspect',
      'no-author': 'observe',
    },
  },
  // A user's own allow entry is what a forger hopes for: it names the sender whom the forger pretends to be.
  lifted: 'by-name',
  tagsListHosts: true,
  gather: async (facts, { message, dns }, _settings, signal, site, clues): Promise<DmarcEvidence | null> => {
    if (message === undefined || isOurs(facts, site)) return null;
    const [{ dkim, arc, from, fromFields }, spf] = await Promise.all([
      authenticateMessage(message, dns, facts.transaction.startedAtMs, signal),
      spfOf(facts, clues, dns, site, signal),
    ]);
    const outcome = await askDmarc(dns, { from, fromFields, spf, dkim }, signal);
    const broken = outcome.authors
      .filter(({ result }) => result === 'fail')
      .flatMap(({ author }) => brokenOf(author, dkim) ?? []);
    return { ...outcome, sealed: arc.sets, ...(broken.length === 0 ? {} : { broken }) };
  },
  judge: (facts, evidence, { trusted_sealers: trusted }, site): readonly Finding[] => {
    if (evidence === null) {
      if (!isOurs(facts, site)) return [];
      return [{ result: 'none', code: 'exempt', text: `${facts.session.client.address} sends for us` }];
    }
    const { authors, ambiguous, sealed, broken = [] } = evidence;
    const findings = authors.map((outcome) =>
      findingOf(
        outcome,
        vouchesFor(outcome.author, sealed, trusted),
        broken.find(({ author }) => author === outcome.author),
      ),
    );
    if (ambiguous) {
      const text = 'From names more than one domain, or cannot be read';
      findings.push({ result: 'fail', code: 'several-authors', text, enhanced: '5.7.1' });
    } else if (authors.length === 0) {
      const text = 'From names nobody with a domain';
      findings.push({ result: 'fail', code: 'no-author', text, enhanced: '5.7.1' });
    }
    return findings;
  },
});

/** An exemption that lifts all lifts no check that wants to be named; but what is ours to send is nobody's forgery. */
const isOurs = ({ session }: FactsAt<'endOfMessage'>, site: Site): boolean =>
  session.authenticated !== undefined ||
  site.networks.has(session.client.address) ||
  site.relays.has(session.client.address);

/** What the `spf` check found, or, where an exemption lifted it or it is off, what it would have. */
async function spfOf(
  { session, transaction }: FactsAt<'endOfMessage'>,
  clues: Clues,
  dns: DnsPort,
  site: Site,
  signal: AbortSignal,
): Promise<{ domain: string; result: SpfResult }> {
  const path = transaction.reversePath;
  const helo = session.helo?.name ?? '';
  const known = clues
    .found('spf')
    .flatMap(({ authentication = [] }) => authentication)
    .find(({ method }) => method === 'spf');
  const result = SPF_RESULTS.find((r) => r === known?.result);
  if (result !== undefined) return { domain: path === null ? helo : path.domain, result };
  return checkHost(
    dns,
    {
      client: session.client.address,
      helo,
      receiver: site.hostName,
      sender: path === null ? null : `${path.local}@${path.domain}`,
    },
    signal,
  ).then(({ domain, result: found }) => ({ domain, result: found }));
}

function brokenOf(author: string, dkim: readonly DkimOutcome[]): BrokenSignature | undefined {
  const ours = organizationalDomain(author);
  for (const { domain, result, problem } of dkim) {
    const signer = domain.toLowerCase();
    if (result === 'pass' || organizationalDomain(signer) !== ours) continue;
    return { author, domain: signer, problem: problem ?? 'the signature does not hold' };
  }
  return undefined;
}

/**
 * Who sealed that DMARC passed for the author, where everybody who had the message since is trusted: of the others we know
 * only that they changed nothing that they did not seal themselves.
 */
function vouchesFor(
  author: string,
  sealed: readonly ArcSet[],
  trusted: readonly string[],
): string | undefined {
  for (const { sealer, dmarcPassed } of sealed.toReversed()) {
    if (!trusted.includes(sealer)) return undefined;
    if (dmarcPassed.includes(author)) return sealer;
  }
  return undefined;
}

function findingOf(
  outcome: AuthorOutcome,
  sealer: string | undefined,
  broken: BrokenSignature | undefined,
): Finding {
  const { author, result, policy = 'none', by } = outcome;
  const domain = shownDomain(author);
  const authentication = [resultOf(outcome, sealer)];
  switch (result) {
    case 'pass': {
      const text = `${by === 'spf' ? 'SPF' : 'a DKIM signature'} of ${domain} stands behind the message`;
      return { result, code: 'pass', text, domain: author, authentication };
    }
    case 'none':
      return { result, code: 'none', text: `${domain} has no DMARC policy`, authentication };
    case 'temperror': {
      const text = `DMARC of ${domain} could not be looked up`;
      // Nothing would follow from the answer either way.
      if (outcome.policy === 'none') return { result: 'none', code: 'monitor', text, authentication };
      return { result, code: 'temperror', text, enhanced: '5.7.1', authentication };
    }
    case 'fail': {
      if (sealer !== undefined) {
        const text = `DMARC of ${domain} fails, but ${shownDomain(sealer)} sealed that it passed there`;
        return { result: 'none', code: 'vouched', text, authentication };
      }
      const asks = {
        reject: 'asks to refuse such mail',
        quarantine: 'asks for suspicion',
        none: 'asks for nothing',
      }[policy];
      const code = policy === 'none' ? 'monitor' : policy;
      // What a forwarder changed is what the sender has to look for.
      const but =
        broken === undefined ? '' : ` (${shownDomain(broken.domain)} signed it, but: ${broken.problem})`;
      const text = `no DKIM signature and no SPF result of ${domain} stands behind the message${but}, and it ${asks} (DMARC)`;
      return { result, code, text, enhanced: '5.7.1', authentication };
    }
    default:
      return result satisfies never;
  }
}

/** RFC 9989 9.1. */
function resultOf(
  { author, result, policy }: AuthorOutcome,
  sealer: string | undefined,
): AuthenticationResult {
  const comment =
    result === 'fail' && sealer !== undefined
      ? `p=${policy ?? 'none'}, overridden by the ARC seal of ${sealer}`
      : policy === undefined
        ? undefined
        : `p=${policy}`;
  return {
    method: 'dmarc',
    result,
    ...(comment === undefined ? {} : { comment }),
    properties: { 'header.from': author, ...(policy === undefined ? {} : { 'policy.dmarc': policy }) },
  };
}
