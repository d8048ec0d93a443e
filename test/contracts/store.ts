/** What every store must do, whatever engine is below it. Its clock begins at `BEGIN_MS`. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { blocksContract } from './store-blocks.ts';
import { greylistContract } from './store-greylist.ts';
import type { Open } from './store-opened.ts';
import { ratesContract } from './store-rates.ts';
import { standingContract } from './store-standing.ts';

/** Standing halves in 14 days. */
export function storeContract(open: Open): void {
  it('recalls what it was told, by space and exact key', async (t) => {
    const { store } = (await open(t)).state;
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
    const { state, at } = await open(t);
    await state.store.remember('a', 'key', 1, 1000);
    await state.store.remember('a', 'key', 2, 5000);
    at(2000);
    assert.equal(await state.store.recall('a', 'key'), 2);
  });

  it('forgets', async (t) => {
    const { store } = (await open(t)).state;
    await store.remember('a', 'key', 1, 1000);
    await store.forget('a', 'key');
    await store.forget('a', 'never known');
    assert.equal(await store.recall('a', 'key'), undefined);
  });

  it('holds an entry to its end and no longer', async (t) => {
    const { state, at } = await open(t);
    await state.store.remember('a', 'key', 1, 1000);
    at(999);
    assert.equal(await state.store.recall('a', 'key'), 1);
    at(1000);
    assert.equal(await state.store.recall('a', 'key'), undefined);
    await state.store.remember('a', 'key', 2, 1000);
    assert.equal(await state.store.recall('a', 'key'), 2);
  });

  greylistContract(open);
  standingContract(open);
  blocksContract(open);
  ratesContract(open);
}
