/**
 * The two doors behind Postfix: Postfix with our milter, with our policy service, and with what Debian has for the same checks,
 * which are its own restrictions (HELO, PTR and FCrDNS, sender domain, two block lists), postgrey, and policyd-spf. Sessions that are
 * greylisted, and such that pass with 4 KiB, which Postfix then throws away. In turns, each session with a client, names and
 * addresses of its own, against real DNS servers. CPU is that of all processes: Postfix with its daemons and what they start, gate or
 * postgrey, and the DNS servers. The gate runs all checks by their defaults, so it does more; what those of the message are of that,
 * which nothing else here looks at, a milter without them shows.
 */
import { execFileSync } from 'node:child_process';
import { chown, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LADDER } from '../src/checks/ladder.ts';
import { freePort } from '../test/freeport.ts';
import { startGate } from '../test/gate.ts';
import { findProgram, type Skippable } from '../test/peers/peer.ts';
import { startPostfix, type PostfixSettings } from '../test/peers/postfix.ts';
import { startProgram, type Cleanup } from '../test/program.ts';
import { CLIENTS, HONEST_FIRST, startDnsServers } from './dns-servers.ts';
import { familyCpuSeconds, load, median } from './measure.ts';
import { everyCheck } from './ladder.ts';
import { CALM, ROOMY, type Places } from './servers.ts';

const FILTERS = ['milter', 'milter, envelope only', 'policy service', 'postgrey, policyd-spf'] as const;
type FilterName = (typeof FILTERS)[number];

interface DoorWorkload {
  readonly name: string;
  readonly args: readonly string[];
  readonly expected: string;
  /** Whether who is new has to come again; else he is noted as known, and let through. */
  readonly defers: boolean;
}

const NAMES = [
  ...['-B', HONEST_FIRST, '-S', String(CLIENTS)],
  ...['-H', 'mx%d.example.net', '-F', 'sender%d@example.net'],
];
const RECIPIENT = ['-R', 'user%d@example.org'];
const WORKLOADS: readonly DoorWorkload[] = [
  { name: 'greylisted', args: ['-m', 'rcpt', ...NAMES, ...RECIPIENT], expected: 'rcpt 450', defers: true },
  {
    name: 'passing, 4 KiB',
    args: ['-l', '4096', ...NAMES, ...RECIPIENT],
    expected: 'message 250',
    defers: false,
  },
];

export interface DoorRow {
  readonly workload: string;
  readonly filter: FilterName;
  readonly perSecond: number;
  /** Of the gate or postgrey; policyd-spf is among Postfix's processes. */
  readonly filterCpuPerThousand: number;
  readonly cpuPerThousand: number;
  readonly p99Ms: number;
}

/** A Postfix and what it asks. */
interface Side {
  readonly name: FilterName;
  readonly port: number;
  readonly postfix: number;
  readonly filter: number;
  /** Until Postfix has thrown away what it took. */
  delivered(): Promise<void>;
  /** The end of Postfix's log and of its filter's. */
  said(): Promise<string>;
  stop(): Promise<void>;
}

const NOBODY = 65534;
const DELIVERY_MS = 60_000;

interface Options {
  readonly rounds: number;
  readonly sessions: number;
  readonly progress: (text: string) => void;
}

