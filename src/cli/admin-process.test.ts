import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { startGate, type Gate } from '../../test/gate.ts';
import { freePort } from '../../test/freeport.ts';
import { onEnd, runProgram, type Cleanup } from '../../test/program.ts';
import { connectSmtp, sendMail } from '../../test/smtp.ts';
import { tempDir } from '../../test/tempdir.ts';
import { setPassword } from './admin-users.ts';
import { LADDER } from '../checks/ladder.ts';
import { load } from '../config/load.ts';

const PASSWORD = 'correct horse battery';
const MAIN = join(import.meta.dirname, 'main.ts');

async function started(t: Cleanup, port: number) {
  const dir = await tempDir(t);
  await mkdir(join(dir, 'mail', 'bob'), { recursive: true });
  const gate = await startGate(t, {
    dir,
    backend: `maildir:${join(dir, 'mail')}/{user}`,
    dns: undefined,
    networks: ['127.0.0.1'],
    tables: `[admin]\nlisten = "127.0.0.1:${port}"\n`,
  });
  return { dir, gate };
}

async function opened(t: Cleanup, port: number) {
  const found = await started(t, port);
  await found.gate.process.line(/"msg":"listening".*"door":"dashboard"/);
  return found;
}

/** Its process, by what the log of the gate tells of it. */
async function pidOf(gate: Gate): Promise<number> {
  const text = await readFile(`/proc/${gate.pid}/task/${gate.pid}/children`, 'utf8');
  for (const pid of text.trim().split(' ').map(Number)) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    if (line.includes('admin\0serve')) return pid;
  }
  throw new Error(`no dashboard among ${text}`);
}

async function deliver(gate: Gate): Promise<void> {
  const client = await connectSmtp(gate);
  const message = 'From: ann@example.net\r\nSubject: hello\r\n\r\nhello\r\n';
  const { heard } = await sendMail(client, { from: 'ann@example.net', to: 'bob@example.org', message });
  assert.equal(heard.code, 250, heard.lines.join());
  client.close();
}

async function login(port: number): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/api/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'admin', password: PASSWORD }),
  });
}

describe('the process of the dashboard', () => {
  it('knows how the gate is, comes back when it is killed, and mail flows meanwhile', async (t) => {
    const port = await freePort();
    const { gate } = await opened(t, port);
    const loaded = load(gate.configFile, LADDER);
    assert.ok('config' in loaded);
    await setPassword(loaded.config, { user: 'admin', password: PASSWORD });
    await wait(1100);
    const logged = await login(port);
    assert.equal(logged.status, 200);
    const cookie = logged.headers.get('set-cookie')?.split(';')[0] ?? '';
    const now = async () => {
      const response = await fetch(`http://127.0.0.1:${port}/api/now`, { headers: { cookie } });
      return (await response.json()) as {
        gate?: { pid: number; journal: { recorded: number } };
        dependencies: { kind: string; state: string }[];
      };
    };
    let said = await now();
    for (let tries = 0; said.gate === undefined && tries < 50; tries++) {
      await wait(100);
      said = await now();
    }
    assert.equal(said.gate?.pid, gate.pid);
    assert.ok(said.dependencies.some(({ kind }) => kind === 'backend'));
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    assert.match(metrics, /^postern_gate_up 1$/m);

    const pid = await pidOf(gate);
    assert.notEqual(pid, gate.pid);
    process.kill(pid, 'SIGKILL');
    await gate.process.line(/the dashboard is down; mail goes on.*SIGKILL/);
    await deliver(gate);
    await gate.process.line(/"msg":"decision".*"outcome":"accepted"/);
    const came = () =>
      gate.log().filter((line) => line['door'] === 'dashboard' && line['msg'] === 'listening').length;
    while (came() < 2) await wait(50);
    assert.notEqual(await pidOf(gate), pid);
    // Who was logged in still is.
    const me = await fetch(`http://127.0.0.1:${port}/api/me`, { headers: { cookie } });
    assert.equal(me.status, 200);
    assert.equal(await gate.stop(), 0);
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
  });

  it('goes, comes and moves with the configuration', async (t) => {
    const [port, other] = [await freePort(), await freePort()];
    const { gate } = await opened(t, port);
    const whole = await readFile(gate.configFile, 'utf8');
    const reload = async (text: string) => {
      const before = gate.log().filter(({ msg }) => msg === 'reloaded').length;
      await writeFile(gate.configFile, text);
      process.kill(gate.pid, 'SIGHUP');
      while (gate.log().filter(({ msg }) => msg === 'reloaded').length === before) await wait(20);
    };
    const answers = async (at: number) =>
      fetch(`http://127.0.0.1:${at}/api/me`).then(
        ({ status }) => status,
        () => 0,
      );
    const until = async (at: number, status: number) => {
      for (let tries = 0; (await answers(at)) !== status; tries++) {
        assert.ok(tries < 200, `port ${at} never said ${status}`);
        await wait(50);
      }
    };
    assert.equal(await answers(port), 401);
    await reload(whole.replace(`127.0.0.1:${port}`, `127.0.0.1:${other}`));
    await until(other, 401);
    assert.equal(await answers(port), 0);
    await reload(whole.replace(/\[admin\]\nlisten.*\n/, ''));
    await until(other, 0);
    await deliver(gate);
    await reload(whole);
    await until(port, 401);
    assert.equal(await gate.stop(), 0);
  });

  it('does not hold up the stop of the gate, and ends with a gate that is killed', async (t) => {
    const port = await freePort();
    const { gate } = await opened(t, port);
    const pid = await pidOf(gate);
    // It hears of nothing any more.
    process.kill(pid, 'SIGSTOP');
    assert.equal(await gate.stop(), 0);
    assert.throws(() => process.kill(pid, 0));

    const next = await opened(t, await freePort());
    const orphan = await pidOf(next.gate);
    await next.gate.kill();
    for (let tries = 0; ; tries++) {
      try {
        process.kill(orphan, 0);
      } catch {
        break;
      }
      assert.ok(tries < 100, 'it outlives its gate');
      await wait(50);
    }
  });

  it('says why it cannot start, and the gate goes on', async (t) => {
    const taken = await freePort();
    const { gate: first } = await opened(t, taken);
    const { gate } = await started(t, taken);
    await gate.process.line(/another program listens there.*give \[admin\] listen another address/);
    await gate.process.line(/the dashboard is down; mail goes on/);
    await deliver(gate);
    assert.equal(await gate.stop(), 0);
    assert.equal(await first.stop(), 0);
  });
});

