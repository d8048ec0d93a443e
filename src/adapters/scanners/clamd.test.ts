import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { givesNoVerdict, isGivenUpInTime } from '../../../test/contracts/scanner.ts';
import { fakeScanner, NOBODY, question } from '../../../test/fakes/scanner.ts';
import { onEnd } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import type { ScannerSettings } from '../../core/scanners.ts';
import { Clamd } from './clamd.ts';

const NEVER = new AbortController().signal;

/** What of a session clamd would have understood. */
interface Heard {
  readonly commands: string[];
  readonly streams: string[];
}

/** Reads commands and streams; `answer` is called for each that is whole. */
function clamd(socket: Socket, heard: Heard, answer: (command: string, number: number) => void): void {
  let bytes = Buffer.alloc(0);
  let stream: string | undefined;
  let number = 0;
  socket.on('data', (piece: Buffer) => {
    bytes = Buffer.concat([bytes, piece]);
    for (;;) {
      if (stream === undefined) {
        const end = bytes.indexOf(0);
        if (end < 0) return;
        const command = bytes.toString('latin1', 0, end);
        bytes = bytes.subarray(end + 1);
        heard.commands.push(command);
        if (command === 'zIDSESSION') continue;
        number++;
        if (command === 'zINSTREAM') stream = '';
        else answer(command, number);
      } else {
        if (bytes.length < 4) return;
        const length = bytes.readUInt32BE();
        if (bytes.length < 4 + length) return;
        stream += bytes.toString('latin1', 4, 4 + length);
        bytes = bytes.subarray(4 + length);
        if (length > 0) continue;
        heard.streams.push(stream);
        stream = undefined;
        answer('zINSTREAM', number);
      }
    }
  });
}

async function serve(
  t: TestContext,
  onConnection: (socket: Socket, number: number) => void,
  settings: Partial<ScannerSettings> & { dir?: string } = {},
) {
  const fake = await fakeScanner(t, onConnection, settings);
  const scanner = new Clamd(fake.settings);
  onEnd(t, () => scanner.close());
  return { scanner, ...fake };
}

const heardNothing = (): Heard => ({ commands: [], streams: [] });

/** As clamd should be: EICAR's name stands for a virus. */
const obliging = (heard: Heard) => (socket: Socket) =>
  clamd(socket, heard, (command, number) => {
    if (command === 'zEND') socket.end();
    else if (command === 'zPING') socket.write(`${number}: PONG\0`);
    else socket.write(`${number}: stream: ${heard.streams.at(-1) === 'virus' ? 'Test FOUND' : 'OK'}\0`);
  });

