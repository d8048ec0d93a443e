/**
 * An Exim of the test's own in a temporary folder: own configuration, spool and log, loopback only, no DNS. Mail for example.org goes
 * to a Maildir, other domains are not relayed for, and the recipient `nobody` does not exist. Needs no root, and gives it up.
 */
import { chown, copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../freeport.ts';
import { maildirMessages } from '../maildir.ts';
import { startProgram } from '../program.ts';
import { tempDir } from '../tempdir.ts';
import { untilGreeting } from './greeting.ts';
import { needUnpacked, NOBODY, ownWorld } from './unpacked.ts';

export interface Exim {
  readonly port: number;
  /** Delivered messages as Exim wrote them (LF line ends). */
  messages(): Promise<readonly string[]>;
  /** Waits for so many of them: delivery goes on when the client has its reply. */
  readonly delivered: (count: number) => Promise<readonly string[]>;
  /** Files of messages that wait. */
  queued(): Promise<readonly string[]>;
  log(): Promise<string>;
  stop(): Promise<void>;
}

export interface EximSettings {
  /** Before `begin acl`. */
  readonly main: string;
  /** ACLs of its own. */
  readonly acl: string;
  /** Before the accept of the ACL at RCPT and at DATA. */
  readonly rcpt: string;
  readonly data: string;
}

/** A client that Exim itself lets relay. */
export const OWN_HOST = '127.31.6.6';

/** Undefined when the test was skipped. */
export async function startExim(t: TestContext, settings: EximSettings): Promise<Exim | undefined> {
  const packages = needUnpacked(t);
  if (packages === undefined) return undefined;
  const dir = await tempDir(t);
  const port = await freePort();
  // Exim starts itself anew for each delivery, as a user who may not look into the folder of the packages.
  const libraries = join(dir, 'lib');
  for (const name of ['lib', 'spool', 'log', 'mail']) await mkdir(join(dir, name));
  for (const name of await readdir(packages.libraries)) {
    if (name.includes('.so')) await copyFile(join(packages.libraries, name), join(libraries, name));
  }
  const program = join(dir, 'exim');
  await copyFile(packages.path('usr/sbin/exim4'), program);
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? NOBODY : (process.getuid?.() ?? 0);
  if (isRoot) for (const name of ['spool', 'log', 'mail']) await chown(join(dir, name), NOBODY, NOBODY);
  const config = join(dir, 'exim.conf');
  await writeFile(config, eximConf(dir, port, settings));
  const env = await ownWorld(dir, libraries, { name: 'Debian-exim', id: user });
  const start = [program, '-C', config, '-bdf'];
  const drop = ['/usr/bin/setpriv', '--reuid', String(user), '--regid', String(user), '--clear-groups'];
  const [command = '', ...args] = isRoot ? [...drop, ...start] : start;
  const daemon = startProgram(t, command, args, { detached: true, env });
  const log = () => readFile(join(dir, 'log/main'), 'utf8').catch(() => '');
  await untilGreeting('Exim', port, daemon, async () => `${daemon.lines.join('\n')}\n${await log()}`);
  const messages = async () => (await maildirMessages(join(dir, 'mail'))).map(String);
  return {
    port,
    log,
    messages,
    delivered: async (count) => {
      const end = Date.now() + 20_000;
      while (true) {
        const found = await messages();
        if (found.length >= count) return found;
        if (Date.now() > end) throw new Error(`Exim delivered ${found.length} of ${count}:\n${await log()}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    queued: () => readdir(join(dir, 'spool/input')).catch(() => []),
    stop: async () => {
      await daemon.stop();
    },
  };
}

const eximConf = (dir: string, port: number, { main, acl, rcpt, data }: EximSettings): string => `
primary_hostname = mx.example.org
spool_directory = ${dir}/spool
log_file_path = ${dir}/log/%s
pid_file_path = ${dir}/pid
exim_path = ${dir}/exim
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : ^NSS_WRAPPER_
daemon_smtp_ports = ${port}
local_interfaces = 127.0.0.1
notifier_socket =
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
qualify_domain = example.org
never_users =
smtp_accept_max = 0
domainlist local_domains = example.org
acl_smtp_rcpt = acl_check_rcpt
acl_smtp_data = acl_check_data
${main}
begin acl
${acl}
acl_check_rcpt:
  accept
    hosts = ${OWN_HOST}
  require
    message = relay not permitted
    domains = +local_domains
  require
    verify = recipient
${rcpt}
  accept
acl_check_data:
${data}
  accept

begin routers
mailbox:
  driver = accept
  local_parts = ! nobody
  transport = mailbox

begin transports
mailbox:
  driver = appendfile
  maildir_format
  directory = ${dir}/mail
  delivery_date_add
  envelope_to_add
  return_path_add

begin retry
* * F,1h,1s
`;
