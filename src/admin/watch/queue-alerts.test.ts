import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { QueueAlertConfig } from '../../config/admin.ts';
import { nextState, QUIET, rebuiltState, settleMs, type AlertState } from './queue-alerts.ts';
import {
  clearedText,
  firingText,
  lengthText,
  quietText,
  settingText,
  shortLength,
  waitingText,
} from './words.ts';

const MINUTE = 60_000;
const START = 1_000_000 * MINUTE;
const HELD: QueueAlertConfig = { above: 500, forMs: 10 * MINUTE, clearBelow: 400 };
const PERCENTILE: QueueAlertConfig = { ...HELD, forMs: 60 * MINUTE, percentile: 50 };

/** A sample a minute; `undefined`: it could not be taken. */
function run(alert: QueueAlertConfig, counts: readonly (number | undefined)[], from: AlertState = QUIET) {
  let state = from;
  const changes: string[] = [];
  for (const [i, messages] of counts.entries()) {
    if (messages === undefined) continue;
    const next = nextState(alert, MINUTE, state, { atMs: START + i * MINUTE, messages });
    if (next.firing !== state.firing) changes.push(`${i}: ${next.firing ? 'fires' : 'over'}`);
    state = next;
  }
  return { changes, state };
}
const times = (n: number, count: number | undefined) => Array.from({ length: n }, () => count);

describe('an alert on a threshold', () => {
  const cases: [what: string, counts: (number | undefined)[], changes: string[]][] = [
    ['fires when it was above without a break', times(12, 501), ['10: fires']],
    ['not a minute before', times(10, 501), []],
    ['not at the threshold itself', times(30, 500), []],
    ['not when there was a break', [...times(9, 501), 500, ...times(10, 501)], []],
    ['begins anew after a break', [...times(9, 501), 500, ...times(11, 501)], ['20: fires']],
    [
      'bears three samples missing',
      [...times(4, 501), ...times(3, undefined), ...times(4, 501)],
      ['10: fires'],
    ],
    ['does not bear four', [...times(4, 501), ...times(4, undefined), ...times(10, 501)], []],
    ['is over after five minutes below', [...times(11, 501), ...times(6, 399)], ['10: fires', '16: over']],
    ['not between the two marks', [...times(11, 501), ...times(60, 400)], ['10: fires']],
    ['not for a dip', [...times(11, 501), ...times(5, 399), 400, ...times(5, 399)], ['10: fires']],
    ['not while nobody knows', [...times(11, 501), 399, ...times(30, undefined), 399], ['10: fires']],
    [
      'fires again after all that time',
      [...times(11, 501), ...times(6, 0), ...times(11, 501)],
      ['10: fires', '16: over', '27: fires'],
    ],
  ];
  for (const [what, counts, changes] of cases)
    it(what, () => assert.deepEqual(run(HELD, counts).changes, changes));

  it('fires at once with `for` of nothing, and is over after two samples below', () => {
    const alert = { ...HELD, forMs: 0 };
    assert.deepEqual(run(alert, [501, 399, 399, 399]).changes, ['0: fires', '2: over']);
  });
  it('with a lower mark of one is over when the queue is empty', () => {
    assert.deepEqual(run({ ...HELD, above: 1, forMs: 0, clearBelow: 1 }, [2, 1, 1, 1, 0, 0]).changes, [
      '0: fires',
      '5: over',
    ]);
  });
  it('begins anew when the clock is set back', () => {
    const before = run(HELD, times(9, 501)).state;
    const after = nextState(HELD, MINUTE, before, { atMs: START - 3_600_000, messages: 501 });
    assert.equal(after.firing, false);
    assert.equal(after.aboveSinceMs, START - 3_600_000);
  });
});

describe('an alert on a percentile', () => {
  const half = (n: number) => Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 900 : 100));
  const cases: [what: string, percentile: number, counts: (number | undefined)[], changes: RegExp][] = [
    ['fires when the median of the hour is above', 50, times(70, 501), /^(?:38|39|4\d): fires$/],
    ['knows nothing before it has seen most of the hour', 50, times(38, 501), /^$/],
    ['the 90th fires when half of the samples are above', 90, half(70), /^(?:38|39|4\d): fires$/],
    ['the 40th does not', 40, half(200), /^$/],
    ['the 100th fires by one sample', 100, [...times(30, 0), 501, ...times(30, 0)], /^(?:38|39|4\d): fires$/],
    [
      'is over when the median is below',
      50,
      [...times(60, 501), ...times(60, 0)],
      /^(?:38|39|4\d): fires,9\d: over$/,
    ],
    ['is not over between the marks', 50, [...times(60, 501), ...times(100, 450)], /^(?:38|39|4\d): fires$/],
    [
      'bears gaps',
      50,
      Array.from({ length: 100 }, (_, i) => (i % 3 === 0 ? 501 : undefined)),
      /^(?:38|39|4\d): fires$/,
    ],
    [
      'knows nothing of an hour of which there is little',
      50,
      [...times(10, 501), ...times(40, undefined), ...times(10, 501)],
      /^$/,
    ],
  ];
  for (const [what, percentile, counts, changes] of cases) {
    it(what, () => assert.match(run({ ...PERCENTILE, percentile }, counts).changes.join(), changes));
  }
  it('keeps no more than the parts of its time', () => {
    assert.ok(run({ ...PERCENTILE, forMs: 7 * 86_400_000 }, times(20_000, 501)).state.parts.length <= 22);
  });
});

