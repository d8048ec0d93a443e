import type { Finding } from './finding.ts';

/** What the rungs below have found, for checks that ask only in doubt. What they made of it stands in their own evidence. */
export interface Clues {
  /** The sum of weights so far. */
  readonly suspicion: number;
  /** Findings of one check; none where it was not asked. */
  found(check: string): readonly Finding[];
  /** The findings of every check asked so far, by its name. */
  all?(): Iterable<readonly [check: string, findings: readonly Finding[]]>;
}

export const NO_CLUES: Clues = { suspicion: 0, found: () => [] };
