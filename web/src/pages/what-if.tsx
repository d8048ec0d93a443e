import { useEffect, useState } from 'preact/hooks';
import type { DifferenceLine, Settings, WhatIf } from '../../../src/admin/api.ts';
import { get, post, textOf } from '../api.ts';
import { count } from '../format.ts';
import { useLoad } from '../load.ts';
import { Card, Choice, Shown, Table, When, Trouble } from '../parts/basics.tsx';

const SPANS = [
  ['24 hours', 1],
  ['7 days', 7],
  ['30 days', 30],
] as const;
const EVERY_MS = 700;

/** Recorded decisions judged again under another configuration, before it goes live (O4). */
export function WhatIfPage() {
  const settings = useLoad('settings', (signal) => get<Settings>('/api/settings', {}, signal));
  return <Shown of={settings}>{({ text, file }) => <Trial text={text} file={file} />}</Shown>;
}

function Trial({ text, file }: { readonly text: string; readonly file: string }) {
  const [config, setConfig] = useState(text);
  const [days, setDays] = useState<number>(1);
  const [job, setJob] = useState<string | undefined>();
  const [state, setState] = useState<WhatIf | undefined>();
  const [error, setError] = useState('');
  const fail = (e: unknown) => setError(textOf(e));
  useEffect(() => {
    if (job === undefined) return undefined;
    const look = () =>
      void get<WhatIf>(`/api/what-if/${job}`).then(
        (found) => {
          setState(found);
          if (found.state !== 'running') clearInterval(timer);
        },
        (e: unknown) => {
          clearInterval(timer);
          fail(e);
        },
      );
    const timer = setInterval(look, EVERY_MS);
    look();
    return () => clearInterval(timer);
  }, [job]);
  const run = (event: Event) => {
    event.preventDefault();
    setError('');
    setState(undefined);
    setJob(undefined);
    post<{ job: string }>('/api/what-if', { config, sinceMs: Date.now() - days * 86_400_000 }).then(
      (started) => setJob(started.job),
      fail,
    );
  };
  return (
    <>
      <Card title="Another configuration" note="nothing here changes what is in force">
        <form onSubmit={run}>
          <textarea
            class="config"
            name="config"
            aria-label={`${file} as it would be`}
            spellcheck={false}
            rows={18}
            value={config}
            onInput={(e) => setConfig(e.currentTarget.value)}
          />
          <div class="row">
            <Choice label="Span" values={SPANS} value={days} onChange={setDays} />
            <button type="submit" class="primary" disabled={state?.state === 'running'}>
              Judge again
            </button>
          </div>
        </form>
        <Trouble text={error} />
      </Card>
      {state === undefined ? null : <Result of={state} />}
    </>
  );
}

function Result({ of }: { readonly of: WhatIf }) {
  if (of.problems.length > 0)
    return (
      <Card title="It cannot be judged">
        {of.problems.map((problem) => (
          <p class="trouble" role="alert">
            {problem}
          </p>
        ))}
      </Card>
    );
  const lists = [
    ['Newly refused or deferred', of.newlyRefused, of.counts.newlyRefused],
    ['Newly accepted, or no longer refused', of.newlyAccepted, of.counts.newlyAccepted],
    ['Unknown, because never asked', of.unknown, of.counts.unknown],
  ] as const;
  return (
    <>
      <Card>
        <div aria-live="polite">
          {of.state === 'running' ? <progress max={Math.max(1, of.inAll)} value={of.looked} /> : null}
          <p>
            {count(of.looked)} of {count(of.inAll, 'decision')} judged again; {count(of.counts.same)} as
            before.
          </p>
        </div>
      </Card>
      {lists.map(([title, lines, n]) => (
        <Card
          key={title}
          title={`${title}: ${count(n)}`}
          note={lines.length < n ? `the first ${lines.length}` : ''}
        >
          <Differences lines={lines} title={title} />
        </Card>
      ))}
    </>
  );
}

function Differences({
  lines,
  title,
}: {
  readonly lines: readonly DifferenceLine[];
  readonly title: string;
}) {
  return (
    <Table
      caption={title}
      rows={lines}
      keyOf={({ line }) => line.id}
      empty="None."
      columns={[
        { title: 'time', cell: ({ line }) => <When ms={line.atMs} /> },
        {
          title: 'id',
          cell: ({ line }) => (
            <a class="id" href={`/decisions/${line.id}`}>
              {line.id}
            </a>
          ),
        },
        { title: 'client', cell: ({ line }) => <code>{line.client}</code> },
        { title: 'from', cell: ({ line }) => <span class="address">{line.sender ?? '–'}</span> },
        { title: 'to', cell: ({ line }) => <span class="address">{line.recipients[0] ?? '–'}</span> },
        { title: 'before', cell: ({ before }) => before },
        { title: 'then', cell: ({ after }) => after },
        {
          title: '',
          cell: ({ line }) =>
            line.mark === undefined ? '' : <small class={`mark ${line.mark}`}>{line.mark}</small>,
        },
      ]}
    />
  );
}
