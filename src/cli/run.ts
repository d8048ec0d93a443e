/**
 * The one place that wires everything, and reads as such: configuration → what is in force → the doors, with the journal,
 * the store and the log beside them. SIGHUP puts a new configuration in force, SIGTERM and SIGINT stop gracefully.
 */
import { join } from 'node:path';
import { makeFolder } from '../adapters/folder.ts';
import { openJournal } from '../adapters/journal/sqlite.ts';
import { createLog, type Log } from '../adapters/log.ts';
import { Metrics } from '../adapters/metrics.ts';
import { openClassifier } from '../adapters/classifier/sqlite.ts';
import { TokenMemory } from '../adapters/classifier/token-memory.ts';
import { MachineLoad } from '../adapters/load.ts';
import { openStore } from '../adapters/store/sqlite.ts';
import { LADDER } from '../checks/ladder.ts';
import type { Config } from '../config/config.ts';
import { load, loading } from '../config/load.ts';
import { formatProblem } from '../config/problems.ts';
import { UNSETTLED } from '../core/charges.ts';
import { buildingLists } from '../core/lists.ts';
import type { Decision } from '../core/decision.ts';
import type { LoadChange } from '../doors/load.ts';
import { Gateway } from '../doors/gateway/gateway.ts';
import type { SocketAddress } from '../doors/listener.ts';
import { Milter } from '../doors/milter/milter.ts';
import { PolicyService } from '../doors/policy/policy.ts';
import { newId } from '../engine/id.ts';
import { inSlices } from '../engine/in-slices.ts';
import { AdminProcess } from './admin-process.ts';
import { EX_CONFIG, EX_OSERR } from './exit.ts';
import { dependenciesOf, RecentTrouble } from './gate-status.ts';
import { putInForce, type InForce } from './in-force.ts';
import { LivingLists } from './living-lists.ts';
import { rememberedMs, SEEN_MESSAGES } from './teaching-desk.ts';
import { inPlainWords } from './plain-words.ts';
import { findingWarnings, warningsOf } from './warnings.ts';

// What is too old or too much goes in small steps, also while a flood writes.
const EXPIRE_EVERY_MS = 60_000;
const LAST_LINES_MS = 2_000;
// Whom we turned away before is forgotten with a restart: they have as long to come to the next MX as those whom we know of.
const UNSETTLED_MS = 3_600_000;
const UNSETTLE_EVERY_MS = 300_000;

interface Place {
  readonly door: 'gateway' | 'milter' | 'policy';
  readonly host: string;
  readonly port: number;
}

