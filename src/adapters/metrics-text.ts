/** `/metrics`: what all gate processes have said last, with what the process beside them knows, added up and written as Prometheus reads it. */
import { AggregatorRegistry, Registry } from 'prom-client';
import type { QueueSample } from '../core/desk.ts';
import { isSpeaking, type GateStatus } from '../core/status.ts';
import { METRICS, processReadings, readingsJson, type MetricJson, type Reading } from './metrics-table.ts';

const LEVELS: readonly string[] = ['calm', 'defer', 'refuse'];

/** What the process that serves `/metrics` knows itself; what is left out is not watched. */
export interface OwnFigures {
  readonly nowMs: number;
  readonly queue?: QueueSample | undefined;
  readonly reports?: { readonly open: number; readonly oldestMs?: number | undefined } | undefined;
}

export async function aggregated(
  statuses: readonly GateStatus[],
  own: OwnFigures,
): Promise<{ readonly text: string; readonly contentType: string }> {
  const all: MetricJson[][] = [readingsJson([...ownReadings(own), ...processReadings('admin')])];
  const up = statuses.filter((status) => isSpeaking(status, own.nowMs));
  all.push(
    readingsJson([
      { name: 'postern_gate_up', value: up.length > 0 ? 1 : 0 },
      { name: 'postern_gate_processes', value: up.length },
    ]),
  );
  for (const status of statuses) {
    all.push(known(status.metrics));
    // How a dead gate was is no news; what it has counted still counts.
    all.push(readingsJson(up.includes(status) ? statusReadings(status) : journalReadings(status)));
  }
  const text = await AggregatorRegistry.aggregate(all).metrics();
  return { text, contentType: Registry.PROMETHEUS_CONTENT_TYPE };
}

/** A gate of another version may say what we do not know; one name with two types would spoil the whole page. */
function known(metrics: readonly unknown[]): MetricJson[] {
  return (metrics as readonly MetricJson[]).filter(
    ({ name, values }) => Object.hasOwn(METRICS, name) && Array.isArray(values),
  );
}

function journalReadings({ journal }: GateStatus): Reading[] {
  return [
    { name: 'postern_journal_recorded_total', value: journal.recorded },
    { name: 'postern_journal_dropped_total', value: journal.dropped },
  ];
}

function statusReadings(status: GateStatus): Reading[] {
  const { connections, load, dependencies } = status;
  const { loadAverage, eventLoopDelayMs, memoryPercent } = load.sample;
  return [
    ...journalReadings(status),
    { name: 'postern_connections', value: connections.now },
    { name: 'postern_connections_limit', value: connections.limit },
    { name: 'postern_load_level', value: Math.max(0, LEVELS.indexOf(load.level)) },
    { name: 'postern_load_average_per_core', value: loadAverage ?? NaN },
    { name: 'postern_event_loop_delay_seconds', value: (eventLoopDelayMs ?? NaN) / 1000 },
    { name: 'postern_memory_used_ratio', value: (memoryPercent ?? NaN) / 100 },
    ...dependencies
      .filter(({ state }) => state !== 'unknown')
      .map(({ kind, name, state }): Reading => ({
        name: 'postern_dependency_up',
        labels: { kind, name },
        value: state === 'ill' ? 0 : 1,
      })),
    ...dependencies
      .filter(({ kind, state }) => kind === 'dns-list' && state !== 'unknown')
      .map(({ name: zone, state }): Reading => ({
        name: 'postern_dns_list_suspended',
        labels: { zone },
        value: state === 'ok' ? 0 : 1,
      })),
  ];
}

function ownReadings({ nowMs, queue, reports }: OwnFigures): Reading[] {
  const age = (sinceMs: number) => Math.max(0, nowMs - sinceMs) / 1000;
  return [
    ...(queue === undefined
      ? []
      : [
          { name: 'postern_queue_messages', value: queue.messages } as const,
          {
            name: 'postern_queue_oldest_seconds',
            value: queue.messages === 0 ? 0 : (queue.oldestMs ?? NaN) / 1000,
          } as const,
        ]),
    ...(reports === undefined
      ? []
      : [
          { name: 'postern_reports_open', value: reports.open } as const,
          {
            name: 'postern_reports_oldest_seconds',
            value: reports.oldestMs === undefined ? 0 : age(reports.oldestMs),
          } as const,
        ]),
  ];
}
