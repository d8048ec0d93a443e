import { basename, resolve } from 'node:path';
import type { AnyCheck } from '../core/check.ts';
import type { ListEntry } from '../core/lists.ts';
import type { CheckSettings } from '../core/policy.ts';
import type { Site } from '../core/site.ts';
import { networkSet } from '../mail/networks.ts';
import type { BackendConfig, CheckConfig, Config, Limits, TlsConfig } from './config.ts';
import type { Locator } from './locate.ts';
import type { BackendSettings, FileSettings } from './schema.ts';

/** What stands around the file itself. */
interface Surroundings {
  readonly file: string;
  readonly folder: string;
  readonly policy: string;
  readonly listEntries: readonly ListEntry[];
  readonly users: ReadonlyMap<string, string> | undefined;
  readonly checks: readonly { readonly check: AnyCheck; readonly settings: unknown }[];
}

/** From the operator's words to the program's. */
export function settle(said: FileSettings, around: Surroundings): Config {
  const { file, folder, policy, listEntries, users } = around;
  const path = (name: string): string => resolve(folder, name);
  const site: Site = {
    hostName: said.host_name,
    domains: said.domains,
    networks: networkSet(said.networks),
    relays: networkSet(said.relays),
    addresses: said.listen.map(({ address }) => address.address).filter((a) => a !== '0.0.0.0' && a !== '::'),
    contact: said.contact ?? `postmaster@${(said.domains[0] ?? said.host_name).replace(/^\./, '')}`,
  };
  return {
    file,
    policy,
    site,
    dataDir: path(said.data_dir),
    refuseAtSuspicion: said.refuse_at_suspicion,
    checksTimeoutMs: said.checks_timeout,
    listen: said.listen.map(({ door, address, proxy_protocol_from, tls }) => ({
      door,
      ...address,
      proxyProtocolFrom: networkSet(proxy_protocol_from),
      tls: tls ?? (said.tls === undefined ? 'none' : 'starttls'),
    })),
    ...(said.tls === undefined ? {} : { tls: tlsOf(said.tls, path) }),
    backend: backendOf(said.backend, path),
    routes: said.route.map((route) => ({ domains: route.domains, backend: backendOf(route, path) })),
    dns: { servers: said.dns.servers, timeoutMs: said.dns.timeout, cacheEntries: said.dns.cache_entries },
    limits: limitsOf(said.limits),
    greetPauseMs: said.greet_pause.delay,
    ...(said.auth === undefined || users === undefined
      ? {}
      : { auth: { usersFile: path(said.auth.users_file), users } }),
    lenient: said.lenient.map(({ clients, ...granted }) => ({ clients: networkSet(clients), ...granted })),
    listEntries,
    checks: around.checks.map((one) => checkOf(one.check, one.settings as CheckSettings, site)),
    logFormat: said.log.format,
    journalKeptMs: said.journal.kept,
  };
}

function checkOf(check: AnyCheck, settings: CheckSettings, site: Site): CheckConfig {
  const idle = check.idle?.(settings, site);
  return { check, settings, ...(idle === undefined ? {} : { idle }) };
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
    clientPrefixV4: said.client_prefix_v4,
    clientPrefixV6: said.client_prefix_v6,
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
