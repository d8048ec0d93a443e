import { useState } from 'preact/hooks';
import type { BlockList } from '../../../src/admin/api.ts';
import type { Block } from '../../../src/core/ports.ts';
import { get, post, remove, textOf } from '../api.ts';
import { count, time } from '../format.ts';
import { useLoad } from '../load.ts';
import { Card, Field, LastsField, Shown, Table, Trouble } from '../parts/basics.tsx';
import { Filter } from '../parts/filter.tsx';

const DAY = 86_400_000;

export function Blocks({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const { network = '' } = query;
  const [error, setError] = useState('');
  const [lastsMs, setLastsMs] = useState<number | undefined>(DAY);
  const list = useLoad(`blocks ${network}`, (signal) => get<BlockList>('/api/blocks', { network }, signal));
  const fail = (e: unknown) => setError(textOf(e));
  const takeOut = (block: Block) => {
    if (!confirm(`Let ${block.network} in again, and forget what is held against it?`)) return;
    setError('');
    remove('/api/blocks', { network: block.network }).then(list.again, fail);
  };
  const add = (event: SubmitEvent) => {
    event.preventDefault();
    const element = event.currentTarget as HTMLFormElement;
    const form = new FormData(element);
    setError('');
    post('/api/blocks', { network: form.get('network'), reason: form.get('reason'), lastsMs }).then(() => {
      element.reset();
      list.again();
    }, fail);
  };
  return (
    <>
      <Card title="Block an address or a network">
        <form class="grid" onSubmit={add}>
          <Field label="Network">
            <input name="network" required placeholder="192.0.2.0/24" maxLength={100} />
          </Field>
          <LastsField value={lastsMs} onChange={setLastsMs} forGood={false} />
          <Field label="Why" hint="Those who are refused read it.">
            <input name="reason" required maxLength={200} />
          </Field>
          <div class="buttons">
            <button type="submit" class="danger">
              Block
            </button>
          </div>
        </form>
        <Trouble text={error} />
      </Card>
      <Filter label="Address or network" path="/blocks" name="network" query={query} />
      <Shown of={list}>
        {({ blocks }) => (
          <Card title="Blocked for a while" note={count(blocks.length, 'entry', 'entries')}>
            <Table
              caption="Blocked for a while"
              rows={blocks}
              keyOf={(b) => b.network}
              empty="Nobody is blocked."
              columns={[
                { title: 'network', cell: (b) => <code>{b.network}</code> },
                { title: 'why', cell: (b) => b.reason },
                { title: 'by', cell: (b) => b.by },
                {
                  title: 'decision',
                  cell: (b) =>
                    b.evidence === '' ? (
                      ''
                    ) : (
                      <a class="id" href={`/decisions/${b.evidence}`}>
                        {b.evidence}
                      </a>
                    ),
                },
                { title: 'convictions', cell: (b) => b.convictions, right: true },
                { title: 'since', cell: (b) => time(b.sinceMs) },
                { title: 'until', cell: (b) => time(b.endsMs) },
                {
                  title: '',
                  cell: (b) => (
                    <button type="button" class="quiet" onClick={() => takeOut(b)}>
                      Let in again
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
