import { basename, resolve } from 'node:path';
import type { AnyCheck } from '../core/check.ts';
import type { ListEntries, ListEntry } from '../core/lists.ts';
import type { CheckSettings } from '../core/policy.ts';
import type { Site } from '../core/site.ts';
import { networkSet } from '../mail/networks.ts';
import type { SignatureRule } from '../mail/signatures.ts';
import { adminOf } from './admin.ts';
import type {
  BackendConfig,
  CheckConfig,
  Config,
  Limits,
  ListenConfig,
  LoadConfig,
  ServiceConfig,
  TlsConfig,
} from './config.ts';
import type { Locator } from './locate.ts';
import { originsOf, watched, type Origin, type Origins, type Stance } from './profile.ts';
import type { BackendSettings, FileSettings } from './schema.ts';

/** What stands around the file itself. */
interface Surroundings {
  readonly file: string;
  readonly text: string;
  readonly folder: string;
  readonly policy: string;
  readonly listEntries: ListEntries;
  readonly signatures: readonly SignatureRule[];
  readonly users: ReadonlyMap<string, string> | undefined;
  /** The numbers of all groups that listeners name. */
  readonly groups: ReadonlyMap<string, number>;
  readonly checks: readonly { readonly check: AnyCheck; readonly settings: unknown }[];
  readonly locator: Locator;
}

/** From the operator's words to the program's. */
export function settle(said: FileSettings, around: Surroundings): Config {
  const { file, folder, policy, listEntries, users, locator } = around;
  const { profile } = said;
  const stance: Stance = { profile, refuseAt: said.refuse_at };
  const lineOf = (path: readonly string[]): Origin | undefined => {
    const line = locator.exactly(path);
    return line === undefined ? undefined : `${basename(file)}:${line}`;
  };
  const path = (name: string): string => resolve(folder, name);
  const site: Site = {
    hostName: said.host_name,
    domains: said.domains,
    networks: networkSet(said.networks),
    relays: networkSet(said.relays),
    clientPrefix: { v4: said.limits.client_prefix_v4, v6: said.limits.client_prefix_v6 },
    addresses: said.listen
      .flatMap(({ door, address }) => (door === 'gateway' && 'address' in address ? [address.address] : []))
      .filter((a) => a !== '0.0.0.0' && a !== '::'),
    honeypot: said.listen.some(({ role }) => role === 'honeypot'),
    ...batvOf(around.checks),
    contact: said.contact ?? `postmaster@${(said.domains[0] ?? said.host_name).replace(/^\./, '')}`,
    ...(said.report_page === undefined ? {} : { reportUrl: said.report_page.url }),
  };
  return {
    file,
    text: around.text,
    policy,
    site,
    dataDir: path(said.data_dir),
    ...(profile === undefined ? {} : { profile }),
    refuseAtSuspicion: profile === 'watch' ? Infinity : said.refuse_at_suspicion,
    ...(profile === 'watch' ? { meant: { refuseAtSuspicion: said.refuse_at_suspicion } } : {}),
    refuseAtSuspicionFrom:
      profile === 'watch' ? 'profile watch' : (lineOf(['refuse_at_suspicion']) ?? 'default'),
    checksTimeoutMs: said.checks_timeout,
    recipientTimeoutMs: said.recipient_timeout,
    messageChecksTimeoutMs: said.message_checks_timeout,
    signatures: around.signatures,
    listen: said.listen.flatMap((listener, index) => listenOf(listener, index, said.tls !== undefined)),
    services: said.listen.flatMap((listener, index) => serviceOf(listener, index, around.groups, path)),
    ...(said.tls === undefined ? {} : { tls: tlsOf(said.tls, path) }),
    ...(said.backend === undefined ? {} : { backend: backendOf(said.backend, path) }),
    routes: said.route.map((route) => ({ domains: route.domains, backend: backendOf(route, path) })),
    dns: { servers: said.dns.servers, timeoutMs: said.dns.timeout, cacheEntries: said.dns.cache_entries },
    limits: limitsOf(said.limits),
    load: loadOf(said.load),
    emergency: { turnAwayPercent: said.emergency.turn_away },
    greetPauseMs: said.greet_pause.delay,
    ...(said.auth === undefined || users === undefined
      ? {}
      : { auth: { usersFile: path(said.auth.users_file), users } }),
    lenient: said.lenient.map(({ clients, ...granted }) => ({ clients: networkSet(clients), ...granted })),
    listEntries,
    checks: around.checks.map(({ check, settings }) => {
      const given = settings as CheckSettings;
      const inForce = profile === 'watch' ? watched(check, given) : given;
      const { follows } = check;
      const lineOfIt = (path: readonly string[]) =>
        lineOf(path) ??
        (follows === undefined ? undefined : lineOf(path.map((key) => (key === check.name ? follows : key))));
      const of = checkOf(check, inForce, site, originsOf(check, inForce, stance, lineOfIt));
      return profile === 'watch' ? { ...of, meant: given } : of;
    }),
    logFormat: said.log.format,
    journalKeptMs: said.journal.kept,
    journalOctets: said.journal.size,
    admin: adminOf(said, folder),
    lineOf: (path) => locator.exactly(path),
  };
}

