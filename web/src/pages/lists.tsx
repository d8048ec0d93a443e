import { useState } from 'preact/hooks';
import type { AddedEntry, Lists } from '../../../src/admin/api.ts';
import { entryWords } from '../../../src/core/entry-words.ts';
import type { Listed } from '../../../src/core/listed.ts';
import { address, get, post, remove, textOf } from '../api.ts';
import { count, time } from '../format.ts';
import { useLoad } from '../load.ts';
import { Card, Choice, Field, LastsField, said, Shown, Table, Trouble } from '../parts/basics.tsx';
import { Filter } from '../parts/filter.tsx';
import { go } from '../route.ts';

const KINDS = [
  ['all', 'all'],
  ['let in', 'allow'],
  ['blocked', 'block'],
  ['mailing lists', 'list-host'],
] as const;
const WORDS = { allow: 'let in', block: 'blocked', 'list-host': 'mailing list' } as const;
const PARTS = ['client', 'host', 'sender', 'recipient'] as const;

export function ListsPage({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const kind = KINDS.find(([, k]) => k === query['kind'])?.[1] ?? 'all';
  const { text = '' } = query;
  const [error, setError] = useState('');
  const lists = useLoad(`lists ${kind} ${text}`, (signal) =>
    get<Lists>('/api/lists', { kind: kind === 'all' ? undefined : kind, text }, signal),
  );
  const takeOut = (entry: Listed) => {
    if (!confirm(`Remove the entry for ${entryWords(entry)}?`)) return;
    setError('');
    remove(`/api/lists/${entry.id}`).then(lists.again, (e: unknown) => setError(textOf(e)));
  };
  return (
    <>
      <Choice
        label="Kind"
        values={KINDS}
        value={kind}
        onChange={(k) => go(address('/lists', { kind: k === 'all' ? '' : k, text }))}
      />
      <Filter label="Address, name, reason or by whom" path="/lists" name="text" query={query} />
      <Trouble text={error} />
      <Shown of={lists}>
        {({ listed, fromFiles, fromFilesInAll }) => (
          <>
            <Card title="Kept here" note="made with a click, or by postern list">
              <Table
                caption="Entries kept here"
                rows={listed}
                keyOf={(e) => e.id}
                empty="No entries."
                columns={[
                  { title: 'kind', cell: (e) => WORDS[e.kind] },
                  { title: 'entry', cell: (e) => <code>{entryWords(e)}</code> },
                  { title: 'why', cell: (e) => e.reason ?? '' },
                  { title: 'by', cell: (e) => e.by },
                  { title: 'since', cell: (e) => time(e.sinceMs) },
                  { title: 'until', cell: (e) => (e.endsMs === undefined ? 'for good' : time(e.endsMs)) },
                  {
                    title: 'decision',
                    cell: (e) =>
                      e.decision === undefined ? (
                        ''
                      ) : (
                        <a class="id" href={`/decisions/${e.decision}`}>
                          {e.decision}
                        </a>
                      ),
                  },
                  {
                    title: '',
                    cell: (e) => (
                      <button type="button" class="quiet" onClick={() => takeOut(e)}>
                        Remove
                      </button>
                    ),
                  },
                ]}
              />
            </Card>
            <AddEntry onDone={lists.again} />
            <Card
              title="From the configuration"
              note={`${count(fromFilesInAll, 'entry', 'entries')}; they are changed in their files`}
            >
              <Table
                caption="Entries of the configuration"
                rows={fromFiles}
                keyOf={(e) => `${e.source} ${e.text}`}
                empty="No entries."
                columns={[
                  { title: 'kind', cell: (e) => e.kind },
                  { title: 'entry', cell: (e) => <code>{e.text}</code> },
                  { title: 'why', cell: (e) => e.reason ?? '' },
                  { title: 'where', cell: (e) => e.source },
                ]}
              />
            </Card>
          </>
        )}
      </Shown>
    </>
  );
}

function AddEntry({ onDone }: { readonly onDone: () => void }) {
  const [lastsMs, setLastsMs] = useState<number | undefined>();
  const [error, setError] = useState('');
  const [told, setTold] = useState<AddedEntry | undefined>();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const element = event.currentTarget as HTMLFormElement;
    const form = new FormData(element);
    const given = [...PARTS, 'reason'].flatMap((part) => {
      const text = said(form, part);
      return text === '' ? [] : [[part, text] as const];
    });
    setError('');
    setTold(undefined);
    post<AddedEntry>('/api/lists', {
      kind: form.get('kind'),
      ...Object.fromEntries(given),
      ...(lastsMs === undefined ? {} : { lastsMs }),
    }).then(
      (added) => {
        element.reset();
        setTold(added);
        onDone();
      },
      (e: unknown) => setError(textOf(e)),
    );
  };
  return (
    <Card title="Add an entry" note="all that it names must match">
      <form class="grid" onSubmit={submit}>
        <Field label="Kind">
          <select name="kind">
            <option value="allow">let in</option>
            <option value="block">block</option>
            <option value="list-host">mailing-list host: never refused, only tagged</option>
          </select>
        </Field>
        <Field label="Client">
          <input name="client" placeholder="192.0.2.0/24" maxLength={100} />
        </Field>
        <Field label="Host name">
          <input name="host" placeholder=".example.net" maxLength={255} />
        </Field>
        <Field label="Sender">
          <input name="sender" placeholder="ann@example.net" maxLength={320} />
        </Field>
        <Field label="Recipient">
          <input name="recipient" placeholder="bob@example.org" maxLength={320} />
        </Field>
        <LastsField value={lastsMs} onChange={setLastsMs} />
        <Field label="Why">
          <input name="reason" required maxLength={200} />
        </Field>
        <Trouble text={error} />
        <div class="buttons">
          <button type="submit" class="primary">
            Add
          </button>
        </div>
        <p aria-live="polite" class="said">
          {told === undefined ? '' : [`Added: ${entryWords(told)}`, ...told.notes].join('. ')}
        </p>
      </form>
    </Card>
  );
}
