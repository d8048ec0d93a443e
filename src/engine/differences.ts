/** What many decisions would have become under other rules: counted, and the newest of each kind kept. */
import type { Decision, Journal, JournalSpan } from '../core/decision.ts';
import type { Desk, Judgement } from '../core/desk.ts';
import { whatIf, type Rules, type WhatIf } from './what-if.ts';

export interface Difference extends WhatIf {
  readonly decision: Decision;
  /** What a postmaster has said of it. */
  readonly mark?: Judgement | undefined;
  /** Its sender says that it was a mistake. */
  readonly reported: boolean;
}

export type DifferenceKind = Exclude<WhatIf['kind'], 'same'>;
export const DIFFERENCE_KINDS = [
  'newly-refused',
  'newly-accepted',
  'unknown',
] as const satisfies readonly DifferenceKind[];

export class Differences {
  readonly counts: Record<WhatIf['kind'], number> = {
    same: 0,
    'newly-refused': 0,
    'newly-accepted': 0,
    unknown: 0,
  };
  readonly #limit: number;
  readonly #lists = new Map<string, Difference[]>();

  /** `limit`: kept of each kind. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  add(difference: Difference): void {
    const { kind, mark, reported } = difference;
    this.counts[kind]++;
    if (kind === 'same') return;
    // Those that people have had their say on are never pushed out by others.
    const key = `${kind} ${mark !== undefined || reported ? 'said' : ''}`;
    const kept = this.#lists.get(key) ?? [];
    this.#lists.set(key, kept);
    kept.push(difference);
    // Many at a time: each tidying costs as much as the list is long.
    if (kept.length > 2 * this.#limit) this.#lists.set(key, newest(kept, this.#limit));
  }

  /** Those with a mark or a report first, then the others; each newest first. */
  list(kind: DifferenceKind): readonly Difference[] {
    return ['said', '']
      .flatMap((said) => newest(this.#lists.get(`${kind} ${said}`) ?? [], this.#limit))
      .slice(0, this.#limit);
  }
}

/** Undefined for what the checks had no say in. What people have said of it is looked up only where there is a difference. */
export async function differenceOf(
  decision: Decision,
  rules: Rules,
  desk: Pick<Desk, 'marks' | 'reports'> | undefined,
): Promise<Difference | undefined> {
  const compared = await whatIf(decision, rules);
  if (compared === undefined) return undefined;
  if (compared.kind === 'same') return { ...compared, decision, reported: false };
  return {
    ...compared,
    decision,
    mark: desk?.marks.of([decision.id]).get(decision.id),
    reported: desk?.reports.of(decision.id) !== undefined,
  };
}

const newest = (some: readonly Difference[], limit: number): Difference[] =>
  some.toSorted((a, b) => b.decision.atMs - a.decision.atMs).slice(0, limit);

/** Some kilobytes each; as many wait for their turn. */
const PAGE = 200;

/** All decisions of a span, oldest first, as many as there are when it begins. */
export async function* pagesOf(
  journal: Pick<Journal, 'page' | 'newest'>,
  span: JournalSpan,
): AsyncGenerator<readonly Decision[]> {
  const end = await journal.newest();
  for (let after = 0; after < end;) {
    const { decisions, last } = await journal.page({ ...span, after, limit: PAGE });
    if (decisions.length === 0) return;
    yield decisions;
    after = last;
  }
}
