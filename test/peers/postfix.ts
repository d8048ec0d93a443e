/**
 * A Postfix instance of the test's own in a temporary folder: own configuration, queue and log, loopback only, no DNS.
 * Mail for example.org goes to a Maildir for all users, or is logged and discarded. Needs root: its daemons change users.
 */
import { mkdir, readFile, readdir, writeFile, chown } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../freeport.ts';
import { runProgram, startProgram } from '../program.ts';
import { tempDir } from '../tempdir.ts';
import { untilGreeting } from './greeting.ts';
import { findProgram, need, needRoot, type Skippable } from './peer.ts';

export interface Postfix {
  readonly port: number;
  /** Of its master. */
  readonly pid: number;
  readonly dir: string;
  /** Messages of the Maildir, oldest first, as Postfix wrote them (LF line ends, its own header on top). */
  messages(): Promise<readonly Buffer[]>;
  /** The same once so many have been delivered. */
  readonly delivered: (count: number) => Promise<readonly Buffer[]>;
  log(): Promise<string>;
  /** Waits until the log has so many lines that fit. */
  logged(fits: RegExp, times?: number, timeoutMs?: number): Promise<readonly string[]>;
  /** Puts mail in as a local user would. */
  sendmail(from: string, to: string, message: string): Promise<void>;
  stop(): Promise<void>;
}

export interface PostfixSettings {
  readonly deliver?: 'maildir' | 'discard';
  /** Where mail that is not for example.org, or all mail, goes: `[127.0.0.1]:2525`. */
  readonly relayHost?: string;
  /** All mail goes to `relayHost`. */
  readonly clientOnly?: boolean;
  /** To come back where another one was. */
  readonly port?: number;
  /** More lines of main.cf. */
  readonly settings?: readonly string[];
  /** More lines of master.cf. */
  readonly services?: readonly string[];
  /** A command that its daemons run under, such as one that changes the mounts that they see. */
  readonly under?: readonly string[];
}

const NOBODY = 65534;
const QUEUE_FOLDERS = [
  ...['active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'maildrop'],
  ...['private', 'public', 'saved', 'trace'],
];

/** Undefined when the test was skipped. */
export async function startPostfix(
  t: Skippable,
  options: PostfixSettings = {},
): Promise<Postfix | undefined> {
  if (need(t, 'postfix') === undefined || !needRoot(t)) return undefined;
  const daemons = dirname(findProgram('smtpd') ?? '/usr/lib/postfix/sbin/smtpd');
  const dir = await tempDir(t);
  const port = options.port ?? (await freePort());
  for (const name of ['etc', 'queue', 'data', 'mail']) await mkdir(join(dir, name));
  await chown(join(dir, 'mail'), NOBODY, NOBODY);
  // What `postfix check` would make, without its second of sleep: most folders belong to Postfix's own user.
  const owner = Number((await runProgram(t, '/usr/bin/id', ['-u', 'postfix'])).output);
  await chown(join(dir, 'data'), owner, 0);
  await mkdir(join(dir, 'queue/pid'));
  for (const name of QUEUE_FOLDERS) {
    await mkdir(join(dir, 'queue', name), { mode: 0o700 });
    await chown(join(dir, 'queue', name), owner, 0);
  }
  const logFile = join(dir, 'maillog');
  await writeFile(logFile, '');
  const etc = join(dir, 'etc');
  await writeFile(
    join(etc, 'main.cf'),
    withSettings(mainCf(dir, daemons, options), (options.settings ?? []).join('\n')),
  );
  await writeFile(join(etc, 'master.cf'), masterCf(port, options.services ?? []));
  const [command, ...args] = [...(options.under ?? []), join(daemons, 'master'), '-c', etc, '-d'];
  const master = startProgram(t, command, args, { detached: true });
  const log = () => readFile(logFile, 'utf8');
  await untilGreeting('Postfix', port, master, log);

  const messages = async () => {
    const folder = join(dir, 'mail/box/new');
    const names = await readdir(folder).catch(() => []);
    return Promise.all(names.sort().map((name) => readFile(join(folder, name))));
  };
  const logged: Postfix['logged'] = async (fits, times = 1, timeoutMs = 20_000) => {
    const end = Date.now() + timeoutMs;
    while (true) {
      const text = await log();
      const lines = text.split('\n').filter((line) => fits.test(line));
      if (lines.length >= times) return lines;
      if (Date.now() > end) {
        throw new Error(
          `Postfix logged ${lines.length} of ${times} lines like ${String(fits)}; its last lines:\n${text.slice(-3000)}`,
        );
      }
      await sleep(50);
    }
  };
  return {
    port,
    pid: master.pid,
    dir,
    log,
    messages,
    delivered: async (count) => {
      await logged(/status=sent/, count);
      return messages();
    },
    logged,
    sendmail: async (from, to, message) => {
      const file = join(dir, `mail-${process.hrtime.bigint()}`);
      await writeFile(file, message);
      const sendmail = need(t, 'sendmail') ?? '';
      const sent = await runProgram(t, '/bin/sh', [
        '-c',
        'exec "$0" -C "$1" -i -f "$2" -- "$3" < "$4"',
        sendmail,
        etc,
        from,
        to,
        file,
      ]);
      if (sent.exit !== 0) throw new Error(`sendmail: ${sent.output}`);
    },
    stop: async () => {
      await master.stop();
    },
  };
}

/**
 * `more` behind what it does not set anew. Every daemon would warn of a setting that stands there twice, postlogd among them,
 * which then waits for itself to read what it has written.
 */
function withSettings(mainCf: string, more: string): string {
  const nameOf = (setting: string): string | undefined => /^([\w-]+)\s*=/.exec(setting)?.[1];
  const anew = new Set(more.split('\n').map(nameOf));
  anew.delete(undefined);
  const kept = mainCf.split('\n').filter((setting) => !anew.has(nameOf(setting)));
  return `${kept.join('\n')}\n${more}\n`;
}

function mainCf(dir: string, daemons: string, options: PostfixSettings): string {
  return `compatibility_level = 3.6
daemon_directory = ${daemons}
config_directory = ${dir}/etc
queue_directory = ${dir}/queue
data_directory = ${dir}/data
maillog_file = ${dir}/maillog
maillog_file_prefixes = ${dir}
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = backend.example.org
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
local_recipient_maps =
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_authorized_xclient_hosts = 127.0.0.1
default_process_limit = 50
# What comes in stays as it is: the tests compare bytes.
local_header_rewrite_clients =
message_drop_headers =
disable_mime_input_processing = yes
message_size_limit = 52428800
mailbox_size_limit = 0
virtual_mailbox_limit = 0
${options.relayHost === undefined ? '' : `relayhost = ${options.relayHost}\nminimal_backoff_time = 1s\nqueue_run_delay = 1s\nsmtp_tls_security_level = may`}
${
  options.clientOnly === true
    ? ''
    : `virtual_mailbox_domains = example.org
virtual_mailbox_maps = static:box/
virtual_mailbox_base = ${dir}/mail
virtual_uid_maps = static:${NOBODY}
virtual_gid_maps = static:${NOBODY}
virtual_transport = ${options.deliver === 'discard' ? 'discard' : 'virtual'}`
}
`;
}

/** The services that mail from SMTP or sendmail to SMTP, Maildir or nowhere needs; none in a chroot. */
function masterCf(port: number, more: readonly string[]): string {
  return `127.0.0.1:${port} inet n - n - - smtpd
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
${more.join('\n')}
`;
}
