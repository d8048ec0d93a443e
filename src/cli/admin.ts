/**
 * `postern admin serve`: the dashboard, the public report page, the queue watch and the daily summary, wired. The gate starts it as a
 * process of its own and tells it what is in force and how it is; by itself it reads the file, and shows what the journal has. It has its
 * own connections to the files of the gate.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { deciderOf } from '../adapters/decider.ts';
import { openDesk } from '../adapters/desk/sqlite.ts';
import { openJournal } from '../adapters/journal/sqlite.ts';
import { createLog } from '../adapters/log.ts';
import { aggregated } from '../adapters/metrics-text.ts';
import { openStore, type State } from '../adapters/store/sqlite.ts';
import { WhatIfJobs } from '../admin/what-if.ts';
import { wouldChange } from '../admin/would-change.ts';
import type { AdminWorld } from '../admin/world.ts';
import { LADDER } from '../checks/ladder.ts';
import { wantsAdmin } from '../config/admin.ts';
import type { Config } from '../config/config.ts';
import { loading, loadingText } from '../config/load.ts';
import { formatProblem } from '../config/problems.ts';
import type { Journal } from '../core/decision.ts';
import type { Desk } from '../core/desk.ts';
import { MAX_LISTED } from '../core/listed.ts';
import { buildingLists, type Lists } from '../core/lists.ts';
import { STATUS_KEPT_MS, type GateStatus } from '../core/status.ts';
import { inSlices } from '../engine/in-slices.ts';
import { rulesOf, type Rules } from '../engine/what-if.ts';
import { AdminListeners } from './admin-listeners.ts';
import { settingsOf } from './admin-settings.ts';
import { AdminUsers, setPassword } from './admin-users.ts';
import { blocksDesk, greylistDesk, listedDesk } from './desks.ts';
import { CommandError, EX_CONFIG, EX_NOINPUT, EX_OSERR } from './exit.ts';
import { openGateChannel, type AdminVoice, type GateChannel } from './gate-channel.ts';
import { policyOf } from './in-force.ts';
import { readPassword } from './password.ts';
import { inPlainWords } from './plain-words.ts';
import { createTeachingDesk } from './teaching-desk.ts';
import { VERSION } from './version.ts';
import { startWatching } from './watching.ts';

/** Beside the built program and beside the source alike. */
const WEB_FOLDER = join(import.meta.dirname, '../../dist/web');
/** The dashboard waits for the gate's writes, and not the gate for ours. */
const STORE_WAIT_MS = 2_000;
const EXPIRE_EVERY_MS = 60_000;

