/**
 * Every metric there is (O7): name, type, labels and a sentence. Prometheus' conventions: base units, `_total` for what only grows.
 * Labels are bounded by the program or the configuration, never by what a client says.
 */

interface MetricDescription {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** What several processes come to together. */
  readonly aggregator: 'sum' | 'min' | 'max';
}

const counter = (help: string, ...labels: string[]) =>
  ({ type: 'counter', help, labels, aggregator: 'sum' }) as const;
const histogram = (help: string, ...labels: string[]) =>
  ({ type: 'histogram', help, labels, aggregator: 'sum' }) as const;
const gauge = (help: string, aggregator: 'sum' | 'min' | 'max', ...labels: string[]) =>
  ({ type: 'gauge', help, labels, aggregator }) as const;

export const METRICS = {
  // Counted from decisions.
  postern_decisions_total: counter(
    'Decisions: transactions, and sessions that ended before one.',
    'door',
    'outcome',
  ),
  postern_recipients_total: counter('Recipients asked for.', 'outcome'),
  postern_refusals_total: counter(
    'Decisions refused, by the check that decided; none: the dialogue itself, or the backend.',
    'check',
  ),
  postern_deferrals_total: counter('Decisions deferred, by the check that decided.', 'check'),
  postern_tagged_total: counter('Messages delivered with a tag.'),
  postern_received_bytes_total: counter('Octets of messages taken whole, whatever became of them.'),
  postern_delivered_bytes_total: counter('Octets of messages delivered.'),
  postern_findings_total: counter('What checks found.', 'check', 'result'),
  postern_dns_lookups_total: counter('Questions put to DNS by checks.', 'check'),
  postern_check_duration_seconds: histogram('How long a check took to find out.', 'check'),
  postern_rung_reached_total: counter('Decisions that came to the rung of the ladder.', 'rung'),
  postern_rung_stopped_total: counter('Decisions refused or deferred by a check of the rung.', 'rung'),
  postern_rung_seconds_total: counter('Time that checks of the rung took, side by side or not.', 'rung'),
  postern_stage_reached_total: counter('Decisions in which a check was asked at the stage.', 'stage'),
  postern_transaction_duration_seconds: histogram(
    'From the beginning of the transaction (or the session, where there was none) to its end.',
    'outcome',
  ),
  postern_turned_away_total: counter('Connections turned away at the door, before any check.', 'reason'),
  // What the gate says of itself.
  postern_gate_up: gauge('1 where a gate has spoken within the last 15 seconds.', 'max'),
  postern_gate_processes: gauge('Gate processes that have spoken within the last 15 seconds.', 'sum'),
  postern_connections: gauge('Connections open.', 'sum'),
  postern_connections_limit: gauge('How many may be.', 'sum'),
  postern_load_level: gauge('0 calm, 1 defers new mail, 2 refuses connections.', 'max'),
  postern_load_average_per_core: gauge('Load average of the machine for each core.', 'max'),
  postern_event_loop_delay_seconds: gauge('How late the gate comes to its work.', 'max'),
  postern_memory_used_ratio: gauge('Of the memory that the gate may use.', 'max'),
  postern_journal_recorded_total: counter('Decisions written to the journal.'),
  postern_journal_dropped_total: counter('Decisions that the journal lost.'),
  postern_dependency_up: gauge(
    '1 where it answers, 0 where it is ill: backends, DNS lists, scanners and what else the gate asks.',
    'min',
    'kind',
    'name',
  ),
  postern_dns_list_suspended: gauge(
    '1 where a DNS list is not asked or waited for, because it answers nonsense or nothing.',
    'max',
    'zone',
  ),
  postern_certificate_expiry_timestamp_seconds: gauge(
    'When the certificate ends, in seconds since 1970.',
    'min',
    'file',
  ),
  // What the process beside the gate knows.
  postern_queue_messages: gauge('Messages in the queue of the mail server behind.', 'max'),
  postern_queue_oldest_seconds: gauge('Age of the oldest of them.', 'max'),
  postern_reports_open: gauge('Reports of mistakes that nobody has answered.', 'max'),
  postern_reports_oldest_seconds: gauge('Age of the oldest of them; 0 where there is none.', 'max'),
  // Of each process; names as other exporters have them.
  process_cpu_seconds_total: counter('CPU time, user and system.', 'process'),
  process_resident_memory_bytes: gauge('Resident memory.', 'sum', 'process'),
  process_start_time_seconds: gauge('When it started, in seconds since 1970.', 'min', 'process'),
  nodejs_heap_used_bytes: gauge('Heap in use.', 'sum', 'process'),
} as const satisfies Readonly<Record<string, MetricDescription>>;

export type MetricName = keyof typeof METRICS;

export interface Reading {
  readonly name: MetricName;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric as prom-client's `getMetricsAsJSON` gives it, and its `AggregatorRegistry` takes it. */
export interface MetricJson {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  readonly values: MetricValue[];
}

export interface MetricValue {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** In histograms: with `_bucket`, `_sum` or `_count` behind the name. */
  readonly metricName?: string;
}

export function metricJson(name: MetricName, values: MetricValue[]): MetricJson {
  const { help, type, aggregator } = METRICS[name];
  return { name, help, type, aggregator, values };
}

/** Readings by their metric. What is no number is left out: nobody knows it. */
export function readingsJson(readings: readonly Reading[]): MetricJson[] {
  const byName = new Map<MetricName, MetricValue[]>();
  for (const { name, labels = {}, value } of readings) {
    if (!Number.isFinite(value)) continue;
    const values = byName.get(name);
    if (values === undefined) byName.set(name, [{ labels, value }]);
    else values.push({ labels, value });
  }
  return [...byName].map(([name, values]) => metricJson(name, values));
}

/** What the process that calls it uses itself. */
export function processReadings(role: 'gate' | 'admin'): readonly Reading[] {
  const labels = { process: role };
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return [
    { name: 'process_cpu_seconds_total', labels, value: (user + system) / 1e6 },
    { name: 'process_resident_memory_bytes', labels, value: rss },
    { name: 'process_start_time_seconds', labels, value: Math.round(performance.timeOrigin / 1000) },
    { name: 'nodejs_heap_used_bytes', labels, value: heapUsed },
  ];
}
