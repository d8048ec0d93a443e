import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { BEGIN_MS, DAY, HOUR } from '../../../test/contracts/store-opened.ts';
import { onEnd, type Cleanup } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { openStore, type State, type StoreOptions } from './sqlite.ts';

function opened(cleanup: Cleanup, file: string, options: StoreOptions = {}) {
  const clock = { ms: BEGIN_MS };
  const state = openStore(file, { nowMs: () => clock.ms, ...options });
  onEnd(cleanup, () => state.close());
  return { state, at: (ms: number) => void (clock.ms = BEGIN_MS + ms) };
}

const tried = ({ greylist }: State, recipient: string) =>
  greylist.attempt({
    client: '192.0.2.0/24',
    sender: 'ann@example.net',
    recipient,
    delayMs: 180_000,
    retryWindowMs: HOUR,
    keptMs: 36 * DAY,
    clientPasses: 0,
    seedOnly: false,
    sessionSinceMs: Infinity,
  }).kind;

describe('the store beside another program', () => {
  const BOUND = 60;

  for (const [other, options] of [
    ['a guest', { guest: true }],
    ['one that collects too', {}],
  ] as const)
    it(`the bound is that of the rows there are, not of those that ${other} has dropped`, async (t) => {
      const file = join(await tempDir(t), 'store.sqlite');
      const gate = opened(t, file, { maxTriplets: BOUND });
      const beside = opened(t, file, { maxTriplets: BOUND, ...options });
      const clocks = (ms: number) => {
        gate.at(ms);
        beside.at(ms);
      };
      for (let wave = 0; wave < 10; wave++) {
        clocks(wave * 2 * HOUR);
        for (let i = 0; i < 20; i++) tried(gate.state, `spam ${wave} ${i}`);
        gate.state.commit();
        clocks((wave + 1) * 2 * HOUR);
        while (beside.state.collect(50));
        beside.state.commit();
      }
      const friends = Array.from({ length: BOUND - 1 }, (_, i) => `friend ${i}`);
      for (const name of friends) tried(gate.state, name);
      gate.state.commit();
      gate.at(20 * HOUR + 300_000);
      const kinds = new Set(friends.map((name) => tried(gate.state, name)));
      assert.deepEqual([...kinds], ['passed']);
      assert.equal(gate.state.greylist.triplets.n, friends.length);
    });

  it('rows that a guest adds and removes are counted, in the file and by the gate', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const gate = opened(t, file);
    const guest = opened(t, file, { guest: true });
    const db = new DatabaseSync(file);
    onEnd(t, () => db.close());
    const number = (sql: string) => Number(db.prepare(sql).get()?.['n']);
    const counted = () => number("SELECT n FROM counts WHERE name = 'entries'");
    for (let i = 0; i < 10; i++) gate.state.store.remember('a', String(i), i, DAY);
    gate.state.commit();
    for (let i = 0; i < 4; i++) guest.state.store.forget('a', String(i));
    guest.state.store.remember('b', 'key', 1, DAY);
    assert.deepEqual([guest.state.store.rows.n, counted()], [7, 7]);
    gate.state.collect();
    assert.equal(gate.state.store.rows.n, 7);
    gate.state.store.remember('b', 'other', 1, DAY);
    gate.state.store.forget('b', 'key');
    gate.state.commit();
    assert.deepEqual([gate.state.store.rows.n, counted()], [7, 7]);
    assert.equal(number('SELECT count(*) AS n FROM entries'), 7);
  });

  it('a guest makes room by the rows there are now', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const guest = opened(t, file, { guest: true, maxBlocks: 2 });
    const gate = opened(t, file, { maxBlocks: 2 });
    const add = ({ state }: typeof gate, network: string) =>
      state.blocks.add({ network, reason: 'r', endsMs: BEGIN_MS + HOUR, by: 'operator' });
    add(gate, '192.0.2.1');
    add(gate, '192.0.2.2');
    gate.state.commit();
    assert.throws(() => add(guest, '192.0.2.3'), /the list is full/);
    gate.state.blocks.remove('192.0.2.1');
    gate.state.commit();
    add(guest, '192.0.2.3');
    assert.throws(() => add(gate, '192.0.2.4'), /the list is full/);
    assert.equal(gate.state.blocks.list().length, 2);
  });

  it('a guest holds no lock when a call has returned, or thrown', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const { state } = opened(t, file, { guest: true, maxListed: 1 });
    const other = new DatabaseSync(file, { timeout: 0 });
    onEnd(t, () => other.close());
    const isFree = () => other.exec('BEGIN IMMEDIATE; ROLLBACK');
    for (const key of ['a', 'b', 'c']) {
      state.store.remember('s', key, 1, DAY);
      isFree();
    }
    tried(state, 'bob');
    isFree();
    state.listed.add({ kind: 'block', client: '192.0.2.7', by: 'ann' });
    isFree();
    assert.throws(() => state.listed.add({ kind: 'block', client: '192.0.2.8', by: 'ann' }), /full/);
    isFree();
    assert.equal(other.prepare('SELECT count(*) AS n FROM entries').get()?.['n'], 3);
  });

  it('a guest leaves what has ended to the gate', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    t.mock.timers.enable({ apis: ['setInterval'] });
    const guest = opened(t, file, { guest: true });
    guest.state.store.remember('a', 'key', 1, HOUR);
    guest.at(HOUR);
    t.mock.timers.tick(10_000);
    assert.equal(guest.state.store.rows.n, 1);
    const gate = opened(t, file);
    gate.at(HOUR);
    t.mock.timers.tick(10_000);
    assert.equal(gate.state.store.rows.n, 0);
  });
});
