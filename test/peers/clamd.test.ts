import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Clamd } from '../../src/adapters/scanners/clamd.ts';
import type { ScannerAddress } from '../../src/core/scanners.ts';
import { question } from '../fakes/scanner.ts';
import { freePort } from '../freeport.ts';
import { onEnd, startProgram } from '../program.ts';
import { tempDir } from '../tempdir.ts';
import { startGuardedGate } from './guarded-gate.ts';
import { need } from './peer.ts';

const NEVER = new AbortController().signal;
// In two halves: virus scanners that look at this file shall not find it.
const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR', '-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('');
const HAM = 'Subject: x\r\n\r\nHello\r\n';
const INFECTED = `Subject: x\r\n\r\n${EICAR}\r\n`;
/** In base64 inside a multipart: clamd has to read the mail to find it. */
const ATTACHED = [
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: application/octet-stream; name=x.com',
  'Content-Transfer-Encoding: base64',
  '',
  Buffer.from(EICAR).toString('base64'),
  '--b--',
  '',
].join('\r\n');
const STREAM_MAX = 0x10_0000;

interface Started {
  readonly tcp: ScannerAddress & { kind: 'tcp' };
  readonly unix: ScannerAddress & { kind: 'unix' };
}

/** With a database of one line, so that it starts in a moment. */
async function startClamd(t: TestContext): Promise<Started | undefined> {
  const clamd = need(t, 'clamd');
  if (clamd === undefined) return undefined;
  const dir = await tempDir(t);
  const database = join(dir, 'db');
  await mkdir(database);
  const signature = Buffer.from(EICAR).toString('hex');
  await writeFile(join(database, 'test.ndb'), `Eicar-Test-Signature:0:*:${signature}\n`);
  const port = await freePort();
  const path = join(dir, 'clamd.ctl');
  const config = join(dir, 'clamd.conf');
  await writeFile(
    config,
    `DatabaseDirectory ${database}
LocalSocket ${path}
TCPSocket ${port}
TCPAddr 127.0.0.1
Foreground yes
StreamMaxLength ${STREAM_MAX}
`,
  );
  const program = startProgram(t, clamd, ['-c', config]);
  await program.line(/Self checking/);
  return { tcp: { kind: 'tcp', host: '127.0.0.1', port }, unix: { kind: 'unix', path } };
}

const settings = { atOnce: 2, maxWaiting: 100, waitMs: 30_000, timeoutMs: 30_000 };
const scannerAt = (t: TestContext, address: ScannerAddress) => {
  const scanner = new Clamd({ ...settings, address });
  onEnd(t, () => scanner.close());
  return scanner;
};

describe('ClamAV', () => {
  const found = { kind: 'infected', name: 'Eicar-Test-Signature.UNOFFICIAL' };

  for (const where of ['tcp', 'unix'] as const) {
    it(`finds a virus over ${where}, and nothing where there is none`, async (t) => {
      const started = await startClamd(t);
      if (started === undefined) return;
      const scanner = scannerAt(t, started[where]);
      assert.equal(await scanner.probe(NEVER), undefined);
      assert.deepEqual(await scanner.scan(question(HAM), NEVER), { kind: 'clean' });
      assert.deepEqual(await scanner.scan(question(INFECTED, 10), NEVER), found);
      assert.deepEqual(await scanner.scan(question(ATTACHED), NEVER), found);
      assert.deepEqual(await scanner.scan(question(''), NEVER), { kind: 'clean' });
    });
  }

  it('gives each of many messages its own verdict', async (t) => {
    const started = await startClamd(t);
    if (started === undefined) return;
    const scanner = scannerAt(t, started.unix);
    const messages = Array.from({ length: 40 }, (_, i) => (i % 3 === 0 ? INFECTED : HAM));
    const answers = await Promise.all(messages.map((message) => scanner.scan(question(message), NEVER)));
    assert.deepEqual(
      answers.map(({ kind }) => kind),
      messages.map((message) => (message === HAM ? 'clean' : 'infected')),
    );
  });

  it('says when it has had enough, and goes on after that', async (t) => {
    const started = await startClamd(t);
    if (started === undefined) return;
    const scanner = scannerAt(t, started.tcp);
    const large = await scanner.scan(question('x'.repeat(STREAM_MAX + 1)), NEVER);
    assert.deepEqual(large, { kind: 'too-large' });
    assert.deepEqual(await scanner.scan(question(INFECTED), NEVER), found);
    // Much too large: it closes while we still speak. Its last words may be lost, but it is never clean.
    const huge = await scanner.scan(question('x'.repeat(40 * STREAM_MAX)), NEVER);
    assert.ok(huge.kind === 'too-large' || huge.kind === 'failed', huge.kind);
  });

  it('guards the gate: a virus is refused with its name, and its client is blocked', async (t) => {
    const started = await startClamd(t);
    if (started === undefined) return;
    const { send, delivered } = await startGuardedGate(
      t,
      `[checks.clamav]\naddress = ${JSON.stringify(started.unix.path)}\nmax_size = "64KiB"\n`,
    );
    const virus = await send(ATTACHED, '127.31.7.7');
    assert.deepEqual([virus.step, virus.heard.code], ['message', 554]);
    assert.match(
      virus.heard.lines[0] ?? '',
      /5\.7\.1 Refused: .*ClamAV found Eicar-Test-Signature\.UNOFFICIAL \(clamav\)/,
    );
    const again = await send(HAM, '127.31.7.7');
    assert.deepEqual([again.step === 'message', Math.floor(again.heard.code / 100)], [false, 4]);
    const other = await send(HAM, '127.31.7.8');
    assert.deepEqual([other.step, other.heard.code], ['message', 250], other.heard.lines.join());
    const large = await send(`Subject: x\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(1000)}`, '127.31.7.8');
    assert.deepEqual([large.step, large.heard.code], ['message', 250], large.heard.lines.join());
    const messages = await delivered();
    assert.equal(messages.filter((message) => /tags=\S*clamav:too-large/.test(message)).length, 1);
  });
});
