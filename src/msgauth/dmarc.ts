/**
 * DMARC (RFC 9989): does the author's domain stand behind the message, and what does it ask for where it does not? mailauth
 * walks the tree, strictly, over our resolver. From is a stranger's text: a message with several author domains is one
 * that RFC 9989 5.3.1 cannot judge and that was written so on purpose; each of them is asked, up to a limit.
 */
import { evaluateDmarc } from 'mailauth/lib/dmarc/index.js';
import type { DnsPort } from '../core/ports.ts';
import type { DkimOutcome } from './dkim.ts';
import { mailauthResolver } from './mailauth-resolver.ts';
import { shown } from './shown.ts';
import type { SpfResult } from './spf.ts';

export const POLICIES = ['none', 'quarantine', 'reject'] as const;
export type DmarcPolicy = (typeof POLICIES)[number];

export interface DmarcQuestion {
  readonly from: readonly string[];
  readonly fromFields: number;
  readonly spf: { readonly domain: string; readonly result: SpfResult };
  readonly dkim: readonly Pick<DkimOutcome, 'domain' | 'result'>[];
}

export interface DmarcOutcome {
  /** One domain, or several; none where From names nobody. */
  readonly authors: readonly AuthorOutcome[];
  /** From names several domains, or there are several fields, or some address in it cannot be read. */
  readonly ambiguous: boolean;
}

export interface AuthorOutcome {
  readonly author: string;
  readonly result: 'pass' | 'fail' | 'none' | 'temperror';
  /** What the domain asks for where it fails, after its test mode. */
  readonly policy?: DmarcPolicy;
  /** What aligned. */
  readonly by?: 'dkim' | 'spf';
}

export const MAX_AUTHOR_DOMAINS = 3;
const MAX_DOMAIN_KEPT = 255;

export async function askDmarc(
  dns: DnsPort,
  question: DmarcQuestion,
  signal: AbortSignal,
): Promise<DmarcOutcome> {
  const { resolve } = mailauthResolver(dns, signal);
  const { fromFields, spf, dkim } = question;
  const evaluate = (from: readonly string[], fields: number, unsure: boolean) => {
    const counts = (result: string) => result === 'pass' || (unsure && result === 'temperror');
    return evaluateDmarc({
      headerFrom: [...from],
      fromFields: fields,
      spfDomains: counts(spf.result) ? [spf.domain] : [],
      dkimDomains: dkim.filter(({ result }) => counts(result)).map(({ domain }) => ({ domain })),
      resolver: resolve as never,
      strict: true,
    });
  };
  const evaluated = async (from: readonly string[]): Promise<AuthorOutcome | undefined> => {
    const { response } = await evaluate(from, 1, false);
    if (response === false) return undefined;
    const outcome = outcomeOf(response);
    if (outcome.result !== 'fail') return outcome;
    // What could not be looked up might have been the one that passes.
    const perhaps = (await evaluate(from, 1, true)).response;
    return perhaps === false || perhaps.status.result === 'fail'
      ? outcome
      : { ...outcome, result: 'temperror' };
  };
  const { response, authorDomains = [] } = await evaluate(question.from, fromFields, false);
  const asked = response === false ? authorDomains.slice(0, MAX_AUTHOR_DOMAINS) : [];
  const outcomes = await Promise.all(
    response === false ? asked.map((domain) => evaluated([`author@${domain}`])) : [evaluated(question.from)],
  );
  return {
    authors: outcomes.filter((outcome) => outcome !== undefined),
    ambiguous: response === false && question.from.length > 0,
  };
}

type Response = Exclude<Awaited<ReturnType<typeof evaluateDmarc>>['response'], false>;

function outcomeOf({ status, policy, alignment }: Response): AuthorOutcome {
  const result = (['pass', 'fail', 'none'] as const).find((r) => r === status.result) ?? 'temperror';
  const asks = POLICIES.find((p) => p === policy);
  // Absent where there is no policy to align with.
  const by = (alignment as Response['alignment'] | undefined)?.dkim.result === undefined ? 'spf' : 'dkim';
  return {
    author: shown((status.header?.from ?? '').toLowerCase(), MAX_DOMAIN_KEPT),
    result,
    ...(asks === undefined ? {} : { policy: asks }),
    ...(result === 'pass' ? { by } : {}),
  };
}
