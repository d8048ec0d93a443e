import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { givesNoVerdict, isGivenUpInTime } from '../../../test/contracts/scanner.ts';
import { fakeScanner, NOBODY, question } from '../../../test/fakes/scanner.ts';
import { tempDir } from '../../../test/tempdir.ts';
import type { ScannerSettings } from '../../core/scanners.ts';
import { Spamd } from './spamd.ts';

const NEVER = new AbortController().signal;
const HAM = 'SPAMD/1.1 0 EX_OK\r\nContent-length: 3\r\nSpam: False ; 1.0 / 5.0\r\n\r\nA,B';
const SCORED = { kind: 'scored', spam: false, score: 1, required: 5, tests: ['A', 'B'] };

async function serve(
  t: TestContext,
  onConnection: (socket: Socket, number: number) => void,
  settings: Partial<ScannerSettings> & { dir?: string } = {},
) {
  const fake = await fakeScanner(t, onConnection, { halfOpen: true, ...settings });
  return { scanner: new Spamd(fake.settings), ...fake };
}

/** Calls back when the client has said all. */
function hear(socket: Socket, whole: (text: string) => void): void {
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (piece: string) => (text += piece)).on('end', () => whole(text));
}

describe('spamd', () => {
  for (const where of ['TCP', 'a unix socket']) {
    it(`scores over ${where}, a connection for each message, with the client on top`, async (t) => {
      const heard: string[] = [];
      const { scanner, connections } = await serve(
        t,
        (socket) =>
          hear(socket, (text) => {
            heard.push(text);
            socket.end(text.startsWith('PING') ? 'SPAMD/1.5 0 PONG\r\n' : HAM);
          }),
        where === 'TCP' ? {} : { dir: await tempDir(t) },
      );
      const message = 'Subject: x\r\n\r\nbody\r\n';
      assert.deepEqual(await scanner.scan(question(message, 7), NEVER), SCORED);
      assert.deepEqual(await scanner.scan(question(message), NEVER), SCORED);
      assert.equal(await scanner.probe(NEVER), undefined);
      assert.equal(connections.all, 3);
      const [, length = '', rest = ''] =
        /^SYMBOLS SPAMC\/1\.5\r\nContent-length: (\d+)\r\n\r\n([^]*)$/.exec(heard[0] ?? '') ?? [];
      assert.equal(rest.length, Number(length));
      assert.match(
        rest,
        /^X-Envelope-From: <anna@example\.net>\r\nReceived: from mail\.example\.net \(mail\.example\.net \[192\.0\.2\.7\]\)\r\n\tby mx\.example\.org/,
      );
      assert.ok(rest.endsWith(`+0000\r\n${message}`));
      assert.equal(heard[1], heard[0]);
      while (connections.open > 0) await new Promise(setImmediate);
    });
  }

  it('keeps a body without header from going on with the fields on top', async (t) => {
    const heard: string[] = [];
    const { scanner } = await serve(t, (socket) =>
      hear(socket, (text) => {
        heard.push(text);
        socket.end(HAM);
      }),
    );
    for (const [message, between] of [
      ['Subject: x\r\n\r\nbody\r\n', ''],
      ['\r\nbody\r\n', ''],
      ['', ''],
      [' by mx.example.org\r\n\r\nbody\r\n', '\r\n'],
      ['no field\r\n', '\r\n'],
    ] as const) {
      assert.deepEqual(await scanner.scan(question(message), NEVER), SCORED);
      const [, length = '', rest = ''] =
        /Content-length: (\d+)\r\n\r\n([^]*)$/.exec(heard.at(-1) ?? '') ?? [];
      assert.ok(rest.endsWith(`+0000\r\n${between}${message}`), rest);
      assert.equal(rest.length, Number(length));
    }
  });

  it('scores a large message with pauses', async (t) => {
    let octets = 0;
    const { scanner } = await serve(t, (socket) =>
      socket.on('data', (piece) => (octets += piece.length)).on('end', () => socket.end(HAM)),
    );
    assert.deepEqual(await scanner.scan(question('x'.repeat(3_000_000)), NEVER), SCORED);
    assert.ok(octets > 3_000_000);
  });

  const bad: [name: string, does: (socket: Socket) => void, reason: RegExp][] = [
    ['closes at once', (socket) => socket.end(), /without an answer/],
    ['dies', (socket) => socket.once('data', () => socket.resetAndDestroy()), /without an answer/],
    [
      'stops in the middle',
      (socket) => hear(socket, () => socket.end(HAM.slice(0, -1))),
      /ends in the middle/,
    ],
    ['is out of order', (socket) => hear(socket, () => socket.end('SPAMD/1.0 79 Timeout\r\n')), /79 Timeout/],
    [
      'answers a ping',
      (socket) => hear(socket, () => socket.end('SPAMD/1.5 0 PONG\r\n')),
      /another question/,
    ],
    ['talks without end', (socket) => socket.once('data', () => endless(socket)), /too long/],
  ];
  for (const [name, does, reason] of bad) {
    it(`that ${name} gives no verdict`, async (t) => {
      const { scanner, connections } = await serve(t, does);
      await givesNoVerdict(scanner, 'x'.repeat(300_000), reason);
      assert.equal(connections.all, 1);
    });
  }

  for (const [name, does] of [
    ['never answers', (socket: Socket) => void socket.resume()],
    ['never reads', (socket: Socket) => void socket.pause()],
    // All is said, but the end does not come.
    ['never closes', (socket: Socket) => hear(socket, () => void socket.write(HAM))],
  ] as const) {
    it(`that ${name} is given up in time, and its place is free again`, async (t) => {
      const { scanner } = await serve(t, does, { timeoutMs: 60, atOnce: 1, maxWaiting: 1 });
      await isGivenUpInTime(scanner);
    });
  }

  it('that is busy has the others wait, and then wait no longer', async (t) => {
    const { scanner } = await serve(t, (socket) => void socket.resume(), {
      atOnce: 1,
      maxWaiting: 1,
      waitMs: 20,
      timeoutMs: 200,
    });
    const answers = await Promise.all([1, 2, 3].map(() => scanner.scan(question('x'), NEVER)));
    assert.deepEqual(
      answers.map((answer) => answer.kind),
      ['failed', 'busy', 'busy'],
    );
  });

  it('that is not there is a failure, with its reason', async () => {
    const scanner = new Spamd({ address: NOBODY, atOnce: 1, maxWaiting: 0, waitMs: 0, timeoutMs: 1000 });
    const answer = await scanner.scan(question('ham'), NEVER);
    assert.ok(
      answer.kind === 'failed' && /no connection: .*ENOENT/.test(answer.reason),
      JSON.stringify(answer),
    );
    assert.equal((await scanner.probe(NEVER))?.kind, 'failed');
  });
});

function endless(socket: Socket): void {
  while (socket.writable && socket.write('x'.repeat(1000)));
  socket.once('drain', () => endless(socket));
}
