import type { MessageContent } from './delivery.ts';

/** Looks into archives, and for signatures (M4), in a thread of its own. */
export interface ArchivesPort {
  /** How many rules of signatures there are: without any, only messages with archives need be looked into. */
  readonly rules: number;
  /** Never rejects. The end of the signal is `failed`. */
  look(question: ArchiveQuestion, signal: AbortSignal): Promise<ArchiveAnswer>;
}

export interface ArchiveQuestion {
  /** The client's network: one alone does not take all turns. */
  readonly client: string;
  readonly content: MessageContent;
  /** The MIME parts that are to be opened, by their paths. */
  readonly parts: readonly string[];
  readonly bounds: ArchiveBounds;
  /** Files with one of these extensions are told of; lower-case, without dot. */
  readonly extensions: readonly string[];
}

export interface ArchiveBounds {
  /** Archives inside each other. */
  readonly depth: number;
  /** Files in one attached archive, with those in archives in it. */
  readonly entries: number;
  /** Decoded octets of all of them together: it is memory as well, which is free again for the next attached archive. */
  readonly unpackedOctets: number;
  /** An archive that would grow to more than `unpackedOctets`, and by this factor, is a bomb. */
  readonly ratio: number;
  /** Of the whole message; each attached archive has its share. */
  readonly timeMs: number;
}

/** What is told of a file in an archive, or attached. Plain JSON: it is evidence. */
export interface SeenFile {
  /** The archives around it, the outermost first. */
  readonly within: readonly string[];
  /** As said; empty where nothing is. */
  readonly name: string;
  /** By its first octets, where they say: the `name` of a `FileType`. */
  readonly type?: string;
  /** Whoever opens what it is in is not shown its name: a document's inner file. */
  readonly unnamed?: true;
}

export interface ArchiveTrouble {
  readonly kind: TroubleKind;
  /** The archive, and those around it. */
  readonly name: string;
  readonly within: readonly string[];
  /** In a few words. */
  readonly why: string;
}

/**
 * `encrypted`: files in it cannot be looked into without a password. `unreadable`: damaged, or of a kind that nobody here reads.
 * `bomb`: made to fill whatever unpacks it. `too-much`: it goes beyond a bound.
 */
export type TroubleKind = 'encrypted' | 'unreadable' | 'bomb' | 'too-much';

export type ArchiveAnswer = ArchiveReport | ArchiveFailure;

export interface ArchiveReport {
  readonly kind: 'looked';
  /** Those that are programs, scripts or disguised, by type or name; at most `MAX_SEEN` of a kind. */
  readonly files: readonly SeenFile[];
  readonly troubles: readonly ArchiveTrouble[];
  /** Names of the rules that matched. */
  readonly signatures: readonly string[];
  /** Files looked at. */
  readonly entries: number;
}

export type ArchiveFailure =
  /** Its turn did not come. */
  { readonly kind: 'busy'; readonly reason: string } | { readonly kind: 'failed'; readonly reason: string };

/** Of each kind: evidence is kept, and the first one decides. What is harmless must not push out what is not. */
export const MAX_SEEN = 12;

/** Puts it to the others of its kind, if there is room. */
export function keepSeen<T>(kept: T[], thing: T, isOfItsKind: (other: T) => boolean): void {
  let others = 0;
  for (const other of kept) if (isOfItsKind(other)) others++;
  if (others < MAX_SEEN) kept.push(thing);
}

/** How archives are looked into, at one time. Comes from the settings of the check. */
export interface ArchivesSettings {
  readonly atOnce: number;
  readonly maxWaiting: number;
  readonly waitMs: number;
}
