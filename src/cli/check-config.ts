/** `postern check-config`: everything that is wrong with the configuration, or what it comes to. Exit codes 0 and 1. */
import { load } from '../config/load.ts';
import type { CheckConfig, Config } from '../config/config.ts';
import { formatProblem } from '../config/problems.ts';
import type { AnyCheck } from '../core/check.ts';
import { buildLists } from '../core/lists.ts';

export interface CheckConfigOptions {
  readonly file: string;
  readonly checks: readonly AnyCheck[];
}

interface Streams {
  out(text: string): void;
  err(text: string): void;
}

const STANDARD: Streams = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

export async function checkConfigCommand(
  { file, checks }: CheckConfigOptions,
  streams = STANDARD,
): Promise<number> {
  const loaded = load(file, checks);
  if ('problems' in loaded) {
    for (const problem of loaded.problems) streams.err(`${formatProblem(problem)}\n`);
    return 1;
  }
  const { config } = loaded;
  try {
    buildLists(config.listEntries);
  } catch (error) {
    streams.err(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  streams.out(formatConfig(config));
  return 0;
}

export function formatConfig(config: Config): string {
  const { site, checks, listen } = config;
  const on = checks.filter((c) => !isOff(c));
  const lines = [
    `${config.file}: good (policy ${config.policy})`,
    `  ${site.hostName} takes mail for ${site.domains.slice(0, 5).join(', ')}${site.domains.length > 5 ? ` and ${site.domains.length - 5} more` : ''}`,
    `  listens on ${listen.map(({ address, port }) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)).join(', ')}`,
    `  ${on.length} checks are on, ${config.listEntries.length} list entries`,
  ];
  for (const { check, idle } of on)
    if (idle !== undefined) lines.push(`  note: ${check.name} is on but does nothing: ${idle}`);
  if (config.tls === undefined) lines.push('  note: there is no certificate, so TLS is not offered');
  if (config.auth !== undefined && config.tls === undefined) {
    lines.push('  note: [auth] is set, but AUTH is offered over TLS only');
  }
  return lines.map((line) => `${line}\n`).join('');
}

function isOff({ settings }: CheckConfig): boolean {
  return settings.on_fail === 'off' && Object.values(settings.actions).every((action) => action === 'off');
}
