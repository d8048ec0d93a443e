/** Entries that win over a block of the same mail: what is let in comes in all the same (E12). */
import type { AnyCheck } from './check.ts';
import { hearingOf, NO_TREATMENT, type Exemption, type Treatment } from './exemption.ts';
import { covering, type Conditions, type ListEntry } from './lists.ts';
import type { Site } from './site.ts';
import type { Slices } from './slices.ts';

/** The check that a block entry works through. */
export function blockingCheck({
  host,
  sender,
  recipient,
}: Conditions): 'client-list' | 'client-name-list' | 'envelope-list' {
  if (sender !== undefined || recipient !== undefined) return 'envelope-list';
  return host === undefined ? 'client-list' : 'client-name-list';
}

/**
 * Whether an entry wins over the block, for all the mail that `mail` says: what the block itself names, or more of one message. Throws where
 * either can match nothing.
 */
function winningOver(
  block: Conditions,
  checks: readonly AnyCheck[],
  mail: Conditions,
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

/** Of what is never refused, whatever is blocked. */
export const isOwn = ({ networks, relays }: Pick<Site, 'networks' | 'relays'>, address: string): boolean =>
  networks.has(address) || relays.has(address);

/** What is in force beside the block. */
export interface BesideBlock {
  readonly site: Pick<Site, 'networks' | 'relays'>;
  readonly isOff: (check: string) => boolean;
  readonly checks: readonly AnyCheck[];
  readonly lists: readonly Iterable<ListEntry & { readonly id?: number }>[];
}

/** What a block cannot do, in words. `mail`: the one message that it was made for, where it was; `address`: a client that it is about. */
export function* blockNotes(
  block: Conditions,
  { site, isOff, checks, lists }: BesideBlock,
  { mail = block, address = block.client?.split('/')[0] ?? '' }: { mail?: Conditions; address?: string } = {},
): Slices<string[]> {
  const notes: string[] = [];
  const check = blockingCheck(block);
  if (isOff(check)) notes.push(`The check ${check} is off, so this stops nothing`);
  if (block.client !== undefined && isOwn(site, address)) notes.push(OWN_NOTE);
  return [...notes, ...(yield* findingWinners(block, checks, lists, mail))];
}

export const OWN_NOTE = 'It is of our own `networks` or `relays`, which are never refused';

/** In words, the first of the entries that win over the block: see `winningOver`. */
function* findingWinners(
  block: Conditions,
  checks: readonly AnyCheck[],
  lists: BesideBlock['lists'],
  mail: Conditions,
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
