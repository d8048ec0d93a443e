import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  isFailure,
  type Backend,
  type Delivery,
  type Envelope,
  type MessageContent,
} from '../../core/delivery.ts';
import type { BackendAnswer } from '../../core/ports.ts';
import { die, ScriptedBackend, silent, type Script } from '../../../test/fakes/scripted-backend.ts';
import { openBackend } from './open.ts';
import type { SmtpBackendSettings } from './smtp.ts';

const NEVER = new AbortController().signal;
const ENVELOPE: Envelope = {
  reversePath: { local: 'a', domain: 'example.net' },
  parameters: {},
  client: { address: '192.0.2.7', port: 4711, heloName: 'mail.example.net', heloVerb: 'EHLO' },
};
const BOB = { local: 'bob', domain: 'example.org' };

function message(...chunks: string[]): MessageContent {
  const buffers = chunks.map((chunk) => Buffer.from(chunk, 'latin1'));
  return { sizeOctets: buffers.reduce((sum, b) => sum + b.length, 0), chunks: () => buffers };
}

async function start(
  t: TestContext,
  script: Script = {},
  settings: Partial<SmtpBackendSettings> = {},
  kind: 'smtp' | 'lmtp' = 'smtp',
) {
  const server = await ScriptedBackend.start(script);
  const backend = openBackend(
    { kind, host: '127.0.0.1', port: server.port },
    { hostName: 'mx.example.org', ...settings },
  );
  t.after(async () => {
    await backend.close();
    await server.stop();
  });
  return { server, backend };
}

async function begin(backend: Backend, envelope = ENVELOPE): Promise<Delivery> {
  const begun = await backend.begin(envelope, NEVER);
  if (isFailure(begun)) assert.fail(JSON.stringify(begun));
  return begun;
}

/** The whole transaction, up to the first answer that is no yes. */
async function deliver(
  backend: Backend,
  content = message('Subject: x\r\n\r\nhi\r\n'),
  signal = NEVER,
): Promise<BackendAnswer> {
  const begun = await backend.begin(ENVELOPE, signal);
  if (isFailure(begun)) return begun;
  const rcpt = await begun.rcpt(BOB, {}, signal);
  if (rcpt.kind === 'replied' && rcpt.reply.code < 300) return begun.send(content, signal);
  begun.abort();
  return rcpt;
}

function said(answer: BackendAnswer): string {
  return answer.kind === 'unreachable'
    ? `unreachable: ${answer.reason}`
    : `${answer.reply.code} ${answer.reply.enhanced} ${answer.reply.lines.join('|')}`;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await sleep(10);
  assert.ok(condition(), 'never came true');
}

