import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { openDesk } from '../../adapters/desk/sqlite.ts';
import type { Config } from '../../config/config.ts';
import type { Desk, QueueSample } from '../../core/desk.ts';
import type { Notice } from '../../core/notice.ts';
import { startWatch } from './watch.ts';

const MINUTE = 60_000;
const EMPTY = {
  ...{ received: 0, delivered: 0, relayed: 0, rejected: 0, deferred: 0, abandoned: 0 },
  ...{ ham: 0, tagged: 0, partly: 0, deliveredOctets: 0, clients: 0, byCheck: [], turnedAway: {} },
};
const ALERT = { above: 500, forMs: 10 * MINUTE, clearBelow: 400 };
const WATCHED = { queueWatch: { from: 'postfix', everyMs: MINUTE, alerts: [ALERT] } } as const;

/** A clock whose timers are acted out in their order, and all that they begin, before it goes on. */
class Clock {
  nowMs = new Date(2026, 10, 21, 12).getTime();
  readonly #timers = new Set<{ readonly atMs: number; readonly act: () => void }>();
  readonly later = (ms: number, act: () => void): (() => void) => {
    const timer = { atMs: this.nowMs + ms, act };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };
  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const [next] = [...this.#timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.nowMs = next.atMs;
      next.act();
    }
    this.nowMs = endMs;
  }
}

interface Stage {
  readonly clock: Clock;
  readonly desk: Desk;
  readonly told: string[];
  readonly troubles: string[];
  /** What the mail server says; an Error cannot be read. */
  queue: number | Error;
  admin: Partial<Config['admin']>;
  notify: (notice: Notice, signal: AbortSignal) => Promise<boolean>;
  start(): ReturnType<typeof startWatch>;
}

function stage(t: TestContext, admin: Partial<Config['admin']>): Stage {
  const clock = new Clock();
  const desk = openDesk(':memory:', { nowMs: () => clock.nowMs });
  const watches = new Set<ReturnType<typeof startWatch>>();
  t.after(async () => {
    for (const watch of watches) await watch.close();
    desk.close();
  });
  const made: Stage = {
    clock,
    desk,
    told: [],
    troubles: [],
    queue: 0,
    admin,
    notify: (notice) => {
      made.told.push(notice.subject);
      return Promise.resolve(true);
    },
    start: () => {
      const watch = startWatch(
        {
          // Of a configuration no more is looked at here.
          config: () =>
            ({
              site: { hostName: 'mx' },
              checks: [],
              admin: { notify: {}, ...made.admin },
            }) as unknown as Config,
          nowMs: () => clock.nowMs,
          journal: { summary: () => Promise.resolve(EMPTY), effect: () => Promise.resolve([]) },
          desk,
          gates: () => [],
          trouble: (what, error) =>
            made.troubles.push(`${what}: ${error instanceof Error ? error.stack : String(error)}`),
        },
        {
          sample: () =>
            made.queue instanceof Error
              ? Promise.reject(made.queue)
              : Promise.resolve({ messages: made.queue }),
          notify: (notice, signal) => made.notify(notice, signal),
          later: clock.later,
        },
      );
      watches.add(watch);
      return watch;
    },
  };
  return made;
}

