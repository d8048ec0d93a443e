/**
 * SMTP smuggling: text, a false end of data, commands of a second envelope as content, the true end of data. The gate takes
 * exactly one message or refuses it; what reaches the backend, a real Postfix that does accept LF.CRLF, holds no bare CR or
 * LF; the second envelope never arrives. Every variant is cut at every byte into two segments.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDns } from '../dns.ts';
import { startGate } from '../gate.ts';
import { onEnd } from '../program.ts';
import { connectSmtp, type Heard, type SmtpPeer } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';
import { EOD_SCENARIOS, EOD_VARIANTS, type EodVariant } from '../vectors/eod-variants.ts';
import { startPostfix, type Postfix } from './postfix.ts';

const SMUGGLED =
  'MAIL FROM:<smuggled@example.net>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nx';
const TEXT = 'Subject: test\r\n\r\ntext';
const PAUSE_MS = 4;
const AT_ONCE = 32;
const SIZE_LIMIT = 65_536;

interface Place {
  readonly port: number;
  readonly backend: Postfix;
  /** What the gate sent to the backend, a string a connection. */
  readonly recorded: readonly string[];
}

/** The gate, a recorder behind it, Postfix behind that. */
async function place(t: TestContext): Promise<Place | undefined> {
  const backend = await startPostfix(t, { deliver: 'discard' });
  if (backend === undefined) return undefined;
  const recorded: string[] = [];
  const recorder = createServer((socket) => {
    const onward = connect(backend.port, '127.0.0.1');
    const at = recorded.push('') - 1;
    socket.on('data', (bytes) => (recorded[at] = (recorded[at] ?? '') + bytes.toString('latin1')));
    socket.pipe(onward).pipe(socket);
    for (const end of [socket, onward]) {
      end.on('error', () => undefined);
      end.on('close', () => {
        socket.destroy();
        onward.destroy();
      });
    }
  });
  recorder.listen(0, '127.0.0.1');
  await once(recorder, 'listening');
  onEnd(t, () => void recorder.close());
  const gate = await startGate(t, {
    dir: await tempDir(t),
    backend: `smtp://127.0.0.1:${(recorder.address() as AddressInfo).port}`,
    dns: await startDns(t),
    limits: `message_size = "64KiB"\nconnections_per_client = 1000\nconnections_per_minute = 100000\ntransactions = 10000\n`,
  });
  return { port: gate.port, backend, recorded };
}

/** The replies from the end of the stream on: to the message, then to a VRFY that marks the end. */
async function send(
  port: number,
  stream: string,
  cut: number,
  sender: string,
  turn: number,
): Promise<readonly number[]> {
  const peer = await connectSmtp({ port, localAddress: `127.40.${(turn >> 8) & 255}.${turn & 255 || 1}` });
  try {
    await envelope(peer, sender);
    await peer.write(stream.slice(0, cut));
    await sleep(PAUSE_MS);
    await peer.write(stream.slice(cut));
    const first = await peer.reply();
    if (first.code === 421) return [421];
    return [first.code, ...(await upTo(252, peer))];
  } finally {
    peer.close();
  }
}

async function envelope(peer: SmtpPeer, sender: string): Promise<void> {
  const heard: Heard[] = [await peer.reply()];
  for (const line of [
    'EHLO client.example.net',
    `MAIL FROM:<${sender}>`,
    'RCPT TO:<user@example.org>',
    'DATA',
  ]) {
    heard.push(await peer.say(line));
  }
  assert.deepEqual(
    heard.map(({ code }) => code),
    [220, 250, 250, 250, 354],
    heard.map(({ lines }) => lines.join()).join('\n'),
  );
}

/** VRFY has a reply that nothing else has: what comes before it answers to something that was not meant as a command. */
async function upTo(code: number, peer: SmtpPeer): Promise<readonly number[]> {
  const codes: number[] = [];
  let heard = await peer.say('VRFY marker');
  codes.push(heard.code);
  while (heard.code !== code && codes.length < 8) {
    heard = await peer.reply();
    codes.push(heard.code);
  }
  return codes;
}

