import type { DecisionLine } from '../../../src/admin/api.ts';
import { Outcome, Table, When } from './basics.tsx';

/** What is delivered was decided by nobody: it may bear a mark. */
function wordsOf({ outcome, decidedBy, tags }: DecisionLine): string {
  if (outcome !== 'accepted' && outcome !== 'relayed') return decidedBy ?? '–';
  return tags[0] === undefined
    ? '–'
    : `tagged ${tags[0]}${tags.length > 1 ? ` and ${tags.length - 1} more` : ''}`;
}

export function DecisionTable({
  lines,
  empty,
  caption = 'Decisions',
}: {
  readonly lines: readonly DecisionLine[];
  readonly empty: string;
  readonly caption?: string;
}) {
  return (
    <Table
      caption={caption}
      rows={lines}
      keyOf={(d) => d.id}
      empty={empty}
      columns={[
        { title: 'time', cell: (d) => <When ms={d.atMs} /> },
        {
          title: 'id',
          cell: (d) => (
            <a class="id" href={`/decisions/${d.id}`}>
              {d.id}
            </a>
          ),
        },
        { title: 'outcome', cell: (d) => <Outcome of={d.outcome} code={d.code} /> },
        {
          title: 'client',
          cell: (d) => (
            <>
              <code>{d.client}</code>
              {d.helo === undefined ? null : <small class="under">{d.helo}</small>}
            </>
          ),
        },
        {
          title: 'from, to',
          cell: (d) => (
            <>
              <span class="address">{d.sender ?? '–'}</span>
              <small class="under address">
                {d.recipients.length === 0 ? '–' : d.recipients.slice(0, 2).join(', ')}
                {d.recipients.length > 2 ? ` and ${d.recipients.length - 2} more` : ''}
              </small>
            </>
          ),
        },
        {
          title: 'decided by',
          cell: (d) => (
            <>
              {wordsOf(d)}
              {d.mark === undefined ? null : <small class={`mark ${d.mark}`}>{d.mark}</small>}
              {d.reported ? <small class="mark reported">reported</small> : null}
            </>
          ),
        },
      ]}
    />
  );
}
