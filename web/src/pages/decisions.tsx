import { useState } from 'preact/hooks';
import type { DecisionLine, DecisionList } from '../../../src/admin/api.ts';
import { OUTCOMES } from '../../../src/core/decision.ts';
import { address, get, textOf } from '../api.ts';
import { useLoad } from '../load.ts';
import { Card, Field, said, Shown, Trouble } from '../parts/basics.tsx';
import { DecisionTable } from '../parts/decisions.tsx';
import { go } from '../route.ts';

type Query = Readonly<Record<string, string>>;

const FIELDS = [
  ['id', 'Id', 'K7Q2MX4D'],
  ['client', 'Client or network', '192.0.2.0/24'],
  ['sender', 'Sender', 'ann@example.net'],
  ['recipient', 'Recipient', 'example.org'],
  ['check', 'Check', 'dnsbl'],
] as const;

export function Decisions({ query }: { readonly query: Query }) {
  const key = address('/api/decisions', query);
  return (
    <>
      <Search key={key} query={query} />
      <Found key={`found ${key}`} query={query} />
    </>
  );
}

function Search({ query }: { readonly query: Query }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const timeOf = (name: string) => {
      const text = said(form, name);
      return text === '' ? '' : String(new Date(text).getTime());
    };
    const next = Object.fromEntries([
      ...FIELDS.map(([name]) => [name, said(form, name)] as const),
      ['outcome', said(form, 'outcome')] as const,
      ['since', timeOf('since')] as const,
      ['until', timeOf('until')] as const,
    ]);
    go(address('/decisions', next));
  };
  return (
    <form class="card search" role="search" onSubmit={submit}>
      {FIELDS.map(([name, label, example]) => (
        <Field label={label}>
          <input name={name} placeholder={example} maxLength={320} defaultValue={query[name] ?? ''} />
        </Field>
      ))}
      <Field label="Outcome">
        <select name="outcome" defaultValue={query['outcome'] ?? ''}>
          <option value="">any</option>
          {OUTCOMES.map((outcome) => (
            <option>{outcome}</option>
          ))}
        </select>
      </Field>
      <Field label="Since">
        <input type="datetime-local" name="since" defaultValue={localTime(query['since'])} />
      </Field>
      <Field label="Until">
        <input type="datetime-local" name="until" defaultValue={localTime(query['until'])} />
      </Field>
      <div class="buttons">
        <button type="submit" class="primary">
          Search
        </button>
        <a class="button quiet" href="/decisions">
          Clear
        </a>
      </div>
    </form>
  );
}

/** As the field wants it: local time to the minute. */
function localTime(ms: string | undefined): string {
  if (ms === undefined || !/^\d{1,15}$/.test(ms)) return '';
  const d = new Date(Number(ms));
  return new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function Found({ query }: { readonly query: Query }) {
  const [older, setOlder] = useState<readonly DecisionLine[]>([]);
  const [before, setBefore] = useState<string | undefined>();
  const [error, setError] = useState<string | undefined>();
  const first = useLoad(address('first', query), (signal) =>
    get<DecisionList>('/api/decisions', query, signal),
  );
  const more = (from: string) => {
    setError(undefined);
    get<DecisionList>('/api/decisions', { ...query, before: from }).then(
      (page) => {
        setOlder((lines) => [...lines, ...page.decisions]);
        setBefore(page.before ?? '');
      },
      (e: unknown) => setError(textOf(e)),
    );
  };
  return (
    <Card>
      <Shown of={first}>
        {(page) => {
          const next = before ?? page.before ?? '';
          return (
            <>
              <DecisionTable
                lines={[...page.decisions, ...older]}
                empty={next === '' ? 'Nothing was found.' : 'Nothing yet; the search goes on further back.'}
              />
              <Trouble text={error} />
              {next === '' ? null : (
                <button type="button" onClick={() => more(next)}>
                  {page.decisions.length + older.length === 0 ? 'Search on' : 'Older ones'}
                </button>
              )}
            </>
          );
        }}
      </Shown>
    </Card>
  );
}
