import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Config } from '../../config/config.ts';
import type { JournalSpan, Summary } from '../../core/decision.ts';
import type { GateStatus } from '../../core/status.ts';
import type { CheckEffect } from '../../core/traffic.ts';
import { openDesk } from '../../adapters/desk/sqlite.ts';
import { dailySummaryText, dueSummary } from './summary.ts';
import type { WatchWorld } from './watch.ts';

const HOUR = 3_600_000;

describe('when the summary is due', () => {
  let zone: string | undefined;
  before(() => {
    zone = process.env['TZ'];
    process.env['TZ'] = 'Europe/Berlin';
  });
  after(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });

  const cases: [what: string, now: string, at: number, day: string, until: string, hours: number][] = [
    [
      'before its time it is that of the day before',
      '2026-11-21T06:59:59',
      420,
      '2026-11-20',
      '2026-11-20T07:00',
      24,
    ],
    ['at its time', '2026-11-21T07:00:00', 420, '2026-11-21', '2026-11-21T07:00', 24],
    ['late in the day', '2026-11-21T23:59:59', 420, '2026-11-21', '2026-11-21T07:00', 24],
    ['at midnight', '2026-11-21T00:00:00', 0, '2026-11-21', '2026-11-21T00:00', 24],
    ['on the first of a year', '2027-01-01T08:00:00', 420, '2027-01-01', '2027-01-01T07:00', 24],
    ['on the day that summer begins', '2026-03-29T08:00:00', 420, '2026-03-29', '2026-03-29T07:00', 23],
    ['on the day that it ends', '2026-10-25T08:00:00', 420, '2026-10-25', '2026-10-25T07:00', 25],
    // Half past two is not there that day: it is half past three.
    ['in the hour that is left out', '2026-03-29T03:30:00', 150, '2026-03-29', '2026-03-29T03:30', 24],
    ['before it', '2026-03-29T03:10:00', 150, '2026-03-28', '2026-03-28T02:30', 24],
  ];
  for (const [what, now, at, day, until, hours] of cases) {
    it(what, () => {
      const due = dueSummary(new Date(now).getTime(), at);
      assert.equal(due.day, day);
      assert.equal(due.untilMs, new Date(until).getTime());
      assert.equal(due.untilMs - due.sinceMs, hours * HOUR);
    });
  }
  it('has each day once, whatever the clock does', () => {
    for (const at of [0, 120, 150, 180, 420, 1439]) {
      const days: string[] = [];
      const from = new Date(2026, 0, 1).getTime();
      for (let ms = from; ms < from + 365 * 24 * HOUR; ms += HOUR / 4) {
        const { day } = dueSummary(ms, at);
        if (day !== days.at(-1)) days.push(day);
      }
      assert.deepEqual(days, [...new Set(days)].sort());
      assert.ok(days.length >= 365);
    }
  });
});

const SUMMARY: Summary = {
  ...{ received: 12_345, delivered: 2000, relayed: 10, rejected: 10_000, deferred: 300, abandoned: 35 },
  ...{ ham: 1900, tagged: 100, partly: 3, deliveredOctets: 1, clients: 900, turnedAway: { 'too-many': 5 } },
  byCheck: [
    { check: 'dnsbl', asked: 12_000, failed: 9000, temperror: 1, refused: 9000, deferred: 0, tookMs: 1 },
    { check: 'greylist', asked: 2000, failed: 300, temperror: 0, refused: 0, deferred: 300, tookMs: 1 },
    { check: 'spf', asked: 2000, failed: 0, temperror: 0, refused: 0, deferred: 0, tookMs: 1 },
  ],
};
const EARLIER: Summary = {
  ...SUMMARY,
  received: 11_000,
  rejected: 0,
  deferred: 300,
  turnedAway: {},
  byCheck: [],
};
const NO_EFFECT = {
  ...{ asked: 0, failed: 0, temperror: 0, refused: 0, deferred: 0, alone: 0, overlap: 0 },
  ...{ onGoodStanding: 0, lookups: 0, tookMs: 0 },
};
const UNTIL = new Date(2026, 10, 21, 7).getTime();
const SPAN = { sinceMs: UNTIL - 24 * HOUR, untilMs: UNTIL };

interface Told {
  readonly day?: readonly Partial<CheckEffect>[];
  readonly week?: readonly Partial<CheckEffect>[];
  readonly gate?: Partial<GateStatus>;
  readonly checks?: readonly unknown[];
  /** The journal is younger than a week. */
  readonly young?: true;
  readonly summary?: Summary;
}

function world({ day = [], week = [], gate, checks = [], young, summary = SUMMARY }: Told = {}): WatchWorld {
  const effects = (given: readonly Partial<CheckEffect>[]) =>
    Promise.resolve(given.map((one) => ({ ...NO_EFFECT, check: 'x', ...one })));
  return {
    config: () =>
      ({
        site: { hostName: 'mx.example.org' },
        checks,
        admin: { notify: {}, dashboard: { url: 'https://gate.example.org' } },
      }) as unknown as Config,
    nowMs: () => UNTIL,
    journal: {
      summary: ({ sinceMs = 0 }: JournalSpan) =>
        Promise.resolve(
          sinceMs === SPAN.sinceMs ? summary : young === true ? { ...EARLIER, received: 0 } : EARLIER,
        ),
      effect: ({ sinceMs }) => effects(sinceMs === SPAN.sinceMs ? day : week),
    },
    desk: openDesk(':memory:', { nowMs: () => UNTIL - HOUR }),
    gates: () => [
      {
        atMs: UNTIL,
        dependencies: [],
        journal: { recorded: 1, dropped: 0 },
        ...gate,
      } as unknown as GateStatus,
    ],
    trouble: () => undefined,
  };
}
const check = (name: string, onFail = 'refuse', idle?: string, from = 'postern.toml:31') => ({
  check: { name },
  settings: { on_fail: onFail },
  origins: { on_fail: from },
  ...(idle === undefined ? {} : { idle }),
});

