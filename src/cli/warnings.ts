/** What is not wrong with the file, but will be with the gate: looked at without making or changing anything. */
import { accessSync, constants, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fixedFolder, hasPlaceholder } from '../adapters/backends/maildir-path.ts';
import { backendsOf } from '../config/backends.ts';
import type { Config } from '../config/config.ts';
import type { KeyPath } from '../config/locate.ts';
import { isOff } from '../config/off.ts';
import { formatKey } from '../config/problems.ts';
import type { ScannerAddress } from '../core/scanners.ts';
import { isOurDomain } from '../core/site.ts';
import { atOnce, type Slices } from '../core/slices.ts';
import { addressScope, parseIp } from '../mail/ip.ts';
import { doubtsOf } from './doubtful.ts';

export function warningsOf(config: Config): string[] {
  return atOnce(findingWarnings(config));
}

/** The same in slices of a few milliseconds, for a gate through which mail flows meanwhile: a disk that hangs must not stop that. */
export function* findingWarnings(config: Config, asksDisk = true): Slices<string[]> {
  const { site, routes, profile } = config;
  const warnings: string[] = [];
  const warn = (path: KeyPath, text: string) => warnings.push(`${placeOf(config, path)}${text}`);
  for (const { path, text } of yield* doubtsOf(config)) warn(path, `${formatKey(path)}: ${text}`);
  for (const [i, { domains }] of routes.entries()) {
    for (const [j, domain] of domains.entries()) {
      if (isOurDomain(site, domain)) continue;
      warn(
        ['route', i, 'domains', j],
        `route[${i + 1}]: ${domain} is not in domains, so strangers may not write to it; add it there`,
      );
    }
  }
  const data = asksDisk ? unusable(config.dataDir) : undefined;
  if (data !== undefined) warn(['data_dir'], `data_dir ${config.dataDir}: ${data}`);
  for (const [path, { url }] of backendsOf(config)) {
    if (url.kind !== 'maildir' || !asksDisk) continue;
    const problem = maildirProblem(url.path);
    if (problem !== undefined) warn(path, `${formatKey(path)} ${problem}`);
  }
  for (const configured of asksDisk ? config.checks : []) {
    const address = configured.settings['address'] as ScannerAddress | undefined;
    if (!SCANNERS.has(configured.check.name) || address?.kind !== 'unix' || isOff(configured)) continue;
    if (kindOf(address.path) !== 'none') continue;
    const so = configured.settings.on_temperror === 'defer' ? 'mail is deferred' : 'mail goes on unseen';
    const key = ['checks', configured.check.name, 'address'];
    warn(key, `${formatKey(key)} ${address.path}: there is no such socket; while it is not there, ${so}`);
  }
  const known = config.checks.find(({ settings }) => settings['known_only'] === true);
  if (known !== undefined && !config.listEntries.some(({ kind }) => kind === 'mailbox')) {
    warn(
      ['checks', known.check.name, 'known_only'],
      `${known.check.name}: known_only is on and recipient_files name nobody, so nobody gets mail`,
    );
  }
  for (const { index, at } of config.services) {
    if ('path' in at || (at.address !== '0.0.0.0' && at.address !== '::')) continue;
    warn(
      ['listen', index, 'address'],
      `listen[${index + 1}]: whoever can reach ${at.address} is believed what it says of clients; listen on 127.0.0.1 or on a Unix socket`,
    );
  }
  if (config.tls === undefined && config.listen.length > 0)
    warnings.push('there is no certificate, so TLS is not offered');
  if (config.auth !== undefined && config.tls === undefined)
    warn(['auth'], '[auth] is set, but AUTH is offered over TLS only');
  adminWarnings(config, warn);
  if (profile === 'watch') warn(['profile'], 'the profile "watch" is on: no check refuses anything');
  return warnings;
}

/** What makes no sense of the dashboard and what goes with it, though each value is good. */
function adminWarnings(
  { admin: { dashboard, reportPage, queueWatch, notify } }: Config,
  warn: (path: KeyPath, text: string) => void,
): void {
  if (dashboard !== undefined) {
    const { listen, url } = dashboard;
    if (url === undefined && !isLoopback(listen.address))
      warn(
        ['admin', 'listen'],
        `admin.listen: passwords would go to ${listen.address} without TLS; put a web server with TLS before it, and name that with url`,
      );
    const path = url === undefined ? '/' : new URL(url).pathname;
    if (path !== '/')
      warn(
        ['admin', 'url'],
        `admin.url: the dashboard cannot be below ${path}; give it a name of its own, such as https://gate.example.org`,
      );
  }
  if (reportPage !== undefined && dashboard === undefined)
    warn(
      ['report_page'],
      'report_page: nobody can answer reports without the dashboard; add a table [admin]',
    );
  if ((queueWatch?.alerts.length ?? 0) > 0 && notify.mailTo.length === 0 && notify.webhook === undefined)
    warn(
      ['queue_watch', 'alert', 0],
      'queue_watch.alert: rings for nobody; name somebody with mail_to or webhook in [notify]',
    );
}

function isLoopback(address: string): boolean {
  const ip = parseIp(address);
  return ip !== undefined && addressScope(ip) === 'loopback';
}

const SCANNERS: ReadonlySet<string> = new Set(['clamav', 'spamassassin', 'rspamd']);

/** `postern.toml:7: `: the line of the key, or of the nearest table around it; empty where the file speaks of neither. */
function placeOf({ file, lineOf }: Config, path: KeyPath): string {
  for (let depth = path.length; depth > 0; depth--) {
    const line = lineOf(path.slice(0, depth));
    if (line !== undefined) return `${basename(file)}:${line}: `;
  }
  return '';
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