/** They stand in the check that a postmaster looks for, and hold for all that sees a recipient, whether that check is on or off. */
function batvOf(checks: Surroundings['checks']): Pick<Site, 'batvKeys' | 'signsOutgoing'> {
  const settings = checks.find(({ check }) => check.name === 'fake-bounce')?.settings as
    CheckSettings | undefined;
  return {
    batvKeys: settings?.['batv_keys'] as Site['batvKeys'],
    signsOutgoing: settings?.['sign_outgoing'] === true,
  };
}

function checkOf(check: AnyCheck, settings: CheckSettings, site: Site, origins: Origins): CheckConfig {
  const idle = check.idle?.(settings, site);
  return { check, settings, ...(idle === undefined ? {} : { idle }), origins };
}

type Listener = FileSettings['listen'][number];

function listenOf(
  { door, role, address, proxy_protocol_from, tls }: Listener,
  index: number,
  hasCertificate: boolean,
): readonly ListenConfig[] {
  // A gateway on a path has been refused by then.
  if (door !== 'gateway' || 'path' in address) return [];
  return [
    {
      index,
      ...(role === undefined ? {} : { role }),
      ...address,
      proxyProtocolFrom: networkSet(proxy_protocol_from),
      tls: tls ?? (hasCertificate ? 'starttls' : 'none'),
    },
  ];
}

const DEFAULT_MODE = 0o660;

function serviceOf(
  { door, address, mode = DEFAULT_MODE, group = '' }: Listener,
  index: number,
  groups: ReadonlyMap<string, number>,
  path: (name: string) => string,
): readonly ServiceConfig[] {
  if (door === 'gateway') return [];
  if (!('path' in address)) return [{ index, door, at: address }];
  const groupId = groups.get(group);
  const own = groupId === undefined ? {} : { groupId };
  return [{ index, door, at: { path: path(address.path), mode, ...own } }];
}

function tlsOf(tls: NonNullable<FileSettings['tls']>, path: (name: string) => string): TlsConfig {
  return {
    certificate: path(tls.certificate),
    key: path(tls.key),
    sni: tls.sni.map(({ names, certificate, key }) => ({
      names,
      certificate: path(certificate),
      key: path(key),
    })),
    sessionTickets: tls.session_tickets,
    minVersion: tls.min_version,
  };
}

function backendOf(said: BackendSettings, path: (name: string) => string): BackendConfig {
  const { url } = said;
  return {
    url: 'path' in url ? { ...url, path: path(url.path) } : url,
    tls: said.tls,
    xclient: said.xclient,
    maxConnections: said.max_connections,
    connectTimeoutMs: said.connect_timeout,
    commandTimeoutMs: said.command_timeout,
    dataTimeoutMs: said.data_timeout,
    idleTimeoutMs: said.idle_timeout,
  };
}

function limitsOf(said: FileSettings['limits']): Limits {
  return {
    messageOctets: said.message_size,
    headerOctets: said.header_size,
    recipients: said.recipients,
    transactions: said.transactions,
    errors: said.errors,
    commands: said.commands,
    connections: said.connections,
    connectionsPerClient: said.connections_per_client,
    connectionsPerMinute: said.connections_per_minute,
    reservedForGood: said.reserved_for_good,
    greetingTimeoutMs: said.greeting_timeout,
    commandTimeoutMs: said.command_timeout,
    dataTimeoutMs: said.data_timeout,
    sessionTimeMs: said.session_time,
    stressAt: said.stress_at,
    stressTimeoutMs: said.stress_timeout,
    spoolMemoryOctets: said.spool_memory,
    memoryOctets: said.memory,
    drainTimeoutMs: said.drain_timeout,
  };
}

function loadOf(said: FileSettings['load']): LoadConfig {
  return {
    loadAverage: { deferAt: said.defer_at_load_average, refuseAt: said.refuse_at_load_average },
    eventLoopDelayMs: { deferAt: said.defer_at_event_loop_delay, refuseAt: said.refuse_at_event_loop_delay },
    memoryPercent: { deferAt: said.defer_at_memory, refuseAt: said.refuse_at_memory },
    sessionsPercent: { deferAt: said.defer_at_sessions, refuseAt: said.refuse_at_sessions },
    memoryLimitOctets: said.memory_limit,
  };
}

/** The entries that stand in the file itself. */
export function* listEntriesOf(said: FileSettings, file: string, locator: Locator): Generator<ListEntry> {
  const kinds = { allow: 'allow', block: 'block', list_host: 'list-host' } as const;
  for (const key of ['allow', 'block', 'list_host'] as const) {
    for (const [i, entry] of said[key].entries()) {
      const named = Object.fromEntries(Object.entries(entry).filter(([, part]) => part !== undefined));
      yield { kind: kinds[key], ...named, source: `${basename(file)}:${locator.line([key, i])}` };
    }
  }
}
