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

// Three, each a little decayed by the time of the third. They count once an hour at most (see the store).
const GOOD_FROM = 2.5;
// Of a good delivery this much is left after one half-life.
const KNOWN_FROM = 0.5;
// Half a charge: one is held against a client for a half-life.
const BAD_FROM = 0.5;
// Bad ones that good ones must outweigh so many times.
const GOOD_PER_BAD = 10;

export function standingKind({ good, bad }: ClientStanding): 'good' | 'unknown' | 'bad' {
  if (good >= GOOD_FROM && good >= bad * GOOD_PER_BAD) return 'good';
  return bad >= BAD_FROM && bad * GOOD_PER_BAD > good ? 'bad' : 'unknown';
}

/** It brought a good message in living memory, whatever else. */
export const hasDelivered = ({ good }: ClientStanding): boolean => good >= KNOWN_FROM;
