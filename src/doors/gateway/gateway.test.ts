import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { NO_STANDING } from '../../core/standing.ts';
import { networkSet } from '../../mail/networks.ts';
import { NO_MARKS } from '../load.ts';
import { FakeBackend } from '../../../test/fakes/backend.ts';
import { listenerOf, startGateway, upToRcpt, type FakeWorld } from '../../../test/fakes/gateway.ts';
import { onEnd } from '../../../test/program.ts';
import { freePort } from '../../../test/freeport.ts';
import { connectSmtp, sendMail, type SmtpPeer } from '../../../test/smtp.ts';

const MAIL = { from: 'sender@example.net', to: 'user@example.org', message: 'Subject: x\r\n\r\nText\r\n' };
const LOOPBACK = networkSet(['127.0.0.0/8']);

const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const v2 = (command: number, family: number, ...payload: readonly number[]) =>
  Buffer.from([...V2, command, family, payload.length >> 8, payload.length & 255, ...payload]);

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('the pause before the banner (C4)', () => {
  it('catches whoever speaks first, and refuses at RCPT', async (t) => {
    const world = await startGateway(t, { greetPauseMs: 60 });
    const peer = await world.connect();
    await peer.write('EHLO client.example.net\r\n');
    assert.equal((await peer.reply()).code, 220);
    assert.equal((await peer.reply()).code, 250);
    assert.equal((await peer.say('MAIL FROM:<a@example.net>')).code, 250);
    assert.match((await peer.say('RCPT TO:<user@example.org>')).lines[0]!, /^550 5\.5\.1 .*\(early-talker\)/);
    peer.close();
    assert.deepEqual((await world.decided(1))[0]!.session.violations, ['early-talker']);
  });

  it('lets pass whoever waits, and does without it from then on', async (t) => {
    const world = await startGateway(t, { greetPauseMs: 60 });
    const begunMs = performance.now();
    assert.equal((await sendMail(await world.connect(), MAIL)).heard.code, 250);
    assert.ok(performance.now() - begunMs >= 55);
    await until(() => world.standings.has('127.0.0.1'));
    world.reload({ greetPauseMs: 3_600_000 });
    assert.equal((await sendMail(await world.connect(), MAIL)).heard.code, 250);
  });

  it('is not for our own networks', async (t) => {
    const world = await startGateway(t, { greetPauseMs: 3_600_000, site: { networks: LOOPBACK } });
    assert.equal((await (await world.connect()).reply()).code, 220);
  });

  it('ends with the client, and with the gateway', async (t) => {
    const world = await startGateway(t, { greetPauseMs: 3_600_000 });
    (await world.connect()).socket.resetAndDestroy();
    assert.equal((await world.decided(1))[0]!.outcome, 'abandoned');
    const peer = await world.connect();
    await until(() => world.gateway.open === 1);
    const stopped = world.gateway.stop();
    assert.equal((await peer.reply()).code, 421);
    await stopped;
  });

  it('has room for a little early input, and 421 for more', async (t) => {
    const world = await startGateway(t, {
      greetPauseMs: 3_600_000,
      protocolLimits: { earlyInputOctets: 1000 },
    });
    const peer = await world.connect();
    await peer.write('x'.repeat(1001));
    assert.equal((await peer.reply()).code, 421);
    await peer.closed;
    assert.deepEqual(world.troubles, []);
    assert.deepEqual((await world.decided(1))[0]!.session.violations, ['early-talker']);
  });
});

describe('a client that speaks another protocol', () => {
  it('is cut off, and its decision says so', async (t) => {
    const world = await startGateway(t);
    const peer = await world.connect();
    assert.equal((await peer.reply()).code, 220);
    await peer.write('GET / HTTP/1.1\r\n');
    assert.equal((await peer.reply()).code, 421);
    await peer.closed;
    const [decision] = await world.decided(1);
    assert.equal(decision?.outcome, 'abandoned');
    assert.deepEqual(decision.session.violations, ['foreign-protocol']);
  });
});

