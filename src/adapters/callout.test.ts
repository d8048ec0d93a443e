import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { fakeResolver } from '../../test/fakes/resolver.ts';
import { die, ScriptedBackend, silent, type Script } from '../../test/fakes/scripted-backend.ts';
import type { CalloutAnswer } from '../core/ports.ts';
import { Rates } from './store/rates.ts';
import { Callout, type CalloutSettings } from './callout.ts';

const ANNA = { local: 'anna', domain: 'example.net' };
const NOBODY = { local: 'nobody', domain: 'example.net' };
const NEVER = new AbortController().signal;
const dns = fakeResolver({
  'mx.example.net A': ['127.0.0.1'],
  'inside.example.net A': ['10.0.0.1', '127.0.0.1', '169.254.169.254'],
  'inside.example.net AAAA': ['::1', 'fd00::1'],
});

async function serve(t: TestContext, script: Script = {}, settings: Partial<CalloutSettings> = {}) {
  const server = await ScriptedBackend.start(script);
  t.after(() => server.stop());
  const callout = new Callout({
    hostName: 'mx.example.org',
    dns,
    rates: new Rates(() => 0, 1000),
    port: server.port,
    anyAddress: true,
    ...settings,
  });
  return { server, callout };
}

/** `250`, `of the transaction 550`, or the reason. */
const inShort = (answers: readonly CalloutAnswer[]) =>
  answers.map((a) =>
    a.kind !== 'replied'
      ? a.reason
      : `${a.of === undefined ? '' : `of the ${a.of} `}${a.reply.code} ${a.reply.enhanced}`.trim(),
  );

