/** A configuration put to work: the policy, the ports and the backends that belong together until the next reload. */
import type { GatewayListener, GatewaySettings } from '../doors/gateway/world.ts';
import type { Endpoint } from '../doors/listener.ts';
import type { MilterSettings } from '../doors/milter/world.ts';
import type { PolicySettings } from '../doors/policy/world.ts';
import type { JudgeSettings } from '../doors/session.ts';
import type { BackendConfig, Config } from '../config/config.ts';
import { hasPlaceAt } from '../core/check.ts';
import type { SessionFacts } from '../core/facts.ts';
import type { Policy } from '../core/policy.ts';
import type { ClassifierPort, Ports } from '../core/ports.ts';
import { COSTS } from '../core/stage.ts';
import { Certificates } from '../adapters/certificates.ts';
import { Credentials } from '../adapters/credentials.ts';
import { ACCEPT_ALL_REMEDY, AcceptAllWatch } from '../adapters/backends/accept-all.ts';
import { openBackend } from '../adapters/backends/open.ts';
import { createRouter, type Router } from '../adapters/backends/router.ts';
import { Archives, type OpenArchives } from '../adapters/archives/archives.ts';
import { Callout } from '../adapters/callout.ts';
import { DnsShares } from '../adapters/dns/shares.ts';
import { DnsResolver } from '../adapters/dns/resolver.ts';
import { ZoneHealth, type ZoneEvent } from '../adapters/dns/zone-health.ts';
import { Health } from '../adapters/health.ts';
import { openScanners, type OpenScanners } from '../adapters/scanners/open.ts';
import { Spools } from '../adapters/spool.ts';
import { archivesSettingsOf, type AttachmentSettings } from '../checks/attachments.ts';
import { scannerSettingsOf, type Scanning } from '../checks/scanning.ts';
import { watchedZones } from '../checks/dns-zones.ts';
import { convictionsOf } from '../config/convictions.ts';
import { isOff } from '../config/off.ts';
import { buildLists, joinedLists, type Lists } from '../core/lists.ts';
import { isOurDomain, type Site } from '../core/site.ts';
import { newId } from '../engine/id.ts';
import { DEFAULT_LIMITS, tightened } from '../wire/smtp/limits.ts';
import { join } from 'node:path';

export interface InForce {
  readonly config: Config;
  readonly settings: GatewaySettings;
  readonly listeners: readonly GatewayListener[];
  readonly milter: Service<MilterSettings>;
  readonly policyService: Service<PolicySettings>;
  readonly zones: ZoneHealth;
  readonly dns: DnsResolver;
  readonly health: Health;
  readonly router: Router;
  readonly scanners: OpenScanners;
  readonly archives: OpenArchives | undefined;
  readonly spools: Spools;
  readonly certificates: Certificates | undefined;
  readonly credentials: Credentials | undefined;
}

/** A door that serves MTAs. */
interface Service<S> {
  readonly settings: S;
  readonly endpoints: readonly Endpoint[];
}

export interface Surroundings {
  /** The store, in all its uses. */
  readonly state: Pick<Ports, 'store' | 'greylist' | 'standing' | 'blocks' | 'rates'>;
  readonly classifier: ClassifierPort;
  /** What people list while the gate runs; asked beside the lists of the configuration. */
  readonly listed?: Lists;
  /** While it is not, refusals name the contact. Without it the page is named where it is configured. */
  readonly isReportPageUp?: () => boolean;
  /** Nothing is asked on the side. */
  readonly isTrial?: true;
  readonly nowMs: () => number;
  readonly onZone: (event: ZoneEvent) => void;
  readonly onTrouble: (what: string, error: unknown) => void;
}

