/** What the gate and the process of its dashboard know of each other: what is in force, whether it answers, whether its page is there. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { openAdmin, PASSWORD } from '../../test/admin.ts';
import { freePort } from '../../test/freeport.ts';
import { startGate, type Gate } from '../../test/gate.ts';
import { onEnd, type Cleanup } from '../../test/program.ts';
import { connectSmtp } from '../../test/smtp.ts';
import { tempDir } from '../../test/tempdir.ts';
import { LADDER } from '../checks/ladder.ts';
import { load } from '../config/load.ts';
import type { GateStatus } from '../core/status.ts';
import { setPassword } from './admin-users.ts';
import { AdminProcess } from './admin-process.ts';

const STATUS: GateStatus = {
  pid: process.pid,
  startedAtMs: 0,
  atMs: 0,
  policy: '',
  listening: [],
  load: { level: 'calm', sample: {} },
  connections: { now: 0, limit: 0 },
  journal: { recorded: 0, dropped: 0 },
  dependencies: [],
  metrics: [],
};

async function until(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await is()); tries++) {
    assert.ok(tries < 1200, `never: ${what}`);
    await wait(50);
  }
}

async function childOf(gate: Gate): Promise<number> {
  const text = await readFile(`/proc/${gate.pid}/task/${gate.pid}/children`, 'utf8');
  for (const pid of text.trim().split(' ').map(Number)) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    if (line.includes('admin\0serve')) return pid;
  }
  throw new Error(`no dashboard among ${text}`);
}

const times = (gate: Gate, msg: string, door?: string) =>
  gate.log().filter((line) => line['msg'] === msg && (door === undefined || line['door'] === door)).length;

const downs = (gate: Gate) =>
  gate.log().filter(({ what }) => String(what).startsWith('the dashboard is down')).length;

async function killed(gate: Gate): Promise<void> {
  const before = times(gate, 'listening', 'dashboard');
  process.kill(await childOf(gate), 'SIGKILL');
  await until('it is back', () => times(gate, 'listening', 'dashboard') > before);
}

async function reloaded(gate: Gate): Promise<void> {
  const before = gate.log().length;
  process.kill(gate.pid, 'SIGHUP');
  await until('the gate says how the reload went', () =>
    gate
      .log()
      .slice(before)
      .some(({ msg }) => /reloaded/.test(String(msg))),
  );
}

/** As the settings page has it. */
async function shownText(port: number): Promise<string> {
  const at = `http://127.0.0.1:${port}`;
  const login = await fetch(`${at}/api/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'admin', password: PASSWORD }),
  });
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
  const settings = await fetch(`${at}/api/settings`, { headers: { cookie } });
  assert.equal(settings.status, 200);
  return ((await settings.json()) as { text: string }).text;
}

async function gateWith(t: Cleanup, tables: string, top = ''): Promise<Gate> {
  const dir = await tempDir(t);
  await mkdir(join(dir, 'mail', 'bob'), { recursive: true });
  return startGate(t, {
    dir,
    backend: `maildir:${join(dir, 'mail')}/{user}`,
    dns: undefined,
    top,
    tables,
  });
}

describe('the configuration that the dashboard has', () => {
  it('is the one in force, whatever the file says by now', async (t) => {
    const port = await freePort();
    const gate = await gateWith(t, `[admin]\nlisten = "127.0.0.1:${port}"\n`, 'contact = "one@example.org"');
    await until('it listens', () => times(gate, 'listening', 'dashboard') > 0);
    const loaded = load(gate.configFile, LADDER);
    assert.ok('config' in loaded);
    await setPassword(loaded.config, { user: 'admin', password: PASSWORD });
    // It looks for other users once a second.
    await wait(1100);

    const first = await readFile(gate.configFile, 'utf8');
    await writeFile(gate.configFile, 'this is no configuration\n');
    await reloaded(gate);
    assert.equal(await shownText(port), first);
    await killed(gate);
    assert.equal(await shownText(port), first);

    const second = first.replace('one@example.org', 'two@example.org');
    await writeFile(gate.configFile, second);
    await killed(gate);
    assert.equal(await shownText(port), first, 'what is not reloaded is not in force');
    await reloaded(gate);
    await until('the new one is shown', async () => (await shownText(port)) === second);
    assert.equal(await gate.stop(), 0);
  });
});

describe('where refusals send a mistake', () => {
  it('is the page while it is there, and the contact while it is not', async (t) => {
    const port = await freePort();
    const taken = createServer().listen(port, '127.0.0.1');
    await once(taken, 'listening');
    onEnd(t, () => void taken.close());
    const gate = await gateWith(
      t,
      `[report_page]\nurl = "https://mx.example.org"\nlisten = "127.0.0.1:${port}"\n[[block]]\nsender = "ann@example.net"\n`,
    );
    const refused = async () => {
      const client = await connectSmtp(gate);
      await client.reply();
      let said = '';
      for (const line of ['EHLO a.example.net', 'MAIL FROM:<ann@example.net>', 'RCPT TO:<bob@example.org>']) {
        await client.write(`${line}\r\n`);
        said = (await client.reply()).lines.join('\n');
      }
      client.close();
      return said;
    };
    const CONTACT = /Refused: .*Mistake\? Write to postmaster@example\.org with id \w+$/;
    const PAGE = /Refused: .*Mistake\? https:\/\/mx\.example\.org\/r\/\w+$/;

    await until('its port is taken', () => downs(gate) > 0);
    assert.match(await refused(), CONTACT);
    taken.close();
    await until('it listens', () => times(gate, 'listening', 'report page') > 0);
    assert.match(await refused(), PAGE);
    const before = downs(gate);
    process.kill(await childOf(gate), 'SIGKILL');
    await until('the gate knows', () => downs(gate) > before);
    assert.match(await refused(), CONTACT);

    // Whoever takes the page away, or brings it, by a reload.
    await reloaded(gate);
    await until('it listens again', () => times(gate, 'listening', 'report page') > 1);
    assert.match(await refused(), PAGE);
    const text = await readFile(gate.configFile, 'utf8');
    await writeFile(
      gate.configFile,
      text.replace(/\[report_page\]\n.*\n.*\n/, '[admin]\nlisten = "127.0.0.1:0"\n'),
    );
    await reloaded(gate);
    await until('it is closed', () => times(gate, 'closed', 'report page') > 0);
    assert.match(await refused(), CONTACT);
    assert.equal(await gate.stop(), 0);
  });
});

describe('a dashboard that hangs', () => {
  it('is noticed, ended and started again; one that answers is left alone', async (t) => {
    // It leaves a journal.
    const { dir } = await openAdmin(t, {
      tables: '[report_page]\nurl = "https://mx.example.org"\nlisten = "127.0.0.1:0"\n',
    });
    const loaded = load(join(dir, 'postern.toml'), LADDER);
    assert.ok('config' in loaded);
    const pages: string[] = [];
    const troubles: string[] = [];
    // It may start slowly where much else runs.
    let silentMs = 60_000;
    const admin = new AdminProcess({
      log: {
        listening(door) {
          if (door === 'report page') pages.push(door);
        },
        closed: () => undefined,
        warned: () => undefined,
        trouble: (what, error) => void troubles.push(`${what}: ${String(error)}`),
      },
      status: () => STATUS,
      statusEveryMs: 50,
      get silentMs() {
        return silentMs;
      },
    });
    onEnd(t, () => admin.stop());
    assert.equal(admin.isReportPageUp, false);
    admin.follow(loaded.config);
    await until('it listens', () => pages.length === 1);
    assert.equal(admin.isReportPageUp, true);
    const { pid } = admin;
    assert.ok(pid !== undefined);

    silentMs = 3000;
    await wait(3500);
    assert.deepEqual(troubles, []);

    silentMs = 500;
    process.kill(pid, 'SIGSTOP');
    await until('it is ended', () => troubles.length >= 2);
    silentMs = 60_000;
    const [first, second] = [...troubles];
    assert.match(String(first), /^the dashboard does not answer: its process has said nothing for 0\.5\d* s/);
    assert.match(String(second), /^the dashboard is down; mail goes on: its process ended with SIGKILL/);
    assert.equal(admin.isReportPageUp, false);
    await until('it is back', () => pages.length === 2);
    assert.notEqual(admin.pid, pid);
    assert.equal(admin.isReportPageUp, true);
    await admin.stop();
    assert.equal(admin.isReportPageUp, false);
  });
});
