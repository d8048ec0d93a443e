import type { ListEntry } from './lists.ts';
import type { Soon } from './ports.ts';

export const LISTED_KINDS = ['allow', 'block', 'list-host'] as const;

/** So begins the source of every entry that people list while the gate runs: nothing of the configuration does. */
export const LISTED_BY = 'listed by ';

/** Entries in all: long lists belong into files. */
export const MAX_LISTED = 100_000;

/** An entry of the lists that people keep while the gate runs: let in or blocked with a click, with or without an end. */
export interface Listed extends ListEntry {
  readonly kind: (typeof LISTED_KINDS)[number];
  readonly id: number;
  /** Who put it there: a user of the dashboard, or of the command line. */
  readonly by: string;
  readonly sinceMs: number;
  /** Absent: for good. */
  readonly endsMs?: number | undefined;
  /** The decision that it was made from. */
  readonly decision?: string | undefined;
}

export type NewListed = Omit<Listed, 'id' | 'sinceMs' | 'source'>;

export interface ListedQuery {
  readonly kind?: Listed['kind'] | undefined;
  /** In any of its conditions, its reason, or by whom. */
  readonly text?: string | undefined;
  readonly limit?: number | undefined;
}

/** Kept in the store, and read anew by every gate that works on it when `version` has grown. */
export interface ListedPort {
  /** Those in force, newest first. */
  list(query?: ListedQuery): Soon<readonly Listed[]>;
  /** Throws with the problem where it can match nothing, or there are too many. One for the same takes its place. */
  add(entry: NewListed): Soon<Listed>;
  /** False where there is none. */
  remove(id: number): Soon<boolean>;
  /** Grows with every change, also with the end of an entry. */
  version(): Soon<number>;
}
