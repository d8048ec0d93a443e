import { useState } from 'preact/hooks';
import type { GreylistRows } from '../../../src/admin/api.ts';
import type { GreylistRow } from '../../../src/core/ports.ts';
import { get, remove, textOf } from '../api.ts';
import { count, time } from '../format.ts';
import { useLoad } from '../load.ts';
import { Card, Shown, Table, Trouble } from '../parts/basics.tsx';
import { Filter } from '../parts/filter.tsx';

const WORDS = { waiting: 'has to come back', known: 'known', 'client-known': 'known for all' } as const;

export function Greylist({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const { text = '' } = query;
  const [error, setError] = useState('');
  const found = useLoad(`greylist ${text}`, (signal) => get<GreylistRows>('/api/greylist', { text }, signal));
  const forget = ({ client, sender, recipient }: GreylistRow) => {
    setError('');
    remove('/api/greylist', {}, { client, sender, recipient }).then(found.again, (e: unknown) =>
      setError(textOf(e)),
    );
  };
  return (
    <>
      <Filter label="Client, sender or recipient" path="/greylist" name="text" query={query} />
      <Trouble text={error} />
      <Shown of={found}>
        {({ rows, inAll }) => (
          <Card title="Who has been seen" note={`${count(inAll, 'row')} in all`}>
            <Table
              caption="Greylist"
              rows={rows}
              keyOf={(r) => `${r.client} ${r.sender} ${r.recipient}`}
              empty="Nothing was found."
              columns={[
                { title: 'client', cell: (r) => <code>{r.client}</code> },
                {
                  title: 'sender',
                  cell: (r) => <span class="address">{r.sender === '' ? '<>' : r.sender}</span>,
                },
                { title: 'recipient', cell: (r) => <span class="address">{r.recipient}</span> },
                { title: 'state', cell: (r) => WORDS[r.state] },
                { title: 'first seen', cell: (r) => time(r.sinceMs) },
                { title: 'until', cell: (r) => time(r.endsMs) },
                {
                  title: '',
                  cell: (r) => (
                    <button type="button" class="quiet" onClick={() => forget(r)}>
                      Forget
                    </button>
                  ),
                },
              ]}
            />
          </Card>
        )}
      </Shown>
    </>
  );
}
