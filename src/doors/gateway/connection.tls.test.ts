import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { Certificates } from '../../adapters/certificates.ts';
import { networkSet } from '../../mail/networks.ts';
import { startGateway, type FakeWorldOptions } from '../../../test/fakes/gateway.ts';
import { sendMail, type SmtpPeer } from '../../../test/smtp.ts';
import { selfSigned } from '../../../test/tls.ts';

const MAIL = { from: 'sender@example.net', to: 'user@example.org', message: 'Subject: x\r\n\r\nText\r\n' };
const plain = (...parts: readonly string[]) => Buffer.from(parts.join('\0')).toString('base64');

let dir: string;
let certificates: Certificates;
const asked: (string | undefined)[] = [];
const ends: (() => void | Promise<void>)[] = [];
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'postern-test-'));
  await selfSigned({ after: (fn) => void ends.push(fn) }, 'openssl', dir);
  certificates = new Certificates(
    {
      certificate: join(dir, 'mx.pem'),
      key: join(dir, 'mx.key'),
      sni: [],
      sessionTickets: false,
      minVersion: 'TLSv1.2',
    },
    Date.now,
    (_file, error) => assert.fail(String(error)),
  );
});
after(async () => {
  for (const end of ends) await end();
  await rm(dir, { recursive: true });
});

const withTls = (options: FakeWorldOptions = {}): FakeWorldOptions => ({
  secureContext: (name) => {
    asked.push(name);
    return certificates.contextFor(name);
  },
  listener: { tls: 'starttls' },
  passwords: { user: 'right' },
  ...options,
});

async function secured(peer: SmtpPeer): Promise<SmtpPeer> {
  await peer.reply();
  await peer.say('EHLO client.example.net');
  assert.equal((await peer.say('STARTTLS')).code, 220);
  return peer.startTls();
}

const announced = (lines: readonly string[]) => lines.map((line) => line.slice(4).split(' ')[0]);