describe('delivery to an SMTP backend', () => {
  it('sends the message dot-stuffed, and reuses the connection', async (t) => {
    const { server, backend } = await start(t);
    assert.equal(
      said(await deliver(backend, message('.a\r\n', '.', '\r\nb\r\n.', '.c\r\n'))),
      '250 2.0.0 Taken',
    );
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
    assert.deepEqual(server.messages, ['..a\r\n..\r\nb\r\n...c\r\n.\r\n', 'Subject: x\r\n\r\nhi\r\n.\r\n']);
    assert.equal(server.connections, 1);
    assert.deepEqual(server.heard.slice(0, 4), [
      'EHLO mx.example.org',
      'MAIL FROM:<a@example.net>',
      'RCPT TO:<bob@example.org>',
      'DATA',
    ]);
    assert.deepEqual(backend.capabilities(), {
      recipientsPerTransaction: 1000,
      dsn: true,
      smtputf8: true,
      eightBitMime: true,
      sizeOctets: 1_000_000,
    });
  });

  it('sends a large message whole to a backend that reads', async (t) => {
    const { server, backend } = await start(t);
    const line = `${'x'.repeat(998)}\r\n`;
    assert.equal(
      said(await deliver(backend, message(...Array.from({ length: 3000 }, () => line)))),
      '250 2.0.0 Taken',
    );
    assert.equal(server.messages[0]?.length, 3_000_003);
  });

  const failures: readonly [string, Script, RegExp][] = [
    [
      'greeting 554',
      { GREETING: '554 5.3.2 no\r\n' },
      /^unreachable: refuses in reply to the greeting: 554 5.3.2 no$/,
    ],
    ['greeting 421', { GREETING: '421 busy\r\n' }, /^unreachable: ends the connection: 421 busy$/],
    ['no greeting', { GREETING: silent }, /^unreachable: timed out waiting for the greeting$/],
    ['death before the greeting', { GREETING: die }, /^unreachable: connection /],
    ['HTTP', { GREETING: 'HTTP/1.1 400 Bad\r\n' }, /^unreachable: speaks nonsense: no reply line/],
    ['endless line', { GREETING: `220 ${'x'.repeat(5000)}` }, /^unreachable: speaks nonsense: .*2048/],
    ['endless reply', { EHLO: '250-x\r\n'.repeat(200) }, /^unreachable: speaks nonsense: .*100 lines/],
    ['changing code', { EHLO: '250-x\r\n251 y\r\n' }, /^unreachable: speaks nonsense: .*250.*251/],
    [
      'EHLO and HELO refused',
      { EHLO: '502 no\r\n', HELO: '502 no\r\n' },
      /^unreachable: refuses in reply to EHLO/,
    ],
    ['EHLO deferred', { EHLO: '451 no\r\n' }, /^unreachable: refuses in reply to EHLO: 451 no/],
    ['MAIL refused', { MAIL: '550 5.7.1 no\r\n' }, /^550 5.7.1 no$/],
    ['MAIL deferred', { MAIL: '451 4.3.0 later\r\n' }, /^451 4.3.0 later$/],
    ['MAIL 354', { MAIL: '354 what\r\n' }, /^unreachable: speaks nonsense: 354/],
    ['MAIL 421', { MAIL: '421 4.3.2 bye\r\n' }, /^unreachable: ends the connection: 421 4.3.2 bye$/],
    ['death at MAIL', { MAIL: die }, /^unreachable: connection /],
    ['silence at MAIL', { MAIL: silent }, /^unreachable: timed out waiting for the reply to MAIL$/],
    ['RCPT refused', { RCPT: '550-5.1.1 no\r\n550 5.1.1 such user\r\n' }, /^550 5.1.1 no\|such user$/],
    ['death at RCPT', { RCPT: die }, /^unreachable: connection /],
    ['RCPT 421', { RCPT: '421 bye\r\n' }, /^unreachable: ends the connection: 421 bye$/],
    ['DATA refused', { DATA: '554 5.5.1 no\r\n' }, /^554 5.5.1 no$/],
    ['DATA 250', { DATA: '250 fine\r\n' }, /^unreachable: speaks nonsense: 250 in reply to DATA$/],
    ['death at DATA', { DATA: die }, /^unreachable: connection /],
    ['message refused', { END: '550 5.7.1 spam\r\n' }, /^550 5.7.1 spam$/],
    ['death after the dot', { END: die }, /^unreachable: connection /],
    [
      'silence after the dot',
      { END: silent },
      /^unreachable: timed out waiting for the reply to the message$/,
    ],
    ['421 after the dot', { END: '421 4.3.0 full\r\n' }, /^unreachable: ends the connection: 421/],
    ['354 after the dot', { END: '354 more\r\n' }, /^unreachable: speaks nonsense: 354/],
    [
      'two replies to one command',
      { MAIL: '250 a\r\n250 b\r\n' },
      /^unreachable: speaks nonsense: 250 without/,
    ],
  ];
  const SHORT = { connectTimeoutMs: 60, commandTimeoutMs: 60, dataTimeoutMs: 60 };
  for (const [name, script, expected] of failures) {
    it(`${name} is one clear answer, and the backend is asked again the next time`, async (t) => {
      const timed = name.startsWith('no greeting') || name.startsWith('silence');
      const { server, backend } = await start(
        t,
        script,
        timed ? SHORT : { maxConnections: 1, maxWaitMs: 2000 },
      );
      assert.match(said(await deliver(backend)), expected);
      // With one connection at most, a lease that was not given back would show here.
      assert.match(said(await deliver(backend)), expected);
      assert.ok(server.connections >= 1);
    });
  }

  it('takes no yes for the message before the final dot is written', async (t) => {
    const { backend } = await start(t, { DATA: '354 go\r\n250 2.0.0 Taken\r\n' });
    assert.match(said(await deliver(backend)), /^unreachable: speaks nonsense/);
  });

  it('hands on a refusal that comes while the message goes out', async (t) => {
    const { server, backend } = await start(t, { DATA: '354 go\r\n' });
    const slow: MessageContent = {
      sizeOctets: 4,
      async *chunks() {
        yield Buffer.from('a\r\n');
        server.sayToAll('552 5.3.4 too large\r\n');
        for (let i = 0; i < 200; i++) {
          await sleep(5);
          yield Buffer.from('a\r\n');
        }
      },
    };
    assert.equal(said(await deliver(backend, slow)), '552 5.3.4 too large');
    assert.equal(server.messages.length, 0);
  });

  it('leaves a message without its dot when it cannot be read', async (t) => {
    const { server, backend } = await start(t);
    const broken: MessageContent = {
      sizeOctets: 10,
      *chunks() {
        yield Buffer.from('a\r\n');
        throw new Error('EIO');
      },
    };
    assert.equal(said(await deliver(backend, broken)), 'unreachable: the message could not be read: EIO');
    assert.deepEqual(server.messages, []);
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
  });

  it('ends every wait with the signal', async (t) => {
    for (const verb of ['GREETING', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'END']) {
      const { server, backend } = await start(t, { [verb]: silent });
      const over = new AbortController();
      const answer = deliver(backend, undefined, over.signal);
      await until(() =>
        verb === 'GREETING'
          ? server.connections > 0
          : verb === 'END'
            ? server.messages.length > 0
            : server.heard.some((l) => l.startsWith(verb)),
      );
      over.abort(new Error('deadline'));
      assert.equal(said(await answer), 'unreachable: given up: deadline', verb);
      await until(() => server.openConnections === 0);
    }
  });

  it('is unreachable when nobody listens', async () => {
    const server = await ScriptedBackend.start();
    const { port } = server;
    await server.stop();
    const backend = openBackend({ kind: 'smtp', host: '127.0.0.1', port }, { hostName: 'mx' });
    assert.match(said(await deliver(backend)), /^unreachable: cannot connect: .*ECONNREFUSED/);
    assert.equal((await backend.probe(NEVER))?.kind, 'unreachable');
  });

  it('falls back to HELO and sends no parameter that is not offered', async (t) => {
    const { server, backend } = await start(t, { EHLO: '502 5.5.2 no\r\n' });
    const delivery = await begin(backend, {
      ...ENVELOPE,
      parameters: { sizeOctets: 9, body: '8BITMIME', ret: 'HDRS', envid: 'q' },
    });
    await delivery.rcpt(BOB, { notify: 'NEVER', orcpt: 'rfc822;b' }, NEVER);
    assert.deepEqual(server.heard.slice(1), [
      'HELO mx.example.org',
      'MAIL FROM:<a@example.net>',
      'RCPT TO:<bob@example.org>',
    ]);
    delivery.abort();
    const utf8 = await backend.begin({ ...ENVELOPE, parameters: { smtputf8: true } }, NEVER);
    assert.ok(isFailure(utf8) && utf8.kind === 'replied' && utf8.reply.code === 553);
  });

  it('passes on the parameters that are offered', async (t) => {
    const { server, backend } = await start(t);
    const delivery = await begin(backend, {
      ...ENVELOPE,
      reversePath: null,
      parameters: { sizeOctets: 9, body: '8BITMIME', ret: 'HDRS', envid: 'q', smtputf8: true },
    });
    await delivery.rcpt(
      { local: 'bób', domain: 'example.org' },
      { notify: 'NEVER', orcpt: 'rfc822;b' },
      NEVER,
    );
    delivery.abort();
    assert.equal(server.heard[1], 'MAIL FROM:<> SIZE=9 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=q');
    assert.equal(
      Buffer.from(server.heard[2]!, 'latin1').toString(),
      'RCPT TO:<bób@example.org> NOTIFY=NEVER ORCPT=rfc822;b',
    );
  });

  it('resets an aborted transaction and uses its connection again', async (t) => {
    const { server, backend } = await start(t);
    const delivery = await begin(backend);
    await delivery.rcpt(BOB, {}, NEVER);
    delivery.abort();
    delivery.abort();
    await until(() => server.heard.includes('RSET'));
    await sleep(20);
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
    assert.equal(server.connections, 1);
    assert.equal(server.messages.length, 1);
  });

  for (const [what, script] of [
    ['given up', {}],
    ['of refused recipients', { RCPT: '550 5.1.1 No\r\n' }],
  ] as const) {
    it(`does not hand on a connection that many transactions ${what} have worn out`, async (t) => {
      const { server, backend } = await start(t, script);
      // Postfix slows down what has made 10 errors: every connection has to go before.
      for (let i = 0; i < 16; i++) {
        const delivery = await begin(backend);
        await delivery.rcpt(BOB, {}, NEVER);
        delivery.abort();
        await sleep(2);
      }
      assert.ok(server.connections >= 2, `${server.connections} connections`);
      const perConnection = server.heard.join(' ').split('EHLO').slice(1);
      for (const heard of perConnection) assert.ok((heard.match(/RCPT/g) ?? []).length <= 8, heard);
    });
  }

  it('cuts the connection when a transaction is aborted with a command under way', async (t) => {
    const { server, backend } = await start(t, { RCPT: silent });
    const delivery = await begin(backend);
    const rcpt = delivery.rcpt(BOB, {}, NEVER);
    delivery.abort();
    assert.equal(said(await rcpt), 'unreachable: the transaction was given up');
    await until(() => server.openConnections === 0);
  });
});

