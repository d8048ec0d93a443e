/**
 * `npm run bench [-- --short] [--strict] [--json FILE]`: the gate side by side with a bare `node:net` responder and with
 * Postfix's smtp-sink, in one run, in turns, so that what else the machine does meets all of them. Ratios are the result;
 * absolute numbers are the machine's. Loopback only. The table at the end is Markdown.
 *
 * `--strict` ends with 1 when a goal is missed: 0.8 of the bare responder's sessions a second where RCPT is refused, 16 KiB for
 * an idle connection.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from '../test/peers/peer.ts';
import { tempDir } from '../test/tempdir.ts';
import type { Cleanup } from '../test/program.ts';
import { cpuSeconds, load, median, openFiles, rssOctets } from './measure.ts';
import { doorRows, doorTable, type DoorRow } from './doors.ts';
import { ladderRows, type LadderRow } from './ladder.ts';
import { messageRows, type MessageRow } from './messages.ts';
import { SERVERS, startServer, type Places, type Server, type ServerName } from './servers.ts';

const GOAL_RATIO = 0.8;
const GOAL_IDLE_OCTETS = 16_384;

interface Workload {
  readonly name: string;
  readonly args: readonly string[];
  readonly sessions: number;
  readonly refuses: boolean;
  /** The reply that every session ends its work with. */
  readonly expected: RegExp;
}

interface Row {
  readonly workload: string;
  readonly server: ServerName;
  readonly perSecond: number;
  readonly cpuPerThousand: number;
  readonly p99Ms: number;
  readonly rssOctets: number;
}

interface IdleRow {
  readonly server: ServerName;
  readonly connections: number;
  readonly octetsEach: number;
  readonly rssOctets: number;
}

const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const rounds = options.short ? 3 : 7;
const scale = options.short ? 1 : 6;
const idleConnections = Math.min(options.short ? 2000 : 10_000, hardFileLimit() - 500);

const WORKLOADS: readonly Workload[] = [
  {
    name: 'RCPT refused',
    args: ['-m', 'rcpt', '-R', 'user@elsewhere.example'],
    sessions: 2500 * scale,
    refuses: true,
    expected: /^rcpt 5/,
  },
  {
    name: '4 KiB accepted',
    args: ['-l', '4096'],
    sessions: options.short ? 1000 : 2000,
    refuses: false,
    expected: /^message 250/,
  },
  {
    name: '100 KiB accepted',
    args: ['-l', '102400'],
    sessions: 200 * scale,
    refuses: false,
    expected: /^message 250/,
  },
];

const ends: (() => void | Promise<void>)[] = [];
const cleanup: Cleanup = { after: (fn) => void ends.push(fn) };
try {
  process.exitCode = await bench();
} finally {
  for (const end of ends.reverse()) await end();
}

async function bench(): Promise<number> {
  const dir = await tempDir(cleanup);
  const smtpload = join(dir, 'smtpload');
  const compiler = findProgram('cc') ?? findProgram('gcc');
  if (compiler === undefined) throw new Error('the load generator wants a C compiler: cc is not installed');
  execFileSync(compiler, ['-O2', '-o', smtpload, join(import.meta.dirname, 'smtpload.c')]);
  const places: Places = { dir, smtpSink: findProgram('smtp-sink') };
  if (places.smtpSink === undefined)
    progress('smtp-sink is not installed (package postfix): measured without it');

  const rows: Row[] = [];
  for (const workload of WORKLOADS) rows.push(...(await sideBySide(workload, smtpload, places)));
  const idle: IdleRow[] = [];
  for (const name of SERVERS) {
    const row = await idleCost(name, smtpload, places);
    if (row !== undefined) idle.push(row);
  }

  const ladder = await ladderRows(cleanup, smtpload, places, {
    rounds,
    sessions: 1000 * scale,
    progress,
  });
  if (ladder === undefined) progress('nsd, rbldnsd, unbound or smtp-sink is not installed: no ladder');

  const messages = await messageRows(cleanup, smtpload, places, { rounds, scale, progress });

  const doors = await doorRows(cleanup, smtpload, places, {
    rounds: options.short ? 2 : 5,
    sessions: options.short ? 120 : 380,
    progress,
  });

  print(rows, idle, ladder ?? [], messages ?? [], doors ?? []);
  if (options.json !== undefined)
    writeFileSync(
      options.json,
      `${JSON.stringify({ machine: machine(), rows, idle, ladder, messages, doors }, null, 2)}\n`,
    );
  const missed = goals(rows, idle, ladder ?? []);
  for (const goal of missed) process.stdout.write(`Goal missed: ${goal}\n`);
  return options.strict && missed.length > 0 ? 1 : 0;
}

