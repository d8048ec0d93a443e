import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { givesNoVerdict, isGivenUpInTime } from '../../../test/contracts/scanner.ts';
import { fakeScanner, NOBODY, question } from '../../../test/fakes/scanner.ts';
import { onEnd } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import type { ScannerAddress, ScannerSettings } from '../../core/scanners.ts';
import { Rspamd } from './rspamd.ts';

const NEVER = new AbortController().signal;
const HAM = JSON.stringify({
  is_skipped: false,
  score: 1,
  required_score: 15,
  action: 'no action',
  symbols: { A: {} },
});
const SCORED = {
  kind: 'scored',
  action: 'no action',
  skipped: false,
  score: 1,
  required: 15,
  symbols: ['A'],
} as const;

type Answer = (request: IncomingMessage, body: string, response: ServerResponse) => void;

/** rspamd as far as HTTP goes. */
async function serve(
  t: TestContext,
  answer: Answer,
  settings: Partial<ScannerSettings> & { dir?: string } = {},
) {
  const { dir, ...others } = settings;
  const heard = { connections: 0 };
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('latin1');
    request.on('error', () => undefined);
    request.on('data', (piece: string) => (body += piece)).on('end', () => answer(request, body, response));
  });
  server.on('connection', () => heard.connections++);
  server.listen(...((dir === undefined ? [0, '127.0.0.1'] : [join(dir, 'socket')]) as [number, string]));
  await once(server, 'listening');
  const address: ScannerAddress =
    dir === undefined
      ? { kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port }
      : { kind: 'unix', path: join(dir, 'socket') };
  const scanner = new Rspamd({ ...LIMITS, address, ...others });
  onEnd(t, () => {
    scanner.close();
    server.closeAllConnections();
    server.close();
  });
  return { scanner, heard };
}

const LIMITS = { atOnce: 2, maxWaiting: 2, waitMs: 10_000, timeoutMs: 10_000 };

/** Something that speaks no HTTP, or bad one. */
async function serveRaw(
  t: TestContext,
  onConnection: (socket: Socket, number: number) => void,
  settings: Partial<ScannerSettings> = {},
) {
  const fake = await fakeScanner(t, onConnection, settings);
  const scanner = new Rspamd(fake.settings);
  onEnd(t, () => scanner.close());
  return { scanner, connections: fake.connections };
}

