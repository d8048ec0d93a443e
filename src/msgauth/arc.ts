/**
 * ARC (RFC 8617): hosts on the way say, each sealed over those before it, what they found out about the message when it came
 * to them. A chain that holds proves who said it, not that it is true: whom to believe is the operator's choice. mailauth
 * verifies the seals, strictly; what stands in the sealed results is a stranger's text.
 */
import type { ARCData, DKIMVerifyResult } from 'mailauth';
import { arc } from 'mailauth/lib/arc/index.js';
import { parseAuthenticationResults, type ForeignResult } from '../mail/authentication-results.ts';
import type { MailauthResolver } from './mailauth-resolver.ts';
import { shown } from './shown.ts';

export interface ArcOutcome {
  readonly result: 'pass' | 'fail' | 'none' | 'temperror';
  /** From the first on; only where the chain holds. */
  readonly sets: readonly ArcSet[];
  /** What is wrong, of fail and temperror. */
  readonly problem?: string;
}

export interface ArcSet {
  /** `d=` of the seal, lower-case. */
  readonly sealer: string;
  /** Author domains for which the sealer found that DMARC passed. */
  readonly dmarcPassed: readonly string[];
}

const MAX_PROBLEM_KEPT = 100;
const MAX_DOMAIN_KEPT = 255;
const MAX_AUTHORS_KEPT = 4;

/** `data` comes from the reading of the message that verified the newest ARC-Message-Signature. */
export async function verifyChain(
  data: DKIMVerifyResult['arc'],
  resolver: MailauthResolver,
  minBitLength: number,
): Promise<ArcOutcome> {
  const { status } = await arc(data as ARCData, {
    resolver: resolver.resolve as never,
    minBitLength,
    strict: true,
  });
  const chain = data?.chain === undefined || data.chain === false ? [] : data.chain;
  switch (status.result) {
    case 'none':
      return { result: 'none', sets: [] };
    case 'pass':
      return {
        result: 'pass',
        sets: chain.map((set) => ({
          sealer: tag(set['arc-seal'], 'd'),
          dmarcPassed: authorsPassed(set['arc-authentication-results']?.original),
        })),
      };
    default: {
      // RFC 8617 5.2 takes every failure for lasting; but where a key could not be asked for, nobody knows.
      const fields = chain.flatMap((set) => [set['arc-seal'], set['arc-message-signature']]);
      const open = fields.some((field) =>
        resolver.isOpen(`${tag(field, 's')}._domainkey.${tag(field, 'd')}`),
      );
      const problem = shown(status.comment ?? '', MAX_PROBLEM_KEPT);
      return {
        result: open ? 'temperror' : 'fail',
        sets: [],
        ...(open ? { problem: 'DNS did not answer' } : problem === '' ? {} : { problem }),
      };
    }
  }
}

function tag(field: unknown, name: string): string {
  const { parsed } = (field ?? {}) as { parsed?: Readonly<Record<string, { value?: unknown } | undefined>> };
  const value = parsed?.[name]?.value;
  return typeof value === 'string' ? shown(value.toLowerCase(), MAX_DOMAIN_KEPT) : '';
}

/** RFC 8617 4.1.1: `i=1; authserv-id; results`. */
function authorsPassed(field: unknown): string[] {
  const text = Buffer.isBuffer(field) ? field.toString('latin1') : typeof field === 'string' ? field : '';
  const value = text.slice(text.indexOf(':') + 1);
  const { results } = parseAuthenticationResults(value.slice(value.indexOf(';') + 1)) ?? { results: [] };
  return results.filter(isDmarcPass).slice(0, MAX_AUTHORS_KEPT).map(authorOf);
}

const isDmarcPass = ({ method, result, properties }: ForeignResult): boolean =>
  method === 'dmarc' && result === 'pass' && properties['header.from'] !== undefined;

const authorOf = ({ properties }: ForeignResult): string =>
  shown((properties['header.from'] ?? '').toLowerCase(), MAX_DOMAIN_KEPT);
