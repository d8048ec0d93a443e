/** The door as a whole: many MTAs, Unix sockets, stops and reloads, and MTAs that misbehave. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { scriptedCheck } from '../../../test/fakes/scripted-check.ts';
import { startMilter } from '../../../test/fakes/services.ts';
import { Mta } from '../../../test/milter.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { frame } from '../../wire/milter/frame.ts';

const MESSAGE = 'Subject: x\r\n\r\nText\r\n';

async function upToRcpt(mta: Mta, client = '192.0.2.7'): Promise<void> {
  await mta.from(client);
  await mta.helo('client.example.net');
  await mta.mail('a@example.net');
  await mta.rcpt('user@example.org');
}

/** Holds whoever asks until it is let go. */
function gate(): { readonly wait: () => Promise<null>; readonly asked: Promise<void>; go(): void } {
  let go = (): void => undefined;
  let note = (): void => undefined;
  const held = new Promise<null>(
    (resolve) =>
      (go = () => {
        resolve(null);
      }),
  );
  const asked = new Promise<void>((resolve) => (note = resolve));
  const wait = () => {
    note();
    return held;
  };
  return { wait, asked, go: () => go() };
}

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 5_000;
  while (!holds()) {
    assert.ok(Date.now() < end, 'it never came');
    await sleep(5);
  }
}

describe('the milter door', () => {
  it('serves a thousand MTA connections at a time', async (t) => {
    const world = await startMilter(t);
    const mtas = await Promise.all(Array.from({ length: 1000 }, () => world.connect({ timeoutMs: 30_000 })));
    await Promise.all(mtas.map((mta, i) => upToRcpt(mta, `192.0.2.${i % 250}`)));
    assert.equal(world.milter.open, 1000);
    const answers = await Promise.all(mtas.map((mta) => mta.message(MESSAGE)));
    assert.ok(answers.every(({ kind }) => kind === 'accept'));
    for (const mta of mtas) mta.send('Q');
    await Promise.all(mtas.map((mta) => mta.closed));
    await until(() => world.milter.open === 0);
    assert.equal(world.decisions.length, 1000);
    assert.deepEqual(world.troubles, []);
  });

  it('turns away what is past its limit, and tells the operator once', async (t) => {
    const world = await startMilter(t, { limits: { connections: 2 } });
    const first = await world.connect();
    await world.connect();
    for (let i = 0; i < 3; i++) await assert.rejects(world.connect());
    assert.equal(world.troubles.length, 1);
    first.send('Q');
    await first.closed;
    await until(() => world.milter.open === 1);
    await upToRcpt(await world.connect());
  });

  it('judges side by side: one that is held holds up nobody else', async (t) => {
    const held = gate();
    let first = true;
    const gather = () => {
      if (!first) return Promise.resolve(null);
      first = false;
      return held.wait();
    };
    const world = await startMilter(t, { checks: [[scriptedCheck({ stage: 'connect', gather })]] });
    const waiting = (await world.connect()).from('192.0.2.7');
    await held.asked;
    const other = await world.connect();
    await upToRcpt(other);
    assert.equal((await other.message(MESSAGE)).kind, 'accept');
    held.go();
    assert.equal((await waiting).kind, 'continue');
  });
});

