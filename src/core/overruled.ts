/** Entries that win over a block of the same mail: what is let in comes in all the same (E12). */
import type { AnyCheck } from './check.ts';
import { hearingOf, NO_TREATMENT, type Exemption, type Treatment } from './exemption.ts';
import { covering, type Conditions, type ListEntry } from './lists.ts';
import type { Slices } from './slices.ts';

/** The check that a block entry works through. */
export const blockingCheck = ({ sender, recipient }: Conditions): 'client-list' | 'envelope-list' =>
  sender === undefined && recipient === undefined ? 'client-list' : 'envelope-list';

/**
 * Whether an entry wins over the block, for all the mail that `mail` says: what the block itself names, or more of one message. Throws where
 * either can match nothing.
 */
function winningOver(
  block: Conditions,
  checks: readonly AnyCheck[],
  mail: Conditions = block,
): (entry: ListEntry) => boolean {
  const check = checks.find(({ name }) => name === blockingCheck(block));
  if (check === undefined) return () => false;
  const isCovering = covering(mail);
  return (entry) => hearingOf(treatmentBy(entry), check) !== 'full' && isCovering(entry);
}

/** Entries of a slice: some milliseconds. */
const SLICE = 4096;
/** Named, of however many. */
const MAX_WINNERS = 5;

/** In words, the first of the entries that win over the block: see `winningOver`. */
export function* findingWinners(
  block: Conditions,
  checks: readonly AnyCheck[],
  lists: readonly Iterable<ListEntry & { readonly id?: number }>[],
  mail: Conditions = block,
): Slices<string[]> {
  const wins = winningOver(block, checks, mail);
  const found: string[] = [];
  let looked = 0;
  for (const entries of lists)
    for (const entry of entries) {
      looked += 1;
      if (looked % SLICE === 0) yield;
      if (wins(entry)) found.push(winnerText(entry));
      if (found.length === MAX_WINNERS) return found;
    }
  return found;
}

/** Of mail that nothing but this entry is about. */
export function treatmentBy({ kind, source, lifts, sender, recipient }: ListEntry): Treatment {
  if (kind === 'list-host') return { exemptions: [], refusalsAreTags: true };
  if (kind !== 'allow') return NO_TREATMENT;
  const about = sender === undefined && recipient === undefined ? 'client' : 'envelope';
  const exemption: Exemption = { reason: '', source, lifts: lifts ?? 'all', about };
  return { exemptions: [exemption], refusalsAreTags: false };
}

/** `An allow entry lets this in all the same: listed by ann, 2026-11-21 (our printer); remove entry 7`. */
function winnerText(entry: ListEntry & { readonly id?: number }): string {
  const reason = entry.reason === undefined || entry.reason === '' ? '' : ` (${entry.reason})`;
  const remedy = entry.id === undefined ? 'take it out there' : `remove entry ${entry.id}`;
  const which = entry.kind === 'allow' ? 'An allow' : 'A list-host';
  return `${which} entry lets this in all the same: ${entry.source}${reason}; ${remedy}`;
}
