import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DAY, HOUR, type Open, type Opened } from './store-opened.ts';

const near = (actual: number, expected: number, what: string) =>
  assert.ok(Math.abs(actual - expected) < 0.001, `${what}: ${actual}, not ${expected}`);

async function stands(state: Opened['state'], network: string, good: number, bad: number): Promise<void> {
  const standing = await state.standing.of(network);
  near(standing.good, good, `good of ${network}`);
  near(standing.bad, bad, `bad of ${network}`);
}

export function standingContract(open: Open): void {
  it('standing: nothing is known of a stranger', async (t) => {
    const { state } = await open(t);
    assert.deepEqual(await state.standing.of('192.0.2.0/24'), { good: 0, bad: 0 });
  });

  it('standing: good and bad count once an hour each, each network for itself', async (t) => {
    const { state, at } = await open(t);
    for (let i = 0; i < 3; i++) {
      await state.standing.note('a', 'good');
      await state.standing.note('a', 'bad');
    }
    await state.standing.note('b', 'bad');
    await stands(state, 'a', 1, 1);
    await stands(state, 'b', 0, 1);
    at(HOUR - 1000);
    await state.standing.note('a', 'good');
    await state.standing.note('a', 'bad');
    // A good one is not kept back by the bad ones before it.
    await state.standing.note('b', 'good');
    assert.ok((await state.standing.of('a')).good < 1);
    assert.ok((await state.standing.of('a')).bad < 1);
    near((await state.standing.of('b')).good, 1, 'good of b');
    at(HOUR);
    await state.standing.note('a', 'good');
    await state.standing.note('a', 'bad');
    assert.ok((await state.standing.of('a')).good > 1.9);
    assert.ok((await state.standing.of('a')).bad > 1.9);
  });

  it('standing: bad has a ceiling, so that it is forgotten within three half-lives', async (t) => {
    const { state, at } = await open(t);
    for (let hour = 0; hour < 100; hour++) {
      at(hour * HOUR);
      await state.standing.note('a', 'bad');
    }
    near((await state.standing.of('a')).bad, 4, 'bad of a');
    at(99 * HOUR + 42 * DAY);
    near((await state.standing.of('a')).bad, 0.5, 'bad of a');
  });

  it('standing: halves in 14 days, whatever is added between', async (t) => {
    const { state, at } = await open(t);
    await state.standing.note('a', 'bad');
    await state.standing.note('a', 'good');
    at(14 * DAY);
    await stands(state, 'a', 0.5, 0.5);
    await state.standing.note('a', 'bad');
    await stands(state, 'a', 0.5, 1.5);
    at(28 * DAY);
    await stands(state, 'a', 0.25, 0.75);
    await state.standing.note('a', 'good');
    await stands(state, 'a', 1.25, 0.75);
  });

  it('standing: what decayed to nothing is nothing', async (t) => {
    const { state, at } = await open(t);
    await state.standing.note('a', 'bad');
    at(400 * DAY);
    await stands(state, 'a', 0, 0);
  });
}