describe('an alert after a restart', () => {
  const history = (counts: readonly number[]) =>
    counts.map((messages, i) => ({ atMs: START + i * MINUTE, messages }));
  it('goes on counting', () => {
    const state = rebuiltState(HELD, MINUTE, history([...times(9, 501)] as number[]), undefined);
    assert.equal(state.firing, false);
    assert.equal(nextState(HELD, MINUTE, state, { atMs: START + 10 * MINUTE, messages: 501 }).firing, true);
  });
  it('goes on firing where people were told, and is over as ever', () => {
    const state = rebuiltState(HELD, MINUTE, history([...times(6, 0)] as number[]), START - 1);
    assert.equal(state.firing, true);
    assert.equal(nextState(HELD, MINUTE, state, { atMs: START + 6 * MINUTE, messages: 0 }).firing, false);
  });
  it('fires without history where people were told', () => {
    assert.equal(rebuiltState(HELD, MINUTE, [], START).firing, true);
    assert.equal(rebuiltState(HELD, MINUTE, [], undefined).firing, false);
  });
  it('is as without one', () => {
    const counts = fc.array(fc.integer({ min: 300, max: 700 }), { minLength: 2, maxLength: 80 });
    const alert = fc.constantFrom(HELD, { ...HELD, forMs: 0 }, PERCENTILE, { ...PERCENTILE, percentile: 95 });
    fc.assert(
      fc.property(counts, alert, fc.nat(), (all, settings, at) => {
        const cut = at % all.length;
        const [before, after] = [history(all).slice(0, cut), history(all).slice(cut)];
        const step = (state: AlertState, sample: (typeof before)[number]) =>
          nextState(settings, MINUTE, state, sample);
        const told = before.reduce(step, QUIET);
        const rebuilt = rebuiltState(settings, MINUTE, before, told.firing ? told.sinceMs : undefined);
        assert.equal(after.reduce(step, rebuilt).firing, after.reduce(step, told).firing);
      }),
    );
  });
});

it('never changes faster than its own times', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0, 450, 900), { maxLength: 200 }), (counts) => {
      const at = run(HELD, counts).changes.map((change) => Number.parseInt(change, 10));
      for (const [i, minute] of at.entries()) {
        const least = (i % 2 === 0 ? HELD.forMs : settleMs(HELD, MINUTE)) / MINUTE;
        assert.ok(minute - (at[i - 1] ?? 0) >= Math.floor(least));
      }
    }),
  );
});

describe('in words', () => {
  const sample = { atMs: START, messages: 852, oldestMs: 3 * 60 * MINUTE };
  const cases: [said: string, expected: string][] = [
    [
      firingText(HELD, sample, START - 12 * MINUTE),
      '852 messages in the queue for 12 minutes, above 500; oldest 3 h',
    ],
    [
      firingText(HELD, { ...sample, byQueue: { active: 12, deferred: 840, hold: 0 } }, undefined),
      '852 messages in the queue (840 deferred, 12 active), above 500; oldest 3 h',
    ],
    [
      firingText(
        { ...PERCENTILE, percentile: 90 },
        { atMs: START, messages: 1, byQueue: { hold: 1 } },
        START,
      ),
      '1 message in the queue (all hold); the 90th percentile of 1 hour is above 500',
    ],
    [
      clearedText(HELD, { ...sample, messages: 120 }, START - 42 * MINUTE),
      '120 messages in the queue, below 400 again, 42 minutes after it had grown above 500',
    ],
    [
      firingText({ ...HELD, above: 100, forMs: 20_000 }, { atMs: START, messages: 120 }, START - 20_000),
      '120 messages in the queue for 20 seconds, above 100',
    ],
    [quietText(HELD), 'rings when above 500 for 10 minutes'],
    [settingText(20_000), '20s'],
    [settingText(600_000), '10m'],
    [settingText(90_000), '90s'],
    [settingText(1500), '1500ms'],
    [settingText(0), '0ms'],
    [
      quietText({ ...PERCENTILE, percentile: 99.5 }),
      'rings when the 99.5th percentile of 1 hour is above 500',
    ],
    [quietText({ ...PERCENTILE, percentile: 93 }), 'rings when the 93rd percentile of 1 hour is above 500'],
    [quietText({ ...PERCENTILE, percentile: 11 }), 'rings when the 11th percentile of 1 hour is above 500'],
    [lengthText(0), '0 seconds'],
    [lengthText(1000), '1 second'],
    [lengthText(90_000), '90 seconds'],
    [lengthText(7 * 86_400_000), '7 days'],
    [shortLength(100 * MINUTE), '100 min'],
    [shortLength(26 * 60 * MINUTE), '26 h'],
  ];
  for (const [said, expected] of cases) it(expected, () => assert.equal(said, expected));

  it('says until when one waits to be over', () => {
    const alert = { ...HELD, above: 100, clearBelow: 80, forMs: 20_000 };
    const noon = new Date(2026, 10, 21, 14, 30).getTime();
    const now = { atMs: noon, messages: 5 };
    assert.equal(
      waitingText(alert, now, { sinceMs: noon - 2 * MINUTE, settlesMs: 20_000 }),
      '5 messages in the queue now; was above 100 since 14:28; over when below 80 for 20 s',
    );
    assert.match(
      waitingText(alert, now, { sinceMs: noon - 24 * 60 * MINUTE, settlesMs: 20_000 }),
      / since 2026-11-20 14:30; /,
    );
    assert.match(
      waitingText({ ...alert, percentile: 50 }, now, { sinceMs: undefined, settlesMs: 20_000 }),
      / now; the 50th percentile of 20 seconds was above 100; over/,
    );
  });
});
