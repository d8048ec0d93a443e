import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import { flag } from '../core/settings.ts';
import type { AuthenticationResult } from '../mail/authentication-results.ts';
import { contains, parseIp, parseNetwork, type Network } from '../mail/ip.ts';
import { formatMailbox } from '../mail/mailbox.ts';
import { checkHost, type SpfOutcome } from '../msgauth/spf.ts';

export interface SpfEvidence {
  /** MAIL FROM, or HELO for the null sender: this one is judged. */
  readonly judged: SpfOutcome;
  /** HELO beside MAIL FROM, where it was asked. */
  readonly helo?: SpfOutcome;
}

const MAX_FORWARDERS = 256;

/** E4: the sender's domain lets this client send for it (RFC 7208). */
export const spf = defineCheck({
  name: 'spf',
  summary: "Asks whether the sender's domain lets this client send for it (SPF).",
  stage: 'mail',
  cost: 'dns-chain',
  codes: {
    pass: 'The domain lets the client send for it.',
    fail: 'The domain says that the client may not send for it.',
    softfail: 'The domain says that the client probably may not send for it.',
    neutral: 'The domain says nothing about the client.',
    none: 'The domain has no SPF record.',
    permerror: 'The record, or one that it includes, is broken.',
    forwarded: 'One of `forwarders` brings it: its address says nothing about the sender.',
    temperror: 'DNS did not answer.',
  },
  settings: z.object({
    forwarders: z
      .array(
        z.string().transform((text, ctx): Network => {
          const network = parseNetwork(text);
          if (network.kind === 'network') return network;
          ctx.addIssue({ code: 'custom', message: network.problem });
          return z.NEVER;
        }),
      )
      .max(MAX_FORWARDERS)
      .prefault([])
      .meta({
        description: 'Networks of hosts that forward mail to us for our users; they are only looked at.',
        example: '["192.0.2.0/24"]',
        default: '[]',
      }),
    ask_helo: flag(
      false,
      'Whether the HELO name is looked up too where there is a sender; the result is only kept.',
    ),
  }),
  defaults: {
    on_fail: 'refuse',
    on_temperror: 'defer',
    weight: 2,
    refuse_at: 'rcpt',
    actions: { softfail: 'suspect', permerror: 'observe' },
  },
  lifted: 'by-any',
  gather: async ({ session, transaction }, ports, { ask_helo }, signal, site): Promise<SpfEvidence> => {
    const path = transaction.reversePath;
    const question = {
      client: session.client.address,
      helo: session.helo?.name ?? '',
      receiver: site.hostName,
    };
    const sender = path === null ? null : `${path.local}@${path.domain}`;
    const [judged, helo] = await Promise.all([
      checkHost(ports.dns, { ...question, sender }, signal),
      sender !== null && ask_helo && question.helo !== ''
        ? checkHost(ports.dns, { ...question, sender: null }, signal)
        : undefined,
    ]);
    return { judged, ...(helo === undefined ? {} : { helo }) };
  },
  judge: ({ session, transaction }, { judged, helo }, { forwarders }): readonly Finding[] => {
    const finding = findingOf(session.client.address, judged, forwarders);
    const path = transaction.reversePath;
    const mailFrom = path === null ? '' : formatMailbox(path);
    const authentication = [judged, ...(helo === undefined ? [] : [helo])].map((o) => resultOf(o, mailFrom));
    return [{ ...finding, authentication }];
  },
});

function findingOf(client: string, judged: SpfOutcome, forwarders: readonly Network[]): Finding {
  const { result, problem, explanation } = judged;
  const domain = clipped(judged.domain);
  const ip = parseIp(client);
  if (result !== 'pass' && ip !== undefined && forwarders.some((network) => contains(network, ip))) {
    const text = `${client} forwards for us; SPF of ${domain} says ${result}`;
    return { result: 'none', code: 'forwarded', text };
  }
  const why = problem === undefined ? '' : `: ${problem}`;
  switch (result) {
    case 'pass': {
      const text = `the SPF record of ${domain} permits ${client}`;
      return { result, code: 'pass', text, ...(vouches(judged) ? { domain: judged.domain } : {}) };
    }
    case 'fail': {
      // RFC 7208 6.2: whose words these are has to be plain.
      const says = explanation === undefined ? '' : ` (${domain} says: ${explanation})`;
      const text = `${client} is not permitted by the SPF record of ${domain}${says}`;
      // RFC 7372 3.2: X.7.23, SPF validation failed.
      return { result, code: 'fail', text, enhanced: '5.7.23' };
    }
    case 'softfail': {
      const text = `${client} is probably not permitted by the SPF record of ${domain}`;
      return { result: 'fail', code: 'softfail', text, enhanced: '5.7.23' };
    }
    case 'neutral':
      return { result: 'none', code: 'neutral', text: `the SPF record of ${domain} is neutral on ${client}` };
    case 'none':
      return { result: 'none', code: 'none', text: `${domain} has no SPF record` };
    case 'permerror':
      // RFC 7372 3.2: X.7.24, SPF validation error, of either kind.
      return {
        result: 'fail',
        code: 'permerror',
        text: `the SPF record of ${domain} is broken${why}`,
        enhanced: '5.7.24',
      };
    case 'temperror':
      return {
        result: 'temperror',
        code: 'temperror',
        text: `the SPF record of ${domain} could not be looked up${why}`,
        // RFC 7208 8.6: 451; RFC 7372 3.2 has X.7.24 in the place of its 4.4.3.
        enhanced: '5.7.24',
        replyCode: 451,
      };
    default:
      return result satisfies never;
  }
}

/** RFC 8601 2.7.2. */
function resultOf({ identity, domain, result, problem }: SpfOutcome, mailFrom: string): AuthenticationResult {
  return {
    method: 'spf',
    result,
    ...(problem === undefined ? {} : { comment: problem }),
    properties: identity === 'mailfrom' ? { 'smtp.mailfrom': mailFrom } : { 'smtp.helo': domain },
  };
}

/** A domain that permits everybody says nothing of this client. */
const vouches = ({ domain, permitsTheWorld }: SpfOutcome): boolean =>
  domain !== '' && permitsTheWorld !== true;

const MAX_SHOWN_DOMAIN = 80;

/** A reply line holds 512 octets, and the domain may stand in it twice. The end of a name is what its owner registered. */
const clipped = (domain: string): string =>
  domain === ''
    ? 'a sender without domain'
    : domain.length > MAX_SHOWN_DOMAIN
      ? `...${domain.slice(-MAX_SHOWN_DOMAIN)}`
      : domain;
