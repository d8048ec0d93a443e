/**
 * The whole ladder at work: what a listed, a greylisted and a passing session cost with HELO, PTR and FCrDNS, two block
 * lists, sender domain, SPF and greylisting asked of real DNS servers. CPU is that of all processes: the gate with all its
 * threads, unbound, nsd, rbldnsd, and the sink behind the gate.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startGate, type GateSettings } from '../test/gate.ts';
import type { Cleanup } from '../test/program.ts';
import { CLIENTS, HONEST_FIRST, LISTED_FIRST, startDnsServers, type DnsServers } from './dns-servers.ts';
import { cpuSeconds, load, median, treeOf } from './measure.ts';
import { CALM, ROOMY, startServer, type Places } from './servers.ts';

export interface LadderWorkload {
  readonly name: string;
  readonly args: readonly string[];
  readonly expected: string;
  readonly greylist: 'classic' | 'seed-only';
  /** CPU seconds per 1,000 sessions, of all processes. */
  readonly goal: number;
}

const NAMES = ['-H', 'mx%d.example.net', '-F', 'sender%d@example.net', '-S', String(CLIENTS)];
export const WORKLOADS: readonly LadderWorkload[] = [
  {
    name: 'listed',
    args: ['-m', 'rcpt', '-B', LISTED_FIRST, ...NAMES],
    expected: 'rcpt 554',
    greylist: 'classic',
    goal: 0.42,
  },
  {
    name: 'greylisted',
    // A recipient of its own for each session: none is known from before.
    args: ['-m', 'rcpt', '-B', HONEST_FIRST, ...NAMES, '-R', 'user%d@example.org'],
    expected: 'rcpt 450',
    greylist: 'classic',
    goal: 0.8,
  },
  {
    name: 'passing, 4 KiB',
    args: ['-l', '4096', '-B', HONEST_FIRST, ...NAMES],
    expected: 'message 250',
    greylist: 'seed-only',
    goal: 1.6,
  },
];

export interface LadderRow {
  readonly workload: string;
  readonly perSecond: number;
  readonly gateCpuPerThousand: number;
  readonly cpuPerThousand: number;
  readonly goal: number;
}

/** Undefined where nsd, rbldnsd, unbound or smtp-sink is not installed. */
export async function ladderRows(
  cleanup: Cleanup,
  smtpload: string,
  places: Places,
  { rounds, sessions, progress }: { rounds: number; sessions: number; progress: (text: string) => void },
): Promise<readonly LadderRow[] | undefined> {
  const dns = await startDnsServers(cleanup, places.dir);
  if (dns === undefined || places.smtpSink === undefined) return undefined;
  const rows: LadderRow[] = [];
  for (const [i, workload] of WORKLOADS.entries()) {
    const home = join(places.dir, `ladder-${i}`);
    await mkdir(home);
    const sink = await startServer(cleanup, 'smtp-sink', places, false);
    const gate = await startGate(cleanup, ladderGate(workload, home, sink?.port, dns));
    const pids = () => everyPid(gate.pid, sink?.pid, dns);
    const perSecond: number[] = [];
    const cpu: number[] = [];
    const gateCpu: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      progress(`${workload.name}, round ${round} of ${rounds}`);
      const before = sum(pids());
      const gateBefore = cpuSeconds(gate.pid);
      const result = await load(smtpload, gate.port, [
        ...['-n', String(sessions), '-c', '100', '-x', String(round * sessions)],
        ...workload.args,
      ]);
      const after = sum(pids());
      const done = result.replies[workload.expected] ?? 0;
      if (done !== sessions) {
        throw new Error(
          `${workload.name}: ${done} of ${sessions} sessions heard ${workload.expected}: ${JSON.stringify(result)}`,
        );
      }
      // The first round warms up.
      if (round === 0) continue;
      perSecond.push(result.per_second);
      cpu.push(((after - before) / sessions) * 1000);
      gateCpu.push(((cpuSeconds(gate.pid) - gateBefore) / sessions) * 1000);
    }
    rows.push({
      workload: workload.name,
      perSecond: median(perSecond),
      gateCpuPerThousand: median(gateCpu),
      cpuPerThousand: median(cpu),
      goal: workload.goal,
    });
    await gate.stop();
    await sink?.stop();
  }
  return rows;
}

const sum = (pids: readonly number[]): number => pids.reduce((total, pid) => total + cpuSeconds(pid), 0);

const everyPid = (gate: number, sink: number | undefined, dns: DnsServers): readonly number[] =>
  [gate, ...(sink === undefined ? [] : [sink]), ...dns.pids].flatMap(treeOf);

export const ladderGate = (
  { greylist }: LadderWorkload,
  dir: string,
  sinkPort: number | undefined,
  dns: DnsServers,
): GateSettings => ({
  dir,
  backend: `smtp://127.0.0.1:${sinkPort ?? 9}`,
  dns: `127.0.0.1:${dns.port}`,
  limits: ROOMY,
  tables: CALM + everyCheck(greylist),
});

// All checks by their defaults, and two lists; each is enough to refuse.
export function everyCheck(greylist: 'classic' | 'seed-only'): string {
  return `[checks.greylist]
mode = "${greylist}"
[[checks.dnsbl.zones]]
zone = "bl.example"
weight = 20
codes = ["127.0.0.2-11"]
[[checks.dnsbl.zones]]
zone = "second.example"
weight = 20
codes = ["127.0.0.2-11"]
`;
}
