/**
 * What is remembered of a client network's conduct (shared by C2, C4, C7 and E7): deliveries that nothing was found against, and
 * charges. Both decay, so that neither an old sin nor an old merit lasts for ever.
 */
export interface ClientStanding {
  /** Decayed to now. */
  readonly good: number;
  readonly bad: number;
}

export const NO_STANDING: ClientStanding = { good: 0, bad: 0 };

// Good deliveries count once an hour at most (see the store): nobody earns a good name in an afternoon.
const GOOD_FROM = 3;
// Bad ones that good ones must outweigh so many times.
const GOOD_PER_BAD = 10;

export function standingKind({ good, bad }: ClientStanding): 'good' | 'unknown' | 'bad' {
  if (good >= GOOD_FROM && good >= bad * GOOD_PER_BAD) return 'good';
  return bad >= 1 && bad * GOOD_PER_BAD > good ? 'bad' : 'unknown';
}