/** Undefined where something is not installed, or not allowed. */
export async function doorRows(
  cleanup: Cleanup,
  smtpload: string,
  places: Places,
  { rounds, sessions, progress }: Options,
): Promise<readonly DoorRow[] | undefined> {
  const lacks = lacking();
  if (lacks !== undefined) {
    progress(`Postfix's doors are left out: ${lacks}`);
    return undefined;
  }
  if (WORKLOADS.flatMap(filtersOf).length * (rounds + 1) * sessions > CLIENTS)
    throw new Error('a client would come twice, and be in the caches');
  const dir = join(places.dir, 'doors');
  await mkdir(dir);
  // Another run at the same time has an address of its own.
  const resolver = `127.53.${process.pid & 255}.${((process.pid >> 8) % 254) + 1}`;
  const dns = await startDnsServers(cleanup, dir, [], resolver);
  if (dns === undefined) return undefined;
  // No setting tells Postfix and policyd-spf of a resolver: they see this file in place of the system's.
  await writeFile(join(dir, 'resolv.conf'), `nameserver ${resolver}\n`);

  const rows: DoorRow[] = [];
  let first = 0;
  for (const workload of WORKLOADS) {
    const sides: Side[] = [];
    for (const name of filtersOf(workload))
      sides.push(await startSide(cleanup, name, dir, dns.port, workload));
    const taken = new Map(
      sides.map(({ name }) => [
        name,
        { perSecond: [] as number[], filter: [] as number[], cpu: [] as number[], p99: [] as number[] },
      ]),
    );
    // The first round warms up: it starts Postfix's daemons, and theirs.
    for (let round = 0; round <= rounds; round++) {
      for (const side of sides) {
        progress(`Postfix, ${workload.name}, round ${round} of ${rounds}: ${side.name}`);
        const cpu = () =>
          [side.postfix, side.filter, ...dns.pids].reduce((sum, pid) => sum + familyCpuSeconds(pid), 0);
        const before = cpu();
        const filterBefore = familyCpuSeconds(side.filter);
        const result = await load(smtpload, side.port, [
          ...['-n', String(sessions), '-c', '50', '-x', String(first)],
          ...workload.args,
        ]);
        await side.delivered();
        first += sessions;
        const done = result.replies[workload.expected] ?? 0;
        if (done !== sessions) {
          throw new Error(
            `${side.name}, ${workload.name}: ${done} of ${sessions} sessions heard ${workload.expected}: ${JSON.stringify(result)}\n${await side.said()}`,
          );
        }
        if (round === 0) continue;
        const lists = taken.get(side.name);
        lists?.perSecond.push(result.per_second);
        lists?.cpu.push(((cpu() - before) / sessions) * 1000);
        lists?.filter.push(((familyCpuSeconds(side.filter) - filterBefore) / sessions) * 1000);
        lists?.p99.push(result.p99_ms);
      }
    }
    for (const side of sides) {
      const lists = taken.get(side.name);
      rows.push({
        workload: workload.name,
        filter: side.name,
        perSecond: median(lists?.perSecond ?? []),
        filterCpuPerThousand: median(lists?.filter ?? []),
        cpuPerThousand: median(lists?.cpu ?? []),
        p99Ms: median(lists?.p99 ?? []),
      });
      await side.stop();
    }
  }
  return rows;
}

// Who is greylisted brings no message.
const filtersOf = ({ defers }: DoorWorkload): readonly FilterName[] =>
  FILTERS.filter((name) => !(defers && name === 'milter, envelope only'));

export function doorTable(rows: readonly DoorRow[]): readonly string[] {
  if (rows.length === 0) return [];
  return [
    '| Postfix, sessions | with | sessions/s | CPU s per 1,000, gate or postgrey | all processes | p99 ms |',
    '|---|---|---:|---:|---:|---:|',
    ...rows.map(
      (row) =>
        `| ${row.workload} | ${row.filter} | ${row.perSecond.toFixed(0)} | ${row.filterCpuPerThousand.toFixed(2)} | ${row.cpuPerThousand.toFixed(2)} | ${row.p99Ms.toFixed(0)} |`,
    ),
  ];
}

function lacking(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may start it';
  for (const program of ['postfix', 'postgrey', 'policyd-spf', 'nsd', 'rbldnsd', 'unbound', 'unshare'])
    if (findProgram(program) === undefined) return `${program} is not installed`;
  try {
    execFileSync('unshare', ['-m', 'mount', '--bind', '/etc/resolv.conf', '/etc/resolv.conf'], {
      stdio: 'ignore',
    });
  } catch {
    return 'mounts of its own are not allowed here';
  }
  return undefined;
}

async function startSide(
  cleanup: Cleanup,
  name: FilterName,
  dir: string,
  dns: number,
  { defers }: DoorWorkload,
): Promise<Side> {
  const home = join(dir, `${defers ? 'defers' : 'passes'}-${FILTERS.indexOf(name)}`);
  await mkdir(home);
  const filter =
    name === 'postgrey, policyd-spf'
      ? await startPostgrey(cleanup, home, defers)
      : await startGate(cleanup, {
          dir: home,
          door: name === 'policy service' ? 'policy' : 'milter',
          dns: `127.0.0.1:${dns}`,
          limits: ROOMY,
          tables: gateTables(name, defers),
        });
  const skippable: Skippable = {
    after: (fn) => cleanup.after(fn),
    skip: (why) => {
      throw new Error(why);
    },
  };
  const { settings, services } = await asking(name, filter.port, home);
  const postfix = await startPostfix(skippable, {
    deliver: 'discard',
    settings: [
      // Postfix looks up its client's name by default, whoever else does.
      'smtpd_peername_lookup = yes',
      'mynetworks = 127.255.0.1/32',
      'default_process_limit = 100',
      // Else it makes clients wait for a second when more comes in than it has delivered yet.
      'in_flow_delay = 0s',
      ...settings,
    ],
    services,
    under: [
      ...['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"'],
      join(dir, 'resolv.conf'),
    ],
  });
  if (postfix === undefined) throw new Error('Postfix did not start');
  return {
    name,
    port: postfix.port,
    postfix: postfix.pid,
    filter: filter.pid,
    delivered: () => untilEmpty(name, join(postfix.dir, 'queue')),
    said: async () => `${(await postfix.log()).slice(-3000)}\n${filter.process.lines.slice(-10).join('\n')}`,
    stop: async () => {
      await postfix.stop();
      await filter.stop();
    },
  };
}