/** Throws where a file that the configuration names cannot be used, with a message for the operator. */
export function putInForce(
  config: Config,
  around: Surroundings,
  lists: Lists = buildLists(config.listEntries),
): InForce {
  const { limits, site } = config;
  const dns = new DnsResolver({
    servers: config.dns.servers,
    timeoutMs: config.dns.timeoutMs,
    maxCached: config.dns.cacheEntries,
  });
  const shares = new DnsShares(dns);
  const zones = new ZoneHealth({ dns, zones: zonesOf(config), onEvent: around.onZone });
  const acceptAll = acceptAllWatch(config, around);
  const health = new Health(around.nowMs);
  const backendOf = ({ url, ...settings }: BackendConfig) => {
    const backend = health.backend(
      openBackend(url, { ...settings, hostName: site.hostName }, around.onTrouble),
    );
    // A Maildir takes what it is given and bounces nothing.
    return url.kind === 'maildir' ? backend : (acceptAll?.watching(backend) ?? backend);
  };
  const router = createRouter(
    config.backend === undefined ? undefined : backendOf(config.backend),
    config.routes.map((route) => ({ domains: route.domains, backend: backendOf(route.backend) })),
  );
  const certificates =
    config.tls === undefined
      ? undefined
      : new Certificates(config.tls, around.nowMs, (file, error) =>
          around.onTrouble(`the certificate ${file}`, error),
        );
  const scanners = openScanners({
    clamav: scannerOf(config, 'clamav'),
    spamassassin: scannerOf(config, 'spamassassin'),
    rspamd: scannerOf(config, 'rspamd'),
  });
  const archives = archivesOf(config);
  const judging: Omit<JudgeSettings, 'policy'> = {
    ports: {
      ...around.state,
      dns,
      callout: new Callout({
        hostName: site.hostName,
        dns,
        rates: around.state.rates,
        perServer: calloutsPerServer(config),
      }),
      lists: around.listed === undefined ? lists : joinedLists([lists, around.listed]),
      zones,
      scanners: {
        clamav: health.scanner('clamav', scanners.clamav),
        spamassassin: health.scanner('spamassassin', scanners.spamassassin),
        rspamd: health.scanner('rspamd', scanners.rspamd),
      },
      archives,
      classifier: around.classifier,
    },
    dnsFor: (network) => shares.of(network),
  };
  const liveSite = around.isReportPageUp === undefined ? site : siteNow(site, around.isReportPageUp);
  const policyFor = (door: SessionFacts['door']): Policy => ({ ...policyOf(config, door), site: liveSite });
  const settings: GatewaySettings = {
    ...judging,
    policy: policyFor('gateway'),
    backendFor: (mailbox) => router.backendFor(mailbox),
    offer: {
      hostName: site.hostName,
      sizeOctets: limits.messageOctets,
      auth: config.auth === undefined ? [] : ['PLAIN', 'LOGIN'],
    },
    limits,
    load: config.load,
    emergency: config.emergency,
    protocolLimits: {
      ...tightened(DEFAULT_LIMITS, {
        recipients: limits.recipients,
        errors: limits.errors,
        commands: limits.commands,
      }),
      messageOctets: limits.messageOctets,
      headerOctets: limits.headerOctets,
      recipients: limits.recipients,
      commandMs: limits.commandTimeoutMs,
      contentMs: limits.dataTimeoutMs,
    },
    greetPauseMs: config.greetPauseMs,
    lenient: config.lenient,
  };
  return {
    config,
    settings,
    listeners: config.listen.map((l) => ({ ...l, host: l.address })),
    milter: {
      settings: { ...judging, policy: policyFor('milter'), limits },
      endpoints: endpointsOf(config, 'milter'),
    },
    policyService: {
      settings: { ...judging, policy: policyFor('policy'), limits },
      endpoints: endpointsOf(config, 'policy'),
    },
    zones,
    dns,
    health,
    router,
    scanners,
    archives,
    spools: new Spools({
      directory: join(config.dataDir, 'spool'),
      memoryBoundOctets: limits.spoolMemoryOctets,
      maxMemoryOctets: limits.memoryOctets,
    }),
    certificates,
    credentials: config.auth === undefined ? undefined : new Credentials(config.auth.users),
  };
}

/** Asked anew with each refusal: the page is another process, which may be down. */
function siteNow(site: Site, isReportPageUp: () => boolean): Site {
  return {
    ...site,
    get reportUrl() {
      return isReportPageUp() ? site.reportUrl : undefined;
    },
  };
}

function endpointsOf({ services }: Config, door: 'milter' | 'policy'): readonly Endpoint[] {
  return services.flatMap(({ door: its, at }) =>
    its !== door ? [] : ['path' in at ? at : { host: at.address, port: at.port }],
  );
}

/** In the ladder's order, without what is off, cannot run, or has no place at the door. */
export function policyOf(config: Config, door: SessionFacts['door'] = 'gateway'): Policy {
  const running = config.checks.filter(
    (configured) => configured.idle === undefined && !isOff(configured) && hasPlaceAt(configured.check, door),
  );
  return {
    site: config.site,
    checks: running.toSorted((a, b) => COSTS.indexOf(a.check.cost) - COSTS.indexOf(b.check.cost)),
    refuseAtSuspicion: config.refuseAtSuspicion,
    meant: config.meant,
    convictions: convictionsOf(
      running,
      config.listen.map((listener) => listener.proxyProtocolFrom),
    ),
    checksTimeoutMs: config.checksTimeoutMs,
    recipientTimeoutMs: config.recipientTimeoutMs,
    messageChecksTimeoutMs: config.messageChecksTimeoutMs,
    hash: config.policy,
  };
}

/** Undefined where the check that would tell of it does not run, or is told not to. */
function acceptAllWatch(config: Config, around: Surroundings): AcceptAllWatch | undefined {
  const settings = config.checks.find(({ check }) => check.name === 'recipients')?.settings;
  const knownOnly = config.checks.find(({ check }) => check.name === 'recipient-list')?.settings[
    'known_only'
  ];
  if (settings?.['detect_accept_all'] !== true || knownOnly === true || around.isTrial === true)
    return undefined;
  return new AcceptAllWatch({
    store: around.state.store,
    hostName: config.site.hostName,
    isOurs: (domain) => isOurDomain(config.site, domain),
    everyMs: Number(settings['accept_all_every']),
    nowMs: around.nowMs,
    newId,
    onAcceptAll: (domain, url) =>
      around.onTrouble(
        `the backend ${url} takes any recipient of ${domain}, and will bounce later`,
        ACCEPT_ALL_REMEDY,
      ),
    onTrouble: around.onTrouble,
  });
}

function calloutsPerServer({ checks }: Config): number {
  return Number(checks.find(({ check }) => check.name === 'callout')?.settings['per_server'] ?? 0);
}

function archivesOf({ checks, signatures }: Config): OpenArchives | undefined {
  const settings = checks.find(({ check }) => check.name === 'attachments')?.settings;
  return settings === undefined
    ? undefined
    : new Archives(archivesSettingsOf(settings as unknown as AttachmentSettings), signatures);
}

function scannerOf({ checks }: Config, name: string) {
  const settings = checks.find(({ check }) => check.name === name)?.settings;
  return settings === undefined ? undefined : scannerSettingsOf(settings as unknown as Scanning);
}

function zonesOf(config: Config) {
  return config.checks.flatMap(({ settings }) =>
    Array.isArray(settings['zones'])
      ? watchedZones(settings['zones'] as Parameters<typeof watchedZones>[0])
      : [],
  );
}