/** Rounds in turns, A B C A B C, and the median of each server's rounds; the first round only warms up. */
async function sideBySide(workload: Workload, smtpload: string, places: Places): Promise<readonly Row[]> {
  const servers: Server[] = [];
  for (const name of SERVERS) {
    const server = await startServer(cleanup, name, places, workload.refuses);
    if (server !== undefined) servers.push(server);
  }
  const taken = new Map(
    servers.map(({ name }) => [
      name,
      { perSecond: [] as number[], cpu: [] as number[], p99: [] as number[] },
    ]),
  );
  for (let round = 0; round <= rounds; round++) {
    for (const { name, port, pid } of servers) {
      progress(`${workload.name}, round ${round} of ${rounds}: ${name}`);
      const before = cpuSeconds(pid);
      const result = await load(smtpload, port, [
        '-n',
        String(workload.sessions),
        '-c',
        '100',
        '-x',
        String(round * 100_000),
        ...workload.args,
      ]);
      const cpu = cpuSeconds(pid) - before;
      const done = Object.entries(result.replies).reduce(
        (sum, [step, count]) => sum + (workload.expected.test(step) ? count : 0),
        0,
      );
      if (done !== workload.sessions) {
        throw new Error(
          `${name}, ${workload.name}: ${done} of ${workload.sessions} sessions went as they should: ${JSON.stringify(result)}`,
        );
      }
      if (round === 0) continue;
      const list = taken.get(name);
      list?.perSecond.push(result.per_second);
      list?.cpu.push((cpu / workload.sessions) * 1000);
      list?.p99.push(result.p99_ms);
    }
  }
  const rows = servers.map(({ name, pid }) => ({
    workload: workload.name,
    server: name,
    perSecond: median(taken.get(name)?.perSecond ?? []),
    cpuPerThousand: median(taken.get(name)?.cpu ?? []),
    p99Ms: median(taken.get(name)?.p99 ?? []),
    rssOctets: rssOctets(pid),
  }));
  for (const server of servers) await server.stop();
  return rows;
}

async function idleCost(name: ServerName, smtpload: string, places: Places): Promise<IdleRow | undefined> {
  progress(`${idleConnections} idle connections: ${name}`);
  const server = await startServer(cleanup, name, places, false);
  if (server === undefined) return undefined;
  // What a server builds at its first connections is no cost of an idle one.
  await load(smtpload, server.port, ['-m', 'connect', '-n', '1000', '-c', '100']);
  await sleep(1000);
  const filesBefore = openFiles(server.pid);
  const before = rssOctets(server.pid);
  const clients = load(smtpload, server.port, [
    '-m',
    'idle',
    '-n',
    String(idleConnections),
    '-c',
    String(idleConnections),
    '-t',
    '12',
  ]);
  await sleep(10_000);
  const held = openFiles(server.pid) - filesBefore;
  const after = rssOctets(server.pid);
  const { replies } = await clients;
  await server.stop();
  const greeted = replies['banner 220'] ?? 0;
  if (greeted !== idleConnections || held < idleConnections) {
    throw new Error(
      `${name}: of ${idleConnections} idle connections ${greeted} saw the banner and ${held} were held`,
    );
  }
  return {
    server: name,
    connections: held,
    octetsEach: (after - before) / idleConnections,
    rssOctets: after,
  };
}