describe('the daily summary', () => {
  it('has totals beside those of the day before', async () => {
    const text = await dailySummaryText(world(), SPAN);
    assert.match(text, /^mx\.example\.org, 2026-11-20 07:00 to 2026-11-21 07:00$/m);
    assert.match(text, /^ {2}received +12 345 +11 000 +\+12 %$/m);
    assert.match(text, /^ {2}refused +10 000 +0 +new$/m);
    assert.match(text, /^ {2}deferred +300 +300$/m);
    assert.match(text, /^ {2}turned away at the door +5 +0 +new$/m);
    assert.match(text, /^ {2}dnsbl +9 000 +0 +new\n {2}greylist +300 +0 +new\n\n/m);
    assert.match(text, /^What looks wrong\n {2}Nothing\.\n/m);
    assert.match(text, /^ {2}None is open\.$/m);
    assert.ok(!text.includes('Alerts'));
  });
  it('names alerts of the day and open reports', async () => {
    const w = world();
    for (const [state, text] of [
      ['firing', '852 messages'],
      ['cleared', '3 messages'],
    ] as const)
      w.desk.notices.change('q', state, {
        kind: 'alert',
        about: 'q',
        state,
        atMs: UNTIL - HOUR,
        subject: '',
        text: `${text}\n\nmore`,
      });
    w.desk.reports.file({
      decision: 'A1',
      network: '192.0.2.0/24',
      refused: '192.0.2.0/24',
      contact: '',
      text: 'x',
    });
    const text = await dailySummaryText(w, SPAN);
    assert.match(text, /^Alerts\n {2}- 06:00 {2}852 messages\n {2}- 06:00 {2}over: 3 messages\n/m);
    assert.match(text, /^ {2}1 waits for an answer: https:\/\/gate\.example\.org\/$/m);
  });

  const cases: [what: string, told: Told, says: RegExp | undefined][] = [
    [
      'a list that answers nonsense',
      {
        gate: {
          dependencies: [
            { kind: 'dns-list', name: 'bl.example', state: 'ill', detail: 'answers \x1b[2J everything' },
          ],
        },
      },
      /The list bl\.example is not well now: answers \?\[2J everything/,
    ],
    [
      'one that is well',
      { gate: { dependencies: [{ kind: 'dns-list', name: 'bl.example', state: 'ok' }] } },
      undefined,
    ],
    ['records lost', { gate: { journal: { recorded: 9, dropped: 7 } } }, /7 decisions .* not in the journal/],
    ['a gate that is silent', { gate: { atMs: UNTIL - HOUR } }, /does not run/],
    [
      'a check that never fires',
      { checks: [check('spf')], week: [{ check: 'spf', asked: 1000 }] },
      /spf was asked 1000 times in seven days and has found nothing/,
    ],
    [
      'not one that was asked little',
      { checks: [check('spf')], week: [{ check: 'spf', asked: 999 }] },
      undefined,
    ],
    [
      'not one that is off',
      { checks: [check('spf', 'off')], week: [{ check: 'spf', asked: 1000 }] },
      undefined,
    ],
    [
      'nothing of a week that is not over',
      { young: true, checks: [check('spf')], week: [{ check: 'spf', asked: 1000 }] },
      undefined,
    ],
    [
      'a check that was to run and cannot',
      { checks: [check('dnsbl', 'refuse', 'no zones')] },
      /dnsbl is on and cannot run: no zones/,
    ],
    [
      'not one that nobody asked for',
      { checks: [check('dnsbl', 'refuse', 'no zones', 'default')] },
      undefined,
    ],
    [
      'one that fires on good standing',
      { day: [{ check: 'fcrdns', failed: 100, refused: 90, onGoodStanding: 5 }] },
      /fcrdns has found fault with 5 messages of clients in good standing \(of 100 in all\)/,
    ],
    [
      'not once or twice',
      { day: [{ check: 'fcrdns', failed: 10, refused: 9, onGoodStanding: 4 }] },
      undefined,
    ],
    [
      'not one in a hundred',
      { day: [{ check: 'fcrdns', failed: 1000, refused: 9, onGoodStanding: 10 }] },
      undefined,
    ],
    [
      'one that gets no answers',
      { day: [{ check: 'dnsbl', asked: 400, temperror: 20 }] },
      /dnsbl got no answer 20 times of 400/,
    ],
    ['not a few', { day: [{ check: 'dnsbl', asked: 401, temperror: 20 }] }, undefined],
    [
      'a day without mail',
      { summary: EARLIER.byCheck.length === 0 ? { ...EARLIER, received: 0 } : EARLIER },
      /Nobody has connected/,
    ],
  ];
  for (const [what, told, says] of cases) {
    it(`says what looks wrong: ${what}`, async () => {
      const text = await dailySummaryText(world(told), SPAN);
      const wrong = /What looks wrong\n([^]*?)\n\n/.exec(text)?.[1] ?? '';
      if (says === undefined) assert.equal(wrong, '  Nothing.');
      else assert.match(wrong, says);
      assert.ok(!text.includes('\x1b'));
    });
  }
});
