import type { Effect } from '../../../src/admin/api.ts';
import { address, get } from '../api.ts';
import { count, took } from '../format.ts';
import { useLoad } from '../load.ts';
import { Card, Choice, Shown, Table } from '../parts/basics.tsx';
import { Chart } from '../parts/chart.tsx';
import { go } from '../route.ts';

const SPANS = [
  ['24 hours', '1'],
  ['7 days', '7'],
  ['30 days', '30'],
  ['90 days', '90'],
] as const;
const SAFE = { yes: 'yes', no: 'no', unknown: 'not known' } as const;
/** As many lines as can be told apart. */
const DRAWN = 6;

export function EffectPage({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const days = SPANS.find(([, d]) => d === query['days'])?.[1] ?? '7';
  const effect = useLoad(`effect ${days}`, (signal) => {
    const until = Date.now();
    return get<Effect>('/api/effect', { since: until - Number(days) * 86_400_000, until }, signal);
  });
  return (
    <>
      <Choice
        label="Span"
        values={SPANS}
        value={days}
        onChange={(d) => go(address('/effect', { days: d }))}
      />
      <Shown of={effect}>
        {({ checks }) => {
          const busiest = checks
            .filter((c) => c.refused + c.deferred > 0)
            .toSorted((a, b) => b.refused + b.deferred - a.refused - a.deferred)
            .slice(0, DRAWN);
          const times = busiest[0]?.points.map((p) => p.sinceMs) ?? [];
          return (
            <>
              <Card
                title="Stopped by check"
                note={busiest.length === DRAWN ? `the ${DRAWN} that stop most` : ''}
              >
                {busiest.length === 0 ? (
                  <p class="empty">Nothing was stopped.</p>
                ) : (
                  <Chart
                    times={times}
                    series={busiest.map((c, i) => ({
                      name: c.check,
                      colour: `--line-${i + 1}`,
                      values: c.points.map((p) => p.stopped),
                    }))}
                    summary={`Decisions stopped: ${busiest.map((c) => `${c.check} ${c.refused + c.deferred}`).join(', ')}`}
                  />
                )}
              </Card>
              <Card title="Each check">
                <Table
                  caption="Effect of each check"
                  rows={checks}
                  keyOf={(c) => c.check}
                  empty="No check was asked."
                  columns={[
                    {
                      title: 'check',
                      cell: (c) => (
                        <details>
                          <summary>
                            <b>{c.check}</b>
                          </summary>
                          <small>{c.summary}</small>
                        </details>
                      ),
                    },
                    { title: 'asked', cell: (c) => count(c.asked), right: true },
                    { title: 'found something', cell: (c) => count(c.failed), right: true },
                    { title: 'stopped first', cell: (c) => count(c.refused + c.deferred), right: true },
                    { title: 'stopped alone', cell: (c) => count(c.alone), right: true },
                    { title: 'overlap', cell: (c) => count(c.overlap), right: true },
                    { title: 'reported mistakes', cell: (c) => count(c.reportedMistakes), right: true },
                    { title: 'no answer', cell: (c) => count(c.temperror), right: true },
                    {
                      title: 'cost',
                      cell: (c) => (
                        <>
                          {took(c.tookMs)}
                          <small class="under">{c.lookups === 0 ? '' : count(c.lookups, 'look-up')}</small>
                        </>
                      ),
                      right: true,
                    },
                    {
                      title: 'safe to turn off?',
                      wide: true,
                      cell: (c) => (
                        <>
                          <b>{SAFE[c.safeToTurnOff.safe]}</b>
                          <small class="under">{c.safeToTurnOff.why}</small>
                        </>
                      ),
                    },
                  ]}
                />
                <p>
                  <a href="/what-if">What would change with another configuration?</a>
                </p>
              </Card>
            </>
          );
        }}
      </Shown>
    </>
  );
}
