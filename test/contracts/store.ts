/** What every store must do, whatever engine is below it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { StorePort } from '../../src/core/ports.ts';
import type { Cleanup } from '../program.ts';

export function storeContract(
  open: (cleanup: Cleanup) => Promise<{ store: StorePort; nowMs: (ms: number) => void }>,
): void {
  it('recalls what it was told, by space and exact key', async (t) => {
    const { store } = await open(t);
    const value = { code: 550, lines: ['no', 'ü \0'], deep: [null, true, 1.5] };
    await store.remember('a', 'key', value, 1000);
    await store.remember('b', 'key', 'other', 1000);
    assert.deepEqual(await store.recall('a', 'key'), value);
    assert.equal(await store.recall('b', 'key'), 'other');
    for (const key of ['KEY', 'key ', 'ke', '']) assert.equal(await store.recall('a', key), undefined, key);
    await store.remember('a', 'null', null, 1000);
    assert.equal(await store.recall('a', 'null'), null);
  });

  it('lets the last word stand, with its own end', async (t) => {
    const { store, nowMs } = await open(t);
    await store.remember('a', 'key', 1, 1000);
    await store.remember('a', 'key', 2, 5000);
    nowMs(2000);
    assert.equal(await store.recall('a', 'key'), 2);
  });

  it('forgets', async (t) => {
    const { store } = await open(t);
    await store.remember('a', 'key', 1, 1000);
    await store.forget('a', 'key');
    await store.forget('a', 'never known');
    assert.equal(await store.recall('a', 'key'), undefined);
  });

  it('holds an entry to its end and no longer', async (t) => {
    const { store, nowMs } = await open(t);
    await store.remember('a', 'key', 1, 1000);
    nowMs(999);
    assert.equal(await store.recall('a', 'key'), 1);
    nowMs(1000);
    assert.equal(await store.recall('a', 'key'), undefined);
    await store.remember('a', 'key', 2, 1000);
    assert.equal(await store.recall('a', 'key'), 2);
  });
}
