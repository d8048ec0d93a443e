import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onEnd, type Cleanup } from '../../../test/program.ts';
import { openDatabase } from '../sqlite.ts';
import { QueueHistory, QUEUE } from './queue.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
const BEGIN = 20_000 * DAY;

function opened(cleanup: Cleanup) {
  const clock = { ms: BEGIN };
  const db = openDatabase(':memory:', [QUEUE]);
  onEnd(cleanup, () => db.close());
  const queue = new QueueHistory(db, () => clock.ms, 400 * DAY);
  return { queue, at: (ms: number) => void (clock.ms = ms) };
}

describe('the history of the queue', () => {
  it('gives back what was sampled', (t) => {
    const { queue } = opened(t);
    assert.equal(queue.last(), undefined);
    assert.deepEqual(queue.between(0, BEGIN), []);
    const whole = { atMs: BEGIN, messages: 5, byQueue: { active: 2, deferred: 3 }, oldestMs: BEGIN - 9 };
    queue.add(whole);
    queue.add({ atMs: BEGIN + 1, messages: 0 });
    assert.deepEqual(queue.last(), { atMs: BEGIN + 1, messages: 0 });
    assert.deepEqual(queue.between(BEGIN, BEGIN + 1), [whole]);
    assert.deepEqual(queue.between(BEGIN, BEGIN + 2, 2), [whole, { atMs: BEGIN + 1, messages: 0 }]);
    for (const [since, until] of [
      [1, 1],
      [2, 1],
      [NaN, 1],
      [0, NaN],
    ] as const)
      assert.deepEqual(queue.between(since, until), []);
  });

  it('is thinned for a chart to the greatest of each part', (t) => {
    const { queue } = opened(t);
    for (let i = 0; i < 100; i++)
      queue.add({ atMs: BEGIN + i * MINUTE, messages: i % 10 === 3 ? 50 + i : 1 });
    const points = queue.between(BEGIN, BEGIN + 100 * MINUTE, 10);
    assert.deepEqual(
      points.map((s) => [(s.atMs - BEGIN) / MINUTE, s.messages]),
      [3, 13, 23, 33, 43, 53, 63, 73, 83, 93].map((n) => [n, 50 + n]),
    );
    assert.equal(queue.between(BEGIN, BEGIN + 100 * MINUTE, 0).length, 1);
  });

  it('names no more queues than a mail server has', (t) => {
    const { queue } = opened(t);
    const byQueue = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`${'q'.repeat(50)}${i}`, i]));
    queue.add({ atMs: BEGIN, messages: 1, byQueue: { active: 1, ...byQueue } });
    const kept = Object.keys(queue.last()?.byQueue ?? {});
    assert.deepEqual(kept, ['active', 'q'.repeat(40)]);
  });

  it('keeps of what is older than two days the greatest of ten minutes, and nothing after 400', (t) => {
    const { queue, at } = opened(t);
    for (let i = 0; i < 30; i++) queue.add({ atMs: BEGIN + i * MINUTE, messages: i === 14 ? 99 : i });
    const left = () => queue.between(BEGIN, BEGIN + 30 * MINUTE, 5000).map((s) => s.messages);
    at(BEGIN + 2 * DAY + 9 * MINUTE);
    queue.expire();
    assert.equal(left().length, 30);
    // Whole parts only.
    at(BEGIN + 2 * DAY + 19 * MINUTE);
    queue.expire();
    assert.deepEqual(left().slice(0, 3), [9, 10, 11]);
    at(BEGIN + 3 * DAY);
    queue.expire();
    queue.expire();
    assert.deepEqual(left(), [9, 99, 29]);
    at(BEGIN + 400 * DAY + 10 * MINUTE);
    queue.expire();
    assert.deepEqual(left(), [99, 29]);
  });

  it('is thinned by itself where nobody asks for it', (t) => {
    const { queue, at } = opened(t);
    for (let i = 0; i < 30_000; i++) {
      at(BEGIN + i * MINUTE);
      queue.add({ atMs: BEGIN + i * MINUTE, messages: i });
    }
    const until = BEGIN + 5 * DAY;
    assert.equal(queue.between(BEGIN, until, 5000).length, (5 * DAY) / (10 * MINUTE));
  });
});
