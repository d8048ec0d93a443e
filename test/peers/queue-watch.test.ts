/** The queue watch with real mail servers: a Postfix whose deliveries are held, alerts through another one; the lists of Exim and Sendmail. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDesk } from '../../src/adapters/desk/sqlite.ts';
import { openJournal } from '../../src/adapters/journal/sqlite.ts';
import { mailThroughSendmail } from '../../src/adapters/notify/ways.ts';
import { sampleQueue } from '../../src/adapters/queue/sample.ts';
import type { WatchWorld } from '../../src/admin/watch/watch.ts';
import { LADDER } from '../../src/checks/ladder.ts';
import { startWatching } from '../../src/cli/watching.ts';
import { load } from '../../src/config/load.ts';
import { onEnd, runProgram } from '../program.ts';
import { tempDir } from '../tempdir.ts';
import { need, needRoot } from './peer.ts';
import { startPostfix } from './postfix.ts';
import { configureSendmail } from './sendmail.ts';
import { needUnpacked, NOBODY, ownWorld } from './unpacked.ts';

const NEVER = new AbortController().signal;
const MESSAGE = 'From: a@example.net\nSubject: hello\n\nHello\n';

describe('the queue watch at a Postfix whose deliveries are held', () => {
  it('tells by mail and by webhook that the queue grows, and that it is over', async (t) => {
    const postqueue = need(t, 'postqueue');
    if (postqueue === undefined) return;
    const held = await startPostfix(t, { settings: ['defer_transports = virtual'] });
    const backend = await startPostfix(t);
    if (held === undefined || backend === undefined) return;
    const hook = await startHook(t);
    const dir = await tempDir(t);
    const file = join(dir, 'postern.toml');
    await writeFile(
      file,
      `host_name = "mx.example.org"
domains = ["example.org"]
data_dir = "data"
[[listen]]
address = "127.0.0.1:0"
[backend]
url = "smtp://127.0.0.1:${backend.port}"
xclient = true
[queue_watch]
from = "postfix"
command = ["${postqueue}", "-c", "${held.dir}/etc", "-j"]
every = "1s"
[[queue_watch.alert]]
above = 4
for = "2s"
[[queue_watch.alert]]
above = 400
for = "0s"
[notify]
mail_to = ["postmaster@example.org", "ops@example.org"]
webhook = "${hook.url}"
`,
    );
    const { world, troubles, desk } = await worldOf(t, file, dir);
    const watch = startWatching(world);
    onEnd(t, () => watch.close());

    await until(() => desk.queue.last()?.messages === 0);
    assert.deepEqual(watch.firing(), []);
    for (let i = 0; i < 5; i++) await held.sendmail('a@example.net', `user${i}@example.org`, MESSAGE);
    await until(() => watch.firing().length > 0);
    const [text = ''] = watch.firing();
    assert.match(text, /^5 messages in the queue \(all deferred\) for \d+ seconds, above 4; oldest \d+ s$/);
    assert.deepEqual(
      watch.alerts().map(({ above, firing }) => [above, firing]),
      [
        [4, true],
        [400, false],
      ],
    );
    const last = desk.queue.last();
    assert.equal(last?.byQueue?.['deferred'], 5);

    await untilMails(backend, 2);
    const [mail = ''] = (await backend.messages()).map(String);
    assert.match(mail, /^Subject: \[mx\.example\.org\] Queue: 5 messages in the queue/m);
    assert.match(mail, /^From: Postern <postern@mx\.example\.org>$/m);
    assert.match(mail, /^Auto-Submitted: auto-generated$/m);
    assert.match(mail, /^Return-Path: <postern@mx\.example\.org>$/m);
    await until(() => hook.asked.length === 1);
    assert.equal(hook.asked[0]?.['state'], 'firing');

    // Let go: what was deferred is delivered now.
    const main = join(held.dir, 'etc/main.cf');
    await writeFile(main, (await readFile(main, 'utf8')).replace('defer_transports = virtual', ''));
    process.kill(held.pid, 'SIGHUP');
    // Asked for before its queue manager has begun anew, a flush is forgotten.
    for (let i = 0; i < 20 && watch.firing().length > 0; i++) {
      await runProgram(t, postqueue, ['-c', join(held.dir, 'etc'), '-f']);
      await sleep(1000);
    }
    assert.deepEqual(watch.firing(), []);
    await untilMails(backend, 4);
    const subjects = (await backend.messages()).map(
      (one) => /^Subject: (.*(?:\n .*)*)/m.exec(String(one))?.[1],
    );
    assert.equal(
      subjects.filter((s) => s?.includes('Queue: over: 0 messages in the queue, below 4 again')).length,
      2,
    );
    await until(() => hook.asked.length === 2);
    assert.equal(hook.asked[1]?.['state'], 'cleared');
    const [first, second] = hook.asked.map((one) => one['alert']);
    assert.equal(first, second);
    await until(() => desk.notices.waiting().length === 0);
    assert.deepEqual(troubles, []);
  });

  it('needs no more than a group, where no setgid program gains anything', async (t) => {
    const postqueue = need(t, 'postqueue');
    if (postqueue === undefined) return;
    const held = await startPostfix(t, { settings: ['defer_transports = virtual'] });
    if (held === undefined) return;
    await held.sendmail('a@example.net', 'user@example.org', MESSAGE);
    // As Debian has it: postqueue comes in by its group.
    const group = (await runProgram(t, '/usr/bin/getent', ['group', 'postdrop'])).output.split(':')[2] ?? '';
    const open = join(held.dir, 'queue/public');
    await chown(open, (await stat(open)).uid, Number(group));
    await chmod(open, 0o710);
    // Another user may not name a folder of settings: they are put in the place of the machine's.
    const asUser = (groups: string) =>
      sampleQueue(
        {
          from: 'postfix',
          command: [
            ...['/usr/bin/unshare', '-m', '/bin/sh', '-c', 'mount --bind "$0" /etc/postfix && exec "$@"'],
            ...[join(held.dir, 'etc'), '/usr/bin/setpriv', '--no-new-privs', `--reuid=${NOBODY}`],
            ...[`--regid=${NOBODY}`, groups, postqueue, '-j'],
          ],
        },
        NEVER,
      );
    assert.equal((await asUser(`--groups=${group}`)).messages, 1);
    await assert.rejects(asUser('--clear-groups'), /ended with 69: postqueue: .*Permission denied/);

    // And mail of ours goes in by the same group, where there is no backend.
    const maildrop = join(held.dir, 'queue/maildrop');
    await chown(maildrop, (await stat(maildrop)).uid, Number(group));
    await chmod(maildrop, 0o1730);
    const sendmail = join(held.dir, 'sendmail');
    await writeFile(
      sendmail,
      `#!/bin/sh
exec unshare -m /bin/sh -c 'mount --bind ${held.dir}/etc /etc/postfix && exec setpriv --no-new-privs --reuid=${NOBODY} --regid=${NOBODY} --groups=${group} /usr/sbin/sendmail "$@"' sendmail "$@"
`,
    );
    await chmod(sendmail, 0o755);
    const [from, to] = [
      { local: 'postern', domain: 'mx.example.org' },
      { local: 'ops', domain: 'example.org' },
    ];
    const mail = Buffer.from('Subject: the queue\r\n\r\n.\r\nIt grows\r\n');
    assert.deepEqual(await mailThroughSendmail(sendmail, from, to, mail, NEVER), { kind: 'told' });
    await held.logged(/from=<postern@mx\.example\.org>/);
    assert.equal((await asUser(`--groups=${group}`)).messages, 2);
  });
});

it('the list of Exim', async (t) => {
  const packages = needUnpacked(t);
  if (packages === undefined || !needRoot(t)) return;
  const dir = await tempDir(t);
  const libraries = join(dir, 'lib');
  for (const name of ['lib', 'spool', 'log']) await mkdir(join(dir, name));
  for (const name of await readdir(packages.libraries)) {
    if (name.includes('.so')) await copyFile(join(packages.libraries, name), join(libraries, name));
  }
  for (const name of ['spool', 'log']) await chown(join(dir, name), NOBODY, NOBODY);
  await copyFile(packages.path('usr/sbin/exim4'), join(dir, 'exim'));
  await writeFile(
    join(dir, 'exim.conf'),
    `primary_hostname = mx.example.org
spool_directory = ${dir}/spool
log_file_path = ${dir}/log/%s
exim_path = ${dir}/exim
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : ^NSS_WRAPPER_
queue_only = true
host_lookup =
never_users =
begin routers
later:
  driver = redirect
  data = :defer: later
`,
  );
  const env = await ownWorld(dir, libraries, { name: 'Debian-exim', id: NOBODY });
  const exim = [
    ...['/usr/bin/setpriv', '--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups'],
    ...['/usr/bin/env', ...Object.entries(env).map(([name, value]) => `${name}=${value}`)],
    ...[join(dir, 'exim'), '-C', join(dir, 'exim.conf')],
  ];
  const count = (flag: string) => sampleQueue({ from: 'exim', command: [...exim, flag] }, NEVER);
  assert.deepEqual(await count('-bpc'), { messages: 0 });
  assert.deepEqual(await count('-bp'), { messages: 0 });
  for (const to of ['u@example.org', '"<x y> *** frozen ***"@example.org', '-x@example.org'])
    submit(exim, ['-odq', '-i', '-f', 'a@example.net', '--', to]);
  assert.deepEqual(await count('-bpc'), { messages: 3 });
  const listed = await count('-bp');
  assert.equal(listed.messages, 3);
  assert.deepEqual(listed.byQueue, { frozen: 0, waiting: 3 });
  assert.equal(listed.oldestMs, 0);
  const id = /\S{6}-\S+-\S+(?=-H)/.exec((await readdir(join(dir, 'spool/input'))).join(' '))?.[0] ?? '';
  submit(exim, ['-Mf', id]);
  assert.deepEqual((await count('-bp')).byQueue, { frozen: 1, waiting: 2 });
});

it('the list of Sendmail', async (t) => {
  const packages = needUnpacked(t);
  if (packages === undefined || !needRoot(t)) return;
  const dir = await tempDir(t);
  const config = await configureSendmail(t, packages, dir, "define(`confDELIVERY_MODE', `queueonly')dnl");
  const env = await ownWorld(dir, packages.libraries, { name: 'smmta', id: NOBODY });
  const sendmail = [
    ...['/usr/bin/env', ...Object.entries(env).map(([name, value]) => `${name}=${value}`)],
    ...[packages.path('usr/libexec/sendmail/sendmail'), '-C', config],
  ];
  const count = () => sampleQueue({ from: 'sendmail', command: [...sendmail, '-bp'] }, NEVER);
  assert.deepEqual(await count(), { messages: 0 });
  for (let i = 0; i < 3; i++) submit(sendmail, ['-odq', '-i', '-f', 'a@example.net', `u${i}@example.org`]);
  const { messages, oldestMs = -1 } = await count();
  assert.equal(messages, 3);
  // It says minutes.
  assert.ok(oldestMs >= 0 && oldestMs < 120_000, String(oldestMs));
});

function submit([program = '', ...before]: readonly string[], args: readonly string[]): void {
  const sent = spawnSync(program, [...before, ...args], { input: MESSAGE, timeout: 20_000 });
  assert.equal(sent.status, 0, String(sent.stderr));
}

async function worldOf(t: TestContext, file: string, dir: string) {
  const loaded = load(file, LADDER);
  if (!('config' in loaded)) assert.fail(JSON.stringify(loaded.problems));
  const { config } = loaded;
  const desk = openDesk(join(dir, 'desk.sqlite'));
  const journal = openJournal(join(dir, 'journal.sqlite'));
  onEnd(t, async () => {
    await journal.close();
    desk.close();
  });
  const troubles: string[] = [];
  const world: WatchWorld = {
    config: () => config,
    nowMs: Date.now,
    journal,
    desk,
    gates: () => [],
    trouble: (what, error) =>
      troubles.push(`${what}: ${error instanceof Error ? error.message : String(error)}`),
  };
  return { world, troubles, desk };
}

async function startHook(t: TestContext) {
  const asked: Readonly<Record<string, unknown>>[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      asked.push(JSON.parse(body) as Record<string, unknown>);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 600 && !isSo(); i++) await sleep(50);
  assert.ok(isSo(), 'never came true');
}

async function untilMails(postfix: { messages(): Promise<readonly Buffer[]> }, count: number): Promise<void> {
  for (let i = 0; i < 400 && (await postfix.messages()).length < count; i++) await sleep(50);
  assert.equal((await postfix.messages()).length, count);
}
