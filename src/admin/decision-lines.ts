import type { Decision } from '../core/decision.ts';
import type { DecisionLine } from './api.ts';
import { lineOf } from './decision-line.ts';
import type { AdminWorld } from './world.ts';

/** Decisions as lines of a list, with what people have said of them. */
export function decisionLines(
  { desk, deciderOf }: Pick<AdminWorld, 'desk' | 'deciderOf'>,
  decisions: readonly Decision[],
): DecisionLine[] {
  const marks = desk.marks.of(decisions.map(({ id }) => id));
  return decisions.map((decision) =>
    lineOf(decision, {
      mark: marks.get(decision.id),
      reported: desk.reports.of(decision.id) !== undefined,
      decidedBy: deciderOf(decision),
    }),
  );
}

/** Those that the journal has; of two that chance gave the same id the newer. An id of a session is none of a decision. */
export async function findDecisions(
  { journal }: Pick<AdminWorld, 'journal'>,
  ids: readonly string[],
): Promise<readonly Decision[]> {
  if (ids.length === 0) return [];
  const found = await journal.find({ id: ids, limit: MAX_SESSION_DECISIONS + ids.length });
  const newest = new Map(found.toReversed().map((decision) => [decision.id, decision]));
  return ids.flatMap((id) => newest.get(id) ?? []);
}

/** Undefined where the journal does not have it. */
export const findDecision = async (
  world: Pick<AdminWorld, 'journal'>,
  id: string,
): Promise<Decision | undefined> => (await findDecisions(world, [id]))[0];

/** Of sessions that happen to have one of the ids: a report may name any. */
const MAX_SESSION_DECISIONS = 100;