describe('clamd', () => {
  for (const where of ['TCP', 'a unix socket']) {
    it(`scans over ${where}, many messages on one connection`, async (t) => {
      const heard = heardNothing();
      const dir = where === 'TCP' ? {} : { dir: await tempDir(t) };
      const { scanner, connections } = await serve(t, obliging(heard), dir);
      assert.deepEqual(await scanner.scan(question('ham', 1), NEVER), { kind: 'clean' });
      assert.deepEqual(await scanner.scan(question('virus'), NEVER), { kind: 'infected', name: 'Test' });
      assert.deepEqual(await scanner.scan(question(''), NEVER), { kind: 'clean' });
      assert.equal(await scanner.probe(NEVER), undefined);
      assert.equal(connections.all, 1);
      assert.deepEqual(heard.streams, ['ham', 'virus', '']);
      scanner.close();
      while (connections.open > 0) await new Promise(setImmediate);
      assert.deepEqual(heard.commands, [
        'zIDSESSION',
        'zINSTREAM',
        'zINSTREAM',
        'zINSTREAM',
        'zPING',
        'zEND',
      ]);
    });
  }

  it('scans a large message with pauses', async (t) => {
    const heard = heardNothing();
    const { scanner } = await serve(t, obliging(heard));
    const large = 'x'.repeat(3_000_000);
    assert.deepEqual(await scanner.scan(question(large), NEVER), { kind: 'clean' });
    assert.equal(heard.streams[0]?.length, large.length);
  });

  it('opens as many connections as there are scans at a time, and keeps each to one', async (t) => {
    const held: (() => void)[] = [];
    const heard = heardNothing();
    const { scanner, connections } = await serve(t, (socket) =>
      clamd(socket, heard, (_command, number) => held.push(() => socket.write(`${number}: stream: OK\0`))),
    );
    const scans = ['a', 'b', 'c', 'd'].map((text) => scanner.scan(question(text), NEVER));
    assert.deepEqual(await scanner.scan(question('e'), NEVER), {
      kind: 'busy',
      reason: '2 messages are scanned and 2 wait already',
    });
    for (let i = 0; i < 4; i++) {
      while (held.length === 0) await new Promise(setImmediate);
      assert.ok(connections.all <= 2);
      held.shift()!();
    }
    for (const scan of scans) assert.deepEqual(await scan, { kind: 'clean' });
    assert.deepEqual(heard.streams.toSorted(), ['a', 'b', 'c', 'd']);
  });

  it('sends a message again when the connection had died at rest', async (t) => {
    const heard = heardNothing();
    const { scanner, connections } = await serve(t, (socket, number) => {
      // The first ends as soon as the second message comes.
      if (number === 1)
        clamd(socket, heard, (_, n) => (n === 1 ? socket.write('1: stream: OK\0') : socket.destroy()));
      else obliging(heard)(socket);
    });
    assert.deepEqual(await scanner.scan(question('ham'), NEVER), { kind: 'clean' });
    assert.deepEqual(await scanner.scan(question('virus'), NEVER), { kind: 'infected', name: 'Test' });
    assert.equal(connections.all, 2);
  });

  it('does not send it again and again', async (t) => {
    const { scanner, connections } = await serve(t, (socket) => socket.destroy());
    const answer = await scanner.scan(question('ham'), NEVER);
    assert.equal(answer.kind, 'failed');
    assert.equal(connections.all, 1);
  });

  const bad: [name: string, does: (socket: Socket) => void, reason: RegExp][] = [
    [
      'closes without an answer',
      (socket) => socket.once('data', () => socket.end()),
      /closed the connection without/,
    ],
    [
      'dies',
      (socket) => socket.once('data', () => socket.resetAndDestroy()),
      /closed the connection without/,
    ],
    [
      'says half an answer',
      (socket) => clamd(socket, heardNothing(), () => socket.end('1: stream: OK')),
      /closed the connection without/,
    ],
    [
      'answers another question',
      (socket) => clamd(socket, heardNothing(), () => socket.write('2: stream: OK\0')),
      /answers another question/,
    ],
    [
      'answers twice',
      (socket) => clamd(socket, heardNothing(), () => socket.write('1: stream: OK\x002: stream: OK\0')),
      /says more than it was asked/,
    ],
    ['talks without end', (socket) => socket.once('data', () => endless(socket)), /too long/],
    [
      'is no clamd',
      (socket) => void socket.resume().write('220 mx.example.org ESMTP\r\n\0'),
      /it (?:says|speaks|answers)/,
    ],
  ];
  for (const [name, does, reason] of bad) {
    it(`that ${name} gives no verdict, and its connection is not used again`, async (t) => {
      const { scanner, connections } = await serve(t, does);
      await givesNoVerdict(scanner, 'ham', reason);
      while (connections.open > 0) await new Promise(setImmediate);
      assert.equal((await scanner.probe(NEVER))?.kind, 'failed');
    });
  }

  for (const [name, does] of [
    ['never answers', (socket: Socket) => void socket.resume()],
    ['never reads', (socket: Socket) => void socket.pause()],
    [
      'dribbles',
      (socket: Socket) => {
        const timer = setInterval(() => socket.write('1'), 5);
        socket.resume().on('close', () => clearInterval(timer));
      },
    ],
  ] as const) {
    it(`that ${name} is given up in time, and its place is free again`, async (t) => {
      const { scanner, connections } = await serve(t, does, { timeoutMs: 60, atOnce: 1, maxWaiting: 1 });
      await isGivenUpInTime(scanner);
      assert.equal(connections.all, 2);
      // Who does not read does not see the end either.
      while (name !== 'never reads' && connections.open > 0) await new Promise(setImmediate);
    });
  }

  it('is left when the client is gone', async (t) => {
    const gone = new AbortController();
    const { scanner, connections } = await serve(t, (socket) =>
      socket.once('data', () => gone.abort(new Error('the client is gone'))),
    );
    assert.deepEqual(await scanner.scan(question('ham'), gone.signal), {
      kind: 'failed',
      reason: 'the client is gone',
    });
    while (connections.open > 0) await new Promise(setImmediate);
  });

  it('that has had enough is believed before the end', async (t) => {
    const { scanner, connections } = await serve(t, (socket) =>
      socket.once('data', () => socket.write('INSTREAM size limit exceeded. ERROR\0')),
    );
    assert.deepEqual(await scanner.scan(question('x'.repeat(20_000_000)), NEVER), { kind: 'too-large' });
    while (connections.open > 0) await new Promise(setImmediate);
  });

  it('gives no verdict on a message that cannot be read', async (t) => {
    const { scanner } = await serve(t, obliging(heardNothing()));
    const { content, ...rest } = question('ham');
    const torn = {
      sizeOctets: content.sizeOctets,
      *chunks() {
        yield Buffer.from('h');
        throw new Error('the spool file ends before the message');
      },
    };
    const answer = await scanner.scan({ ...rest, content: torn }, NEVER);
    assert.deepEqual(answer, {
      kind: 'failed',
      reason: 'the message cannot be read: the spool file ends before the message',
    });
  });

  it('that is not there is a failure, with its reason', async () => {
    const scanner = new Clamd({ address: NOBODY, atOnce: 1, maxWaiting: 0, waitMs: 0, timeoutMs: 1000 });
    const answer = await scanner.scan(question('ham'), NEVER);
    assert.ok(
      answer.kind === 'failed' && /no connection: .*ENOENT/.test(answer.reason),
      JSON.stringify(answer),
    );
    assert.equal((await scanner.probe(NEVER))?.kind, 'failed');
    assert.equal((await scanner.scan(question('ham'), AbortSignal.abort())).kind, 'failed');
  });
});

function endless(socket: Socket): void {
  while (socket.writable && socket.write('x'.repeat(1000)));
  socket.once('drain', () => endless(socket));
}
