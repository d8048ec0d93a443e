/**
 * Promise P1 under fire. The gate runs as its own process between senders and a backend that keep score; gate and backend are
 * killed at random moments, disks are full, all comes back, many rounds. What a sender saw a 2xx for has arrived, whole and
 * byte for byte; what was refused for good has not. FAULT_ROUNDS and FAULT_SEED in the environment ask for more, or again.
 */
import assert from 'node:assert/strict';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDns } from '../dns.ts';
import { freePort } from '../freeport.ts';
import { startGate, type Gate, type GateSettings } from '../gate.ts';
import { maildirMessages } from '../maildir.ts';
import { lacking, needRoot } from '../peers/peer.ts';
import { onEnd, runProgram, startProgram, type Program } from '../program.ts';
import { tempDir } from '../tempdir.ts';
import { settleScore } from './score.ts';
import { randomFrom, startSenders } from './sender.ts';

const SEED = Number(process.env['FAULT_SEED'] ?? Math.floor(Math.random() * 1_000_000));
const ROUNDS = Number(process.env['FAULT_ROUNDS'] ?? 15);
const SENDERS = 12;
// Beyond `spool_memory`, so that spool files are in use when the kill comes.
const LIMITS = `spool_memory = "16KiB"\nconnections_per_client = 1000\nconnections_per_minute = 100000\ntransactions = 1000\nerrors = 1000\n`;
const MAX_OCTETS = 120_000;

/** A gate that comes back at the same address. */
async function phoenix(t: TestContext, settings: Omit<GateSettings, 'dns' | 'limits'>) {
  const port = await freePort();
  const dns = await startDns(t);
  const start = () => startGate(t, { ...settings, dns, limits: LIMITS, listen: `127.0.0.1:${port}` });
  let gate: Gate = await start();
  return {
    port,
    gate: () => gate,
    async kill() {
      await gate.kill();
    },
    async comeBack() {
      gate = await start();
    },
  };
}

async function startBackend(t: TestContext, port: number, folder: string): Promise<Program> {
  const program = startProgram(t, process.execPath, [
    '--disable-warning=ExperimentalWarning',
    join(import.meta.dirname, 'scorekeeper.ts'),
    String(port),
    folder,
  ]);
  await program.line(/^listening$/);
  return program;
}

async function keptBy(folder: string): Promise<readonly Buffer[]> {
  const names = await readdir(folder);
  // A half-written file of a killed backend was never acknowledged.
  return Promise.all(
    names.filter((name) => !name.startsWith('.')).map((name) => readFile(join(folder, name))),
  );
}

describe('nothing is lost', () => {
  it('SMTP backend: gate and backend are killed at random moments', async (t) => {
    t.diagnostic(`FAULT_SEED=${SEED} FAULT_ROUNDS=${ROUNDS}`);
    const random = randomFrom(SEED);
    const dir = await tempDir(t);
    const folder = join(dir, 'kept');
    await mkdir(folder);
    const backendPort = await freePort();
    let backend = await startBackend(t, backendPort, folder);
    const gate = await phoenix(t, { dir, backend: `smtp://127.0.0.1:${backendPort}` });
    const board = startSenders(
      { port: () => gate.port },
      { senders: SENDERS, random, maxOctets: MAX_OCTETS },
    );
    onEnd(t, () => board.stop());
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(300 + random() * 1200);
      const victim = random();
      if (victim < 0.6) await gate.kill();
      if (victim > 0.4) await backend.kill();
      await sleep(random() * 300);
      if (victim > 0.4) backend = await startBackend(t, backendPort, folder);
      if (victim < 0.6) await gate.comeBack();
    }
    await sleep(1000);
    await board.stop();
    assert.equal(await gate.gate().stop(), 0);
    const score = settleScore(board.sent, await keptBy(folder));
    t.diagnostic(`${board.sent.length} messages: ${score}`);
    assert.ok(board.sent.some(({ outcome }) => outcome === 'accepted'));
    assert.ok(board.sent.some(({ outcome }) => outcome === 'refused'));
  });

  it('Maildir: the gate is killed at random moments', async (t) => {
    t.diagnostic(`FAULT_SEED=${SEED} FAULT_ROUNDS=${ROUNDS}`);
    const random = randomFrom(SEED + 1);
    const dir = await tempDir(t);
    const box = join(dir, 'box');
    const gate = await phoenix(t, { dir, backend: `maildir:${box}` });
    const board = startSenders(
      { port: () => gate.port },
      { senders: SENDERS, random, maxOctets: MAX_OCTETS },
    );
    onEnd(t, () => board.stop());
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(300 + random() * 1200);
      await gate.kill();
      await gate.comeBack();
    }
    await sleep(500);
    await board.stop();
    assert.equal(await gate.gate().stop(), 0);
    t.diagnostic(`${board.sent.length} messages: ${settleScore(board.sent, await maildirMessages(box))}`);
    assert.ok(board.sent.some(({ outcome }) => outcome === 'accepted'));
  });

  it('a full disk under the Maildir defers, and mail flows again when there is room', async (t) => {
    const dir = await tempDir(t);
    const small = await smallDisk(t, dir, '16m');
    if (small === undefined) return;
    const box = join(small, 'box');
    await fillAndFree(t, { dir, backend: `maildir:${box}` }, small, 16_000, () => maildirMessages(box));
  });

  it('a full disk under the spool defers, and mail flows again when there is room', async (t) => {
    const dir = await tempDir(t);
    const folder = join(dir, 'kept');
    await mkdir(folder);
    await mkdir(join(dir, 'data'));
    const small = await smallDisk(t, join(dir, 'data'), '16m');
    if (small === undefined) return;
    const backendPort = await freePort();
    await startBackend(t, backendPort, folder);
    await fillAndFree(t, { dir, backend: `smtp://127.0.0.1:${backendPort}` }, small, MAX_OCTETS, () =>
      keptBy(folder),
    );
  });
});

