import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Turns, type Leave } from './turns.ts';

const NEVER = new AbortController().signal;
const settings = { atOnce: 2, maxWaiting: 2, waitMs: 60_000 };

async function took(turn: ReturnType<Turns['take']>): Promise<Leave> {
  const leave = await turn;
  assert.ok(typeof leave === 'function', JSON.stringify(leave));
  return leave;
}

describe('turns at a scanner', () => {
  it('are so many at a time, so many wait, and what comes beyond is busy', async () => {
    const turns = new Turns(settings);
    const a = await took(turns.take(NEVER));
    await took(turns.take(NEVER));
    const waiting = [turns.take(NEVER), turns.take(NEVER)];
    assert.deepEqual([turns.taken, turns.waiting], [2, 2]);
    assert.deepEqual(await turns.take(NEVER), {
      kind: 'busy',
      reason: '2 messages are scanned and 2 wait already',
    });
    a();
    const c = await took(waiting[0]!);
    assert.deepEqual([turns.taken, turns.waiting], [2, 1]);
    c();
    const d = await took(waiting[1]!);
    assert.deepEqual([turns.taken, turns.waiting], [2, 0]);
    d();
    assert.equal(turns.taken, 1);
    await took(turns.take(NEVER));
  });

  it('go to the one that waits longest', async () => {
    const turns = new Turns({ ...settings, atOnce: 1, maxWaiting: 9 });
    const order: number[] = [];
    const first = await took(turns.take(NEVER));
    const all = [1, 2, 3].map(async (n) => {
      const leave = await took(turns.take(NEVER));
      order.push(n);
      leave();
    });
    first();
    // Who comes now stands behind them.
    const last = turns.take(NEVER).then(() => order.push(4));
    await Promise.all([...all, last]);
    assert.deepEqual(order, [1, 2, 3, 4]);
  });

  it('are given back once, however often somebody leaves', async () => {
    const turns = new Turns({ ...settings, atOnce: 1 });
    const leave = await took(turns.take(NEVER));
    leave();
    leave();
    assert.equal(turns.taken, 0);
  });

  it('do not come to those who are gone', async () => {
    const turns = new Turns({ ...settings, atOnce: 1 });
    const leave = await took(turns.take(NEVER));
    const gone = new AbortController();
    const waiting = turns.take(gone.signal);
    gone.abort(new Error('the client is gone'));
    assert.deepEqual(await waiting, { kind: 'failed', reason: 'the client is gone' });
    assert.deepEqual(await turns.take(gone.signal), { kind: 'failed', reason: 'the client is gone' });
    assert.equal(turns.waiting, 0);
    leave();
    assert.equal(turns.taken, 0);
  });

  it('do not come to those who have waited long enough', async () => {
    const turns = new Turns({ ...settings, atOnce: 1, waitMs: 1 });
    await took(turns.take(NEVER));
    assert.deepEqual(await turns.take(NEVER), { kind: 'busy', reason: 'its turn did not come in 1 ms' });
    assert.equal(turns.waiting, 0);
  });

  it('with no room to wait are busy at once', async () => {
    const turns = new Turns({ ...settings, atOnce: 1, maxWaiting: 0 });
    await took(turns.take(NEVER));
    assert.equal(((await turns.take(NEVER)) as { kind?: string }).kind, 'busy');
  });
});