describe('what the process of the dashboard inherits', () => {
  it('is what it needs, and nothing that was meant for the gate', async (t) => {
    const dir = await tempDir(t);
    await mkdir(join(dir, 'mail'));
    const given = { NODE_OPTIONS: '--no-deprecation', LC_TIME: 'C', SITE_SECRET: 'secret' };
    const before = { ...process.env };
    onEnd(t, () => void (process.env = before));
    Object.assign(process.env, given);
    const gate = await startGate(t, {
      dir,
      backend: `maildir:${join(dir, 'mail')}/{user}`,
      dns: undefined,
      networks: ['127.0.0.1'],
      tables: '[admin]\nlisten = "127.0.0.1:0"\n',
    });
    await gate.process.line(/"msg":"listening".*"door":"dashboard"/);
    const text = await readFile(`/proc/${await pidOf(gate)}/environ`, 'utf8');
    const names = text.split('\0').map((line) => line.split('=')[0] ?? '');
    assert.deepEqual(
      names.filter((name) => /^(?:NODE_OPTIONS|SITE_SECRET|NOTIFY_SOCKET)$/.test(name)),
      [],
    );
    assert.ok(names.includes('PATH') && names.includes('LC_TIME'), names.join());
    assert.equal(await gate.stop(), 0);
  });
});

describe('postern admin set-password', () => {
  const write = async (t: Cleanup, tables: string) => {
    const dir = await tempDir(t);
    const file = join(dir, 'postern.toml');
    await writeFile(
      file,
      `host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "${dir}/data"\n[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "smtp://127.0.0.1:1"\n${tables}`,
    );
    return { dir, file };
  };
  const set = (t: Cleanup, file: string, password: string, user: readonly string[] = []) =>
    runProgram(t, '/bin/sh', [
      '-c',
      `printf '%s\\n' "$1" | "$2" --disable-warning=ExperimentalWarning "$3" admin set-password -c "$4" ${user.join(' ')}`,
      'sh',
      password,
      process.execPath,
      MAIN,
      file,
    ]);

  it('writes a file that only the gate can read, a line a user', async (t) => {
    const { dir, file } = await write(t, '[admin]\n');
    await mkdir(join(dir, 'data'));
    for (const [user, password] of [
      ['admin', 'correct horse battery'],
      ['ann', 'another password'],
      ['admin', 'a third password'],
    ] as const) {
      const { exit, output } = await set(t, file, password, [user]);
      assert.equal(exit, 0, output);
      assert.ok(!output.includes(password));
    }
    const users = join(dir, 'data', 'admin-users');
    const lines = (await readFile(users, 'utf8')).trim().split('\n');
    assert.deepEqual(
      lines.map((line) => line.split(':')[0]),
      ['admin', 'ann'],
    );
    assert.ok(lines.every((line) => /^\w+:\$scrypt\$/.test(line)));
    const { statSync } = await import('node:fs');
    assert.equal(statSync(users).mode & 0o777, 0o600);
  });

  it('takes no short password, no nonsense, and says where the table is missing', async (t) => {
    const { dir, file } = await write(t, '[admin]\n');
    await mkdir(join(dir, 'data'));
    const short = await set(t, file, '123456789');
    assert.equal(short.exit, 1);
    assert.match(short.output, /10 characters/);
    assert.equal((await set(t, file, '1234567890')).exit, 0);
    assert.equal((await set(t, file, '1234567890', ['"a:b"'])).exit, 64);
    const without = await write(t, '');
    const { exit, output } = await set(t, without.file, '1234567890');
    assert.equal(exit, 78);
    assert.match(output, /no table \[admin\]/);
  });
});
