import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFailure, type MessageContent } from '../../core/delivery.ts';
import {
  BOB,
  ENVELOPE,
  NEVER,
  begin,
  deliver,
  message,
  said,
  startBackend,
  until,
} from '../../../test/delivery.ts';
import { die, ScriptedBackend, silent, type Script } from '../../../test/fakes/scripted-backend.ts';
import { openBackend } from './open.ts';

describe('delivery to an SMTP backend', () => {
  it('sends the message dot-stuffed, and reuses the connection', async (t) => {
    const { server, backend } = await startBackend(t);
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
    const { server, backend } = await startBackend(t);
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
      const { server, backend } = await startBackend(
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
    const { backend } = await startBackend(t, { DATA: '354 go\r\n250 2.0.0 Taken\r\n' });
    assert.match(said(await deliver(backend)), /^unreachable: speaks nonsense/);
  });

  it('hands on a refusal that comes while the message goes out', async (t) => {
    const { server, backend } = await startBackend(t, { DATA: '354 go\r\n' });
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
    const { server, backend } = await startBackend(t);
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
      const { server, backend } = await startBackend(t, { [verb]: silent });
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
    const { server, backend } = await startBackend(t, { EHLO: '502 5.5.2 no\r\n' });
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
    const { server, backend } = await startBackend(t);
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
    const { server, backend } = await startBackend(t);
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
      const { server, backend } = await startBackend(t, script);
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
    const { server, backend } = await startBackend(t, { RCPT: silent });
    const delivery = await begin(backend);
    const rcpt = delivery.rcpt(BOB, {}, NEVER);
    delivery.abort();
    assert.equal(said(await rcpt), 'unreachable: the transaction was given up');
    await until(() => server.openConnections === 0);
  });
});