async function untilEmpty(name: FilterName, queue: string): Promise<void> {
  const end = Date.now() + DELIVERY_MS;
  while (true) {
    const folders = ['incoming', 'active', 'deferred'].map((folder) => readdir(join(queue, folder)));
    const queued = (await Promise.all(folders)).flat().length;
    if (queued === 0) return;
    if (Date.now() > end) throw new Error(`${name}: ${queued} messages are still in the queue`);
    await sleep(20);
  }
}

/** What of Postfix's configuration makes it ask. */
async function asking(
  name: FilterName,
  port: number,
  home: string,
): Promise<Required<Pick<PostfixSettings, 'settings' | 'services'>>> {
  const service = `check_policy_service inet:127.0.0.1:${port}`;
  switch (name) {
    case 'milter':
    case 'milter, envelope only':
      return {
        settings: [
          `smtpd_milters = inet:127.0.0.1:${port}`,
          'smtpd_recipient_restrictions = reject_unauth_destination',
        ],
        services: [],
      };
    case 'policy service':
      return {
        settings: [
          `smtpd_recipient_restrictions = reject_unauth_destination, ${service}`,
          `smtpd_end_of_data_restrictions = ${service}`,
        ],
        services: [],
      };
    case 'postgrey, policyd-spf': {
      const conf = join(home, 'policyd-spf.conf');
      // As Debian has it, save that it would not ask about clients on loopback.
      await writeFile(
        conf,
        `debugLevel = 1
TestOnly = 1
HELO_reject = Fail
Mail_From_reject = Fail
PermError_reject = False
TempError_Defer = False
skip_addresses = 127.255.0.1/32
`,
      );
      const restrictions = [
        ...['reject_unauth_destination', 'reject_invalid_helo_hostname', 'reject_non_fqdn_helo_hostname'],
        ...['reject_unknown_helo_hostname', 'reject_unknown_client_hostname', 'reject_unknown_sender_domain'],
        ...['reject_rbl_client bl.example', 'reject_rbl_client second.example'],
        ...['check_policy_service unix:private/policyd-spf', service],
      ];
      return {
        settings: [
          'smtpd_helo_required = yes',
          `smtpd_recipient_restrictions = ${restrictions.join(', ')}`,
          'policyd-spf_time_limit = 3600',
        ],
        services: [
          `policyd-spf unix - n n - 0 spawn user=policyd-spf argv=${findProgram('policyd-spf')} ${conf}`,
        ],
      };
    }
    default:
      return name satisfies never;
  }
}

async function startPostgrey(cleanup: Cleanup, home: string, defers: boolean) {
  const db = join(home, 'postgrey');
  await mkdir(db);
  await chown(db, NOBODY, NOBODY);
  const port = await freePort();
  const program = startProgram(cleanup, findProgram('postgrey') ?? 'postgrey', [
    ...[`--inet=127.0.0.1:${port}`, `--dbdir=${db}`, '--user=nobody', '--group=nogroup'],
    // Below zero it notes who comes and lets him through; zero would be its default.
    `--delay=${defers ? 300 : -1}`,
  ]);
  await program.line(/Setting uid/);
  return { port, pid: program.pid, process: program, stop: () => program.stop() };
}

function gateTables(name: FilterName, defers: boolean): string {
  const off = name === 'milter, envelope only' ? LADDER.filter(({ stage }) => stage === 'endOfMessage') : [];
  const tables = off.map((check) => `[checks.${check.name}]\non_fail = "off"\n`);
  return CALM + tables.join('') + everyCheck(defers ? 'classic' : 'seed-only');
}
