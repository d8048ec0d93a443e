import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { storeContract } from '../../../test/contracts/store.ts';
import { onEnd, type Cleanup } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { openStore, type StoreOptions } from './sqlite.ts';

function memory(cleanup: Cleanup, options: StoreOptions = {}) {
  const clock = { ms: 0 };
  const store = openStore(':memory:', { nowMs: () => clock.ms, ...options });
  onEnd(cleanup, () => store.close());
  return { store, nowMs: (ms: number) => void (clock.ms = ms) };
}

describe('the store in SQLite', () => {
  storeContract(async (cleanup) => memory(cleanup));

  it('keeps its entries over a restart', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const before = openStore(file);
    await before.remember('a', 'key', { n: 1 }, 60_000);
    before.close();
    const after = openStore(file);
    onEnd(t, () => after.close());
    assert.equal(after.entries, 1);
    assert.deepEqual(await after.recall('a', 'key'), { n: 1 });
  });

  it('collects what has ended in small steps', async (t) => {
    const { store, nowMs } = memory(t);
    for (let i = 0; i < 250; i++) await store.remember('a', String(i), i, i < 240 ? 10 : 1000);
    assert.equal(store.collect(), false);
    assert.equal(store.entries, 250);
    nowMs(10);
    assert.deepEqual([store.collect(), store.collect(), store.collect()], [true, true, false]);
    assert.equal(store.entries, 10);
    assert.equal(await store.recall('a', '245'), 245);
  });

  it('makes room at its bound by what ends first', async (t) => {
    const { store } = memory(t, { maxEntries: 3 });
    for (const [key, ms] of [
      ['a', 30],
      ['b', 10],
      ['c', 20],
    ] as const)
      await store.remember('s', key, key, ms);
    await store.remember('s', 'a', 'again', 30);
    assert.equal(store.entries, 3);
    await store.remember('s', 'd', 'd', 40);
    assert.equal(store.entries, 3);
    assert.equal(await store.recall('s', 'b'), undefined);
    assert.equal(await store.recall('s', 'a'), 'again');
    await store.forget('s', 'a');
    assert.equal(store.entries, 2);
  });

  it('says what is wrong with its file', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    await writeFile(file, 'x'.repeat(4096));
    assert.throws(() => openStore(file), /store\.sqlite: is damaged or is no database/);
  });
});
