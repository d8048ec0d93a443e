import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  CALM,
  ENTERED_AFTER_MS,
  LEFT_AFTER_MS,
  LoadMonitor,
  nextLevel,
  NO_MARKS,
  type LoadLevel,
  type LoadMarks,
  type LoadSample,
  type LoadState,
} from './load.ts';

const MARKS: LoadMarks = {
  loadAverage: { deferAt: 10, refuseAt: 20 },
  eventLoopDelayMs: { deferAt: 200, refuseAt: 1000 },
  memoryPercent: { deferAt: 80, refuseAt: 0 },
  sessionsPercent: { deferAt: 0, refuseAt: 100 },
};
const IDLE: LoadSample = { loadAverage: 0, eventLoopDelayMs: 0, memoryPercent: 0, sessionsPercent: 0 };

/** One sample a second of the load average; the level after each. */
function levels(values: readonly number[], from: LoadState = CALM): LoadLevel[] {
  let state = from;
  return values.map((loadAverage, i) => {
    state = nextLevel(state, { ...IDLE, loadAverage }, MARKS, i * 1000);
    return state.level;
  });
}
const times = <T>(n: number, value: T): T[] => Array.from({ length: n }, () => value);
const short = (all: readonly LoadLevel[]): string => all.map((level) => level[0]).join('');

describe('the level of load', () => {
  const courses: [name: string, from: LoadLevel, values: number[], levels: string][] = [
    ['below the mark', 'calm', times(5, 9.9), 'ccccc'],
    ['at the mark, entered with the third sample', 'calm', times(4, 10), 'ccdd'],
    ['a slow moment is none', 'calm', [30, 30, 0, 30, 30, 0], 'cccccc'],
    ['straight to the second mark', 'calm', times(3, 20), 'ccr'],
    [
      'what wavers above the first is the first, and then the second',
      'calm',
      [20, 10, 20, 20, 20, 20],
      'ccdddr',
    ],
    ['from the first to the second', 'defer', times(3, 25), 'ddr'],
    ['held at 80 per cent of the mark', 'defer', times(15, 8), 'd'.repeat(15)],
    ['left below that after 10 s', 'defer', times(12, 7.9), 'ddddddddddcc'],
    [
      'a rise in between begins the wait anew',
      'defer',
      [...times(9, 1), 8, ...times(11, 1)],
      `${'d'.repeat(20)}c`,
    ],
    ['down by one level where the first mark holds on', 'refuse', times(12, 12), 'rrrrrrrrrrdd'],
    ['down by two', 'refuse', times(11, 0), 'rrrrrrrrrrc'],
    ['down no further than all samples agree', 'refuse', [...times(5, 0), 9, ...times(6, 0)], 'rrrrrrrrrrdd'],
    ['up while it was going down', 'defer', [0, 0, 20, 20, 20], 'ddddr'],
  ];
  for (const [name, from, values, expected] of courses) {
    it(name, () => assert.equal(short(levels(values, { level: from })), expected));
  }

  const samples: [sample: Partial<LoadSample>, level: LoadLevel][] = [
    [{}, 'calm'],
    [{ eventLoopDelayMs: 199 }, 'calm'],
    [{ eventLoopDelayMs: 200 }, 'defer'],
    [{ eventLoopDelayMs: 200, loadAverage: 20 }, 'refuse'],
    [{ memoryPercent: 100 }, 'defer'],
    [{ sessionsPercent: 99 }, 'calm'],
    [{ sessionsPercent: 100 }, 'refuse'],
  ];
  for (const [sample, level] of samples) {
    it(`${JSON.stringify(sample)} comes to ${level}`, () => {
      let state = CALM;
      for (const atMs of [0, 1000, 2000]) state = nextLevel(state, { ...IDLE, ...sample }, MARKS, atMs);
      assert.equal(state.level, level);
    });
  }

  it('ends although a clock was put back, and without marks', () => {
    const pending: LoadState = { level: 'refuse', pending: { level: 'calm', sinceMs: 1e12 } };
    let state = nextLevel(pending, IDLE, MARKS, 5_000);
    state = nextLevel(state, { ...IDLE, loadAverage: 99 }, NO_MARKS, 5_000 + LEFT_AFTER_MS);
    assert.equal(state.level, 'calm');
  });

  it('changes no faster than it may, whatever the samples', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 30 }), { maxLength: 120 }), (values) => {
        let [level, changedMs, samplesUp] = ['calm' as LoadLevel, -Infinity, 0];
        const all = levels(values);
        for (const [i, now] of all.entries()) {
          const up = now !== level && (level === 'calm' || now === 'refuse');
          samplesUp = (values[i] ?? 0) >= 10 ? samplesUp + 1 : 0;
          if (up) assert.ok(samplesUp > ENTERED_AFTER_MS / 1000);
          else if (now !== level) assert.ok(i * 1000 - changedMs >= LEFT_AFTER_MS);
          if (now !== level) changedMs = i * 1000;
          level = now;
        }
      }),
    );
  });

  it('is told once a change, with what it cost', () => {
    const monitor = new LoadMonitor();
    const loaded = { ...IDLE, loadAverage: 25, memoryPercent: 85 };
    const told = [0, 1, 2, 3].map((s) => monitor.look(loaded, MARKS, s * 1000));
    assert.deepEqual(told[2], {
      level: 'refuse',
      before: 'calm',
      sample: loaded,
      because: ['loadAverage'],
      turnedAway: 0,
      deferred: 0,
    });
    assert.deepEqual([told[0], told[1], told[3]], [undefined, undefined, undefined]);
    monitor.turnedAway = 7;
    monitor.deferred = 3;
    const back = Array.from({ length: 11 }, (_, s) => monitor.look(IDLE, MARKS, 10_000 + s * 1000)).at(-1);
    assert.deepEqual(back, {
      level: 'calm',
      before: 'refuse',
      sample: IDLE,
      because: [],
      turnedAway: 7,
      deferred: 3,
    });
    assert.deepEqual([monitor.level, monitor.turnedAway, monitor.deferred], ['calm', 0, 0]);
  });
});