export interface RunningAdmin {
  readonly dashboard: () => { readonly host: string; readonly port: number } | undefined;
  readonly reportPage: () => { readonly host: string; readonly port: number } | undefined;
  hear(status: GateStatus): void;
  /**
   * Follows the text, which is then in force, or reads the file again; what is wrong with it, if anything is: then nothing changes. Rejects
   * where it cannot listen any more.
   */
  reload(text?: string): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export interface AdminOptions {
  readonly nowMs?: () => number;
  readonly webFolder?: string;
}

/** Throws where a file or an address cannot be used. */
export async function startAdmin(
  first: Config,
  voice: AdminVoice,
  { nowMs = Date.now, webFolder = WEB_FOLDER }: AdminOptions = {},
): Promise<RunningAdmin> {
  let config = first;
  const { dataDir } = first;
  const trouble = (what: string, error: unknown) => voice.trouble(what, error);
  const journalFile = join(dataDir, 'journal.sqlite');
  if (!existsSync(journalFile))
    throw new CommandError(
      `${journalFile}: there is no journal yet; has the gate run with this data_dir?`,
      EX_NOINPUT,
    );
  const journal = openToShow(journalFile, (reason) => trouble('reading the journal', reason));
  const store = openStore(join(dataDir, 'store.sqlite'), {
    nowMs,
    guest: true,
    waitMs: STORE_WAIT_MS,
    onTrouble: (error) => trouble('the store, from the dashboard', error),
  });
  let desk = deskOf(config, nowMs);
  const users = new AdminUsers(() => config.admin.dashboard?.usersFile, {
    trouble: (error) => trouble('the users of the dashboard', error),
    changed: (user) => desk.logins.endAll(user),
  });
  const said = new Map<number, GateStatus>();
  const gates = () => [...said.values()].filter(({ atMs }) => nowMs() - atMs < STATUS_KEPT_MS);
  const listedNow = () => store.listed.list({ limit: MAX_LISTED });
  const rulesNow = keptRules(() => config, store.listed);
  const whatIf = new WhatIfJobs({
    config: () => config,
    checks: LADDER,
    journal,
    get desk() {
      return desk;
    },
    listed: listedNow,
    policyOf,
    deciderOf,
    nowMs,
    trouble,
  });
  const world: AdminWorld = {
    config: () => config,
    checks: LADDER,
    version: VERSION,
    nowMs,
    journal,
    get desk() {
      return desk;
    },
    listed: listedDesk(store.listed, () => config.site),
    blocks: blocksDesk(store, () => config.site, nowMs),
    greylist: greylistDesk(store, () =>
      Number(config.checks.find(({ check }) => check.name === 'greylist')?.settings['client_passes'] ?? 0),
    ),
    teaching: createTeachingDesk(() => config, nowMs),
    gates,
    alerts: () => watch.firing(),
    queueAlerts: () => watch.alerts(),
    settings: () => settingsOf(config, store.listed.shapes('block')),
    whatIf,
    metrics: () =>
      aggregated(gates(), { nowMs: nowMs(), queue: desk.queue.last(), reports: reportsOf(desk) }),
    users: () => users.fingerprints(),
    wouldChange: async (decision) => {
      const rules = await rulesNow();
      return wouldChange(decision, rules.policyFor(decision.session.door), rules.listsFor(decision));
    },
    deciderOf,
    verifyPassword: (user, password, network) => users.verify(user, password, network),
    trouble,
  };
  const watch = startWatching(world);
  const listeners = new AdminListeners(world, voice, webFolder);
  const expiring = setInterval(() => {
    try {
      desk.expire();
    } catch (error) {
      trouble('old reports, marks and samples could not be dropped', error);
    }
  }, EXPIRE_EVERY_MS).unref();
  const stop = async () => {
    clearInterval(expiring);
    whatIf.close();
    await Promise.all([listeners.close(), watch.close()]);
    desk.close();
    store.close();
    await journal.close();
  };
  try {
    await listeners.follow(config.admin);
  } catch (error) {
    await stop();
    throw error;
  }
  const { dashboard } = config.admin;
  if (dashboard !== undefined && users.fingerprints().size === 0 && dashboard.userHeader === undefined)
    voice.warned(['nobody can log in to the dashboard yet: run `postern admin set-password`']);
  return {
    dashboard: () => listeners.dashboard,
    reportPage: () => listeners.reportPage,
    hear(status) {
      // By our own clock: a gate may be told another one.
      said.set(status.pid, { ...status, atMs: nowMs() });
      for (const [pid, { atMs }] of said) if (nowMs() - atMs >= STATUS_KEPT_MS) said.delete(pid);
    },
    async reload(text) {
      const loaded = await reading(config.file, text);
      if ('problems' in loaded) return loaded.problems.map(formatProblem);
      if (loaded.config.dataDir !== dataDir) return [`${config.file}: data_dir changes only with a restart`];
      const before = config;
      config = loaded.config;
      if (JSON.stringify(limitsOf(before)) !== JSON.stringify(limitsOf(config))) {
        const old = desk;
        desk = deskOf(config, nowMs);
        old.close();
      }
      await listeners.follow(config.admin);
      return [];
    },
    stop,
  };
}

/** Never brought up to date: a gate of an earlier version may be writing it, and starts us anew until it is started anew itself. */
function openToShow(file: string, onTrouble: (reason: string) => void): Journal {
  try {
    return openJournal(file, { readOnly: true, onTrouble });
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error), EX_NOINPUT);
  }
}

