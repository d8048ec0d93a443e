/** What is not wrong with the file, but will be with the gate: looked at without making or changing anything. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fixedFolder, hasPlaceholder } from '../adapters/backends/maildir-path.ts';
import type { BackendConfig, Config } from '../config/config.ts';
import { isOurDomain } from '../core/site.ts';

export function warningsOf(config: Config): string[] {
  const { site, routes, profile } = config;
  const warnings: string[] = [];
  for (const [i, { domains }] of routes.entries()) {
    for (const domain of domains) {
      if (isOurDomain(site, domain)) continue;
      warnings.push(
        `route[${i + 1}]: ${domain} is not in domains, so strangers may not write to it; add it there`,
      );
    }
  }
  const data = unusable(config.dataDir);
  if (data !== undefined) warnings.push(`data_dir ${config.dataDir}: ${data}`);
  const backends: [string, BackendConfig][] = [['backend', config.backend]];
  for (const [i, route] of routes.entries()) backends.push([`route[${i + 1}]`, route.backend]);
  for (const [name, { url }] of backends) {
    if (url.kind !== 'maildir') continue;
    const problem = maildirProblem(url.path);
    if (problem !== undefined) warnings.push(`${name}.url ${problem}`);
  }
  const known = config.checks.find(({ settings }) => settings['known_only'] === true);
  if (known !== undefined && !config.listEntries.some(({ kind }) => kind === 'mailbox')) {
    warnings.push(
      `${known.check.name}: known_only is on and recipient_files name nobody, so nobody gets mail`,
    );
  }
  if (config.tls === undefined) warnings.push('there is no certificate, so TLS is not offered');
  if (config.auth !== undefined && config.tls === undefined)
    warnings.push('[auth] is set, but AUTH is offered over TLS only');
  if (profile === 'watch') warnings.push('the profile "watch" is on: no check refuses anything');
  return warnings;
}

/**
 * Where the path has placeholders, a mailbox exists where its folder does, and the gate makes none of what stands before
 * them; without, the one Maildir is made when the first message comes.
 */
function maildirProblem(template: string): string | undefined {
  const folder = fixedFolder(template);
  if (!hasPlaceholder(template)) {
    const problem = unusable(folder);
    return problem === undefined ? undefined : `${folder}: ${problem}`;
  }
  const kind = kindOf(folder);
  if (kind === 'none') return `${folder}: there is no such folder, so no mailbox exists; mail is deferred`;
  if (kind === 'other') return `${folder}: it is no folder`;
  return may(folder, constants.R_OK | constants.X_OK) ? undefined : `${folder}: this user may not read it`;
}

/** Why a folder can be neither written in nor made; undefined where one of both can be. */
function unusable(folder: string): string | undefined {
  const kind = kindOf(folder);
  if (kind === 'other') return 'it is no folder';
  if (kind === 'folder') {
    return may(folder, constants.W_OK | constants.X_OK) ? undefined : 'this user may not write there';
  }
  let above = dirname(folder);
  while (kindOf(above) === 'none' && above !== dirname(above)) above = dirname(above);
  if (kindOf(above) === 'other') return `it cannot be made: ${above} is no folder`;
  return may(above, constants.W_OK | constants.X_OK)
    ? undefined
    : `it is not there, and this user may not make it in ${above}`;
}

function kindOf(path: string): 'folder' | 'other' | 'none' {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'other';
  } catch (error) {
    // What lies below a file is not there either; what may not be looked at might be.
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return code === 'EACCES' ? 'other' : 'none';
  }
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