export interface Running {
  /** Those of gateways first. A Unix socket's path stands as the host. */
  readonly addresses: readonly Place[];
  /** Sees each decision as it is made. */
  onDecision: ((decision: Decision) => void) | undefined;
  /** Reads the file again; what is wrong with it, if anything is: then the old one stays in force. */
  reload(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

const COST_OF = new Map(LADDER.map(({ name, cost }) => [name, cost]));

/** Starts the gate. Throws where an address, the data folder or a certificate cannot be used. `nowMs`: mail of another day has its clock. */
export async function start(config: Config, log: Log, nowMs: () => number = Date.now): Promise<Running> {
  makeFolder(config.dataDir, 0o750);
  const trouble = (what: string, error: unknown, id?: string) => log.trouble(what, error, id);
  const startedAtMs = nowMs();
  const recently = new RecentTrouble(nowMs);
  const journal = openJournal(join(config.dataDir, 'journal.sqlite'), {
    rungOf: (check) => COST_OF.get(check),
    onTrouble(reason, lost) {
      recently.note('journal', reason);
      trouble(lost === 0 ? 'the journal' : `the journal lost ${lost} decisions`, reason);
    },
  });
  const store = openStore(join(config.dataDir, 'store.sqlite'), {
    nowMs,
    onTrouble(error) {
      recently.note('store', error);
      trouble('the store', error);
    },
  });
  const classifier = openClassifier(join(config.dataDir, 'classifier.sqlite'));
  const tokens = new TokenMemory(join(config.dataDir, SEEN_MESSAGES), {
    nowMs,
    onTrouble: (error) => trouble('what the classifier remembers of messages', error),
  });
  const listed = new LivingLists(store.listed, nowMs, (error) => trouble('the lists in the store', error));
  const machine = new MachineLoad();
  let level: LoadChange['level'] = 'calm';
  let sample: ReturnType<MachineLoad['read']> | undefined;
  // While we have only just come back, or are under load, honest servers try the next MX: no honeypot holds it against them.
  // Called by timers too: a store that is full or locked must not end the program.
  const unsettle = () => {
    try {
      store.store.remember(UNSETTLED.space, UNSETTLED.key, true, UNSETTLED_MS);
    } catch (error) {
      trouble('the store', error);
    }
  };
  const around = {
    state: store,
    classifier: {
      recall: (asked: Iterable<string>) => classifier.recall(asked),
      remember: (id: string, seen: Iterable<string>) => tokens.remember(id, classifier.keysOf(seen)),
    },
    listed,
    isReportPageUp: () => admin.isReportPageUp,
    nowMs,
    onZone: (event: Parameters<Log['zone']>[0]) => log.zone(event),
    onTrouble: trouble,
  };
  let inForce: InForce = putInForce(config, around);
  const metrics = new Metrics({
    checks: LADDER,
    readings: () =>
      [...(inForce.certificates?.expiries() ?? [])].map(([file, endsMs]) => ({
        name: 'postern_certificate_expiry_timestamp_seconds',
        labels: { file },
        value: endsMs / 1000,
      })),
  });
  const running = { onDecision: undefined as Running['onDecision'] };
  const world = {
    incoming: () => inForce.spools.create(),
    record(decision: Decision) {
      journal.record(decision);
      metrics.decision(decision);
      log.decision(decision);
      running.onDecision?.(decision);
    },
    trouble,
    nowMs,
    newId,
  };
  const gateway = new Gateway({
    ...world,
    settings: () => inForce.settings,
    secureContext: (name) => inForce.certificates?.contextFor(name),
    verifyCredentials: (identity, password, network) =>
      inForce.credentials?.verify(identity, password, network) ?? Promise.resolve('unavailable'),
    load: () => (sample = machine.read(inForce.config.load.memoryLimitOctets)),
    onLoad(change) {
      level = change.level;
      log.load({ ...change, sample: { ...change.sample } });
      if (level !== 'calm') unsettle();
    },
    onTurnedAway(counts) {
      for (const counted of counts) {
        journal.turnedAway(nowMs(), counted.reason, counted.connections);
        metrics.turnedAway(counted.reason, counted.connections);
        log.turnedAway(counted);
      }
    },
  });
  const milter = new Milter({
    ...world,
    settings: () => inForce.milter.settings,
    knock: (opening) => gateway.entrance.knockAtMta(opening),
  });
  const policyService = new PolicyService({ ...world, settings: () => inForce.policyService.settings });
  let listening: Running['addresses'] = [];
  const open = async () => {
    const before = listening;
    const placesOf = (door: Place['door'], bound: readonly SocketAddress[]) =>
      bound.map(({ host, port }) => ({ door, host, port }));
    listening = [
      ...placesOf('gateway', await gateway.listenOn(inForce.listeners)),
      ...placesOf('milter', await milter.listenOn(inForce.milter.endpoints)),
      ...placesOf('policy', await policyService.listenOn(inForce.policyService.endpoints)),
    ];
    for (const { door, host, port } of without(before, listening)) log.closed(door, host, port);
    for (const { door, host, port } of without(listening, before)) log.listening(door, host, port);
    return listening;
  };
  const admin = new AdminProcess({
    log,
    status() {
      inForce.health.probeStale();
      return {
        pid: process.pid,
        startedAtMs,
        atMs: nowMs(),
        policy: inForce.config.policy,
        listening,
        load: { level, sample: { ...sample } },
        connections: { now: gateway.open, limit: inForce.config.limits.connections },
        journal: { ...journal.counts },
        dependencies: [...dependenciesOf(inForce, nowMs()), ...recently.state()],
        metrics: metrics.snapshot(),
      };
    },
  });
  const stopDoors = () => Promise.all([gateway.stop(), milter.stop(), policyService.stop()]);
  let addresses: Running['addresses'];
  try {
    addresses = await open();
  } catch (error) {
    await stopDoors();
    listed.stop();
    store.close();
    classifier.close();
    await journal.close();
    throw error;
  }
  log.warned(warningsOf(config));
  admin.follow(config);
  tokens.keep(rememberedMs(config));
  // The first self-test of the lists runs while mail already flows: silence of a list is no nonsense.
  void inForce.zones.start();
  warmUp(inForce);
  unsettle();
  const unsettling = setInterval(() => {
    if (level !== 'calm') unsettle();
  }, UNSETTLE_EVERY_MS).unref();
  let expiring: Promise<unknown> | undefined;
  const expiry = setInterval(() => {
    const { journalKeptMs, journalOctets } = inForce.config;
    tokens.expire();
    expiring ??= journal
      .expire(journalKeptMs, journalOctets)
      .catch((error: unknown) => trouble('old decisions could not be dropped', error))
      .finally(() => (expiring = undefined));
  }, EXPIRE_EVERY_MS);
  expiry.unref();

  return Object.assign(running, {
    addresses,
    async reload() {
      // Long lists are read while mail flows.
      const loaded = await inSlices(loading(config.file, LADDER));
      if ('problems' in loaded) return loaded.problems.map(formatProblem);
      if (loaded.config.dataDir !== inForce.config.dataDir) {
        return [`${config.file}: data_dir changes only with a restart; the old configuration stays in force`];
      }
      const before = inForce;
      try {
        const lists = await inSlices(buildingLists(loaded.config.listEntries));
        inForce = putInForce(loaded.config, around, lists);
        await open();
      } catch (error) {
        await letGo(inForce === before ? undefined : inForce);
        inForce = before;
        // One door may have moved already.
        await open().catch((again: unknown) => trouble('listening as before', again));
        return [`${config.file}: ${inPlainWords(error)}`];
      }
      await letGo(before);
      tokens.keep(rememberedMs(inForce.config));
      admin.follow(inForce.config);
      // Until now nobody noted whom the front door turned away.
      if (inForce.config.site.honeypot === true && before.config.site.honeypot !== true) unsettle();
      log.reformat(inForce.config.logFormat);
      log.warned(await inSlices(findingWarnings(inForce.config, false)));
      void inForce.zones.start();
      warmUp(inForce);
      return [];
    },
    async stop() {
      clearInterval(expiry);
      clearInterval(unsettling);
      await Promise.all([stopDoors(), admin.stop()]);
      machine.close();
      await letGo(inForce);
      listed.stop();
      store.close();
      tokens.close();
      classifier.close();
      await journal.close();
    },
  });
}

const without = (all: Running['addresses'], those: Running['addresses']) =>
  all.filter(
    (one) =>
      !those.some(({ door, host, port }) => door === one.door && host === one.host && port === one.port),
  );

/** Sessions that began under it keep what they hold; nothing new is begun with it. */
async function letGo(inForce: InForce | undefined): Promise<void> {
  inForce?.zones.stop();
  inForce?.scanners.close();
  inForce?.archives?.close();
  await Promise.all(inForce?.router.backends.map((backend) => backend.close()) ?? []);
}

/** What a backend offers is known before the first client asks: EHLO can then offer the same. */
function warmUp(inForce: InForce): void {
  const timeoutMs = inForce.config.backend?.connectTimeoutMs;
  if (timeoutMs === undefined) return;
  const signal = AbortSignal.timeout(timeoutMs);
  for (const backend of inForce.router.backends) void backend.probe(signal);
}

/** `postern run`: until a signal ends it. Exit codes: 0 stopped, 78 bad configuration (EX_CONFIG), 71 cannot start (EX_OSERR). */
export async function runCommand(file: string): Promise<number> {
  const loaded = load(file, LADDER);
  if ('problems' in loaded) {
    for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
    return EX_CONFIG;
  }
  const log = createLog(loaded.config.logFormat);
  let running: Running;
  try {
    running = await start(loaded.config, log);
  } catch (error) {
    process.stderr.write(`postern cannot start: ${inPlainWords(error)}\n`);
    return EX_OSERR;
  }
  let reloading = Promise.resolve();
  process.on('SIGHUP', () => {
    reloading = reloading
      .then(() => running.reload())
      .then((problems) => log.reloaded(problems))
      .catch((error: unknown) => log.trouble('reload', error));
  });
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  log.stopping();
  await reloading;
  await running.stop();
  log.stopped();
  // Whoever does not read our last lines does not keep us.
  setTimeout(() => process.exit(0), LAST_LINES_MS).unref();
  return 0;
}