describe('the pool', () => {
  it('asks once more on a fresh connection when a reused one turns out dead at MAIL', async (t) => {
    const dies: Script = { MAIL: (_, nth) => (nth === 2 ? die : '250 ok\r\n') };
    const { server, backend } = await start(t, dies);
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
    assert.equal(server.connections, 2);
    assert.equal(server.messages.length, 2);
  });

  it('does not ask again once MAIL was accepted', async (t) => {
    const { server, backend } = await start(t, { RCPT: (_, nth) => (nth === 2 ? die : '250 ok\r\n') });
    await deliver(backend);
    assert.match(said(await deliver(backend)), /^unreachable: connection /);
    assert.equal(server.connections, 1);
  });

  it('forgets idle connections that the backend ends, and those idle for too long', async (t) => {
    const { server, backend } = await start(t, {}, { idleTimeoutMs: 30 });
    await deliver(backend);
    await until(() => server.heard.includes('QUIT'));
    await deliver(backend);
    server.cutAll();
    await until(() => server.openConnections === 0);
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
    assert.equal(server.connections, 3);
  });

  it('bounds the connections, makes others wait, and says so when the wait is over', async (t) => {
    const { server, backend } = await start(t, {}, { maxConnections: 2, maxWaitMs: 50 });
    const first = await begin(backend);
    const second = await begin(backend);
    assert.equal(said(await deliver(backend)), 'unreachable: all 2 connections are busy');
    const third = deliver(backend);
    first.abort();
    assert.equal(said(await third), '250 2.0.0 Taken');
    second.abort();
    assert.equal(server.connections, 2);
  });

  it('lets a waiting transaction in when a busy connection dies', async (t) => {
    const { server, backend } = await start(
      t,
      { RCPT: (_, nth) => (nth === 1 ? silent : '250 ok\r\n') },
      { maxConnections: 1 },
    );
    const first = await begin(backend);
    const rcpt = first.rcpt(BOB, {}, NEVER);
    const second = deliver(backend);
    await until(() => server.heard.some((line) => line.startsWith('RCPT')));
    server.cutAll();
    await rcpt;
    first.abort();
    assert.equal(said(await second), '250 2.0.0 Taken');
  });

  it('ends its idle connections at close and keeps none after it: older sessions still deliver', async (t) => {
    const { server, backend } = await start(t);
    await deliver(backend);
    await backend.close();
    await until(() => server.openConnections === 0);
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
    await until(() => server.openConnections === 0);
  });
});

