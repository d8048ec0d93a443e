import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Decision, RecipientDecision, Step } from '../core/decision.ts';
import type { GateStatus } from '../core/status.ts';
import { reply } from '../mail/reply.ts';
import { METRICS, type MetricName } from './metrics-table.ts';
import { aggregated, type OwnFigures } from './metrics-text.ts';
import { Metrics, type MetricsOptions } from './metrics.ts';

const CHECKS: MetricsOptions['checks'] = [
  { name: 'helo', cost: 'memory' },
  { name: 'dnsbl', cost: 'dns' },
  { name: 'clamav', cost: 'scanner' },
];
const NOW_MS = 1_000_000;

function step(check: string, result: 'pass' | 'fail' | 'temperror', more: Partial<Step> = {}): Step {
  return {
    stage: 'rcpt',
    check,
    findings: [{ result, code: 'x', text: 'x' }],
    action: 'none',
    tookMs: 5,
    ...more,
  };
}

function decision(more: Partial<Decision> = {}): Decision {
  return {
    id: 'D',
    sessionId: 'S',
    atMs: 0,
    tookMs: 2000,
    session: {
      id: 'S',
      door: 'gateway',
      startedAtMs: 0,
      client: { address: '192.0.2.7', port: 1 },
      server: { address: '192.0.2.1', port: 25 },
      violations: [],
    },
    recipients: [],
    steps: [],
    outcome: 'accepted',
    suspicion: 0,
    policy: 'p',
    ...more,
  };
}

function status(metrics: Metrics, more: Partial<GateStatus> = {}): GateStatus {
  const said: GateStatus = {
    pid: 1,
    startedAtMs: 0,
    atMs: NOW_MS,
    policy: 'p',
    listening: [],
    load: { level: 'calm', sample: { loadAverage: 0.5, eventLoopDelayMs: 20, memoryPercent: 40 } },
    connections: { now: 3, limit: 100 },
    journal: { recorded: 7, dropped: 1 },
    dependencies: [],
    metrics: metrics.snapshot(),
    ...more,
  };
  // As it comes from the other process.
  return JSON.parse(JSON.stringify(said)) as GateStatus;
}

/** Samples of the text by name and labels. */
async function read(statuses: readonly GateStatus[], own: Partial<OwnFigures> = {}) {
  const { text, contentType } = await aggregated(statuses, { nowMs: NOW_MS, ...own });
  assert.match(contentType, /^text\/plain; version=0\.0\.4/);
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const at = line.lastIndexOf(' ');
    assert.ok(!samples.has(line.slice(0, at)), `twice: ${line}`);
    samples.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return samples;
}