/** Runs all with so many at one time. */
async function parallel<T>(tasks: readonly (() => Promise<T>)[]): Promise<readonly T[]> {
  const results: T[] = [];
  let next = 0;
  const work = async () => {
    while (next < tasks.length) {
      const mine = next++;
      results[mine] = await tasks[mine]!();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}

const streamOf = (variant: EodVariant, text = TEXT): string =>
  variant.endsData ? `${text}${variant.bytes}` : `${text}${variant.bytes}${SMUGGLED}\r\n.\r\n`;

function nothingSmuggled({ recorded }: Place, log: string): void {
  const bare = recorded.filter((bytes) => /\r(?!\n)|(?<!\r)\n/.test(bytes));
  assert.deepEqual(bare, [], 'bare CR or LF on the way to the backend');
  assert.ok(!/(?:from|to)=<(?:smuggled|victim)@/.test(log), 'a smuggled envelope reached the backend');
}

describe('smuggling', () => {
  it('would succeed against this Postfix without the gate', async (t) => {
    const backend = await startPostfix(t, { deliver: 'discard' });
    if (backend === undefined) return;
    const peer = await connectSmtp({ port: backend.port }, t);
    await envelope(peer, 'honest@example.net');
    await peer.write(streamOf({ id: '', bytes: '\n.\r\n', endsData: false }));
    await backend.logged(/from=<smuggled@example\.net>/);
  });

  it('fails for every variant, cut at every byte', async (t) => {
    const at = await place(t);
    if (at === undefined) return;
    const tasks = EOD_VARIANTS.flatMap((variant) => {
      const stream = streamOf(variant);
      return Array.from({ length: stream.length - 1 }, (_, i) => ({ variant, stream, cut: i + 1 }));
    });
    const outcomes = await parallel(
      tasks.map(({ variant, stream, cut }, turn) => async () => {
        const codes = await send(at.port, stream, cut, `${variant.id}@example.net`, turn);
        return { id: variant.id, cut, codes };
      }),
    );
    const wrong = outcomes.filter(({ id, codes }) => {
      const taken = id === 'ok' ? codes[0] === 250 : codes[0] === 250 || (codes[0] ?? 0) >= 500;
      return !(taken && codes.length === 2 && codes[1] === 252) && !(id !== 'ok' && codes.join() === '421');
    });
    assert.deepEqual(wrong.slice(0, 10), []);
    const accepted = outcomes.filter(({ codes }) => codes[0] === 250).length;
    await at.backend.logged(/status=sent/, accepted);
    const log = await at.backend.log();
    assert.equal(log.match(/status=sent/g)?.length, accepted, 'the backend has exactly what was accepted');
    nothingSmuggled(at, log);
    t.diagnostic(`${outcomes.length} connections, ${accepted} messages accepted`);
  });

  it(`too_big: ${EOD_SCENARIOS.too_big}`, async (t) => {
    const at = await place(t);
    if (at === undefined) return;
    const line = `${'x'.repeat(78)}\r\n`;
    const head = 'Subject: big\r\n\r\n';
    const tasks = EOD_VARIANTS.filter(({ endsData }) => !endsData).flatMap((variant) => {
      // Lines up to the limit, then some octets more than it.
      const body = line.repeat(Math.ceil((SIZE_LIMIT - head.length) / line.length));
      const text = `${head}${body}passed`;
      const cuts = Array.from({ length: variant.bytes.length + 1 }, (_, i) => text.length + i);
      return cuts.map((cut) => ({ variant, stream: streamOf(variant, text), cut }));
    });
    const outcomes = await parallel(
      tasks.map(({ variant, stream, cut }, turn) => async () => {
        const codes = await send(at.port, stream, cut, `${variant.id}@example.net`, turn);
        return { id: variant.id, codes: codes.join() };
      }),
    );
    const wrong = outcomes.filter(({ codes }) => !['552,252', '550,252', '421'].includes(codes));
    assert.deepEqual(wrong.slice(0, 10), []);
    nothingSmuggled(at, await at.backend.log());
  });

  it(`bdat_lf_dot_lf: ${EOD_SCENARIOS.bdat_lf_dot_lf}`, async (t) => {
    const at = await place(t);
    if (at === undefined) return;
    const peer = await connectSmtp({ port: at.port }, t);
    await peer.reply();
    const ehlo = await peer.say('EHLO client.example.net');
    assert.ok(!ehlo.lines.some((l) => l.includes('CHUNKING')));
    await peer.say('MAIL FROM:<honest@example.net>');
    await peer.say('RCPT TO:<user@example.org>');
    const chunk = `text\n.\n${SMUGGLED.replaceAll('\r\n', '\n')}\n.\n`;
    // Not offered, so the chunk is read as commands: as one wrong line, for LF ends none.
    const heard = await peer.say(`BDAT ${chunk.length}`);
    assert.ok(heard.code >= 500 && heard.code <= 503, heard.lines.join());
    await peer.write(chunk);
    const codes: number[] = [];
    let next = await peer.say('VRFY marker').catch(() => undefined);
    while (next !== undefined && codes.push(next.code) < 20 && next.code !== 252)
      next = await peer.reply().catch(() => undefined);
    assert.ok(!codes.includes(354), codes.join());
    assert.ok(!codes.includes(250), codes.join());
    nothingSmuggled(at, await at.backend.log());
  });

  it('the table has every row of the shared one', (t) => {
    const shared = join(import.meta.dirname, '../../../shared/testdata/smtp/eod-variants.tsv');
    if (!existsSync(shared)) {
      t.skip('no shared table beside this checkout');
      return;
    }
    const rows = readFileSync(shared, 'utf8').trim().split('\n').slice(1);
    assert.ok(rows.length > 10);
    for (const row of rows) {
      const [id = '', bytes = '', , endsData] = row.split('\t');
      if (id in EOD_SCENARIOS) continue;
      const ours = EOD_VARIANTS.find((variant) => variant.id === id);
      const unescaped = bytes.replace(
        /\\r|\\n|\\x00/g,
        (m) => ({ '\\r': '\r', '\\n': '\n', '\\x00': '\0' })[m]!,
      );
      assert.deepEqual(ours, { id, bytes: unescaped, endsData: endsData === 'yes' });
    }
  });
});