describe('XCLIENT', () => {
  const EHLO = '250-fake\r\n250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n';
  it('introduces each client anew on a reused connection, and greets with its name', async (t) => {
    const { server, backend } = await start(t, { EHLO }, { xclient: true });
    await deliver(backend);
    await deliver(backend);
    const other: Envelope = {
      ...ENVELOPE,
      client: { address: '2001:db8::1', port: 1, hostName: 'h.example' },
    };
    (await begin(backend, other)).abort();
    assert.equal(server.connections, 1);
    assert.deepEqual(
      server.heard.filter((line) => /^(XCLIENT|EHLO)/.test(line)),
      [
        'EHLO mx.example.org',
        'XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.7 PORT=4711 PROTO=ESMTP HELO=mail.example.net LOGIN=[UNAVAILABLE]',
        'EHLO mail.example.net',
        'XCLIENT NAME=h.example ADDR=IPV6:2001:db8::1 PORT=1 PROTO=ESMTP HELO=[UNAVAILABLE] LOGIN=[UNAVAILABLE]',
        'EHLO mx.example.org',
      ],
    );
  });

  it('is not used where it is not wanted', async (t) => {
    const { server, backend } = await start(t, { EHLO });
    await deliver(backend);
    assert.ok(!server.heard.some((line) => line.startsWith('XCLIENT')));
  });

  for (const [reply, expected] of [
    ['550 5.7.0 insufficient authorization', /^unreachable: refuses XCLIENT: 550/],
    ['554 5.7.1 that client is not welcome', /^554 5.7.1 that client is not welcome$/],
  ] as const) {
    it(`answered with ${reply}`, async (t) => {
      const { backend } = await start(t, { EHLO, XCLIENT: `${reply}\r\n` }, { xclient: true });
      assert.match(said(await deliver(backend)), expected);
    });
  }
});