describe('STARTTLS', () => {
  it('is offered outside TLS only, AUTH inside only, and the mail says so', async (t) => {
    const world = await startGateway(t, withTls());
    const peer = await world.connect();
    await peer.reply();
    const outside = announced((await peer.say('EHLO client.example.net')).lines);
    assert.ok(outside.includes('STARTTLS') && !outside.includes('AUTH'));
    assert.equal(Math.floor((await peer.say(`AUTH PLAIN ${plain('', 'user', 'right')}`)).code / 100), 5);
    assert.equal((await peer.say('STARTTLS')).code, 220);
    const secure = await peer.startTls();
    // RFC 3207 4.2: the HELO is forgotten.
    assert.equal((await secure.say('MAIL FROM:<sender@example.net>')).code, 503);
    const inside = announced((await secure.say('EHLO other.example.net')).lines);
    assert.ok(!inside.includes('STARTTLS') && inside.includes('AUTH'));
    await secure.say('MAIL FROM:<sender@example.net>');
    await secure.say('RCPT TO:<user@example.org>');
    await secure.say('DATA');
    assert.equal((await secure.say('\r\n.')).code, 250);
    assert.match(
      world.backend.taken[0]!.bytes.toString(),
      /^Received: from other\.example\.net .*\r\n\t\(TLSv1\.3 TLS_\w+\)\r\n.* with ESMTPS id /,
    );
    const [decision] = await world.decided(1);
    assert.equal(decision!.session.tls?.protocol, 'TLSv1.3');
    assert.equal(decision!.session.helo?.name, 'other.example.net');
  });

  it('forgets what was slipped in behind it in plaintext (CVE-2011-0411)', async (t) => {
    const world = await startGateway(t, withTls());
    const peer = await world.connect();
    await peer.reply();
    await peer.say('EHLO client.example.net');
    await peer.write('STARTTLS\r\nEHLO evil.example.net\r\nMAIL FROM:<evil@example.net>\r\n');
    assert.equal((await peer.reply()).code, 220);
    const secure = await peer.startTls();
    assert.equal((await secure.say('NOOP')).lines[0], '250 2.0.0 Ok');
    assert.equal((await secure.say('RSET')).lines[0], '250 2.0.0 Ok');
    assert.equal((await secure.say('MAIL FROM:<a@example.net>')).code, 503);
    secure.close();
    const [decision] = await world.decided(1);
    assert.deepEqual(decision!.session.violations, ['pipelining']);
    assert.equal(decision!.session.helo, undefined);
    assert.equal(decision!.transaction, undefined);
  });

  it('is 454 where there is no certificate', async (t) => {
    const world = await startGateway(t, withTls({ secureContext: () => undefined }));
    const peer = await world.connect();
    await peer.reply();
    await peer.say('EHLO client.example.net');
    assert.equal((await peer.say('STARTTLS')).code, 454);
    assert.equal((await peer.say('MAIL FROM:<a@example.net>')).code, 250);
  });

  it('that fails ends the connection and nothing else', async (t) => {
    const world = await startGateway(t, withTls({ limits: { greetingTimeoutMs: 40 } }));
    for (const does of ['garbage', 'leave', 'nothing']) {
      const peer = await world.connect();
      await peer.reply();
      await peer.say('EHLO client.example.net');
      await peer.say('STARTTLS');
      if (does === 'garbage') await peer.write('EHLO client.example.net\r\n');
      else if (does === 'leave') peer.socket.resetAndDestroy();
      await peer.closed;
    }
    assert.deepEqual(
      (await world.decided(3)).map((d) => d.outcome),
      ['abandoned', 'abandoned', 'abandoned'],
    );
    assert.equal(world.gateway.open, 0);
    assert.equal((await sendMail(await world.connect(), MAIL)).heard.code, 250);
  });

  it('for a server name whose certificate cannot be had fails, is logged, and harms nobody', async (t) => {
    let broken = true;
    for (const tls of ['starttls', 'implicit'] as const) {
      broken = true;
      const secureContext = (name: string | undefined) => {
        if (broken && name !== undefined) throw new Error('the key is gone');
        return certificates.contextFor(name);
      };
      const world = await startGateway(t, withTls({ secureContext, listener: { tls } }));
      const shake = async () => {
        const peer = await world.connect();
        if (tls === 'starttls') {
          await peer.reply();
          await peer.say('EHLO client.example.net');
          await peer.say('STARTTLS');
        }
        peer.socket.removeAllListeners('data');
        const secure = connectTls({
          socket: peer.socket,
          servername: 'mx.example.org',
          rejectUnauthorized: false,
        });
        const outcome = await Promise.race([
          once(secure, 'secureConnect').then(() => 'secured'),
          once(secure, 'close').then(() => 'closed'),
        ]).catch(() => 'closed');
        secure.destroy();
        return outcome;
      };
      assert.equal(await shake(), 'closed');
      const [trouble] = world.troubles;
      assert.match(`${trouble?.what}: ${String(trouble?.error)}`, /server name: Error: the key is gone$/);
      broken = false;
      assert.equal(await shake(), 'secured');
    }
  });

  it('under way when the gateway stops is finished, then 421', async (t) => {
    const world = await startGateway(t, withTls());
    const peer = await world.connect();
    await peer.reply();
    await peer.say('EHLO client.example.net');
    await peer.say('STARTTLS');
    const stopped = world.gateway.stop();
    assert.equal((await (await peer.startTls()).reply()).code, 421);
    await stopped;
  });
});

describe('TLS from the first octet', () => {
  const implicit = withTls({ listener: { tls: 'implicit' } });

  it('has the whole dialogue inside', async (t) => {
    const world = await startGateway(t, implicit);
    const secure = await (await world.connect()).startTls();
    assert.equal((await secure.reply()).code, 220);
    const inside = announced((await secure.say('EHLO client.example.net')).lines);
    assert.ok(!inside.includes('STARTTLS') && inside.includes('AUTH'));
    secure.close();
    assert.equal((await world.decided(1))[0]!.session.tls?.protocol, 'TLSv1.3');
  });

  it('is asked for by server name', async (t) => {
    const world = await startGateway(t, implicit);
    const { socket } = await world.connect();
    socket.removeAllListeners('data');
    const secure: TLSSocket = connectTls({ socket, servername: 'mx.example.org', rejectUnauthorized: false });
    await once(secure, 'secureConnect');
    assert.equal(asked.at(-1), 'mx.example.org');
    secure.destroy();
  });

  it('works behind a PROXY header', async (t) => {
    const world = await startGateway(t, {
      ...implicit,
      listener: { tls: 'implicit', proxyProtocolFrom: networkSet(['127.0.0.1']) },
    });
    const peer = await world.connect();
    // Without a wait, so that both may come in one piece.
    void peer.write('PROXY TCP4 192.0.2.7 198.51.100.25 40000 25\r\n');
    const secure = await peer.startTls();
    assert.equal((await sendMail(secure, MAIL)).heard.code, 250);
    assert.equal((await world.decided(1))[0]!.session.client.address, '192.0.2.7');
  });

  it('that fails, never comes or cannot be given closes and counts no more', async (t) => {
    const world = await startGateway(t, { ...implicit, limits: { greetingTimeoutMs: 40 } });
    for (const sent of ['EHLO client.example.net\r\n', '']) {
      const peer = await world.connect();
      if (sent !== '') await peer.write(sent);
      await peer.closed;
    }
    const without = await startGateway(t, { ...implicit, secureContext: () => undefined });
    await (
      await without.connect()
    ).closed;
    await new Promise(setImmediate);
    assert.deepEqual([world.gateway.open, without.gateway.open], [0, 0]);
  });
});

