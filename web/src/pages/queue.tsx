import type { QueueHistory } from '../../../src/admin/api.ts';
import { address, get } from '../api.ts';
import { count, lasting } from '../format.ts';
import { useLoad } from '../load.ts';
import { Card, Choice, Shown } from '../parts/basics.tsx';
import { Chart } from '../parts/chart.tsx';
import { go } from '../route.ts';

const SPANS = [
  ['6 hours', '0.25'],
  ['24 hours', '1'],
  ['7 days', '7'],
  ['90 days', '90'],
] as const;
const EVERY_MS = 30_000;

export function Queue({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const days = SPANS.find(([, d]) => d === query['days'])?.[1] ?? '1';
  const history = useLoad(
    `queue ${days}`,
    (signal) => {
      const until = Date.now();
      return get<QueueHistory>('/api/queue', { since: until - Number(days) * 86_400_000, until }, signal);
    },
    EVERY_MS,
  );
  return (
    <>
      <Choice label="Span" values={SPANS} value={days} onChange={(d) => go(address('/queue', { days: d }))} />
      <Shown of={history}>
        {({ watched, samples, alerts, now }) => {
          const last = now ?? samples.at(-1);
          const kinds = [...new Set(samples.flatMap((s) => Object.keys(s.byQueue ?? {})))].sort().slice(0, 5);
          return (
            <>
              <Card
                title="The mail server's queue"
                note={
                  last === undefined
                    ? ''
                    : `now ${count(last.messages, 'message')}${last.oldestMs === undefined ? '' : `, the oldest waits for ${lasting(last.oldestMs)}`}`
                }
              >
                {samples.length === 0 ? (
                  <p class="empty">
                    {watched ? (
                      'No samples yet.'
                    ) : (
                      <>
                        The queue is not watched. A table <code>[queue_watch]</code> with{' '}
                        <code>from = "postfix"</code> in the configuration changes that.
                      </>
                    )}
                  </p>
                ) : (
                  <Chart
                    times={samples.map((s) => s.atMs)}
                    series={[
                      { name: 'all', colour: '--line-1', values: samples.map((s) => s.messages) },
                      ...kinds.map((kind, i) => ({
                        name: kind,
                        colour: `--line-${i + 2}`,
                        values: samples.map((s) => s.byQueue?.[kind] ?? 0),
                      })),
                    ]}
                    summary={`Messages in the queue; now ${last?.messages ?? 0}`}
                    height={300}
                  />
                )}
              </Card>
              {alerts.length === 0 ? null : (
                <Card title="Alerts">
                  <ul>
                    {alerts.map((alert) => (
                      <li>
                        {alert.firing ? '⚠ ' : ''}
                        {alert.text}
                      </li>
                    ))}
                  </ul>
                </Card>
              )}
            </>
          );
        }}
      </Shown>
    </>
  );
}