/** Made anew when the configuration or the lists have changed; long lists in slices, so that other pages are served meanwhile. */
function keptRules(
  config: () => Config,
  listed: Pick<State['listed'], 'list' | 'version'>,
): () => Promise<Rules> {
  let lists: { readonly of: Config; readonly built: Lists } | undefined;
  let kept: { readonly of: Config; readonly version: number; readonly rules: Rules } | undefined;
  return async () => {
    const now = config();
    const version = listed.version();
    if (kept?.of === now && kept.version === version) return kept.rules;
    if (lists?.of !== now) lists = { of: now, built: await inSlices(buildingLists(now.listEntries)) };
    const rules = rulesOf((door) => policyOf(now, door), lists.built, listed.list({ limit: MAX_LISTED }));
    kept = { of: now, version, rules };
    return rules;
  };
}

const limitsOf = ({ admin: { reportPage } }: Config) =>
  reportPage === undefined
    ? {}
    : { reportsPerHour: reportPage.reportsPerHour, reportsPerHourInAll: reportPage.reportsPerHourInAll };

const deskOf = (config: Config, nowMs: () => number): Desk =>
  openDesk(join(config.dataDir, 'desk.sqlite'), { nowMs, ...limitsOf(config) });

function reportsOf({ reports }: Desk) {
  // Newest first, and few are open: the oldest is looked for a page after the other.
  let oldestMs: number | undefined;
  let beforeId: number | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const found = reports.list({ state: 'open', beforeId, limit: PAGE });
    oldestMs = found.at(-1)?.atMs ?? oldestMs;
    beforeId = found.at(-1)?.id;
    if (found.length < PAGE) break;
  }
  return { open: reports.open(), oldestMs };
}
const PAGE = 100;
const MAX_PAGES = 20;

/** Of a gate, what it says is in force and no file that may be broken by now; lists and certificates are read where they are. */
const reading = (file: string, text: string | undefined) =>
  inSlices(text === undefined ? loading(file, LADDER) : loadingText(text, file, LADDER));

/** `postern admin serve`. Exit codes: 0 stopped, 66 no journal, 71 cannot start, 78 bad configuration or nothing to serve. */
export async function adminServeCommand(file: string): Promise<number> {
  const gate = openGateChannel();
  try {
    return await serve(file, gate);
  } finally {
    gate?.close();
  }
}

async function serve(file: string, gate: GateChannel | undefined): Promise<number> {
  const text = await gate?.text;
  if (gate !== undefined && text === undefined) return 0;
  const loaded = await reading(file, text);
  if ('problems' in loaded) {
    for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
    return EX_CONFIG;
  }
  const { config } = loaded;
  if (!wantsAdmin(config.admin))
    throw new CommandError(
      `${config.file} has none of the tables [admin], [report_page], [queue_watch], [daily_summary]`,
      EX_CONFIG,
    );
  const voice = gate?.voice ?? createLog(config.logFormat);
  let running: RunningAdmin;
  try {
    running = await startAdmin(config, voice);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    process.stderr.write(`the dashboard cannot start: ${inPlainWords(error)}\n`);
    return EX_OSERR;
  }
  const exit = await new Promise<number>((resolve) => {
    const end = () => resolve(0);
    let reloading = Promise.resolve();
    const reload = (text?: string) => {
      reloading = reloading
        .then(() => running.reload(text))
        .then((problems) => {
          for (const problem of problems) voice.trouble('not reloaded', problem);
        })
        .catch((error: unknown) => {
          voice.trouble('reloading the dashboard', inPlainWords(error));
          // The gate starts us anew, again and again with growing pauses: an address may be free by then.
          resolve(EX_OSERR);
        });
    };
    process.once('SIGTERM', end);
    if (gate === undefined) {
      process.once('SIGINT', end);
      process.on('SIGHUP', () => reload());
      return;
    }
    // A terminal sends these to all processes of its group; what we do the gate says.
    process.on('SIGINT', () => undefined);
    process.on('SIGHUP', () => undefined);
    gate.follow({ status: (status) => running.hear(status), config: reload, gone: end });
  });
  // Whoever is connected still, or a look-up that hangs, does not keep us.
  setTimeout(() => process.exit(exit), LAST_MS).unref();
  await running.stop();
  return exit;
}

const LAST_MS = 1_000;

/** `postern admin set-password`. */
export async function setPasswordCommand(config: Config, user: string): Promise<number> {
  const password = await readPassword(process.stdin, (text) => void process.stderr.write(text));
  process.stdout.write(`${await setPassword(config, { user, password })}\n`);
  return 0;
}