describe('the queue watch', () => {
  it('samples, tells that it fires, and that it is over', async (t) => {
    const s = stage(t, WATCHED);
    const watch = s.start();
    await s.clock.pass(5 * MINUTE);
    assert.equal(s.desk.queue.between(s.clock.nowMs - 10 * MINUTE, s.clock.nowMs + 1).length, 6);
    assert.deepEqual(watch.alerts(), [
      { text: 'rings when above 500 for 10 minutes', above: 500, firing: false },
    ]);
    s.queue = 852;
    await s.clock.pass(12 * MINUTE);
    assert.deepEqual(s.told, ['[mx] Queue: 852 messages in the queue for 10 minutes, above 500']);
    assert.deepEqual(watch.firing(), ['852 messages in the queue for 11 minutes, above 500']);
    s.queue = 3;
    await s.clock.pass(2 * MINUTE);
    assert.match(
      watch.firing().join(),
      /^3 messages in the queue now; was above 500 since [\d:-]+( [\d:]+)?; over when below 400 for 5 min$/,
    );
    await s.clock.pass(5 * MINUTE);
    assert.deepEqual(s.told.slice(1), [
      '[mx] Queue: over: 3 messages in the queue, below 400 again, 17 minutes after it had grown above 500',
    ]);
    assert.deepEqual(watch.firing(), []);
    assert.deepEqual(s.troubles, []);
  });

  it('tells nothing anew after a restart, and what came to an end meanwhile', async (t) => {
    const s = stage(t, WATCHED);
    const first = s.start();
    s.queue = 852;
    await s.clock.pass(8 * MINUTE);
    await first.close();
    await s.clock.pass(2 * MINUTE);
    const second = s.start();
    await s.clock.pass(MINUTE);
    assert.equal(s.told.length, 1);
    await second.close();
    const third = s.start();
    await s.clock.pass(5 * MINUTE);
    assert.equal(s.told.length, 1);
    assert.equal(third.firing().length, 1);
    await third.close();
    s.queue = 0;
    await s.clock.pass(3 * 60 * MINUTE);
    s.start();
    await s.clock.pass(7 * MINUTE);
    assert.equal(s.told.length, 2);
    assert.match(s.told[1] ?? '', /over: 0 messages/);
  });

  it('tells after a restart what could not be told before', async (t) => {
    const s = stage(t, { queueWatch: { ...WATCHED.queueWatch, alerts: [{ ...ALERT, forMs: 0 }] } });
    s.queue = 852;
    const { notify } = s;
    s.notify = (_, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(false)));
    const first = s.start();
    await s.clock.pass(MINUTE);
    await first.close();
    s.notify = notify;
    const second = s.start();
    await s.clock.pass(0);
    assert.equal(s.told.length, 1);
    await second.close();
    s.start();
    await s.clock.pass(5 * MINUTE);
    assert.equal(s.told.length, 1);
  });

  it('does not tell that it fires after it was over', async (t) => {
    const s = stage(t, { queueWatch: { ...WATCHED.queueWatch, alerts: [{ ...ALERT, forMs: 0 }] } });
    const { notify } = s;
    const begun: string[] = [];
    s.notify = (notice, signal) => {
      begun.push(notice.state);
      return notice.state === 'cleared'
        ? notify(notice, signal)
        : new Promise((resolve) => signal.addEventListener('abort', () => resolve(false)));
    };
    s.queue = 852;
    s.start();
    await s.clock.pass(MINUTE);
    s.queue = 0;
    await s.clock.pass(3 * MINUTE);
    assert.deepEqual(begun, ['firing', 'cleared']);
    assert.deepEqual(s.desk.notices.waiting(), []);
  });

  it('tells once what it cannot write down, and writes it down when it can', async (t) => {
    const s = stage(t, { queueWatch: { ...WATCHED.queueWatch, alerts: [{ ...ALERT, forMs: 0 }] } });
    const change = s.desk.notices.change.bind(s.desk.notices);
    let isFull = true;
    s.desk.notices.change = (...it) => {
      if (isFull) throw new Error('database or disk is full');
      return change(...it);
    };
    s.queue = 852;
    const watch = s.start();
    await s.clock.pass(60 * MINUTE);
    assert.equal(s.told.length, 1);
    assert.equal(s.troubles.length, 1);
    assert.match(s.troubles[0] ?? '', /^writing down a notice; it is sent all the same: .*disk is full/);
    s.queue = 0;
    await s.clock.pass(5 * MINUTE);
    s.queue = 852;
    await s.clock.pass(5 * MINUTE);
    assert.deepEqual(
      s.told.map((subject) => subject.includes('over:')),
      [false, true, false],
    );
    assert.deepEqual([s.troubles.length, s.desk.notices.since(0).length], [3, 0]);
    isFull = false;
    await s.clock.pass(MINUTE);
    assert.deepEqual(
      s.desk.notices.since(0).map(({ state }) => state),
      ['firing'],
    );
    assert.deepEqual(s.desk.notices.waiting(), []);
    await watch.close();
    s.start();
    await s.clock.pass(5 * MINUTE);
    assert.equal(s.told.length, 3);
    s.queue = 0;
    await s.clock.pass(5 * MINUTE);
    assert.match(s.told[3] ?? '', /over:/);
  });

  it('tells after the next start what was neither written down nor told', async (t) => {
    const s = stage(t, { queueWatch: { ...WATCHED.queueWatch, alerts: [{ ...ALERT, forMs: 0 }] } });
    const change = s.desk.notices.change.bind(s.desk.notices);
    s.desk.notices.change = () => {
      throw new Error('database or disk is full');
    };
    const { notify } = s;
    s.notify = (_, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(false)));
    s.queue = 852;
    const watch = s.start();
    await s.clock.pass(MINUTE);
    s.desk.notices.change = change;
    await s.clock.pass(MINUTE);
    await watch.close();
    assert.equal(s.desk.notices.waiting().length, 1);
    s.notify = notify;
    s.start();
    await s.clock.pass(MINUTE);
    assert.equal(s.told.length, 1);
  });

  it('says once that the queue cannot be read, until it can', async (t) => {
    const s = stage(t, WATCHED);
    s.queue = new Error('/usr/sbin/postqueue is not there');
    const watch = s.start();
    await s.clock.pass(30 * MINUTE);
    assert.deepEqual(s.troubles, ['reading the queue of the mail server: /usr/sbin/postqueue is not there']);
    assert.deepEqual(watch.firing(), ['The queue cannot be read: /usr/sbin/postqueue is not there']);
    assert.equal(s.desk.queue.last(), undefined);
    s.queue = 1;
    await s.clock.pass(MINUTE);
    assert.deepEqual(watch.firing(), []);
    s.queue = new Error('again');
    await s.clock.pass(2 * MINUTE);
    assert.equal(s.troubles.length, 2);
  });

  it('begins and ends with a reload', async (t) => {
    const s = stage(t, {});
    s.start();
    await s.clock.pass(5 * MINUTE);
    assert.equal(s.desk.queue.last(), undefined);
    s.admin = WATCHED;
    await s.clock.pass(16_000);
    const { atMs } = s.desk.queue.last() as QueueSample;
    s.admin = {};
    await s.clock.pass(10 * MINUTE);
    assert.ok((s.desk.queue.last() as QueueSample).atMs - atMs <= MINUTE);
  });
});

