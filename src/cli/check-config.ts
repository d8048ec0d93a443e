/** `postern check-config`: everything that is wrong with the configuration, or what it comes to. Exit codes 0 and 78 (EX_CONFIG). */
import { painter } from '../adapters/paint.ts';
import type { Config } from '../config/config.ts';
import { load } from '../config/load.ts';
import { formatProblem } from '../config/problems.ts';
import type { AnyCheck } from '../core/check.ts';
import { buildLists } from '../core/lists.ts';
import { EX_CONFIG } from './exit.ts';
import { explain, explainAsJson, explainAsTable, isOff } from './explain.ts';
import { resolverProblem } from './resolver-problem.ts';
import { warningsOf } from './warnings.ts';

export interface CheckConfigOptions {
  readonly file: string;
  readonly checks: readonly AnyCheck[];
  readonly explain?: boolean;
  /** Of `explain`, or of the problems. */
  readonly json?: boolean;
}

interface Streams {
  out(text: string): void;
  err(text: string): void;
  readonly isTTY?: boolean;
}

const STANDARD: Streams = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  isTTY: process.stdout.isTTY,
};

export async function checkConfigCommand(
  { file, checks, ...options }: CheckConfigOptions,
  streams = STANDARD,
): Promise<number> {
  const loaded = load(file, checks);
  if ('problems' in loaded) {
    if (options.json === true) streams.out(`${JSON.stringify({ problems: loaded.problems }, null, 2)}\n`);
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
  if (options.json === true) streams.out(await explainAsJson(config, warnings));
  else if (options.explain === true) {
    const table = explainAsTable(config, explain(config, await resolverProblem(config)), painter(streams));
    streams.out(`${formatConfig(config, warnings)}\n${table}`);
  } else streams.out(formatConfig(config, [...idleOf(config), ...warnings]));
  return 0;
}

function formatConfig(config: Config, warnings: readonly string[]): string {
  const { site, checks, listen, profile } = config;
  const more = site.domains.length > 5 ? ` and ${site.domains.length - 5} more` : '';
  const lines = [
    `${config.file}: good (policy ${config.policy})`,
    `  ${site.hostName} takes mail for ${site.domains.slice(0, 5).join(', ')}${more}`,
    `  listens on ${listen.map(({ address, port }) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)).join(', ')}`,
    `  ${checks.filter((c) => !isOff(c)).length} checks are on, ${config.listEntries.length} list ${config.listEntries.length === 1 ? 'entry' : 'entries'}${profile === undefined ? '' : `, profile ${profile}`}`,
    ...warnings.map((warning) => `  note: ${warning}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function idleOf({ checks }: Config): string[] {
  return checks
    .filter((configured) => configured.idle !== undefined && !isOff(configured))
    .map(({ check, idle }) => `${check.name} is on but does nothing: ${idle}`);
}
