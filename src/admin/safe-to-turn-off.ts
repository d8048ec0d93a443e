/** Whether a check could go, judged by what it did in a span of time: a sentence for a postmaster. */
import type { CheckEffect } from '../core/traffic.ts';

/** Less says nothing of what comes at night or at the weekend. */
const SHORTEST_MS = 86_400_000;
const FEWEST_ASKED = 100;

export function safeToTurnOff(
  { asked, failed, refused, deferred, alone, onGoodStanding, overlap }: CheckEffect,
  spanMs: number,
  reportedMistakes: number,
): { readonly safe: boolean; readonly why: string } {
  const stopped = refused + deferred;
  const mistakes =
    reportedMistakes === 0
      ? ''
      : `; ${times(reportedMistakes, 'mistake')} of it ${are(reportedMistakes)} reported`;
  if (asked === 0) return { safe: false, why: 'it was never asked in this time, so nothing can be said' };
  if (alone > 0) {
    const good =
      onGoodStanding === 0 ? '' : `, ${onGoodStanding} of what it found came from clients in good standing`;
    return {
      safe: false,
      why: `${alone} of the ${stopped} it stopped had nothing else against them, and would come in${good}${mistakes}`,
    };
  }
  if (spanMs < SHORTEST_MS) return { safe: false, why: 'less than a day is too short a time to say' };
  if (asked < FEWEST_ASKED)
    return { safe: false, why: `it was asked ${times(asked, 'time')} only, too few to say` };
  if (failed === 0) return { safe: true, why: `it was asked ${times(asked, 'time')} and found nothing` };
  if (stopped === 0) {
    const beside = overlap === 0 ? '' : ', other checks decided';
    return {
      safe: true,
      why: `it stopped nothing by itself${beside}; without it messages lose a mark at most`,
    };
  }
  return {
    safe: true,
    why: `another check found fault with each of the ${stopped} it stopped${mistakes}`,
  };
}

const times = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
const are = (n: number): string => (n === 1 ? 'was' : 'were');