describe('delivery to an LMTP backend', () => {
  it('says LHLO and takes one recipient a transaction', async (t) => {
    const { server, backend } = await start(t, {}, {}, 'lmtp');
    assert.equal(backend.capabilities().recipientsPerTransaction, 1);
    const delivery = await begin(backend);
    assert.equal(said(await delivery.rcpt(BOB, {}, NEVER)), '250 2.1.5 Ok');
    assert.match(
      said(await delivery.rcpt({ local: 'eve', domain: 'example.org' }, {}, NEVER)),
      /^452 4\.5\.3/,
    );
    assert.equal(said(await delivery.send(message('x\r\n'), NEVER)), '250 2.0.0 Taken');
    assert.equal(server.heard[0], 'LHLO mx.example.org');
    assert.equal(server.heard.filter((line) => line.startsWith('RCPT')).length, 1);
  });

  it('speaks over a Unix socket', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-lmtp-'));
    const path = join(folder, 'lmtp');
    const server = await ScriptedBackend.start({}, path);
    const backend = openBackend({ kind: 'lmtp+unix', path }, { hostName: 'mx.example.org' });
    t.after(async () => {
      await backend.close();
      await server.stop();
      await rm(folder, { recursive: true });
    });
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
    assert.equal(server.heard[0], 'LHLO mx.example.org');
  });

  it('has no HELO to fall back to', async (t) => {
    const { server, backend } = await start(t, { LHLO: '500 no\r\n' }, {}, 'lmtp');
    assert.match(said(await deliver(backend)), /^unreachable: refuses/);
    assert.deepEqual(server.heard, ['LHLO mx.example.org']);
  });
});

