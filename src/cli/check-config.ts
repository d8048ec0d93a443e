/** `postern check-config`: everything that is wrong with the configuration, or what it comes to. Exit codes 0 and 78 (EX_CONFIG). */
import { join } from 'node:path';
import { learntIn } from '../adapters/classifier/learnt.ts';
import { jsonText } from '../adapters/harmless.ts';
import { painter } from '../adapters/paint.ts';
import { listedIn } from '../adapters/store/listed-in.ts';
import { classifier } from '../checks/classifier.ts';
import type { Config } from '../config/config.ts';
import { load } from '../config/load.ts';
import { isOff } from '../config/off.ts';
import { formatProblem } from '../config/problems.ts';
import { formatSocketAddress } from '../config/values.ts';
import type { AnyCheck } from '../core/check.ts';
import { buildLists } from '../core/lists.ts';
import { EX_CONFIG } from './exit.ts';
import { explain, explainAsJson, explainAsTable, type Circumstances } from './explain.ts';
import { resolverProblem } from './resolver-problem.ts';
import { warningsOf } from './warnings.ts';
import { STANDARD } from './streams.ts';

export interface CheckConfigOptions {
  readonly file: string;
  readonly checks: readonly AnyCheck[];
  readonly explain?: boolean;
  /** Of `explain`, or of the problems. */
  readonly json?: boolean;
}

export async function checkConfigCommand(
  { file, checks, ...options }: CheckConfigOptions,
  streams = STANDARD,
): Promise<number> {
  const loaded = load(file, checks);
  if ('problems' in loaded) {
    if (options.json === true) streams.out(`${jsonText({ problems: loaded.problems }, 2)}\n`);
    else for (const problem of loaded.problems) streams.err(`${formatProblem(problem)}\n`);
    return EX_CONFIG;
  }
  const { config } = loaded;
  try {
    buildLists(config.listEntries);
  } catch (error) {
    streams.err(`${error instanceof Error ? error.message : String(error)}\n`);
    return EX_CONFIG;
  }
  const warnings = warningsOf(config);
  const known = { untrained: untrained(config), listed: listedIn(join(config.dataDir, 'store.sqlite')) };
  if (options.json === true) streams.out(await explainAsJson(config, warnings, known));
  else if (options.explain === true) {
    const table = explainAsTable(
      config,
      explain(config, { ...known, noResolver: await resolverProblem(config) }),
      painter(streams),
    );
    streams.out(`${formatConfig(config, warnings, known)}\n${table}`);
  } else streams.out(formatConfig(config, [...idleOf(config, known), ...warnings], known));
  return 0;
}

function formatConfig(config: Config, warnings: readonly string[], known: Circumstances): string {
  const { site, profile } = config;
  const more = site.domains.length > 5 ? ` and ${site.domains.length - 5} more` : '';
  const states = explain(config, known).map(({ state }) => state);
  const running = states.filter((state) => state === 'on').length;
  const unable = states.filter((state) => state === 'cannot run').length;
  const lines = [
    `${config.file}: good (policy ${config.policy})`,
    `  ${site.hostName} takes mail for ${site.domains.slice(0, 5).join(', ')}${more}`,
    `  listens on ${placesOf(config).join(', ')}`,
    `  ${running} checks run${unable === 0 ? '' : `, ${unable} more are on but cannot`}, ${config.listEntries.length} list ${config.listEntries.length === 1 ? 'entry' : 'entries'}${profile === undefined ? '' : `, profile ${profile}`}`,
    ...warnings.map((warning) => `  note: ${warning}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function placesOf({ listen, services }: Config): string[] {
  return [
    ...listen.map(formatSocketAddress),
    ...services.map(
      ({ door, at }) => `${'path' in at ? `unix:${at.path}` : formatSocketAddress(at)} (${door})`,
    ),
  ];
}

/** Not among what the gate itself warns of: at its start nothing has been learnt, and that is no trouble. */
export function untrained({ checks, dataDir }: Config): string | undefined {
  const configured = checks.find(({ check }) => check.name === classifier.name);
  if (configured === undefined || isOff(configured)) return undefined;
  const learnt = learntIn(join(dataDir, 'classifier.sqlite'));
  const wanted = Number(configured.settings['min_messages']);
  if (learnt === undefined || Math.min(learnt.ham, learnt.spam) >= wanted) return undefined;
  return `${learnt.ham} ham and ${learnt.spam} spam learnt, it takes ${wanted} of each to judge; see postern learn --help`;
}

function idleOf(config: Config, { untrained: unlearnt }: Circumstances): string[] {
  const idle = config.checks
    .filter((configured) => configured.idle !== undefined && !isOff(configured))
    .map(({ check, idle: why }) => `${check.name} is on but does nothing: ${why}`);
  return unlearnt === undefined ? idle : [...idle, `classifier is on but does nothing: ${unlearnt}`];
}