describe('the PROXY protocol (H7)', () => {
  const behindProxy = { proxyProtocolFrom: LOOPBACK };
  const headers: [name: string, header: string | Buffer, client: string][] = [
    ['v1', 'PROXY TCP4 192.0.2.7 198.51.100.25 40000 25\r\n', '192.0.2.7'],
    ['v1 TCP6', 'PROXY TCP6 2001:db8::7 2001:db8::25 40000 25\r\n', '2001:db8::7'],
    ['v1 UNKNOWN', 'PROXY UNKNOWN\r\n', '127.0.0.1'],
    ['v2', v2(0x21, 0x11, 192, 0, 2, 7, 198, 51, 100, 25, 0x9c, 0x40, 0, 25), '192.0.2.7'],
    ['v2 LOCAL', v2(0x20, 0), '127.0.0.1'],
  ];
  for (const [name, header, client] of headers) {
    for (const cut of ['whole', 'octet by octet']) {
      it(`${name}, ${cut}: the client is ${client}`, async (t) => {
        const world = await startGateway(t, { listener: behindProxy });
        const peer = await world.connect();
        const bytes = typeof header === 'string' ? Buffer.from(header) : header;
        if (cut === 'whole') await peer.write(bytes);
        else for (const octet of bytes) await peer.write(Buffer.of(octet));
        assert.equal((await sendMail(peer, MAIL)).heard.code, 250);
        const { session } = (await world.decided(1))[0]!;
        assert.equal(session.client.address, client);
        if (name === 'v2') assert.deepEqual(session.server, { address: '198.51.100.25', port: 25 });
        assert.deepEqual(session.violations, []);
      });
    }
  }

  it('what follows the header at once is early', async (t) => {
    const world = await startGateway(t, { listener: behindProxy });
    const peer = await world.connect();
    await peer.write('PROXY TCP4 192.0.2.7 198.51.100.25 40000 25\r\nEHLO client.example.net\r\n');
    assert.deepEqual([(await peer.reply()).code, (await peer.reply()).code], [220, 250]);
    peer.close();
    assert.deepEqual((await world.decided(1))[0]!.session.violations, ['early-talker']);
  });

  it('is not believed from elsewhere', async (t) => {
    const world = await startGateway(t, { listener: { proxyProtocolFrom: networkSet(['127.0.0.2']) } });
    const peer = await world.connect();
    await peer.write('PROXY TCP4 192.0.2.7 198.51.100.25 40000 25\r\n');
    assert.equal((await peer.reply()).code, 220);
    assert.equal(Math.floor((await peer.reply()).code / 100), 5);
    peer.close();
    assert.equal((await world.decided(1))[0]!.session.client.address, '127.0.0.1');
    const listed = await world.connect('127.0.0.2');
    await listed.write('PROXY TCP4 192.0.2.7 198.51.100.25 40000 25\r\n');
    assert.equal((await listed.reply()).code, 220);
    listed.close();
    assert.equal((await world.decided(2))[1]!.session.client.address, '192.0.2.7');
  });

  for (const header of ['EHLO client.example.net\r\n', 'PROXY TCP4 192.0.2.7\r\n', v2(0x21, 0x11, 1)]) {
    it(`closes on ${JSON.stringify(header.toString('latin1').slice(0, 20))}`, async (t) => {
      const world = await startGateway(t, { listener: behindProxy });
      const peer = await world.connect();
      const heard = peer.reply();
      await peer.write(header);
      await assert.rejects(heard);
      await peer.closed;
      assert.equal(world.troubles.length, 1);
      assert.match(JSON.stringify(world.troubles), /send-proxy-v2.*proxy_protocol_from/);
      assert.equal(world.gateway.open, 0);
    });
  }

  it('closes where no header comes, and at stop', async (t) => {
    const world = await startGateway(t, { listener: behindProxy, limits: { greetingTimeoutMs: 30 } });
    const peer = await world.connect();
    await peer.write('PROXY ');
    await peer.closed;
    assert.match(JSON.stringify(world.troubles), /none came; have the proxy send one/);
    world.reload({});
    const patient = await startGateway(t, { listener: behindProxy });
    const other = await patient.connect();
    await other.write('PROXY ');
    await new Promise((resolve) => setTimeout(resolve, 20));
    await patient.gateway.stop();
    await other.closed;
  });
});