const STARTTLS = { EHLO: '250-fake\r\n250 STARTTLS\r\n' };
describe('STARTTLS', () => {
  it('reads nothing that came in plain text behind the reply', async (t) => {
    const { backend } = await start(t, { ...STARTTLS, STARTTLS: '220 go\r\n250 injected\r\n' });
    assert.match(said(await deliver(backend)), /^unreachable: speaks nonsense/);
  });

  it('must be offered where it is required, and may be missing where it is opportunistic', async (t) => {
    const strict = await start(t, {}, { tls: 'verify' });
    assert.equal(said(await deliver(strict.backend)), 'unreachable: offers no STARTTLS, and tls is "verify"');
    const refused = await start(t, { ...STARTTLS, STARTTLS: '454 4.7.0 not now\r\n' });
    assert.match(said(await deliver(refused.backend)), /^unreachable: refuses in reply to STARTTLS: 454/);
    const off = await start(t, STARTTLS, { tls: 'none' });
    assert.equal(said(await deliver(off.backend)), '250 2.0.0 Taken');
  });

  it('encrypts without a trusted certificate unless it is to be verified', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-tls-'));
    t.after(() => rm(folder, { recursive: true }));
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
      '-keyout',
      key,
      '-out',
      certificate,
    ]);
    const { readFile } = await import('node:fs/promises');
    const { TLSSocket } = await import('node:tls');
    const pem = await readFile(certificate, 'utf8');
    const keyPem = await readFile(key, 'utf8');
    const mails: boolean[] = [];
    const server = net.createServer((plain) => {
      const serve = (socket: net.Socket) => {
        socket.on('error', () => undefined);
        socket.on('data', (bytes: Buffer) => {
          const verb = bytes.toString().slice(0, 4);
          if (verb === 'MAIL') mails.push(socket instanceof TLSSocket);
          if (verb !== 'STAR') socket.write(verb === 'EHLO' ? '250-x\r\n250 STARTTLS\r\n' : '250 ok\r\n');
          else {
            socket.removeAllListeners('data');
            socket.write('220 go\r\n');
            serve(new TLSSocket(socket, { isServer: true, key: keyPem, cert: pem }));
          }
        });
      };
      plain.write('220 x\r\n');
      serve(plain);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const address = {
      kind: 'smtp',
      host: '127.0.0.1',
      port: (server.address() as net.AddressInfo).port,
    } as const;
    for (const settings of [{ tls: 'required' }, { tls: 'verify', tlsAuthorities: pem }] as const) {
      const backend = openBackend(address, { hostName: 'mx', ...settings });
      (await begin(backend)).abort();
      await backend.close();
    }
    assert.deepEqual(mails, [true, true]);
    const distrusting = openBackend(address, { hostName: 'mx', tls: 'verify' });
    assert.match(said(await deliver(distrusting)), /^unreachable: connection lost: .*self-signed/);
  });
});

const SINK = '/usr/sbin/smtp-sink';
describe(
  "Postfix's smtp-sink",
  { skip: existsSync(SINK) || process.env['CI'] === 'true' ? false : `no ${SINK}` },
  () => {
    for (const kind of ['smtp', 'lmtp'] as const) {
      it(`takes messages by ${kind}`, async (t) => {
        const probe = net.createServer().listen(0, '127.0.0.1');
        await once(probe, 'listening');
        const { port } = probe.address() as net.AddressInfo;
        probe.close();
        await once(probe, 'close');
        const sink = spawn(
          SINK,
          [...(kind === 'lmtp' ? ['-L'] : []), '-u', 'nobody', `127.0.0.1:${port}`, '16'],
          { stdio: 'ignore' },
        );
        t.after(() => sink.kill());
        const backend = openBackend({ kind, host: '127.0.0.1', port }, { hostName: 'mx.example.org' });
        for (let i = 0; i < 100 && (await backend.probe(NEVER)) !== undefined; i++) await sleep(20);
        for (let i = 0; i < 3; i++) assert.match(said(await deliver(backend)), /^250 /);
        await backend.close();
      });
    }
  },
);