describe('AUTH', () => {
  const ways: [name: string, lines: readonly string[], codes: readonly number[]][] = [
    ['PLAIN', [`AUTH PLAIN ${plain('', 'user', 'right')}`], [235]],
    ['PLAIN as oneself', [`AUTH PLAIN ${plain('user', 'user', 'right')}`], [235]],
    ['PLAIN as somebody else (RFC 4616 2)', [`AUTH PLAIN ${plain('boss', 'user', 'right')}`], [535]],
    ['PLAIN in two lines', ['AUTH PLAIN', plain('', 'user', 'right')], [334, 235]],
    ['LOGIN', ['AUTH LOGIN', plain('user'), plain('right')], [334, 334, 235]],
    ['a cancelled exchange', ['AUTH LOGIN', '*', 'NOOP'], [334, 501, 250]],
    ['what is no base64', ['AUTH PLAIN !', 'NOOP'], [501, 250]],
    ['a second time', [`AUTH PLAIN ${plain('', 'user', 'right')}`, 'AUTH LOGIN'], [235, 503]],
    [
      'wrong three times',
      ['x', 'y', 'z'].map((password) => `AUTH PLAIN ${plain('', 'user', password)}`),
      [535, 535, 421],
    ],
  ];
  for (const [name, lines, codes] of ways) {
    it(`${name}: ${codes.join(' ')}`, async (t) => {
      const world = await startGateway(t, withTls());
      const peer = await secured(await world.connect());
      await peer.say('EHLO client.example.net');
      const heard = [];
      for (const line of lines) heard.push((await peer.say(line)).code);
      assert.deepEqual(heard, codes);
      if (codes.at(-1) === 421) await peer.closed;
    });
  }

  it('permits to relay, and the fields and the backend say who it was', async (t) => {
    const world = await startGateway(t, withTls());
    const peer = await secured(await world.connect());
    await peer.say('EHLO client.example.net');
    await peer.say(`AUTH PLAIN ${plain('', 'user', 'right')}`);
    await peer.say('MAIL FROM:<user@example.org>');
    assert.equal((await peer.say('RCPT TO:<friend@example.com>')).code, 250);
    await peer.say('DATA');
    assert.equal((await peer.say('\r\n.')).code, 250);
    const [taken] = world.backend.taken;
    assert.match(taken!.bytes.toString(), / with ESMTPSA id /);
    assert.equal(taken!.envelope.client.login, 'user');
    const [decision] = await world.decided(1);
    assert.equal(decision!.outcome, 'relayed');
    assert.ok(!JSON.stringify(decision).includes('right'));
  });

  it('is counted as a failure where the client network asks too much, and not where all together do', async (t) => {
    const networks: string[] = [];
    for (const [verdict, codes] of [
      ['too-many', [454, 454, 421]],
      ['unavailable', [454, 454, 454]],
    ] as const) {
      const verifyCredentials = async (_identity: string, _password: string, network: string) => {
        networks.push(network);
        return verdict;
      };
      const site = { clientPrefix: { v4: 24, v6: 64 } };
      const world = await startGateway(t, withTls({ verifyCredentials, site }));
      const peer = await secured(await world.connect());
      await peer.say('EHLO client.example.net');
      const heard = [];
      for (let i = 0; i < 3; i++)
        heard.push((await peer.say(`AUTH PLAIN ${plain('', 'user', 'right')}`)).code);
      assert.deepEqual(heard, codes);
    }
    assert.deepEqual(new Set(networks), new Set(['127.0.0.0/24']));
  });

  it('is 454 where it cannot be asked, and 421 where asking fails', async (t) => {
    let fails = false;
    const world = await startGateway(
      t,
      withTls({
        verifyCredentials: async () => {
          if (fails) throw new Error('a bug');
          return 'unavailable';
        },
      }),
    );
    const peer = await secured(await world.connect());
    await peer.say('EHLO client.example.net');
    assert.equal((await peer.say(`AUTH PLAIN ${plain('', 'user', 'right')}`)).code, 454);
    fails = true;
    assert.equal((await peer.say(`AUTH PLAIN ${plain('', 'user', 'right')}`)).code, 421);
    await peer.closed;
  });
});