describe('metrics', () => {
  it('count decisions by door and outcome, and begin with zeros', async () => {
    const metrics = new Metrics({ checks: CHECKS });
    metrics.decision(decision());
    metrics.decision(decision());
    metrics.decision(decision({ outcome: 'refused', check: 'dnsbl' }));
    metrics.decision(decision({ outcome: 'deferred' }));
    const seen = await read([status(metrics)]);
    assert.equal(seen.get('postern_decisions_total{door="gateway",outcome="accepted"}'), 2);
    assert.equal(seen.get('postern_decisions_total{door="milter",outcome="accepted"}'), 0);
    assert.equal(seen.get('postern_refusals_total{check="dnsbl"}'), 1);
    assert.equal(seen.get('postern_refusals_total{check="helo"}'), 0);
    assert.equal(seen.get('postern_deferrals_total{check="none"}'), 1);
    assert.equal(seen.get('postern_rung_stopped_total{rung="dns"}'), 1);
  });

  it('count what checks found, asked and took', async () => {
    const metrics = new Metrics({ checks: CHECKS });
    const steps = [
      step('helo', 'pass', { tookMs: 0, stage: 'helo' }),
      step('dnsbl', 'fail', { lookups: 4, tookMs: 50 }),
    ];
    metrics.decision(decision({ steps }));
    metrics.decision(decision({ steps: [step('dnsbl', 'temperror', { lookups: 1, tookMs: 20_000 })] }));
    const seen = await read([status(metrics)]);
    const expected: Record<string, number> = {
      'postern_findings_total{check="dnsbl",result="fail"}': 1,
      'postern_findings_total{check="dnsbl",result="temperror"}': 1,
      'postern_findings_total{check="helo",result="pass"}': 1,
      'postern_dns_lookups_total{check="dnsbl"}': 5,
      'postern_check_duration_seconds_bucket{check="dnsbl",le="0.01"}': 0,
      'postern_check_duration_seconds_bucket{check="dnsbl",le="0.1"}': 1,
      'postern_check_duration_seconds_bucket{check="dnsbl",le="10"}': 1,
      'postern_check_duration_seconds_bucket{check="dnsbl",le="+Inf"}': 2,
      'postern_check_duration_seconds_count{check="dnsbl"}': 2,
      'postern_check_duration_seconds_sum{check="dnsbl"}': 20.05,
      'postern_check_duration_seconds_bucket{check="helo",le="0.001"}': 1,
      'postern_rung_reached_total{rung="memory"}': 1,
      'postern_rung_reached_total{rung="dns"}': 2,
      'postern_rung_reached_total{rung="scanner"}': 0,
      'postern_rung_seconds_total{rung="dns"}': 20.05,
      'postern_stage_reached_total{stage="helo"}': 1,
      'postern_stage_reached_total{stage="rcpt"}': 2,
      'postern_transaction_duration_seconds_bucket{outcome="accepted",le="1"}': 0,
      'postern_transaction_duration_seconds_bucket{outcome="accepted",le="5"}': 2,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(seen.get(name), value, name);
    assert.ok(!seen.has('postern_check_duration_seconds_count{check="clamav"}'), 'never asked');
  });

  it('count octets, tags and recipients', async () => {
    const metrics = new Metrics({ checks: CHECKS });
    const recipient: RecipientDecision = {
      mailbox: { local: 'ann', domain: 'example.org' },
      outcome: 'accepted',
      reply: reply(250, '2.1.5', 'ok'),
    };
    metrics.decision(decision({ sizeOctets: 100, tags: ['spf:fail'], recipients: [recipient, recipient] }));
    metrics.decision(decision({ sizeOctets: 30, outcome: 'relayed' }));
    metrics.decision(decision({ sizeOctets: 7, outcome: 'refused', check: 'clamav', tags: ['x:y'] }));
    const seen = await read([status(metrics)]);
    assert.equal(seen.get('postern_received_bytes_total'), 137);
    assert.equal(seen.get('postern_delivered_bytes_total'), 130);
    assert.equal(seen.get('postern_tagged_total'), 1);
    assert.equal(seen.get('postern_recipients_total{outcome="accepted"}'), 2);
  });

  it('have no labels without bound', async () => {
    const metrics = new Metrics({ checks: CHECKS });
    for (let i = 0; i < 500; i++) {
      metrics.turnedAway(`reason ${i}`, 2);
      metrics.decision(decision({ outcome: 'refused', check: `c${i}`, steps: [step(`c${i}`, 'fail')] }));
    }
    const seen = await read([status(metrics)]);
    assert.equal(seen.get('postern_refusals_total{check="other"}'), 500);
    const reasons = [...seen].filter(([name]) => name.startsWith('postern_turned_away_total'));
    assert.ok(reasons.length <= 21, String(reasons.length));
    assert.equal(
      reasons.reduce((sum, [, value]) => sum + value, 0),
      1000,
    );
  });

  it('of several gates are added up, and states are the worst of them', async () => {
    const [one, two] = [new Metrics({ checks: CHECKS }), new Metrics({ checks: CHECKS })];
    one.decision(decision({ steps: [step('dnsbl', 'fail')] }));
    two.decision(decision({ steps: [step('dnsbl', 'fail')] }));
    const backend = { kind: 'backend', name: 'mail.example.org' } as const;
    const seen = await read([
      status(one, { dependencies: [{ ...backend, state: 'ok' }] }),
      status(two, {
        dependencies: [{ ...backend, state: 'ill' }],
        load: { level: 'defer', sample: { eventLoopDelayMs: 250 } },
      }),
    ]);
    assert.equal(seen.get('postern_decisions_total{door="gateway",outcome="accepted"}'), 2);
    assert.equal(seen.get('postern_check_duration_seconds_bucket{check="dnsbl",le="0.01"}'), 2);
    assert.equal(seen.get('postern_connections'), 6);
    assert.equal(seen.get('postern_journal_dropped_total'), 2);
    assert.equal(seen.get('postern_dependency_up{kind="backend",name="mail.example.org"}'), 0);
    assert.equal(seen.get('postern_load_level'), 1);
    assert.equal(seen.get('postern_event_loop_delay_seconds'), 0.25);
    assert.equal(seen.get('postern_gate_processes'), 2);
  });

  it('say that a gate is down, and keep what it has counted', async () => {
    const metrics = new Metrics({ checks: CHECKS });
    metrics.decision(decision());
    const dependencies = [{ kind: 'dns-list', name: 'bl.example', state: 'ill' }] as const;
    const silent = await read([status(metrics, { atMs: NOW_MS - 15_001, dependencies })]);
    assert.equal(silent.get('postern_gate_up'), 0);
    assert.equal(silent.get('postern_decisions_total{door="gateway",outcome="accepted"}'), 1);
    assert.equal(silent.get('postern_journal_recorded_total'), 7);
    assert.ok(!silent.has('postern_connections'));
    const speaking = await read([status(metrics, { atMs: NOW_MS - 15_000, dependencies })]);
    assert.equal(speaking.get('postern_gate_up'), 1);
    assert.equal(speaking.get('postern_dns_list_suspended{zone="bl.example"}'), 1);
    assert.equal((await read([])).get('postern_gate_up'), 0);
  });

  it('tell of the queue and of reports, where they are known', async () => {
    const seen = await read([], {
      queue: { atMs: NOW_MS, messages: 12, oldestMs: 90_000 },
      reports: { open: 2, oldestMs: NOW_MS - 7_200_000 },
    });
    assert.equal(seen.get('postern_queue_messages'), 12);
    assert.equal(seen.get('postern_queue_oldest_seconds'), 90);
    assert.equal(seen.get('postern_reports_open'), 2);
    assert.equal(seen.get('postern_reports_oldest_seconds'), 7200);
    assert.ok(!(await read([])).has('postern_queue_messages'));
    assert.equal((await read([], { reports: { open: 0 } })).get('postern_reports_oldest_seconds'), 0);
  });

  it('leave out what they do not know, and quote what they are told', async () => {
    const metrics = new Metrics({
      checks: CHECKS,
      readings: () => [
        { name: 'postern_certificate_expiry_timestamp_seconds', labels: { file: 'a"\n\\b' }, value: 5 },
        { name: 'postern_memory_used_ratio', value: NaN },
      ],
    });
    const strange = status(metrics, {
      metrics: [...metrics.snapshot(), { name: 'evil', type: 'counter', values: [] }],
      load: { level: 'calm', sample: {} },
    });
    const { text } = await aggregated([strange], { nowMs: NOW_MS });
    assert.ok(text.includes('{file="a\\"\\n\\\\b"} 5\n'), text);
    assert.ok(!text.includes('evil'));
    assert.ok(!/NaN|undefined|null/.test(text));
  });

  it('have names, labels and types as the table says', async () => {
    const metrics = new Metrics({ checks: CHECKS });
    metrics.decision(decision({ steps: [step('dnsbl', 'fail', { lookups: 1 })] }));
    const seen = await read([status(metrics)]);
    for (const sample of seen.keys()) {
      const [, name = '', labels = ''] = /^([a-z_]+)(?:\{(.*)\})?$/.exec(sample) ?? [];
      const base = name.replace(/_(bucket|sum|count)$/, '');
      const described = METRICS[(base in METRICS ? base : name) as MetricName];
      assert.ok(described, sample);
      const keys = [...labels.matchAll(/([a-z]+)="/g)].map(([, key]) => key).filter((key) => key !== 'le');
      assert.deepEqual(keys, [...described.labels], sample);
    }
  });
});