describe('a callout', () => {
  it('asks with the null sender, sends nothing and says goodbye', async (t) => {
    const { server, callout } = await serve(t);
    const answers = await callout.ask(['mx.example.net'], [ANNA, NOBODY], NEVER);
    assert.deepEqual(inShort(answers), ['250 2.1.5', '250 2.1.5']);
    while (server.openConnections > 0) await new Promise(setImmediate);
    assert.deepEqual(server.heard, [
      'EHLO mx.example.org',
      'MAIL FROM:<>',
      'RCPT TO:<anna@example.net>',
      'RCPT TO:<nobody@example.net>',
      'QUIT',
    ]);
  });

  it('stops at the first refusal', async (t) => {
    const { server, callout } = await serve(t, { RCPT: '550 5.1.1 No such user\r\n' });
    assert.deepEqual(inShort(await callout.ask(['127.0.0.1'], [ANNA, NOBODY], NEVER)), ['550 5.1.1']);
    assert.equal(server.heard.filter((line) => line.startsWith('RCPT')).length, 1);
  });

  it('says HELO where EHLO is unknown', async (t) => {
    const { server, callout } = await serve(t, { EHLO: '502 5.5.1 What?\r\n' });
    assert.deepEqual(inShort(await callout.ask(['127.0.0.1'], [ANNA], NEVER)), ['250 2.1.5']);
    assert.equal(server.heard[1], 'HELO mx.example.org');
  });

  it('asks for addresses beyond ASCII only where they are understood', async (t) => {
    const umlaut = { local: 'jörg', domain: 'example.net' };
    const { server, callout } = await serve(t);
    assert.deepEqual(inShort(await callout.ask(['127.0.0.1'], [umlaut], NEVER)), ['250 2.1.5']);
    assert.ok(server.heard.includes('MAIL FROM:<> SMTPUTF8'));
    const plain = await serve(t, { EHLO: '250 fake\r\n' });
    assert.deepEqual(inShort(await plain.callout.ask(['127.0.0.1'], [umlaut], NEVER)), [
      'it knows no SMTPUTF8',
    ]);
  });

  const hostile: [name: string, script: Script, answer: RegExp][] = [
    ['refuses the null sender', { MAIL: '550 5.7.1 No bounces\r\n' }, /^of the transaction 550 5\.7\.1$/],
    ['defers', { RCPT: '450 4.2.0 Greylisted\r\n' }, /^450 4\.2\.0$/],
    ['greets with 421', { GREETING: '421 4.7.0 Busy\r\n' }, /421 4\.7\.0 Busy$/],
    ['greets with 554', { GREETING: '554 5.7.1 Not you\r\n' }, /greeting: 554 5\.7\.1 Not you$/],
    ['refuses EHLO and HELO', { EHLO: '550 No\r\n', HELO: '550 No\r\n' }, /EHLO: 550 No$/],
    ['says 421 in the midst', { MAIL: '421 4.3.2 Going down\r\n' }, /421 4\.3\.2 Going down$/],
    ['hangs up before greeting', { GREETING: die }, /closed|lost/],
    ['hangs up at MAIL', { MAIL: die }, /closed|lost/],
    ['hangs up at RCPT', { RCPT: die }, /closed|lost/],
    ['never greets', { GREETING: silent }, /^timed out waiting for the greeting$/],
    ['never answers RCPT', { RCPT: silent }, /^timed out waiting for the reply to RCPT$/],
    ['is no mail server', { GREETING: 'HTTP/1.1 400 Bad Request\r\n' }, /nonsense/],
    ['talks bytes', { EHLO: '\0\xff\x1b[2J\r\n' }, /nonsense/],
    ['has an endless line', { EHLO: '250-'.padEnd(100_000, 'x') }, /nonsense: a reply line of more than/],
    ['has endless lines', { EHLO: '250-x\r\n'.repeat(10_000) }, /nonsense: a reply of more than/],
    ['answers before it is asked', { MAIL: '250 Ok\r\n250 Ok\r\n250 Ok\r\n' }, /nonsense/],
    ['answers with 3xx', { RCPT: '354 Go on\r\n' }, /^354$/],
  ];
  for (const [name, script, answer] of hostile) {
    it(`has an answer to a server that ${name}`, async (t) => {
      const { callout } = await serve(t, script, { stepTimeoutMs: 100 });
      const answers = inShort(await callout.ask(['127.0.0.1'], [ANNA, NOBODY], NEVER));
      assert.equal(answers.length, 1);
      assert.match(answers[0]!, answer);
    });
  }

  it('has an answer to a server that says anything at all', async (t) => {
    let script: readonly string[] = [];
    const server = net.createServer((socket) => {
      const [greeting = '', ...replies] = script;
      let nth = 0;
      socket.on('error', () => undefined);
      socket.on('data', () => socket.write(replies[nth++] ?? '', 'latin1'));
      socket.write(greeting, 'latin1');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as net.AddressInfo;
    const callout = new Callout({
      hostName: 'mx.example.org',
      dns,
      rates: { add: () => 1 },
      port,
      anyAddress: true,
      stepTimeoutMs: 20,
    });
    const line = fc.oneof(
      fc.constantFrom(
        '220 x\r\n',
        '250 x\r\n',
        '250-x\r\n250 SMTPUTF8\r\n',
        '421 x\r\n',
        '550 5.1.1 x\r\n',
        '',
      ),
      fc.string({ unit: 'binary-ascii', maxLength: 40 }).map((text) => `${text}\r\n`),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 6 }), async (lines) => {
        script = lines;
        const answers = await callout.ask(['127.0.0.1'], [ANNA, NOBODY], NEVER);
        assert.ok(answers.length === 1 || answers.length === 2);
        const yes = answers.slice(0, -1);
        assert.ok(yes.every((a) => a.kind === 'replied' && a.reply.code < 300));
      }),
      { numRuns: 40 },
    );
  });

  it('is over in time, whatever dribbles', async (t) => {
    const timers = new Set<NodeJS.Timeout>();
    const tarpit = net.createServer((socket) => {
      socket.on('error', () => undefined);
      const timer = setInterval(() => socket.write('220-\r\n'), 5);
      timers.add(timer);
      socket.on('close', () => clearInterval(timer));
    });
    tarpit.listen(0, '127.0.0.1');
    await once(tarpit, 'listening');
    t.after(() => {
      timers.forEach(clearInterval);
      tarpit.close();
    });
    const { port } = tarpit.address() as net.AddressInfo;
    const settings = { dns, rates: { add: () => 1 }, hostName: 'mx.example.org', port, anyAddress: true };
    const whole = new Callout({ ...settings, totalTimeoutMs: 60 });
    assert.deepEqual(inShort(await whole.ask(['127.0.0.1', '127.0.0.1'], [ANNA], NEVER)), [
      'no answer in time',
    ]);
    const step = new Callout({ ...settings, stepTimeoutMs: 60 });
    assert.deepEqual(inShort(await step.ask(['127.0.0.1'], [ANNA], NEVER)), [
      'timed out waiting for the greeting',
    ]);
    const asked = new Callout(settings).ask(['127.0.0.1'], [ANNA], AbortSignal.timeout(30));
    assert.deepEqual(inShort(await asked), ['no answer in time']);
  });

  it('goes to the next host when one does not answer, and not when one does', async (t) => {
    const { server, callout } = await serve(t, { RCPT: '450 4.2.0 Later\r\n' });
    const hosts = ['gone.example.net', 'mx.example.net', '127.0.0.1'];
    assert.deepEqual(inShort(await callout.ask(hosts, [ANNA], NEVER)), ['450 4.2.0']);
    assert.equal(server.connections, 1);
    assert.deepEqual(inShort(await callout.ask([], [ANNA], NEVER)), ['there is no host to ask']);
  });

  it('tries three hosts at most', async (t) => {
    const { server, callout } = await serve(t, { GREETING: '554 No\r\n' });
    await callout.ask(['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4'], [ANNA], NEVER);
    // The server listens on the first address alone; the fourth would be no other.
    assert.equal(server.connections, 1);
    const twice = await serve(t, { GREETING: '554 No\r\n' });
    await twice.callout.ask(['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.1'], [ANNA], NEVER);
    assert.equal(twice.server.connections, 3);
  });

  it('never connects into our own network', async (t) => {
    const { server, callout } = await serve(t, {}, { anyAddress: false });
    for (const [host, reason] of [
      ['inside.example.net', 'it has no public address'],
      ['127.0.0.1', 'it has no public address'],
      ['::ffff:127.0.0.1', 'it has no public address'],
      ['0.0.0.0', 'it has no public address'],
      ['::1', 'it has no public address'],
      ['gone.example.net', 'it has no address'],
      ['localhost', 'it has no address'],
    ] as const) {
      assert.deepEqual(inShort(await callout.ask([host], [ANNA], NEVER)), [reason], host);
    }
    assert.equal(server.connections, 0);
  });

  it('has one connection to a host at a time', async (t) => {
    let most = 0;
    const { server, callout } = await serve(t, {
      MAIL: () => {
        most = Math.max(most, server.openConnections);
        return '250 Ok\r\n';
      },
    });
    const answers = await Promise.all(
      ['127.0.0.1', 'mx.example.net', '::ffff:127.0.0.1', '127.0.0.1'].map((host, i) =>
        callout.ask([host], [{ ...ANNA, domain: `a${i}.example` }], NEVER),
      ),
    );
    assert.deepEqual(answers.map(inShort), Array(4).fill(['250 2.1.5']));
    assert.equal(server.connections, 4);
    assert.equal(most, 1);
  });

  it('has a limit to those open and to those waiting', async (t) => {
    const { server, callout } = await serve(t, { GREETING: silent }, { maxOpen: 1, maxWaiting: 1 });
    const ended = new AbortController();
    const [first, second, third] = ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map((host, i) =>
      callout.ask([host], [{ ...ANNA, domain: `a${i}.example` }], ended.signal),
    );
    assert.deepEqual(inShort(await third!), ['too many callouts at a time']);
    ended.abort();
    assert.deepEqual(inShort(await first!), ['no answer in time']);
    assert.deepEqual(inShort(await second!), ['its turn did not come in time']);
    assert.ok(server.connections <= 1);
  });

  it('asks for one domain at a time, whatever its names and servers are', async (t) => {
    let [now, most] = [0, 0];
    const { server, callout } = await serve(t, {
      EHLO: () => {
        most = Math.max(most, ++now);
        return '250 fake\r\n';
      },
      QUIT: () => {
        now--;
        return '221 Bye\r\n';
      },
    });
    const asked = ['example.net', 'a.example.net', 'b.c.example.net'].map((domain) =>
      callout.ask(['127.0.0.1'], [{ local: 'anna', domain }], NEVER),
    );
    assert.deepEqual((await Promise.all(asked)).map(inShort), Array(3).fill(['250 2.1.5']));
    assert.equal(most, 1);
    assert.equal(server.connections, 3);
  });

  it('asks a server and its neighbours so often in a minute, for whatever domains', async (t) => {
    let nowMs = 0;
    const rates = new Rates(() => nowMs, 1000);
    const { server, callout } = await serve(t, {}, { perServer: 3, rates });
    // Each of its own owner, with the server named in another way.
    const hosts = ['127.0.0.1', 'mx.example.net', '::ffff:127.0.0.1', '127.0.0.1', '127.0.0.77'];
    const ask = (host: string, i: number) =>
      callout.ask([host, '127.0.0.1'], [{ local: 'anna', domain: `a${i}.example` }], NEVER);
    const answers: string[][] = [];
    for (const [i, host] of hosts.entries()) answers.push(inShort(await ask(host, i)));
    const limited = ['127.0.0.0/24 was asked 3 times within a minute'];
    assert.deepEqual(answers, [...Array<string[]>(3).fill(['250 2.1.5']), limited, limited]);
    assert.equal(server.connections, 3);
    nowMs = 60_000;
    assert.deepEqual(inShort(await ask('127.0.0.1', 9)), ['250 2.1.5']);
  });

  it('asks nobody whom it cannot count, and lets the next one in', async (t) => {
    let ill = true;
    const add = () => {
      if (ill) throw new Error('the store is ill');
      return 1;
    };
    const { server, callout } = await serve(t, {}, { maxOpen: 1, rates: { add } });
    const ask = () => callout.ask(['127.0.0.1'], [ANNA], NEVER);
    assert.deepEqual(inShort(await ask()), ['it cannot be counted how often they were asked']);
    assert.equal(server.connections, 0);
    ill = false;
    assert.deepEqual(inShort(await ask()), ['250 2.1.5']);
  });
});
