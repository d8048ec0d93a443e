/** When the last mail came through each door, by the journal. */
import type { Decision, Journal } from '../../core/decision.ts';
import { formatTime } from '../../core/wall-clock.ts';
import { tellingOf, type Told } from './told.ts';

export type Door = Decision['session']['door'];

// The journal is not sorted by door: a door that is used rarely is looked for among so many.
const LOOKED_AT = 2000;

/** Undefined where nothing was journalled yet. */
export async function tellLastMail(
  journal: Pick<Journal, 'find'> | undefined,
  doors: ReadonlySet<Door>,
): Promise<Told[]> {
  const newest = (await journal?.find({ limit: LOOKED_AT })) ?? [];
  const told: Told[] = [];
  for (const door of doors) {
    const tell = tellingOf(`mail by the ${door}`, told);
    const last = newest.find((d) => d.session.door === door && isMail(d));
    if (last !== undefined)
      tell(
        'well',
        'last-mail',
        `The last came ${formatTime(last.atMs)}: ${last.outcome} (postern log --id ${last.id}).`,
      );
    else if (newest.length < LOOKED_AT) tell('note', 'no-mail', 'None yet.');
    else tell('note', 'no-mail', `None among the last ${LOOKED_AT} decisions.`);
  }
  return told;
}

/** Who only looked in brought none; we do so ourselves. */
const isMail = ({ transaction, outcome }: Decision): boolean =>
  transaction !== undefined || outcome !== 'abandoned';
