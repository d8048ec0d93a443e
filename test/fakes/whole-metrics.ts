/** The text of `/metrics` with every metric that there is: a gate that has seen everything, and all that is known beside it. */
import { aggregated } from '../../src/adapters/metrics-text.ts';
import { Metrics } from '../../src/adapters/metrics.ts';
import { LADDER } from '../../src/checks/ladder.ts';
import type { Decision } from '../../src/core/decision.ts';
import type { GateStatus } from '../../src/core/status.ts';

const NOW_MS = Date.UTC(2026, 0, 1);

export async function wholeMetrics(): Promise<string> {
  const metrics = new Metrics({
    checks: LADDER,
    readings: () => [
      {
        name: 'postern_certificate_expiry_timestamp_seconds',
        labels: { file: '/etc/postern/mx "1".pem' },
        value: NOW_MS / 1000,
      },
    ],
  });
  const decision: Decision = {
    id: 'D',
    sessionId: 'S',
    atMs: NOW_MS,
    tookMs: 300,
    session: {
      id: 'S',
      door: 'gateway',
      startedAtMs: NOW_MS,
      client: { address: '192.0.2.7', port: 1025 },
      server: { address: '192.0.2.1', port: 25 },
      violations: [],
    },
    recipients: [],
    steps: LADDER.map(({ name, stage }) => ({
      stage,
      check: name,
      findings: [{ result: 'fail', code: 'x', text: 'x' }],
      action: 'none',
      tookMs: 3,
      lookups: 1,
    })),
    outcome: 'refused',
    check: 'dnsbl',
    suspicion: 0,
    sizeOctets: 1000,
    policy: 'p',
  };
  metrics.decision(decision);
  const status: GateStatus = {
    pid: 1,
    startedAtMs: NOW_MS,
    atMs: NOW_MS,
    policy: 'p',
    listening: [],
    load: { level: 'defer', sample: { loadAverage: 0.5, eventLoopDelayMs: 12.5, memoryPercent: 40 } },
    connections: { now: 3, limit: 1000 },
    journal: { recorded: 1, dropped: 0 },
    dependencies: [
      { kind: 'backend', name: 'smtp:mail.example.org:25', state: 'ok' },
      { kind: 'dns-list', name: 'bl.example', state: 'ill', detail: 'lists 127.0.0.1' },
    ],
    metrics: metrics.snapshot(),
  };
  const own = {
    nowMs: NOW_MS,
    queue: { atMs: NOW_MS, messages: 3, oldestMs: 5000 },
    reports: { open: 1, oldestMs: NOW_MS - 5000 },
  };
  // As it comes from the other process.
  return (await aggregated([JSON.parse(JSON.stringify(status)) as GateStatus], own)).text;
}