/** A tmpfs of that size over `dir/small`, or over the folder itself when it is the gate's data folder. */
async function smallDisk(t: TestContext, dir: string, size: string): Promise<string | undefined> {
  if (!needRoot(t)) return undefined;
  const at = dir.endsWith('/data') ? dir : join(dir, 'small');
  await mkdir(at, { recursive: true });
  const mounted = await runProgram(t, '/bin/mount', [
    '-t',
    'tmpfs',
    '-o',
    `size=${size},mode=755`,
    'tmpfs',
    at,
  ]);
  if (mounted.exit !== 0) {
    lacking(t, `cannot mount a tmpfs: ${mounted.output}`);
    return undefined;
  }
  onEnd(t, async () => {
    await runProgram({ after: () => undefined }, '/bin/umount', ['-l', at]);
  });
  return at;
}

async function fillAndFree(
  t: TestContext,
  settings: Omit<GateSettings, 'dns' | 'limits'>,
  disk: string,
  maxOctets: number,
  arrived: () => Promise<readonly Buffer[]>,
): Promise<void> {
  const gate = await phoenix(t, settings);
  const board = startSenders(
    { port: () => gate.port },
    { senders: 4, random: randomFrom(SEED + 2), maxOctets },
  );
  onEnd(t, () => board.stop());
  // Of those that need the disk: small ones may pass through memory all the while.
  const flows = () =>
    board.sent.some(({ outcome, message }) => outcome === 'accepted' && message.length > maxOctets / 2);
  await until('mail flows', flows);
  // dd stops where the disk is full.
  await runProgram(t, '/bin/dd', ['if=/dev/zero', `of=${join(disk, 'ballast')}`, 'bs=4k']);
  await until('a full disk defers', () => board.sent.some(({ said }) => said.startsWith('452 4.3.1 ')));
  await sleep(500);
  await runProgram(t, '/bin/rm', [join(disk, 'ballast')]);
  const full = board.sent.splice(0);
  await until('mail flows again', flows);
  await board.stop();
  assert.equal(await gate.gate().stop(), 0);
  const all = [...full, ...board.sent];
  const refusedByUs = all.filter(
    ({ outcome, message }) => outcome === 'refused' && !message.includes('\r\nX-Refuse: yes\r\n'),
  );
  assert.deepEqual(refusedByUs, [], 'trouble of ours is never a refusal for good');
  t.diagnostic(`${all.length} messages: ${settleScore(all, await arrived())}`);
}

async function until(what: string, holds: () => boolean, timeoutMs = 15_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!holds()) {
    assert.ok(Date.now() < end, `${what}: waited in vain`);
    await sleep(20);
  }
}