describe('an MTA that goes', () => {
  it('while its message is judged: what is asked is given up, and nothing is accepted', async (t) => {
    let aborted = false;
    const held = gate();
    const gather = (signal: AbortSignal) => {
      signal.addEventListener('abort', () => (aborted = true));
      return held.wait();
    };
    const world = await startMilter(t, { checks: [[scriptedCheck({ stage: 'endOfMessage', gather })]] });
    const mta = await world.connect();
    await upToRcpt(mta);
    const answer = mta.message(MESSAGE);
    answer.catch(() => undefined);
    await held.asked;
    mta.socket.destroy();
    const [decision] = await world.decided(1);
    assert.equal(decision?.outcome, 'abandoned');
    await until(() => aborted && world.milter.open === 0);
    held.go();
    await sleep(10);
    assert.equal(world.decisions.length, 1);
    assert.deepEqual(world.troubles, []);
    assert.deepEqual([...world.standings], []);
  });

  it('that closes its half is gone', async (t) => {
    const world = await startMilter(t);
    const mta = await world.connect();
    await upToRcpt(mta);
    mta.socket.end();
    await mta.closed;
    await until(() => world.milter.open === 0);
    assert.equal((await world.decided(1))[0]?.outcome, 'abandoned');
  });

  it('that says nothing for two hours is let go', async (t) => {
    const world = await startMilter(t);
    const mta = await world.connect();
    await upToRcpt(mta);
    world.later(7_300_000);
    await mta.closed;
    assert.equal((await world.decided(1))[0]?.outcome, 'abandoned');
  });
});

describe('an MTA that speaks no milter protocol', () => {
  const cases: [string, Buffer | string][] = [
    ['an SMTP client', 'EHLO client.example.net\r\n'],
    ['a frame that is too large', Buffer.from([0x7f, 0xff, 0xff, 0xff, 0x4f])],
    ['an empty frame', Buffer.from([0, 0, 0, 0])],
    ['no negotiation', frame('H', 'client.example.net')],
  ];
  for (const [name, bytes] of cases) {
    it(`is closed: ${name}`, async (t) => {
      const world = await startMilter(t);
      const socket = connect(world.address.port, '127.0.0.1');
      await once(socket, 'connect');
      socket.on('error', () => undefined);
      const closed = once(socket, 'close');
      socket.write(bytes);
      socket.resume();
      await closed;
      assert.equal(world.troubles.length, 1);
      assert.deepEqual(world.decisions, []);
    });
  }

  it('or asks out of order, is deferred and goes on', async (t) => {
    const world = await startMilter(t);
    const mta = await world.connect();
    await mta.from('192.0.2.7');
    assert.equal((await mta.rcpt('user@example.org')).kind, 'tempfail');
    assert.equal((await mta.mail('a@example.net')).kind, 'continue');
    assert.equal(world.troubles.length, 1);
  });
});

describe('a stop', () => {
  it('lets a message that is being taken come to its end, and closes behind it', async (t) => {
    const world = await startMilter(t);
    const idle = await world.connect();
    const mta = await world.connect();
    await upToRcpt(mta);
    await mta.header('Subject', ' x');
    const stopped = world.milter.stop();
    await idle.closed;
    assert.equal((await mta.ask('N')).kind, 'continue');
    assert.equal((await mta.endOfMessage()).kind, 'accept');
    await mta.closed;
    await stopped;
    assert.equal(world.decisions[0]?.outcome, 'accepted');
    await assert.rejects(world.connect());
  });

  it('waits for what is being judged', async (t) => {
    const held = gate();
    const check = scriptedCheck({ stage: 'mail', gather: held.wait });
    const world = await startMilter(t, { checks: [[check]] });
    const mta = await world.connect();
    await mta.from('192.0.2.7');
    const answer = mta.mail('a@example.net');
    await held.asked;
    const stopped = world.milter.stop();
    held.go();
    assert.equal((await answer).kind, 'continue');
    await mta.closed;
    await stopped;
  });

  it('cuts what does not end in its time', async (t) => {
    const world = await startMilter(t, { limits: { drainTimeoutMs: 50 } });
    const mta = await world.connect();
    await upToRcpt(mta);
    await mta.header('Subject', ' x');
    await world.milter.stop();
    await mta.closed;
    assert.equal(world.decisions[0]?.outcome, 'abandoned');
  });
});