describe('the daily summary', () => {
  const daily = { dailySummary: { atMinutes: 7 * 60 } };

  it('comes once a day, whatever is restarted', async (t) => {
    const s = stage(t, daily);
    for (let hour = 0; hour < 72; hour++) {
      const watch = s.start();
      await s.clock.pass(60 * MINUTE);
      await watch.close();
    }
    assert.deepEqual(s.told, [
      '[mx] Mail of 2026-11-21',
      '[mx] Mail of 2026-11-22',
      '[mx] Mail of 2026-11-23',
    ]);
  });

  it('comes at its time, however shortly before it was set up', async (t) => {
    const s = stage(t, { dailySummary: { atMinutes: 12 * 60 + 1 } });
    await s.clock.pass(55_000);
    s.start();
    await s.clock.pass(2 * MINUTE);
    assert.deepEqual(s.told, ['[mx] Mail of 2026-11-20']);
  });

  it('comes once a day also where that cannot be written down', async (t) => {
    const s = stage(t, daily);
    const change = s.desk.notices.change.bind(s.desk.notices);
    s.desk.notices.change = () => {
      throw new Error('database or disk is full');
    };
    s.start();
    await s.clock.pass(48 * 60 * MINUTE);
    assert.deepEqual(s.told, ['[mx] Mail of 2026-11-21', '[mx] Mail of 2026-11-22']);
    assert.equal(s.troubles.length, 3);
    s.desk.notices.change = change;
    await s.clock.pass(MINUTE);
    assert.equal(s.desk.notices.standing('daily summary')?.state, '2026-11-23');
  });

  it('goes on after the clock was wrong for a moment, and sends none twice', async (t) => {
    const s = stage(t, daily);
    const watch = s.start();
    await s.clock.pass(20 * 60 * MINUTE);
    await watch.close();
    const rightMs = s.clock.nowMs;
    s.clock.nowMs = new Date(2038, 0, 19, 8).getTime();
    const wrong = s.start();
    await s.clock.pass(MINUTE);
    await wrong.close();
    s.clock.nowMs = rightMs + MINUTE;
    s.start();
    await s.clock.pass(48 * 60 * MINUTE);
    assert.deepEqual(s.told, [
      '[mx] Mail of 2026-11-21',
      '[mx] Mail of 2038-01-18',
      '[mx] Mail of 2026-11-22',
      '[mx] Mail of 2026-11-23',
    ]);
  });

  it('sends none twice after the clock was set back by a day', async (t) => {
    const s = stage(t, daily);
    const watch = s.start();
    await s.clock.pass(20 * 60 * MINUTE);
    await watch.close();
    s.clock.nowMs -= 24 * 60 * MINUTE;
    s.start();
    await s.clock.pass(23 * 60 * MINUTE);
    assert.deepEqual(s.told, ['[mx] Mail of 2026-11-21']);
  });

  it('comes late where nobody was there in time, and only for the last day', async (t) => {
    const s = stage(t, daily);
    const first = s.start();
    await s.clock.pass(MINUTE);
    await first.close();
    await s.clock.pass(50 * 60 * MINUTE);
    s.start();
    await s.clock.pass(60 * MINUTE);
    assert.deepEqual(s.told, ['[mx] Mail of 2026-11-22']);
  });
});