describe('admission (C5)', () => {
  const after = async (world: FakeWorld, from: string) =>
    (await (await world.connect(from)).reply()).lines[0]!;

  it('in all', async (t) => {
    const world = await startGateway(t, { limits: { connections: 2 } });
    const [one] = [await world.connect('127.0.0.1'), await world.connect('127.0.0.2')];
    await until(() => world.gateway.open === 2);
    assert.match(await after(world, '127.0.0.3'), /^421 4\.7\.0 Too many connections, /);
    one.close();
    await until(() => world.gateway.open === 1);
    assert.match(await after(world, '127.0.0.3'), /^220 /);
  });

  it('of one client, and of its network', async (t) => {
    const world = await startGateway(t, {
      limits: { connectionsPerClient: 1 },
      site: { clientPrefix: { v4: 31, v6: 64 } },
    });
    const one = await world.connect('127.0.0.2');
    await one.reply();
    assert.match(await after(world, '127.0.0.3'), /^421 4\.7\.0 Too many connections from 127\.0\.0\.3/);
    assert.match(await after(world, '127.0.0.4'), /^220 /);
    one.close();
    await until(() => world.gateway.open === 1);
    assert.match(await after(world, '127.0.0.3'), /^220 /);
  });

  it('says nothing where TLS would have to come first', async (t) => {
    const world = await startGateway(t, { limits: { connections: 0 }, listener: { tls: 'implicit' } });
    const peer = await world.connect();
    await assert.rejects(peer.reply(), /connection over/);
    await peer.closed;
    assert.equal(peer.socket.bytesRead, 0);
    assert.deepEqual([world.troubles, world.gateway.open], [[], 0]);
  });

  it('lets wait whom the store is asked about, and lets go whoever leaves meanwhile', async (t) => {
    const answers: (() => void)[] = [];
    const standing = {
      of: () => new Promise<typeof NO_STANDING>((resolve) => answers.push(() => resolve(NO_STANDING))),
      note: () => undefined,
    };
    const world = await startGateway(t, { ports: { standing }, limits: { connections: 9, stressAt: 1 } });
    const [stays, leaves] = [await world.connect(), await world.connect()];
    const talks = await world.connect();
    await talks.write('EHLO client.example.net\r\n');
    await until(() => answers.length === 3);
    leaves.socket.resetAndDestroy();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(world.gateway.open, 3);
    for (const answer of answers) answer();
    assert.equal((await stays.reply()).code, 220);
    assert.equal((await talks.reply()).code, 220);
    assert.equal((await talks.reply()).code, 250);
    await until(() => world.gateway.open === 2);
  });

  it('of one client in a minute', async (t) => {
    const world = await startGateway(t, { limits: { connectionsPerMinute: 1 } });
    assert.match(await after(world, '127.0.0.1'), /^220 /);
    const turnedAway = await world.connect();
    assert.equal((await turnedAway.reply()).code, 421);
    await turnedAway.closed;
    world.later(60_000);
    assert.match(await after(world, '127.0.0.1'), /^220 /);
  });
});

