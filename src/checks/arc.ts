import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import type { ArcOutcome } from '../msgauth/arc.ts';
import { authenticateMessage } from '../msgauth/dkim.ts';
import { shownDomain } from '../msgauth/shown.ts';

/** M5: what hosts on the way sealed (RFC 8617). */
export const arc = defineCheck({
  name: 'arc',
  summary: 'Verifies the chain of ARC seals on the message.',
  stage: 'endOfMessage',
  cost: 'network',
  codes: {
    pass: 'The chain holds.',
    fail: 'It does not: the message or a seal was changed.',
    none: 'There is no chain.',
    temperror: 'DNS did not answer for a key.',
  },
  settings: z.object({}),
  // RFC 8617 7.2.1: a broken chain says no more than none.
  defaults: { on_fail: 'observe', on_temperror: 'go-on', weight: 1, refuse_at: 'rcpt' },
  lifted: 'by-any',
  gather: async ({ transaction }, { message, dns }, _settings, signal): Promise<ArcOutcome | null> =>
    message === undefined
      ? null
      : (await authenticateMessage(message, dns, transaction.startedAtMs, signal)).arc,
  judge: ({ session }, evidence): readonly Finding[] => {
    if (evidence === null) return [];
    const { result, sets, problem } = evidence;
    const why = problem === undefined ? '' : `: ${problem}`;
    switch (result) {
      case 'none': {
        const authentication = [{ method: 'arc', result }] as const;
        return [{ result, code: 'none', text: 'the message has no ARC chain', authentication }];
      }
      case 'pass': {
        const last = sets.at(-1)?.sealer ?? '';
        const comment = `i=${sets.length}`;
        // RFC 8617 6: from where the chain came to us.
        const properties = { 'smtp.remote-ip': session.client.address };
        const authentication = [{ method: 'arc', result, comment, properties }] as const;
        const text = `the ARC chain of ${sets.length} holds, sealed last by ${shownDomain(last)}`;
        return [{ result, code: 'pass', text, authentication }];
      }
      case 'fail': {
        const authentication = [
          { method: 'arc', result, ...(problem === undefined ? {} : { comment: problem }) },
        ] as const;
        const text = `the ARC chain does not hold${why}`;
        // RFC 7372 has none of its own; RFC 8617 11.3 registers X.7.29, ARC validation failure.
        return [{ result, code: 'fail', text, enhanced: '5.7.29', authentication }];
      }
      case 'temperror': {
        // RFC 8617 10.1 knows no such result, so nothing is said of it in the header.
        return [
          {
            result,
            code: 'temperror',
            text: `the ARC chain could not be verified${why}`,
            enhanced: '5.7.29',
          },
        ];
      }
      default:
        return result satisfies never;
    }
  },
});