describe('a reload', () => {
  it('holds from the next client on, on connections that are open too', async (t) => {
    const lets = scriptedCheck({ stage: 'rcpt' });
    const refuses = scriptedCheck({ stage: 'rcpt', act: () => 'fail' });
    const world = await startMilter(t, { checks: [[lets]] });
    const mta = await world.connect();
    await upToRcpt(mta);
    world.rejudge({ checks: [[refuses]] });
    assert.equal((await mta.rcpt('other@example.org')).kind, 'continue');
    mta.send('K');
    await upToRcpt(mta);
    assert.equal((await mta.rcpt('other@example.org')).kind, 'reply');
  });

  it('that wants to hear of more holds from the next connection on', async (t) => {
    const refuses = scriptedCheck({ stage: 'endOfMessage', act: () => 'fail' });
    const world = await startMilter(t);
    const mta = await world.connect();
    world.rejudge({ checks: [[refuses]] });
    await upToRcpt(mta);
    assert.equal((await mta.message(MESSAGE)).kind, 'accept');
    const next = await world.connect();
    await upToRcpt(next);
    assert.equal((await next.message(MESSAGE)).kind, 'reply');
  });

  it('moves the listeners, and leaves open what is open', async (t) => {
    const world = await startMilter(t);
    const mta = await world.connect();
    const [moved] = await world.milter.listenOn([
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: 0 },
    ]);
    assert.equal(moved?.port, world.address.port);
    const [other] = await world.milter.listenOn([{ host: '127.0.0.2', port: 0 }]);
    await upToRcpt(mta);
    await assert.rejects(world.connect());
    await upToRcpt(await Mta.connect({ at: { host: '127.0.0.2', port: other?.port ?? 0 } }, t));
    await assert.rejects(
      world.milter.listenOn([
        { host: '127.0.0.3', port: 0 },
        { host: '192.0.2.1', port: 1 },
      ]),
    );
    await upToRcpt(await Mta.connect({ at: { host: '127.0.0.2', port: other?.port ?? 0 } }, t));
  });
});

describe('a Unix socket', () => {
  it('has its mode, and takes the place of one that was left', async (t) => {
    const dir = await tempDir(t);
    const path = join(dir, 'milter.sock');
    const dead = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', dead]);
    assert.ok(statSync(path).isSocket());
    const world = await startMilter(t, { at: { path, mode: 0o640 } });
    assert.equal(statSync(path).mode & 0o777, 0o640);
    const mta = await world.connect();
    await upToRcpt(mta);
    assert.equal((await mta.message(MESSAGE)).kind, 'accept');
    await world.milter.listenOn([{ path, mode: 0o666 }]);
    assert.equal(statSync(path).mode & 0o777, 0o666);
    await upToRcpt(await world.connect());
    await world.milter.stop();
    assert.equal(statSync(path, { throwIfNoEntry: false }), undefined);
  });

  it('that somebody removed is bound anew with a reload, and what cannot be is with the next', async (t) => {
    const dir = join(await tempDir(t), 'run');
    mkdirSync(dir);
    const path = join(dir, 'milter.sock');
    const at = { path, mode: 0o640 };
    const world = await startMilter(t, { at });
    const before = await world.connect();
    unlinkSync(path);
    await assert.rejects(world.connect(), { code: 'ENOENT' });
    await world.milter.listenOn([at]);
    assert.equal(statSync(path).mode & 0o777, 0o640);
    await upToRcpt(await world.connect());
    // Its connections have lost nothing.
    await upToRcpt(before);
    rmSync(dir, { recursive: true });
    await assert.rejects(world.milter.listenOn([at]), /listen/);
    mkdirSync(dir);
    await world.milter.listenOn([at]);
    await upToRcpt(await world.connect());
  });

  it('of another gate that runs is left alone, and so is a file', async (t) => {
    const dir = await tempDir(t);
    const path = join(dir, 'milter.sock');
    const world = await startMilter(t, { at: { path, mode: 0o600 } });
    await assert.rejects(startMilter(t, { at: { path, mode: 0o600 } }), /EADDRINUSE/);
    await upToRcpt(await world.connect());
    const file = join(dir, 'file');
    writeFileSync(file, 'a file');
    await assert.rejects(startMilter(t, { at: { path: file, mode: 0o600 } }), /EADDRINUSE/);
    assert.ok(statSync(file).isFile());
  });
});
