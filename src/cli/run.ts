/**
 * The one place that wires everything, and reads as such: configuration → what is in force → the doors, with the journal,
 * the store and the log beside them. SIGHUP puts a new configuration in force, SIGTERM and SIGINT stop gracefully.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openJournal } from '../adapters/journal/sqlite.ts';
import { createLog, type Log } from '../adapters/log.ts';
import { openClassifier } from '../adapters/classifier/sqlite.ts';
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
import { newId } from '../engine/id.ts';
import { putInForce, type InForce } from './in-force.ts';
import { inSlices } from './in-slices.ts';

// Old decisions go in small steps, a few times a day's worth of mail.
const EXPIRE_EVERY_MS = 600_000;
// Whom we turned away before is forgotten with a restart: they have as long to come to the next MX as those whom we know of.
const LAST_LINES_MS = 2_000;
const UNSETTLED_MS = 3_600_000;
const UNSETTLE_EVERY_MS = 300_000;

export interface Running {
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  /** Sees each decision as it is made. */
  onDecision: ((decision: Decision) => void) | undefined;
  /** Reads the file again; what is wrong with it, if anything is: then the old one stays in force. */
  reload(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** Starts the gate. Throws where an address, the data folder or a certificate cannot be used. */
export async function start(config: Config, log: Log): Promise<Running> {
  mkdirSync(config.dataDir, { recursive: true, mode: 0o750 });
  const trouble = (what: string, error: unknown, id?: string) => log.trouble(what, error, id);
  const journal = openJournal(join(config.dataDir, 'journal.sqlite'), {
    onTrouble: (reason, lost) =>
      trouble(lost === 0 ? 'the journal' : `the journal lost ${lost} decisions`, reason),
  });
  const store = openStore(join(config.dataDir, 'store.sqlite'), {
    onTrouble: (error) => trouble('the store', error),
  });
  const classifier = openClassifier(join(config.dataDir, 'classifier.sqlite'));
  const machine = new MachineLoad();
  let level: LoadChange['level'] = 'calm';
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
    classifier,
    nowMs: Date.now,
    onZone: (event: Parameters<Log['zone']>[0]) => log.zone(event),
    onTrouble: trouble,
  };
  let inForce: InForce = putInForce(config, around);
  const running = { onDecision: undefined as Running['onDecision'] };
  const gateway = new Gateway({
    settings: () => inForce.settings,
    secureContext: (name) => inForce.certificates?.contextFor(name),
    incoming: () => inForce.spools.create(),
    verifyCredentials: (identity, password, network) =>
      inForce.credentials?.verify(identity, password, network) ?? Promise.resolve('unavailable'),
    record(decision) {
      journal.record(decision);
      log.decision(decision);
      running.onDecision?.(decision);
    },
    load: () => machine.read(inForce.config.load.memoryLimitOctets),
    onLoad(change) {
      level = change.level;
      log.load({ ...change, sample: { ...change.sample } });
      if (level !== 'calm') unsettle();
    },
    trouble,
    nowMs: Date.now,
    newId,
  });
  const open = async () => {
    const addresses = await gateway.listenOn(inForce.listeners);
    for (const { host, port } of addresses) log.listening('gateway', host, port);
    return addresses;
  };
  let addresses: Running['addresses'];
  try {
    addresses = await open();
  } catch (error) {
    await gateway.stop();
    store.close();
    classifier.close();
    await journal.close();
    throw error;
  }
  // The first self-test of the lists runs while mail already flows: silence of a list is no nonsense.
  void inForce.zones.start();
  warmUp(inForce);
  unsettle();
  const unsettling = setInterval(() => {
    if (level !== 'calm') unsettle();
  }, UNSETTLE_EVERY_MS).unref();
  const expiry = setInterval(() => {
    journal
      .expire(inForce.config.journalKeptMs)
      .catch((error: unknown) => trouble('old decisions could not be dropped', error));
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
        return [`${config.file}: ${error instanceof Error ? error.message : String(error)}`];
      }
      await letGo(before);
      // Until now nobody noted whom the front door turned away.
      if (inForce.config.site.honeypot === true && before.config.site.honeypot !== true) unsettle();
      log.reformat(inForce.config.logFormat);
      void inForce.zones.start();
      warmUp(inForce);
      return [];
    },
    async stop() {
      clearInterval(expiry);
      clearInterval(unsettling);
      await gateway.stop();
      machine.close();
      await letGo(inForce);
      store.close();
      classifier.close();
      await journal.close();
    },
  });
}

/** Sessions that began under it keep what they hold; nothing new is begun with it. */
async function letGo(inForce: InForce | undefined): Promise<void> {
  inForce?.zones.stop();
  inForce?.scanners.close();
  await Promise.all(inForce?.router.backends.map((backend) => backend.close()) ?? []);
}

/** What a backend offers is known before the first client asks: EHLO can then offer the same. */
function warmUp(inForce: InForce): void {
  const signal = AbortSignal.timeout(inForce.config.backend.connectTimeoutMs);
  for (const backend of inForce.router.backends) void backend.probe(signal);
}

/** `postern run`: until a signal ends it. Exit codes: 0 stopped, 78 bad configuration (EX_CONFIG), 71 cannot start (EX_OSERR). */
export async function runCommand(file: string): Promise<number> {
  const loaded = load(file, LADDER);
  if ('problems' in loaded) {
    for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
    return 78;
  }
  const log = createLog(loaded.config.logFormat);
  let running: Running;
  try {
    running = await start(loaded.config, log);
  } catch (error) {
    process.stderr.write(`postern cannot start: ${error instanceof Error ? error.message : String(error)}\n`);
    return 71;
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
