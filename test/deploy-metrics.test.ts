/** What we give to Prometheus and Grafana asks for metrics that there are, and the guide names them all. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { METRICS } from '../src/adapters/metrics-table.ts';
import { wholeMetrics } from './fakes/whole-metrics.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (path: string) => readFile(join(ROOT, path), 'utf8');

const BY_TYPE = { histogram: ['_bucket', '_sum', '_count'], counter: [''], gauge: [''] } as const;
/** As queries name them. */
const NAMES = new Set(
  Object.entries(METRICS).flatMap(([name, { type }]) => BY_TYPE[type].map((suffix) => name + suffix)),
);

const unknownIn = (query: string) =>
  [...query.matchAll(/\b(?:postern|process|nodejs)_[a-z_]+/g)]
    .map(([name]) => name)
    .filter((name) => !NAMES.has(name));

/** Every label that a query selects or groups by. */
const labelsIn = (query: string) => [
  ...[...query.matchAll(/([a-z]+)(?:=~|!=|!~|=)"/g)].map(([, label]) => label ?? ''),
  ...[...query.matchAll(/\bby \(([a-z, ]+)\)/g)].flatMap(([, labels = '']) => labels.split(/,\s*/)),
];
const LABELS = new Set<string>([
  'instance',
  'job',
  'le',
  ...Object.values(METRICS).flatMap(({ labels }) => labels),
]);

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly annotations: Readonly<Record<string, string>>;
    }[];
  }[];
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
}
interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
  readonly panels: readonly Panel[];
}

describe('alert rules', () => {
  it('ask for metrics and labels that there are, and say what to do', async () => {
    const { groups } = parse(await read('deploy/prometheus/postern.rules.yml')) as Rules;
    const rules = groups.flatMap((group) => group.rules);
    assert.ok(rules.length >= 12);
    for (const { alert, expr, annotations } of rules) {
      assert.deepEqual(unknownIn(expr), [], alert);
      for (const label of labelsIn(expr)) assert.ok(LABELS.has(label), `${alert}: ${label}`);
      assert.ok((annotations['summary'] ?? '').length > 20, alert);
      assert.ok((annotations['action'] ?? '').length > 20, alert);
    }
  });

  it('are tested, each of them', async () => {
    const { groups } = parse(await read('deploy/prometheus/postern.rules.yml')) as Rules;
    const tests = await read('deploy/prometheus/postern.test.yml');
    for (const { alert } of groups.flatMap((group) => group.rules)) assert.ok(tests.includes(alert), alert);
  });
});

describe('the dashboard for Grafana', () => {
  it('asks for metrics and labels that there are', async () => {
    const dashboard = JSON.parse(await read('deploy/grafana/postern.json')) as Dashboard;
    const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ title, expr })),
    );
    assert.ok(queries.length > 20);
    for (const { title, expr } of queries) {
      assert.deepEqual(unknownIn(expr), [], title);
      for (const label of labelsIn(expr)) assert.ok(LABELS.has(label), `${title}: ${label}`);
    }
    for (const { name, query } of dashboard.templating.list)
      assert.deepEqual(unknownIn(JSON.stringify(query)), [], name);
  });

  it('has panels with a place of their own', async () => {
    const { panels, schemaVersion, uid } = JSON.parse(await read('deploy/grafana/postern.json')) as Dashboard;
    assert.deepEqual([uid, schemaVersion], ['postern', 39]);
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    const taken = new Set<string>();
    for (const { title, type, gridPos, targets = [] } of panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      if (type !== 'row') assert.ok(targets.length > 0, title);
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!taken.has(`${x},${y}`), `${title} lies over another one`);
          taken.add(`${x},${y}`);
        }
    }
  });
});

it('every metric is on the page that Prometheus reads, and in the guide', async () => {
  const text = await wholeMetrics();
  const guide = await read('docs/guide/metrics.md');
  for (const [name, { type, labels }] of Object.entries(METRICS)) {
    assert.ok(text.includes(`# TYPE ${name} ${type}\n`), name);
    const row = guide.split('\n').find((line) => line.includes(`\`${name}\``));
    assert.ok(row, `docs/guide/metrics.md does not name ${name}`);
    for (const label of labels) assert.ok(row.includes(`\`${label}\``), `${name}: ${label}`);
  }
});