function ratioToBare(rows: readonly Row[], row: Row): number {
  const bare = rows.find((r) => r.workload === row.workload && r.server === 'bare');
  return row.perSecond / (bare?.perSecond ?? NaN);
}

function goals(
  rows: readonly Row[],
  idle: readonly IdleRow[],
  ladder: readonly LadderRow[],
): readonly string[] {
  const missed: string[] = [];
  const refused = rows.find((row) => row.workload === 'RCPT refused' && row.server === 'gate');
  const ratio = refused === undefined ? NaN : ratioToBare(rows, refused);
  if (!(ratio >= GOAL_RATIO))
    missed.push(`RCPT refused at ${ratio.toFixed(2)} of the bare responder, wanted ${GOAL_RATIO}`);
  const each = idle.find((row) => row.server === 'gate')?.octetsEach ?? NaN;
  if (!(each <= GOAL_IDLE_OCTETS))
    missed.push(`${Math.round(each)} octets for an idle connection, wanted ${GOAL_IDLE_OCTETS}`);
  for (const { workload, cpuPerThousand, goal } of ladder) {
    if (!(cpuPerThousand <= goal))
      missed.push(`${workload} at ${cpuPerThousand.toFixed(2)} CPU s per 1,000 sessions, wanted ${goal}`);
  }
  return missed;
}

function print(
  rows: readonly Row[],
  idle: readonly IdleRow[],
  ladder: readonly LadderRow[],
  messages: readonly MessageRow[],
  doors: readonly DoorRow[],
): void {
  const mib = (octets: number) => (octets / 1_048_576).toFixed(0);
  const lines = [
    `Measured on ${machine()}.`,
    '',
    '| workload | server | sessions/s | of bare | CPU s per 1,000 | p99 ms | RSS MiB |',
    '|---|---|---:|---:|---:|---:|---:|',
    ...rows.map(
      (row) =>
        `| ${row.workload} | ${row.server} | ${row.perSecond.toFixed(0)} | ${ratioToBare(rows, row).toFixed(2)} | ${row.cpuPerThousand.toFixed(2)} | ${row.p99Ms.toFixed(0)} | ${mib(row.rssOctets)} |`,
    ),
    '',
    '| idle connections | server | KiB each | RSS MiB |',
    '|---:|---|---:|---:|',
    ...idle.map(
      (row) =>
        `| ${row.connections} | ${row.server} | ${(row.octetsEach / 1024).toFixed(1)} | ${mib(row.rssOctets)} |`,
    ),
    '',
    '| whole ladder | sessions/s | CPU s per 1,000, gate | all processes | goal |',
    '|---|---:|---:|---:|---:|',
    ...ladder.map(
      (row) =>
        `| ${row.workload} | ${row.perSecond.toFixed(0)} | ${row.gateCpuPerThousand.toFixed(2)} | ${row.cpuPerThousand.toFixed(2)} | ${row.goal} |`,
    ),
    '',
    '| signed message | checks of the message | messages/s | CPU s per 1,000, gate | p99 ms |',
    '|---|---|---:|---:|---:|',
    ...messages.map(
      (row) =>
        `| ${row.workload} | ${row.checks} | ${row.perSecond.toFixed(0)} | ${row.cpuPerThousand.toFixed(2)} | ${row.p99Ms.toFixed(0)} |`,
    ),
    '',
    ...doorTable(doors),
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function machine(): string {
  const cores = cpus();
  const day = new Date().toISOString().slice(0, 10);
  return `${cores.length} cores of ${cores[0]?.model.trim() ?? 'an unknown kind'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, loopback, ${day}, ${rounds} rounds`;
}

/** Descriptors that a process may have at most: one a connection. */
function hardFileLimit(): number {
  const said = execFileSync('/bin/sh', ['-c', 'ulimit -H -n'], { encoding: 'utf8' }).trim();
  return said === 'unlimited' ? Infinity : Number(said);
}

function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}
