import { useState } from 'preact/hooks';
import type { Now } from '../../../src/admin/api.ts';
import { STATUS_GOOD_MS, type Dependency } from '../../../src/core/status.ts';
import type { TrafficPoint } from '../../../src/core/traffic.ts';
import { get } from '../api.ts';
import { ago, count, lasting, share } from '../format.ts';
import { useLive, type Live } from '../live.ts';
import { useLoad } from '../load.ts';
import { Card, Choice, Shown } from '../parts/basics.tsx';
import { Chart } from '../parts/chart.tsx';
import { DecisionTable } from '../parts/decisions.tsx';
import { Funnel } from '../parts/funnel.tsx';

const SPANS = [
  ['1 hour', 60],
  ['6 hours', 360],
  ['24 hours', 1440],
  ['7 days', 10_080],
] as const;
const EVERY_MS = 15_000;

export function NowPage() {
  const [minutes, setMinutes] = useState<number>(60);
  const [isPaused, setPaused] = useState(false);
  const live = useLive(isPaused);
  const now = useLoad(`now ${minutes}`, (signal) => get<Now>('/api/now', { minutes }, signal), EVERY_MS);
  return (
    <>
      <Choice label="Span" values={SPANS} value={minutes} onChange={setMinutes} />
      <Shown of={now}>
        {(data) => (
          <>
            <Attention now={data} live={live} />
            <Totals summary={data.summary} />
            <Card title="Verdicts" note={`each point ${lasting(stepOf(data.traffic))}`}>
              <Verdicts traffic={data.traffic} />
            </Card>
            <Card
              title="The ladder"
              note="how many came to each rung, were stopped there, and what that cost and saved"
            >
              <Funnel rungs={data.funnel} />
            </Card>
            <div class="two">
              <Card title="The gate">
                <Gate now={data} live={live} />
              </Card>
              <Card title="What it asks">
                <Dependencies of={live.gate?.dependencies ?? data.dependencies} />
              </Card>
            </div>
          </>
        )}
      </Shown>
      <Card
        title="Live"
        note={
          <>
            <span class={live.isOpen ? 'dot ok' : 'dot ill'} aria-hidden="true" />{' '}
            {live.isOpen ? 'connected' : 'not connected'}{' '}
            <button type="button" class="quiet" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
              {isPaused ? 'Go on' : 'Pause'}
            </button>
          </>
        }
      >
        <DecisionTable
          lines={live.lines}
          empty="Nothing has come since this page was opened."
          caption="Live"
        />
      </Card>
    </>
  );
}

const stepOf = ([first, second]: readonly TrafficPoint[]): number =>
  first === undefined || second === undefined ? 60_000 : second.sinceMs - first.sinceMs;

function Attention({ now, live }: { readonly now: Now; readonly live: Live }) {
  const openReports = live.gate?.openReports ?? now.openReports;
  if (openReports === 0 && now.alerts.length === 0) return null;
  return (
    <div class="attention" role="status">
      {now.alerts.map((alert) => (
        <p>⚠ {alert}</p>
      ))}
      {openReports === 0 ? null : (
        <p>
          <a href="/reports">{count(openReports, 'reported mistake')} without an answer</a>
        </p>
      )}
    </div>
  );
}

function Totals({ summary: s }: { readonly summary: Now['summary'] }) {
  const tiles = [
    ['received', s.received, ''],
    ['delivered', s.delivered + s.relayed, 'accepted'],
    ['rejected', s.rejected, 'refused'],
    ['deferred', s.deferred, 'deferred'],
    ['tagged', s.tagged, 'tagged'],
    ['abandoned', s.abandoned, 'abandoned'],
  ] as const;
  return (
    <dl class="tiles">
      {tiles.map(([name, n, tone]) => (
        <div class={`tile ${tone}`}>
          <dt>{name}</dt>
          <dd>
            {count(n)} <small>{name === 'received' ? '' : share(n, s.received)}</small>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Verdicts({ traffic }: { readonly traffic: readonly TrafficPoint[] }) {
  const series = [
    {
      name: 'delivered',
      colour: '--accepted',
      values: traffic.map((p) => p.outcomes.accepted + p.outcomes.relayed),
    },
    { name: 'rejected', colour: '--refused', values: traffic.map((p) => p.outcomes.refused) },
    { name: 'deferred', colour: '--deferred', values: traffic.map((p) => p.outcomes.deferred) },
    { name: 'turned away at the door', colour: '--abandoned', values: traffic.map((p) => p.turnedAway) },
  ];
  const last = traffic.at(-1);
  return (
    <Chart
      times={traffic.map((p) => p.sinceMs)}
      series={series}
      summary={`Verdicts over time; lately ${last === undefined ? 'none' : series.map((s) => `${s.values.at(-1) ?? 0} ${s.name}`).join(', ')}`}
    />
  );
}

function Gate({ now, live }: { readonly now: Now; readonly live: Live }) {
  const gate = live.gate === undefined ? now.gate : live.gate.gate;
  const queue = live.gate?.queue ?? now.queue;
  if (gate === undefined)
    return (
      <p class="trouble">
        The gate does not run, or has not said anything for {STATUS_GOOD_MS / 1000} seconds. What is shown
        here is from its journal.
      </p>
    );
  return (
    <dl class="facts">
      <dt>Running since</dt>
      <dd>{ago(gate.startedAtMs)}</dd>
      <dt>Load</dt>
      <dd>
        <span class={gate.load.level === 'calm' ? 'dot ok' : 'dot ill'} aria-hidden="true" />{' '}
        {gate.load.level}
      </dd>
      <dt>Connections</dt>
      <dd>
        {count(gate.connections.now)} of {count(gate.connections.limit)}
      </dd>
      <dt>Listens on</dt>
      <dd>
        {gate.listening
          .map(({ door, host, port }) => `${door} ${port === 0 ? host : `${host}:${port}`}`)
          .join(', ')}
      </dd>
      <dt>Journal</dt>
      <dd>
        {count(gate.journal.recorded)} written
        {gate.journal.dropped === 0 ? '' : `, ${count(gate.journal.dropped)} lost`}
      </dd>
      <dt>Backend queue</dt>
      <dd>{queue === undefined ? 'not watched' : <a href="/queue">{count(queue.messages, 'message')}</a>}</dd>
    </dl>
  );
}

const WORDS = { ok: 'well', slow: 'slow', ill: 'ill', unknown: 'not known' } as const;

function Dependencies({ of }: { readonly of: readonly Dependency[] }) {
  if (of.length === 0) return <p class="empty">Nothing yet.</p>;
  return (
    <ul class="dependencies">
      {of.map((d) => (
        <li>
          <span class={`dot ${d.state}`} aria-hidden="true" />
          <span>
            <b>{d.name}</b> <small>{d.kind}</small>
            {d.detail === undefined ? null : <small class="under">{d.detail}</small>}
          </span>
          <span>{WORDS[d.state]}</span>
        </li>
      ))}
    </ul>
  );
}
