/** What readers of archives have in common. They run in a thread of their own, and may take their time within its bounds. */

export interface ArchiveEntry {
  /** As it stands there; empty where it has none that can be read. Where two places say it, and differently, both. */
  readonly names: readonly string[];
  readonly encrypted: boolean;
  /** Unpacked, as the archive says; undefined where it does not. */
  readonly octets?: number;
  /** It cannot grow so many times as large, whatever it says; undefined where nothing is known of it. */
  readonly most?: number;
  /** To be awaited before its octets are asked for, where it is there. */
  readonly ready?: (() => Promise<void>) | undefined;
  /** By how much it grows where nothing says its size, as far as its beginning shows. */
  growth?(): number;
  /** Its first octets, about so many: enough to know its type. Throws `Damaged`. */
  head(octets: number): Buffer;
  /** All of it. Throws `Damaged`, or `TooLarge` where it has more octets than that. */
  whole(maxOctets: number): Buffer;
}

export type Entries = Iterable<ArchiveEntry>;

/** It makes no sense, or nobody here reads it. */
export class Damaged extends Error {}

/** It unpacks to more than it may. */
export class TooLarge extends Error {}

/** Its names are hidden too: nothing can be said of it. */
export class Locked extends Error {}

/** It is made so that it takes the most of whoever unpacks it. */
export class Bomb extends Error {}
