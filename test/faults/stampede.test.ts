/**
 * A stampede: all the time twenty times as many clients as the gate serves, each from its own address, come again as soon as
 * they are turned away, and sit idle where they get in. Clients in good standing still deliver. How soon is counted in
 * attempts, not in time: this process is the crowd as well, and the machine may be slow.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '../../src/adapters/store/sqlite.ts';
import { networkSet } from '../../src/mail/networks.ts';
import { startDns } from '../dns.ts';
import { startGateway } from '../fakes/gateway.ts';
import { startGate, type Gate } from '../gate.ts';
import { maildirMessages } from '../maildir.ts';
import { onEnd } from '../program.ts';
import { connectSmtp, sendMail } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';

const PLACES = 30;
const CROWD = 20 * PLACES;
const RESERVED = 3;
const HOUR_MS = 3_600_000;
const MAIL = { from: 'sender@example.net', to: 'user@example.org', message: 'Subject: x\r\n\r\nText\r\n' };

const good = (n: number) => `127.2.0.${n + 1}`;
const anyone = (n: number) => `127.1.${n >> 8}.${n & 255}`;

async function startCrowdedGate(t: TestContext, clients: number) {
  const dir = await tempDir(t);
  await mkdir(join(dir, 'data'));
  // What earlier days would have left behind: a good delivery counts once an hour at most.
  let nowMs = Date.now() - 6 * HOUR_MS;
  const store = openStore(join(dir, 'data', 'store.sqlite'), { nowMs: () => nowMs });
  for (; nowMs < Date.now(); nowMs += HOUR_MS) {
    for (let n = 0; n < clients; n++) store.standing.note(good(n), 'good');
  }
  store.close();
  const box = join(dir, 'box');
  const gate = await startGate(t, {
    dir,
    backend: `maildir:${box}`,
    dns: await startDns(t),
    // The checks are not what is tried here.
    top: 'profile = "watch"',
    limits: `connections = ${PLACES}\nreserved_for_good = 10\nstress_timeout = "5s"\nconnections_per_minute = 100000\n`,
  });
  return { gate, box };
}

/** Resolves once the whole crowd is there and the gate is full for all it knows. */
async function startCrowd(t: TestContext, gate: Gate) {
  let over = false;
  const seen = { in: 0, turnedAway: 0 };
  const come = async (localAddress: string) => {
    while (!over) {
      const socket = connect({ port: gate.port, host: gate.host, localAddress });
      socket.on('error', () => undefined);
      socket.once('data', (bytes: Buffer) => {
        if (bytes.toString('latin1').startsWith('220 ')) seen.in++;
        else seen.turnedAway++;
      });
      const closed = once(socket, 'close');
      ends.add(socket);
      await closed.catch(() => undefined);
      ends.delete(socket);
      await sleep(100);
    }
  };
  const ends = new Set<ReturnType<typeof connect>>();
  const crowd = Promise.all(Array.from({ length: CROWD }, (_, n) => come(anyone(n))));
  const disperse = async () => {
    over = true;
    for (const socket of ends) socket.destroy();
    await crowd;
  };
  onEnd(t, disperse);
  while (seen.in < PLACES - RESERVED || seen.turnedAway < CROWD) await sleep(20);
  return { seen, disperse };
}

/** Attempts until the mail is delivered. */
async function deliver(t: TestContext, gate: Gate, localAddress: string, pauseMs = 20): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const peer = await connectSmtp({ port: gate.port, localAddress, timeoutMs: 60_000 }, t);
    const { step, heard } = await sendMail(peer, MAIL);
    peer.close();
    if (step === 'message' && heard.code === 250) return attempt;
    // At the door, or at MAIL.
    assert.ok([421, 451].includes(heard.code), `${step}: ${heard.lines.join(' ')}`);
    await sleep(pauseMs);
  }
}

describe('a stampede', () => {
  it('keeps out no client in good standing', async (t) => {
    const clients = 12;
    const { gate, box } = await startCrowdedGate(t, clients);
    const { seen, disperse } = await startCrowd(t, gate);
    const before = { ...seen };

    // No more at a time than the reserve has places: never turned away.
    for (let n = 0; n < clients; n++) assert.equal(await deliver(t, gate, good(n)), 1);
    // Four times as many as that at once: in every round of attempts some of them get through.
    const attempts = await Promise.all(
      Array.from({ length: clients }, (_, n) => deliver(t, gate, good(n), 100)),
    );
    assert.ok(Math.max(...attempts) <= 2 * clients, `attempts: ${attempts.join(' ')}`);
    assert.ok(seen.turnedAway > before.turnedAway, 'the crowd has left');
    assert.equal((await maildirMessages(box)).length, 2 * clients);

    await disperse();
    // Everybody is welcome again.
    let welcome = false;
    for (let tries = 0; tries < 500 && !welcome; tries++) {
      const peer = await connectSmtp({ port: gate.port, localAddress: anyone(0) }, t);
      welcome = (await peer.reply()).code === 220;
      peer.close();
      await sleep(20);
    }
    assert.ok(welcome);
    assert.equal(await gate.stop(), 0);
  });

  it('in an emergency: the good at once, every other client within ten attempts', async (t) => {
    const world = await startGateway(t, { site: { networks: networkSet(['127.3.0.0/16']) } });
    world.standings.set(good(0), { good: 5, bad: 0 });
    world.reload({ emergency: { turnAwayPercent: 90 } });
    const knocks = async (localAddress: string) => {
      for (let attempt = 1; ; attempt++) {
        const peer = await world.connect(localAddress);
        const { code } = await peer.reply();
        peer.close();
        if (code === 220) return attempt;
        assert.equal(code, 421);
      }
    };
    const unknown = await Promise.all(Array.from({ length: 40 }, (_, n) => knocks(anyone(n))));
    assert.ok(Math.max(...unknown) <= 10, unknown.join(' '));
    assert.ok(unknown.filter((attempts) => attempts === 1).length < 20, unknown.join(' '));
    for (let i = 0; i < 5; i++) assert.deepEqual([await knocks(good(0)), await knocks('127.3.0.1')], [1, 1]);
  });
});
