/** Whether a check could go, judged by what it did in a span of time: a sentence for a postmaster. */
import type { CheckEffect } from '../core/traffic.ts';
import type { Effect } from './api.ts';

/** Less says nothing of what comes at night or at the weekend. */
const SHORTEST_MS = 86_400_000;
const FEWEST_ASKED = 100;

export function safeToTurnOff(
  { asked, failed, refused, deferred, alone, onGoodStanding, overlap }: CheckEffect,
  spanMs: number,
  reportedMistakes: number,
): Effect['checks'][number]['safeToTurnOff'] {
  const stopped = refused + deferred;
  const mistakes =
    reportedMistakes === 0
      ? ''
      : `; ${times(reportedMistakes, 'mistake')} of it ${are(reportedMistakes)} reported`;
  if (asked === 0) return { safe: 'unknown', why: 'it was never asked in this time, so nothing can be said' };
  if (alone > 0) {
    const good =
      onGoodStanding === 0 ? '' : `, ${onGoodStanding} of what it found came from clients in good standing`;
    return {
      safe: 'no',
      why: `${alone} of the ${stopped} it stopped had nothing else against them, and would come in${good}${mistakes}`,
    };
  }
  if (spanMs < SHORTEST_MS) return { safe: 'unknown', why: 'less than a day is too short a time to say' };
  if (asked < FEWEST_ASKED)
    return { safe: 'unknown', why: `it was asked ${times(asked, 'time')} only, too few to say` };
  if (failed === 0) return { safe: 'yes', why: `it was asked ${times(asked, 'time')} and found nothing` };
  if (stopped === 0) {
    const beside = overlap === 0 ? '' : ', other checks decided';
    return {
      safe: 'yes',
      why: `it stopped nothing by itself${beside}; without it messages lose a mark at most`,
    };
  }
  return {
    safe: 'yes',
    why: `another check found fault with each of the ${stopped} it stopped${mistakes}`,
  };
}

const times = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
const are = (n: number): string => (n === 1 ? 'was' : 'were');
