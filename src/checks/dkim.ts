import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import { askAhead, authenticateMessage, type DkimOutcome } from '../msgauth/dkim.ts';
import { shownDomain } from '../msgauth/shown.ts';

export interface DkimEvidence {
  readonly signatures: readonly DkimOutcome[];
  readonly leftOut: number;
}

/** M5: the domains that signed the message, and whether their signatures hold (RFC 6376). */
export const dkim = defineCheck({
  name: 'dkim',
  summary: 'Verifies the DKIM signatures of the message.',
  stage: 'endOfMessage',
  cost: 'network',
  codes: {
    pass: 'A signature holds.',
    fail: 'A signature does not hold: the message is not what was signed.',
    policy: 'A signature is not good enough: a weak key, or part of the body left out.',
    neutral: 'A signature cannot be verified: its form, its key, or its time is wrong.',
    temperror: 'DNS did not answer for the key.',
    'too-many': 'There are more signatures than are verified, or some that are too large.',
    none: 'The message is not signed.',
  },
  settings: z.object({}),
  // RFC 6376 6.1: a signature that does not hold is as good as none.
  defaults: { on_fail: 'observe', on_temperror: 'go-on', weight: 1, refuse_at: 'rcpt' },
  lifted: 'by-any',
  gather: async ({ transaction }, { message, dns }, _settings, signal): Promise<DkimEvidence | null> => {
    if (message === undefined) return null;
    const { dkim: signatures, leftOut } = await authenticateMessage(
      message,
      dns,
      transaction.startedAtMs,
      signal,
    );
    return { signatures, leftOut };
  },
  ahead: (header, { dns }, signal) => void askAhead(header, dns, signal),
  judge: (_facts, evidence): readonly Finding[] => {
    if (evidence === null) return [];
    const { signatures, leftOut } = evidence;
    const findings = signatures.map(findingOf);
    if (leftOut > 0) {
      findings.push({
        result: 'fail',
        code: 'too-many',
        text: `${leftOut} of the DKIM signatures ${leftOut === 1 ? 'was' : 'were'} not looked at`,
        enhanced: NO_PASSING_SIGNATURE,
      });
    }
    if (findings.length > 0) return findings;
    const authentication = [{ method: 'dkim', result: 'none' }] as const;
    return [{ result: 'none', code: 'none', text: 'the message is not signed', authentication }];
  },
});

// RFC 7372 3.1: X.7.20, no passing DKIM signature found.
const NO_PASSING_SIGNATURE = '5.7.20';

function findingOf(outcome: DkimOutcome): Finding {
  const { result, problem, domain } = outcome;
  const of = `the DKIM signature of ${domain === '' ? 'nobody' : shownDomain(domain)}`;
  const why = problem === undefined ? '' : `: ${problem}`;
  const authentication = [
    {
      method: 'dkim',
      result,
      ...(problem === undefined ? {} : { comment: problem }),
      properties: propertiesOf(outcome),
    },
  ] as const;
  switch (result) {
    case 'pass':
      return { result, code: 'pass', text: `${of} holds`, domain, authentication };
    case 'temperror': {
      const text = `the key for ${of} could not be looked up`;
      return { result, code: 'temperror', text, enhanced: NO_PASSING_SIGNATURE, authentication };
    }
    case 'fail':
    case 'policy':
    case 'neutral': {
      const said = { fail: 'does not hold', policy: 'is not good enough', neutral: 'cannot be verified' }[
        result
      ];
      const text = `${of} ${said}${why}`;
      return { result: 'fail', code: result, text, enhanced: NO_PASSING_SIGNATURE, authentication };
    }
    default:
      return result satisfies never;
  }
}

/** RFC 8601 2.7.1, RFC 6008. */
function propertiesOf({
  domain,
  identity,
  selector,
  algorithm,
  signature,
}: DkimOutcome): Record<string, string> {
  const all = {
    'header.d': domain,
    'header.i': identity,
    'header.s': selector,
    'header.a': algorithm,
    'header.b': signature,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}