describe('rspamd', () => {
  for (const where of ['TCP', 'a unix socket']) {
    it(`scores over ${where}, on a connection that is kept`, async (t) => {
      const seen: [IncomingMessage, string][] = [];
      const { scanner, heard } = await serve(
        t,
        (request, body, response) => {
          seen.push([request, body]);
          response.end(request.url === '/ping' ? 'pong\r\n' : HAM);
        },
        where === 'TCP' ? {} : { dir: await tempDir(t) },
      );
      const message = 'Subject: x\r\n\r\nbody\r\n';
      assert.deepEqual(await scanner.scan(question(message, 5), NEVER), SCORED);
      assert.deepEqual(await scanner.scan(question(message), NEVER), SCORED);
      assert.equal(await scanner.probe(NEVER), undefined);
      assert.equal(heard.connections, 1);
      const [request, body] = seen[0]!;
      assert.equal(body, message);
      assert.deepEqual([request.method, request.url], ['POST', '/checkv2']);
      const { ip, from, rcpt, helo, hostname } = request.headers;
      assert.deepEqual(
        [ip, from, rcpt, helo, hostname, request.headers['content-length']],
        [
          '192.0.2.7',
          '<anna@example.net>',
          '<bob@example.org>',
          'mail.example.net',
          'mail.example.net',
          String(message.length),
        ],
      );
    });
  }

  it('is told each recipient in a field of its own', async (t) => {
    let raw: string[] = [];
    const { scanner } = await serve(t, (request, _body, response) => {
      raw = request.rawHeaders;
      response.end(HAM);
    });
    const asked = question('x');
    const recipients = ['bob', 'eva'].map((local) => ({ local, domain: 'example.org' }));
    await scanner.scan({ ...asked, transaction: { ...asked.transaction, recipients } }, NEVER);
    const values = raw.filter((_, i) => raw[i - 1] === 'Rcpt');
    assert.deepEqual(values, ['<bob@example.org>', '<eva@example.org>']);
  });

  it('scores a large message with pauses', async (t) => {
    let octets = 0;
    const { scanner } = await serve(t, (_request, body, response) => {
      octets = body.length;
      response.end(HAM);
    });
    assert.deepEqual(await scanner.scan(question('x'.repeat(3_000_000)), NEVER), SCORED);
    assert.equal(octets, 3_000_000);
  });

  it('is sent a message again when the connection had died at rest', async (t) => {
    const { scanner, connections } = await serveRaw(t, (socket, number) => {
      let messages = 0;
      socket.on('data', (piece: Buffer) => {
        if (!piece.includes('message')) return;
        // The second message finds the first connection dying.
        if (number === 1 && messages++ > 0) socket.resetAndDestroy();
        else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${HAM.length}\r\n\r\n${HAM}`);
      });
    });
    assert.deepEqual(await scanner.scan(question('message'), NEVER), SCORED);
    assert.deepEqual(await scanner.scan(question('message'), NEVER), SCORED);
    assert.equal(connections.all, 2);
  });

  const statuses: [status: number, body: string, answer: object][] = [
    [413, '', { kind: 'too-large' }],
    [500, HAM, { kind: 'failed', reason: 'it answers with status 500' }],
    [403, HAM, { kind: 'failed', reason: 'it answers with status 403' }],
    [302, HAM, { kind: 'failed', reason: 'it answers with status 302' }],
    [200, 'pong', { kind: 'failed', reason: 'its answer is no JSON' }],
    [200, '{"error":"no"}', { kind: 'failed', reason: 'it says: no' }],
  ];
  for (const [status, body, answer] of statuses) {
    it(`with status ${status} and ${body.slice(0, 10)} gives no verdict`, async (t) => {
      const { scanner } = await serve(t, (_request, _body, response) => response.writeHead(status).end(body));
      assert.deepEqual(await scanner.scan(question('x'), NEVER), answer);
      assert.equal((await scanner.probe(NEVER))?.kind, body === 'pong' ? undefined : 'failed');
    });
  }

  const bad: [name: string, does: (socket: Socket) => void, reason: RegExp][] = [
    ['closes at once', (socket) => socket.end(), /hang up|ECONNRESET|EPIPE/],
    ['dies', (socket) => socket.once('data', () => socket.resetAndDestroy()), /hang up|ECONNRESET|EPIPE/],
    [
      'stops in the middle',
      (socket) =>
        socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n${HAM}`)),
      /aborted/,
    ],
    [
      'speaks no HTTP',
      (socket) => socket.once('data', () => socket.write('SPAMD/1.0 76 x\r\n')),
      /Parse Error/,
    ],
    [
      'has a header without end',
      (socket) => socket.once('data', () => endless(socket, 'HTTP/1.1 200 OK\r\nA: ')),
      /Header overflow/,
    ],
    [
      'talks without end',
      (socket) => socket.once('data', () => endless(socket, 'HTTP/1.1 200 OK\r\n\r\n')),
      /too long/,
    ],
  ];
  for (const [name, does, reason] of bad) {
    it(`that ${name} gives no verdict`, async (t) => {
      const { scanner, connections } = await serveRaw(t, (socket) => {
        socket.on('data', () => undefined);
        does(socket);
      });
      await givesNoVerdict(scanner, 'x'.repeat(300_000), reason);
      assert.equal(connections.all, 1);
    });
  }

  for (const [name, does] of [
    ['never answers', (socket: Socket) => void socket.resume()],
    ['never reads', (socket: Socket) => void socket.pause()],
    [
      'dribbles',
      (socket: Socket) => {
        socket.resume().write('HTTP/1.1 200 OK\r\n\r\n');
        const timer = setInterval(() => socket.write(' '), 5);
        socket.on('close', () => clearInterval(timer));
      },
    ],
  ] as const) {
    it(`that ${name} is given up in time, and its place is free again`, async (t) => {
      const { scanner } = await serveRaw(t, does, { timeoutMs: 60, atOnce: 1, maxWaiting: 1 });
      await isGivenUpInTime(scanner);
    });
  }

  it('is left when the client is gone', async (t) => {
    const gone = new AbortController();
    const { scanner } = await serve(t, () => gone.abort(new Error('the client is gone')));
    assert.deepEqual(await scanner.scan(question('x'), gone.signal), {
      kind: 'failed',
      reason: 'the client is gone',
    });
  });

  it('that is not there is a failure, with its reason', async () => {
    const scanner = new Rspamd({ ...LIMITS, address: NOBODY });
    const answer = await scanner.scan(question('ham'), NEVER);
    assert.ok(answer.kind === 'failed' && /ENOENT/.test(answer.reason), JSON.stringify(answer));
    assert.equal((await scanner.probe(NEVER))?.kind, 'failed');
    assert.equal((await scanner.scan(question('ham'), AbortSignal.abort())).kind, 'failed');
  });
});

function endless(socket: Socket, begin = ''): void {
  if (begin !== '') socket.write(begin);
  while (socket.writable && socket.write('x'.repeat(1000)));
  socket.once('drain', () => endless(socket));
}