// Each waits for the gateway's next look at its deadlines.
describe('time', { concurrency: true }, () => {
  const limits = { commandMs: 300_000, contentMs: 180_000 };

  it('ends with 421 4.4.2 for a command, a message and a session', async (t) => {
    const world = await startGateway(t, { protocolLimits: limits });
    const idle = await world.connect();
    await idle.reply();
    const slow = await world.connect();
    await upToRcpt(slow);
    await slow.say('DATA');
    world.later(179_000);
    await slow.write('Subject: x\r\n');
    // The octet of a command buys no time.
    await idle.write('N');
    await new Promise((resolve) => setTimeout(resolve, 20));
    world.later(122_000);
    assert.match((await idle.reply()).lines[0]!, /^421 4\.4\.2 /);
    world.later(60_000);
    assert.match((await slow.reply()).lines[0]!, /^421 4\.4\.2 /);
    assert.equal((await world.decided(2)).at(-1)!.outcome, 'deferred');

    const busy = await world.connect();
    await busy.reply();
    for (let i = 0; i < 12; i++) {
      world.later(290_000);
      assert.equal((await busy.say('NOOP')).code, 250);
    }
    world.later(290_000);
    assert.match((await busy.reply()).lines[0]!, /^421 4\.4\.2 /);
  });

  it('is short for everyone under stress', async (t) => {
    const stressed = await startGateway(t, { limits: { connections: 4, stressAt: 50 } });
    const calm = await startGateway(t, { limits: { connections: 4, stressAt: 75 } });
    const peers = [];
    for (const world of [stressed, stressed, calm, calm]) {
      const peer = await world.connect();
      await peer.reply();
      peers.push(peer);
    }
    // A look at the deadlines in between.
    await new Promise((resolve) => setTimeout(resolve, 550));
    stressed.later(11_000);
    calm.later(11_000);
    assert.equal((await peers[0]!.reply()).code, 421);
    assert.equal((await peers[1]!.reply()).code, 421);
    assert.equal((await peers[2]!.say('NOOP')).code, 250);
  });

  it('of load brings 451 to MAIL, and our own go on', async (t) => {
    const world = await startGateway(t, {
      machine: () => ({ loadAverage: 8, eventLoopDelayMs: 0, memoryPercent: 0 }),
      load: { ...NO_MARKS, loadAverage: { deferAt: 8, refuseAt: 16 } },
      limits: { stressTimeoutMs: 3_600_000 },
      site: { networks: networkSet(['127.0.0.2']) },
    });
    const [unknown, ours] = [await world.connect('127.0.0.1'), await world.connect('127.0.0.2')];
    for (const peer of [unknown, ours]) {
      await peer.reply();
      await peer.say('EHLO client.example.net');
    }
    // Looks are a second apart; by the clock the load lasts at the second one.
    for (let i = 0; world.loadChanges.length === 0; i++) {
      if (i % 50 === 0) world.later(2_000);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { lines } = await unknown.say('MAIL FROM:<a@example.net>');
    assert.match(lines[0]!, /^451 4\.3\.2 Too busy for new mail/);
    assert.equal((await unknown.say('RCPT TO:<user@example.org>')).code, 503);
    assert.equal((await ours.say('MAIL FROM:<a@example.net>')).code, 250);
    await unknown.say('QUIT');
    const [decision] = await world.decided(1);
    assert.deepEqual([decision!.outcome, decision!.reply?.code], ['deferred', 451]);
    const told = world.loadChanges.map(({ level, before, because }) => ({ level, before, because }));
    assert.deepEqual(told, [{ level: 'defer', before: 'calm', because: ['loadAverage'] }]);
  });

  it('is 5 s for the last reply to leave', async (t) => {
    const world = await startGateway(t, { protocolLimits: limits });
    const socket = connect({ port: world.port, host: '127.0.0.1', allowHalfOpen: true });
    onEnd(t, () => void socket.destroy());
    socket.on('error', () => undefined);
    await once(socket, 'data'); // the greeting: from now on it is the client's turn
    world.later(limits.commandMs + 1);
    await once(socket, 'end');
    assert.equal(world.gateway.open, 1);
    world.later(5_001);
    await until(() => world.gateway.open === 0);
  });
});

describe('stopping', () => {
  it('lets a message come to its end, says 421 to the idle and takes nobody new', async (t) => {
    const world = await startGateway(t);
    const sending = await world.connect();
    await upToRcpt(sending);
    await sending.say('DATA');
    await sending.write('Subject: x\r\n');
    const idle = await world.connect();
    await idle.reply();
    const stopped = world.gateway.stop();
    assert.match((await idle.reply()).lines[0]!, /^421 4\.3\.2 /);
    await idle.closed;
    await assert.rejects(connectSmtp({ port: world.port }, t), { code: 'ECONNREFUSED' });
    await sending.write('\r\nText\r\n.\r\n');
    assert.equal((await sending.reply()).code, 250);
    assert.equal((await sending.reply()).code, 421);
    await stopped;
    assert.equal(world.backend.taken.length, 1);
    assert.equal(world.gateway.open, 0);
  });

  it('waits for a delivery whose client has left', async (t) => {
    const world = await startGateway(t);
    let deliver: () => void = () => undefined;
    world.backend.hold = new Promise((resolve) => (deliver = resolve));
    const peer = await world.connect();
    await upToRcpt(peer);
    await peer.say('DATA');
    const taken = new Promise<void>((resolve) => (world.backend.onMessage = resolve));
    await peer.write('Subject: x\r\n\r\n.\r\n');
    await taken;
    peer.socket.resetAndDestroy();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(world.gateway.open, 1);
    let isStopped = false;
    const stopped = world.gateway.stop().then(() => (isStopped = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(isStopped, false);
    deliver();
    await stopped;
    assert.equal(world.backend.taken.length, 1);
    assert.equal((await world.decided(1))[0]!.outcome, 'accepted');
    assert.equal(world.gateway.open, 0);
  });

  it('waits for a delivery, and cuts what takes longer than it may', async (t) => {
    const world = await startGateway(t, { limits: { drainTimeoutMs: 30 } });
    const slow = await world.connect();
    await upToRcpt(slow);
    await slow.say('DATA');
    await world.gateway.stop();
    await slow.closed;
    assert.equal((await world.decided(1))[0]!.outcome, 'abandoned');
    assert.deepEqual(world.backend.taken, []);
  });

  it('between two commands of a transaction is 421', async (t) => {
    const world = await startGateway(t);
    const peer = await world.connect();
    await upToRcpt(peer);
    const stopped = world.gateway.stop();
    assert.equal((await peer.reply()).code, 421);
    await stopped;
    assert.deepEqual(world.backend.calls, ['begin', 'rcpt user@example.org', 'abort']);
  });
});

describe('a reload', () => {
  it('serves whoever comes before all new listeners are open', async (t) => {
    const world = await startGateway(t);
    const port = await freePort();
    // A name is looked up on another thread: each of these takes turns of the event loop.
    const slow = Array.from({ length: 32 }, (_, i) =>
      listenerOf({
        host: 'localhost'.replace(/./g, (c, at: number) => (i & (1 << at) ? c.toUpperCase() : c)),
      }),
    );
    let isOpen = false;
    const opened = world.gateway.listenOn([listenerOf({ port }), ...slow]).then(() => (isOpen = true));
    let early: SmtpPeer | undefined;
    while (early === undefined) early = await connectSmtp({ port }, t).catch(() => undefined);
    assert.equal(isOpen, false);
    assert.equal((await early.reply()).code, 220);
    await opened;
  });

  it('with other listeners keeps open connections and what they began with', async (t) => {
    const [old, fresh] = [new FakeBackend(), new FakeBackend()];
    const world = await startGateway(t, { backend: old, listener: { host: '0.0.0.0' } });
    const peer = await world.connect();
    await upToRcpt(peer);
    world.reload({ backendFor: () => fresh });
    const [bound] = await world.gateway.listenOn([listenerOf()]);
    await peer.say('DATA');
    assert.equal((await peer.say('Subject: x\r\n\r\n.')).code, 250);
    assert.equal(old.taken.length, 1);
    const { server } = (await world.decided(1))[0]!.session;
    assert.deepEqual(server, { address: '127.0.0.1', port: world.port });
    await assert.rejects(connectSmtp({ port: world.port }, t), { code: 'ECONNREFUSED' });
    const other = await connectSmtp({ port: bound!.port }, t);
    assert.equal((await sendMail(other, MAIL)).heard.code, 250);
    assert.equal(fresh.taken.length, 1);
  });

  it('with a bad address leaves the old listeners in force', async (t) => {
    const world = await startGateway(t);
    const nobodys = listenerOf({ host: '192.0.2.1' });
    await assert.rejects(world.gateway.listenOn([listenerOf(), listenerOf({ host: '127.0.0.2' }), nobodys]), {
      code: 'EADDRNOTAVAIL',
    });
    assert.equal((await (await world.connect()).reply()).code, 220);
  });

  it('with other settings for an address keeps the listener', async (t) => {
    const world = await startGateway(t);
    const [bound] = await world.gateway.listenOn([listenerOf({ proxyProtocolFrom: LOOPBACK })]);
    assert.equal(bound!.port, world.port);
    const peer = await world.connect();
    await peer.write('PROXY TCP4 192.0.2.7 198.51.100.25 40000 25\r\n');
    assert.equal((await peer.reply()).code, 220);
    peer.close();
    assert.equal((await world.decided(1))[0]!.session.client.address, '192.0.2.7');
  });
});
