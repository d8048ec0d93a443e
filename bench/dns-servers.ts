/**
 * The DNS that the ladder's workloads ask: names from nsd, two block lists from rbldnsd, and unbound in front of both, as
 * operators have it. All on loopback; `undefined` where one of the three is not installed.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { Resolver } from 'node:dns/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from '../test/peers/peer.ts';
import { freePort } from '../test/freeport.ts';
import { startProgram, type Cleanup } from '../test/program.ts';

export interface DnsServers {
  readonly port: number;
  readonly pids: readonly number[];
}

/** Clients from here have names that hold; those from `LISTED_FIRST` on are on both lists. */
export const HONEST_FIRST = '127.16.0.1';
export const LISTED_FIRST = '127.31.0.1';
/** More than a run has sessions: nobody comes twice, so that no cache answers for a list. */
export const CLIENTS = 16_384;

// No other name is asked of anybody.
const ZONES = ['example.net', '127.in-addr.arpa', 'bl.example', 'second.example'];

const HEAD = (zone: string) => `$ORIGIN ${zone}.
$TTL 3600
@ SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 300
@ NS ns.example.net.
`;

function forwardZone(more: readonly string[]): string {
  const hosts = Array.from({ length: CLIENTS }, (_, i) => `mx${i} A ${address(i)}`);
  return `${HEAD('example.net')}ns A 192.0.2.53
@ MX 10 mx
mx A 20.0.2.25
@ TXT "v=spf1 ip4:127.16.0.0/12 -all"
${hosts.join('\n')}
${more.join('\n')}
`;
}

function reverseZone(): string {
  const hosts = Array.from({ length: CLIENTS }, (_, i) => {
    const [, , c = '', d = ''] = address(i).split('.');
    return `${d}.${c}.16 PTR mx${i}.example.net.`;
  });
  return `${HEAD('127.in-addr.arpa')}${hosts.join('\n')}
`;
}

// As smtpload numbers its clients: 127.16.0.1 is session 0's.
const address = (i: number): string => `127.16.${(i + 1) >> 8}.${(i + 1) & 255}`;

const LIST = `$SOA 3600 ns.bl.example hostmaster.bl.example 0 600 300 86400 300
$NS 3600 ns.bl.example
:127.0.0.2:listed, see https://bl.example/$
127.0.0.2
127.31.0.0/16
`;

/**
 * `more`: further lines of the zone of example.net. `at53`: an address where unbound answers at the port of DNS as well, for
 * programs that cannot be told of another; only root may.
 */
export async function startDnsServers(
  cleanup: Cleanup,
  parent: string,
  more: readonly string[] = [],
  at53?: string,
): Promise<DnsServers | undefined> {
  const [nsd, rbldnsd, unbound] = ['nsd', 'rbldnsd', 'unbound'].map(findProgram);
  if (nsd === undefined || rbldnsd === undefined || unbound === undefined) return undefined;
  const dir = join(parent, 'dns');
  await mkdir(dir);
  const [names, lists, port] = [await freePort(), await freePort(), await freePort()];
  const isRoot = process.getuid?.() === 0;

  await writeFile(join(dir, 'forward'), forwardZone(more));
  await writeFile(join(dir, 'reverse'), reverseZone());
  await writeFile(
    join(dir, 'nsd.conf'),
    `server:
  ip-address: 127.0.0.1@${names}
  username: ""
  zonesdir: "${dir}"
  database: ""
  pidfile: ""
  zonelistfile: "${dir}/zones.list"
  xfrdfile: "${dir}/xfrd.state"
  xfrdir: "${dir}"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: example.net
  zonefile: forward
zone:
  name: 127.in-addr.arpa
  zonefile: reverse
`,
  );
  await writeFile(join(dir, 'list'), LIST);
  await writeFile(
    join(dir, 'unbound.conf'),
    `server:
  interface: 127.0.0.1@${port}${at53 === undefined ? '' : `\n  interface: ${at53}@53`}
  username: ""
  chroot: ""
  directory: "${dir}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  module-config: "iterator"
  num-threads: 1
  do-not-query-localhost: no
  local-zone: "." static
${ZONES.map((zone) => `  local-zone: "${zone}." transparent`).join('\n')}
remote-control:
  control-enable: no
${ZONES.map((zone) => {
  const at = zone.endsWith('.example') ? lists : names;
  return `stub-zone:\n  name: "${zone}"\n  stub-addr: 127.0.0.1@${at}\n`;
}).join('')}`,
  );

  const programs = [
    startProgram(cleanup, nsd, ['-d', '-c', join(dir, 'nsd.conf')]),
    startProgram(cleanup, rbldnsd, [
      ...['-n', '-4', ...(isRoot ? ['-u', 'nobody:nogroup'] : []), '-w', dir, '-b', `127.0.0.1/${lists}`],
      ...['bl.example:ip4set:list', 'second.example:ip4set:list'],
    ]),
    startProgram(cleanup, unbound, ['-d', '-c', join(dir, 'unbound.conf')]),
  ];
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  const answers = async () =>
    (await resolver.reverse('127.16.0.1')).includes('mx0.example.net') &&
    (await resolver.resolve4('2.0.0.127.second.example')).length === 1;
  for (let tries = 0; !(await answers().catch(() => false)); tries++) {
    if (tries === 100) throw new Error('nsd, rbldnsd and unbound do not answer');
    await sleep(100);
  }
  return { port, pids: programs.map(({ pid }) => pid) };
}
