import assert from 'node:assert/strict';
import { it } from 'node:test';
import { GUESSES } from '../../src/core/charges.ts';
import type { Open } from './store-opened.ts';

export function ratesContract(open: Open): void {
  // What is held against a client may be kept elsewhere than the rest.
  for (const space of ['s', GUESSES])
    it(`rates: counts ${space} in windows that begin with their first event`, async (t) => {
      const { state, at } = await open(t);
      const { rates } = state;
      assert.equal(await rates.count(space, 'k'), 0);
      assert.equal(await rates.add(space, 'k', 1000), 1);
      at(600);
      assert.equal(await rates.add(space, 'k', 1000), 2);
      at(999);
      assert.equal(await rates.add(space, 'k', 1000), 3);
      assert.equal(await rates.count(space, 'k'), 3);
      at(1000);
      assert.equal(await rates.count(space, 'k'), 0);
      assert.equal(await rates.add(space, 'k', 1000), 1);
      at(1999);
      assert.equal(await rates.count(space, 'k'), 1);
    });

  it('rates: keeps spaces and keys apart', async (t) => {
    const { rates } = (await open(t)).state;
    await rates.add('s', 'k', 1000);
    assert.equal(await rates.count('s', 'l'), 0);
    assert.equal(await rates.count('t', 'k'), 0);
    assert.equal(await rates.add('t', 'k', 1000), 1);
  });
}
