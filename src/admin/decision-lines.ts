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

/** One by its id; undefined where the journal does not have it. An id of a session is none of a decision. */
export async function findDecision(
  { journal }: Pick<AdminWorld, 'journal'>,
  id: string,
): Promise<Decision | undefined> {
  const found = await journal.find({ id, limit: 100 });
  return found.find((decision) => decision.id === id);
}
