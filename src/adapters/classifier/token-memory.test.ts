import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { tempDir } from '../../../test/tempdir.ts';
import {
  packKeys,
  rememberedKeys,
  TokenMemory,
  unpackKeys,
  type TokenMemoryOptions,
} from './token-memory.ts';

const DAY_MS = 86_400_000;

async function opened(t: TestContext, options: TokenMemoryOptions = {}) {
  const file = join(await tempDir(t), 'seen.sqlite');
  const clock = { ms: 1000 * DAY_MS };
  const troubles: unknown[] = [];
  const memory = new TokenMemory(file, {
    nowMs: () => clock.ms,
    onTrouble: (error) => void troubles.push(error),
    ...options,
  });
  t.after(() => memory.close());
  memory.keep(14 * DAY_MS);
  return { file, clock, troubles, memory };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (holds()) return;
    await sleep(20);
  }
  assert.fail(what);
}

const known = (file: string, ids: readonly string[]) =>
  ids.map((id) => rememberedKeys(file, id, 0) !== undefined);

describe('the memory of tokens', () => {
  it('is written a moment later, and read by another program', async (t) => {
    const { file, memory } = await opened(t);
    memory.remember('A', [2 ** 53 - 1, 0, 7]);
    assert.equal(rememberedKeys(file, 'A', 0), undefined, 'nobody waited for it');
    await until('written', () => rememberedKeys(file, 'A', 0) !== undefined);
    assert.deepEqual(rememberedKeys(file, 'A', 0), [0, 7, 2 ** 53 - 1]);
    assert.equal(rememberedKeys(file, 'B', 0), undefined);
  });

  it('is written when it is closed, however much waits', async (t) => {
    const { file, memory } = await opened(t);
    const ids = Array.from({ length: 170 }, (_, i) => `M${i}`);
    for (const id of ids) memory.remember(id, [1, 2, 3]);
    memory.close();
    assert.ok(known(file, ids).every(Boolean));
  });

  it('has of two judgements of one message the later', async (t) => {
    const { file, memory } = await opened(t);
    memory.remember('A', [1]);
    memory.remember('A', [2]);
    memory.close();
    assert.deepEqual(rememberedKeys(file, 'A', 0), [2]);
  });

  it('ends: nobody reads what is too old, and it is dropped', async (t) => {
    const { file, memory, clock } = await opened(t);
    memory.remember('old', [1]);
    clock.ms += 10 * DAY_MS;
    memory.remember('new', [1]);
    memory.close();
    assert.equal(rememberedKeys(file, 'old', clock.ms - 9 * DAY_MS), undefined);
    memory.keep(14 * DAY_MS);
    memory.expire();
    assert.deepEqual(known(file, ['old', 'new']), [true, true]);
    clock.ms += 4 * DAY_MS;
    memory.expire();
    assert.deepEqual(known(file, ['old', 'new']), [false, true]);
  });

  it('holds no more messages than it may: the oldest make room', async (t) => {
    const { file, memory } = await opened(t, { maxMessages: 3 });
    for (const id of ['1', '2', '3', '4']) memory.remember(id, [1]);
    memory.close();
    assert.deepEqual(known(file, ['1', '2', '3', '4']), [false, true, true, true]);
  });

  it('grows no larger on disk than it may', async (t) => {
    const maxOctets = 300_000;
    const { file, memory } = await opened(t, { maxOctets });
    const keys = Array.from({ length: 1000 }, (_, i) => i * 1_000_003);
    for (let i = 0; i < 400; i++) {
      memory.remember(`M${i}`, keys);
      if (i % 40 === 39) {
        memory.close();
        memory.keep(DAY_MS);
      }
    }
    memory.close();
    assert.ok((await stat(file)).size < maxOctets + 2 * 131_072 + 50_000, String((await stat(file)).size));
    assert.deepEqual(known(file, ['M0', 'M399']), [false, true]);
  });

  it('lets no more wait than it may', async (t) => {
    const { file, memory } = await opened(t, { maxWaiting: 21 });
    memory.remember('A', [1, 2]);
    memory.remember('B', [1]);
    memory.remember('C', [1]);
    memory.close();
    assert.deepEqual(known(file, ['A', 'B', 'C']), [true, true, false]);
  });

  it('is gone with its file where nothing is to be remembered, and none is made', async (t) => {
    const { file, memory } = await opened(t);
    memory.remember('A', [1]);
    memory.keep(0);
    assert.equal(existsSync(file), false);
    memory.remember('B', [1]);
    memory.close();
    assert.equal(existsSync(file), false);
    assert.equal(rememberedKeys(file, 'A', 0), undefined);
    memory.keep(DAY_MS);
    memory.remember('C', [1]);
    memory.close();
    assert.deepEqual(known(file, ['A', 'B', 'C']), [false, false, true]);
  });

  it('waits for no other program, and writes when that has gone', async (t) => {
    const { file, memory, troubles } = await opened(t);
    const other = new DatabaseSync(file);
    other.exec('BEGIN IMMEDIATE');
    const tookMs = (step: () => void): number => {
      const before = performance.now();
      step();
      return performance.now() - before;
    };
    const patient = new DatabaseSync(file, { timeout: 500 });
    const patientMs = tookMs(() => assert.throws(() => patient.exec('BEGIN IMMEDIATE'), /locked/));
    patient.close();
    const ownMs = tookMs(() => memory.expire());
    assert.ok(ownMs < patientMs, `${ownMs} ms, and ${patientMs} ms with half a second of patience`);
    memory.remember('A', [1]);
    await sleep(300);
    other.exec('ROLLBACK');
    other.close();
    await until('written after all', () => rememberedKeys(file, 'A', 0) !== undefined);
    assert.deepEqual(troubles, []);
  });

  it('that cannot be written costs nobody anything, and is told once', async (t) => {
    const { file, memory, troubles } = await opened(t);
    const other = new DatabaseSync(file);
    other.exec('DROP TABLE seen_messages');
    other.close();
    memory.remember('A', [1]);
    await until('told', () => troubles.length > 0);
    memory.remember('B', [1]);
    memory.close();
    assert.equal(troubles.length, 1);
  });

  it('that is damaged is made anew', async (t) => {
    const { file, memory, troubles } = await opened(t);
    memory.close();
    await writeFile(file, 'no database at all, '.repeat(500));
    memory.keep(DAY_MS);
    memory.remember('A', [1]);
    memory.close();
    assert.deepEqual([known(file, ['A']), troubles], [[true], []]);
  });

  it('where there can be no file says so, and goes on without', async (t) => {
    const { file, troubles } = await opened(t);
    const memory = new TokenMemory(join(file, 'no', 'folder'), { onTrouble: (e) => void troubles.push(e) });
    memory.keep(DAY_MS);
    memory.remember('A', [1]);
    memory.expire();
    memory.close();
    assert.equal(troubles.length, 1);
  });

  it('overwrites what it forgets', async (t) => {
    const { file, memory, clock } = await opened(t);
    const keys = [0x1234567890123, 0x1abcdefabcdef];
    const trace = packKeys(keys).subarray(0, 14);
    memory.remember('A', keys);
    memory.close();
    assert.ok((await readFile(file)).includes(trace));
    memory.keep(DAY_MS);
    clock.ms += 2 * DAY_MS;
    memory.expire();
    memory.close();
    assert.ok(!(await readFile(file)).includes(trace));
  });
});

it('keys come back as they were, without their order and each once', () =>
  fc.assert(
    fc.property(fc.array(fc.maxSafeNat()), (keys) => {
      const sorted = [...new Set(keys)].sort((a, b) => a - b);
      assert.deepEqual(unpackKeys(packKeys(keys)), sorted);
    }),
  ));
