/**
 * A Sendmail of the test's own in a temporary folder: own configuration and queue, loopback only, no DNS. Mail for example.org is
 * delivered at once, each message into a file. Needs root: Sendmail trusts nobody else to be a daemon, and gives it up itself.
 */
import { chmod, chown, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../freeport.ts';
import { runProgram, startProgram } from '../program.ts';
import { tempDir } from '../tempdir.ts';
import { needRoot } from './peer.ts';
import { NOBODY, needUnpacked, ownWorld, type Unpacked } from './unpacked.ts';
import { untilGreeting } from './greeting.ts';

export interface Sendmail {
  readonly port: number;
  /** Delivered messages, oldest first, as Sendmail wrote them (LF line ends). */
  readonly messages: () => Promise<readonly string[]>;
  /** Files of messages that wait: none of them may stay behind. */
  queued(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** `lines`: more of sendmail.mc, before the mailers. Undefined when the test was skipped. */
export async function startSendmail(t: TestContext, lines: string): Promise<Sendmail | undefined> {
  const packages = needUnpacked(t);
  if (packages === undefined || !needRoot(t)) return undefined;
  const dir = await tempDir(t);
  const port = await freePort();
  await mkdir(join(dir, 'mail'), { mode: 0o700 });
  await chown(join(dir, 'mail'), NOBODY, NOBODY);
  const deliver = join(dir, 'deliver');
  await writeFile(
    deliver,
    `#!/bin/sh\nfile="${dir}/mail/$(date +%s%N).$$"\ncat >"$file.part" && mv "$file.part" "$file"\n`,
  );
  await chmod(deliver, 0o755);
  const config = await configureSendmail(
    t,
    packages,
    dir,
    `define(\`confDELIVERY_MODE', \`interactive')dnl
DAEMON_OPTIONS(\`Name=MTA, Addr=127.0.0.1, Port=${port}, Family=inet')dnl
define(\`LOCAL_MAILER_PATH', \`${deliver}')dnl
define(\`LOCAL_MAILER_ARGS', \`deliver $u')dnl
MODIFY_MAILER_FLAGS(\`LOCAL', \`-Aw5:/|@')dnl
${lines}`,
  );
  const program = startProgram(
    t,
    packages.path('usr/libexec/sendmail/sendmail'),
    ['-C', config, '-bD', '-X', join(dir, 'transcript')],
    { detached: true, env: await ownWorld(dir, packages.libraries, { name: 'smmta', id: NOBODY }) },
  );
  const transcript = () => readFile(join(dir, 'transcript'), 'utf8').catch(() => '');
  await untilGreeting(
    'Sendmail',
    port,
    program,
    async () => `${program.lines.join('\n')}\n${await transcript()}`,
  );
  return {
    port,
    messages: async () => {
      const names = (await readdir(join(dir, 'mail'))).filter((name) => !name.endsWith('.part'));
      return Promise.all(names.sort().map((name) => readFile(join(dir, 'mail', name), 'utf8')));
    },
    queued: () => readdir(join(dir, 'queue')),
    stop: async () => {
      await program.stop();
    },
  };
}

/** A queue in `dir`, and a configuration with it; `lines`: more of sendmail.mc, before the mailers. The path of sendmail.cf. */
export async function configureSendmail(
  t: TestContext,
  packages: Unpacked,
  dir: string,
  lines: string,
): Promise<string> {
  await mkdir(join(dir, 'queue'), { mode: 0o700 });
  await chown(join(dir, 'queue'), NOBODY, NOBODY);
  await writeFile(join(dir, 'switch'), 'hosts files\naliases files\npasswd files\n');
  const mc = join(dir, 'sendmail.mc');
  await writeFile(mc, sendmailMc(dir, packages.path('usr/share/sendmail/cf'), lines));
  const cf = await runProgram(t, packages.path('usr/bin/m4'), [mc]);
  if (cf.exit !== 0) throw new Error(`m4: ${cf.output}`);
  const config = join(dir, 'sendmail.cf');
  await writeFile(config, `${cf.output}\n`);
  return config;
}

const sendmailMc = (dir: string, cf: string, lines: string): string => `divert(-1)
define(\`_CF_DIR_', \`${cf}/')
divert(0)dnl
include(_CF_DIR_\`m4/cf.m4')dnl
OSTYPE(\`linux')dnl
define(\`confDOMAIN_NAME', \`mx.example.org')dnl
define(\`QUEUE_DIR', \`${dir}/queue')dnl
define(\`confPID_FILE', \`${dir}/pid')dnl
define(\`STATUS_FILE', \`')dnl
define(\`HELP_FILE', \`')dnl
define(\`ALIAS_FILE', \`')dnl
define(\`confCW_FILE', \`-o /dev/null')dnl
define(\`confSERVICE_SWITCH_FILE', \`${dir}/switch')dnl
define(\`confRUN_AS_USER', \`nobody:nogroup')dnl
define(\`confDEF_USER_ID', \`nobody:nogroup')dnl
define(\`confDONT_PROBE_INTERFACES', \`true')dnl
define(\`confDONT_BLAME_SENDMAIL', \`GroupWritableDirPathSafe,TrustStickyBit')dnl
define(\`confTO_IDENT', \`0')dnl
define(\`confQUEUE_LA', \`1000')dnl
define(\`confREFUSE_LA', \`1000')dnl
FEATURE(\`nocanonify')dnl
FEATURE(\`accept_unresolvable_domains')dnl
FEATURE(\`no_default_msa')dnl
LOCAL_DOMAIN(\`example.org')dnl
${lines}
MAILER(\`local')dnl
MAILER(\`smtp')dnl
`;
