import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { emptyPorts, site } from '../../../test/fakes/ask.ts';
import type { Json } from '../../core/check.ts';
import { buildLists, type ListEntry } from '../../core/lists.ts';
import type { Ports, Soon } from '../../core/ports.ts';
import type { Site } from '../../core/site.ts';
import { networkSet } from '../../mail/networks.ts';
import type { AdmissionLimits } from '../admission.ts';
import { ENTERED_AFTER_MS, LEFT_AFTER_MS, NO_MARKS, type LoadChange } from '../load.ts';
import type { TurnedAway } from '../turned-away.ts';
import type { Entry, Seat } from '../seat.ts';
import { Entrance } from './entrance.ts';
import type { GatewaySettings, GatewayWorld } from './world.ts';

const OURS = '10.1.2.3';
const GOOD = '192.0.2.1';
const BAD = '192.0.2.2';
const STRANGER = '203.0.113.200';
const STANDINGS: Readonly<Record<string, { good: number; bad: number }>> = {
  [GOOD]: { good: 5, bad: 0 },
  [BAD]: { good: 0, bad: 2 },
};
const LIMITS: AdmissionLimits = {
  connections: 20,
  connectionsPerClient: 1000,
  connectionsPerMinute: 1000,
  reservedForGood: 20,
  stressAt: 50,
};

interface Setting {
  readonly limits?: Partial<AdmissionLimits>;
  readonly turnAway?: number;
  readonly site?: Partial<Site>;
  readonly entries?: readonly ListEntry[];
  readonly standing?: (network: string) => ReturnType<Ports['standing']['of']>;
  readonly recall?: () => Promise<never>;
}

function entranceOf(setting: Setting = {}) {
  let nowMs = 1_000_000;
  let loadAverage = 0;
  const asked: string[] = [];
  const changes: LoadChange[] = [];
  const told: (readonly TurnedAway[])[] = [];
  const troubles: unknown[] = [];
  const counts = new Map<string, number>();
  const remembered = new Map<string, Json>();
  const add = (space: string, key: string) => {
    const of = `${space} ${key}`;
    counts.set(of, (counts.get(of) ?? 0) + 1);
    return counts.get(of) ?? 0;
  };
  // What it looks at of the settings and the world, and no more.
  const settings = {
    policy: { site: { ...site, ...setting.site } },
    ports: {
      ...emptyPorts(),
      lists: buildLists(setting.entries ?? []),
      rates: { add, count: () => 0 },
      store: {
        recall: (space: string, key: string) => setting.recall?.() ?? remembered.get(`${space} ${key}`),
        remember: (space: string, key: string, value: Json) => void remembered.set(`${space} ${key}`, value),
        forget: () => undefined,
      },
      standing: {
        of: (network: string) => {
          asked.push(network);
          return setting.standing?.(network) ?? STANDINGS[network] ?? { good: 0, bad: 0 };
        },
        note: () => undefined,
      },
    },
    limits: { ...LIMITS, ...setting.limits },
    load: { ...NO_MARKS, loadAverage: { deferAt: 1, refuseAt: 2 } },
    emergency: { turnAwayPercent: setting.turnAway ?? 0 },
  } as unknown as GatewaySettings;
  const entrance = new Entrance({
    settings: () => settings,
    load: () => ({ loadAverage, eventLoopDelayMs: 0, memoryPercent: 0 }),
    onLoad: (change) => void changes.push(change),
    onTurnedAway: (counts) => void told.push(counts),
    trouble: (_what, error) => void troubles.push(error),
    nowMs: () => nowMs,
  } as GatewayWorld);
  const knock = (address: string, role?: 'honeypot') =>
    entrance.knock({
      client: { address, port: 1 },
      server: { address: '198.51.100.25', port: 25 },
      tls: 'none',
      ...(role === undefined ? {} : { role }),
    });
  return {
    entrance,
    asked,
    changes,
    told,
    troubles,
    counts,
    remembered,
    knock,
    later: (ms: number) => (nowMs += ms),
    /** 0 calm, 1 defer, 2 refuse: by itself once it has lasted. */
    loaded: (level: 0 | 1 | 2) => {
      loadAverage = level;
      for (const ms of [0, ENTERED_AFTER_MS, LEFT_AFTER_MS]) {
        nowMs += ms;
        entrance.look();
      }
    },
    /** Others of no standing, each from its own address. */
    crowd: (n: number) => Array.from({ length: n }, (_, i) => seated(knock(`203.0.113.${i}`))),
  };
}

function seated(entry: Soon<Entry>): Seat {
  if (entry instanceof Promise || entry.kind !== 'seat') assert.fail('not let in at once');
  return entry;
}
function away(entry: Soon<Entry>): string {
  if (entry instanceof Promise || entry.kind !== 'turned-away') assert.fail('not turned away at once');
  return `${entry.reply.code} ${entry.reply.enhanced} ${entry.reply.lines.join(' ')}`;
}
const no = () => false;

describe('the entrance', () => {
  it('asks the store nothing in calm weather', () => {
    const { knock, asked, counts, crowd } = entranceOf();
    crowd(8);
    assert.equal(seated(knock(BAD)).takesMail(no), true);
    assert.deepEqual([asked, [...counts]], [[], []]);
  });

  it('under stress turns the bad away, and asks once a connection', () => {
    const { entrance, knock, asked, crowd } = entranceOf();
    const [one] = crowd(9);
    assert.equal(entrance.stressed, false);
    assert.match(away(knock(BAD)), /^421 4\.7\.0 Not now, for what came from 192\.0\.2\.2 /);
    seated(knock('198.51.100.9'));
    assert.equal(entrance.stressed, true);
    seated(knock(GOOD));
    seated(knock(OURS));
    assert.deepEqual(asked, [BAD, '198.51.100.9', GOOD]);
    one?.leave();
    assert.equal(entrance.open, 11);
  });

  it('keeps the reserve for the good and ours, and has a limit for them as well', () => {
    const { entrance, knock, crowd } = entranceOf();
    const all = crowd(16);
    assert.match(away(knock('198.51.100.9')), /^421 4\.7\.0 Too many connections/);
    seated(knock(OURS));
    for (let i = 0; i < 3; i++) seated(knock(GOOD));
    assert.match(away(knock(GOOD)), /^421 4\.7\.0 Too many connections/);
    assert.equal(entrance.open, 20);
    all[0]?.leave();
    assert.match(away(knock('198.51.100.9')), /^421/);
    seated(knock(GOOD));
  });

  it('at the first mark lets the unknown in but takes no mail of them; of the good as long as they are few', () => {
    const { knock, loaded, changes, asked, crowd } = entranceOf();
    const [early] = crowd(1);
    loaded(1);
    assert.match(away(knock(BAD)), /^421/);
    const unknown = seated(knock('198.51.100.9'));
    assert.deepEqual(
      [unknown.takesMail(no), unknown.takesMail(no), early?.takesMail(no)],
      [false, false, false],
    );
    assert.equal(
      unknown.takesMail(() => true),
      true,
    );
    const good = Array.from({ length: 5 }, () => seated(knock(GOOD)));
    assert.deepEqual(
      good.map((seat) => seat.takesMail(no)),
      [true, true, true, true, false],
    );
    assert.equal(good[0]?.takesMail(no), true);
    good[0].leave();
    assert.equal(good[4]?.takesMail(no), true);
    assert.equal(asked.filter((network) => network === GOOD).length, 5);
    assert.equal(asked.filter((network) => network === '203.0.113.0').length, 1);
    loaded(0);
    assert.equal(unknown.takesMail(no), true);
    assert.deepEqual(
      changes.map(({ level, turnedAway, deferred }) => ({ level, turnedAway, deferred })),
      [
        { level: 'defer', turnedAway: 0, deferred: 0 },
        { level: 'calm', turnedAway: 1, deferred: 4 },
      ],
    );
  });

  it('at the second mark lets in the good and ours alone, as long as they are few', () => {
    const { entrance, knock, loaded } = entranceOf();
    loaded(2);
    assert.match(away(knock('198.51.100.9')), /^421 4\.3\.2 Too busy/);
    const good = [OURS, GOOD, GOOD, GOOD].map((address) => seated(knock(address)));
    assert.match(away(knock(GOOD)), /^421 4\.3\.2 /);
    assert.ok(good.every((seat) => seat.takesMail(no) === true));
    good[3]?.leave();
    seated(knock(OURS));
    assert.equal(entrance.open, 4);
    loaded(0);
    seated(knock('198.51.100.9'));
  });

  it('counts good and ours whom the list lets in; an entry that lifts single checks is no such word', () => {
    const { knock, loaded } = entranceOf({
      site: { relays: networkSet(['192.0.2.64/26']) },
      entries: [
        { kind: 'allow', client: '198.51.100.7', source: 'x:1' },
        { kind: 'allow', client: '198.51.100.8', lifts: ['spf'], source: 'x:2' },
      ],
    });
    loaded(2);
    seated(knock('192.0.2.65'));
    seated(knock('198.51.100.7'));
    away(knock('198.51.100.8'));
  });

  it('in an emergency turns its share of the unknown away, and more of the bad; the good, ours and who comes to a honeypot pass', () => {
    const { knock, remembered, entrance } = entranceOf({ turnAway: 90, limits: { connections: 1000 } });
    for (let i = 0; i < 20; i++) for (const address of [OURS, GOOD]) seated(knock(address));
    seated(knock('198.51.100.9', 'honeypot'));
    const passedOf = (address: string): readonly number[] => {
      const attempts = Array.from({ length: 40 }, () => knock(address));
      const passed = attempts.flatMap((entry, i) =>
        entry instanceof Promise || entry.kind !== 'seat' ? [] : [i],
      );
      return passed.map((i) => i - (passed[0] ?? 0));
    };
    assert.deepEqual(passedOf('198.51.100.9'), [0, 10, 20, 30]);
    // Half as many, and each has its turn: one slip shuts nobody out for as long as the flood lasts.
    assert.deepEqual(passedOf(BAD), [0, 20]);
    const said = [knock(BAD), knock(BAD)].map((entry) =>
      'kind' in entry && entry.kind === 'seat' ? '' : away(entry),
    );
    assert.ok(
      said.some((text) => /^421 4\.7\.0 Not now, /.test(text)),
      said.join(),
    );
    assert.equal(entrance.open, 47 + said.filter((text) => text === '').length);
    assert.deepEqual(
      [...remembered],
      [
        ['emergency 198.51.100.9', 40],
        [`emergency ${BAD}`, 42],
      ],
    );
  });

  it('has the same load and emergency for clients of an MTA, which counts their connections itself', () => {
    const asked = (of: ReturnType<typeof entranceOf>, address: string) =>
      of.entrance.knockAtMta({ client: { address, port: 1 } });
    const world = entranceOf({ limits: { connectionsPerClient: 1 } });
    for (let i = 0; i < 30; i++) seated(asked(world, STRANGER));
    assert.equal(world.entrance.open, 0);
    world.loaded(1);
    const seat = seated(asked(world, STRANGER));
    assert.equal(seat.takesMail(no), false);
    assert.equal(
      seat.takesMail(() => true),
      true,
    );
    assert.equal(seated(asked(world, GOOD)).takesMail(no), true);
    world.loaded(2);
    assert.match(away(asked(world, STRANGER)), /^421 4\.3\.2 Too busy/);
    const emergency = entranceOf({ turnAway: 100 });
    assert.match(away(asked(emergency, STRANGER)), /^421 4\.7\.0 Of the clients/);
    seated(asked(emergency, GOOD));
    seated(asked(emergency, OURS));
  });

  it('the honeypot is the first to have no room', () => {
    const { knock, crowd, loaded } = entranceOf();
    const all = crowd(9);
    assert.match(away(knock('198.51.100.9', 'honeypot')), /^421 4\.7\.0 Too many connections/);
    seated(knock('198.51.100.9'));
    for (const seat of all) seat.leave();
    loaded(1);
    assert.match(away(knock('198.51.100.9', 'honeypot')), /^421 4\.3\.2 Too busy/);
  });

  it('tells whom it turns away why, and where to ask', () => {
    const { knock, crowd } = entranceOf({ turnAway: 100, limits: { connections: 1000 } });
    const unknown = away(knock('198.51.100.9'));
    assert.match(
      unknown,
      /^421 4\.7\.0 Of the clients that are not known here only some are let in for now, /,
    );
    const { contact } = site;
    for (const said of [unknown, away(knock(BAD))])
      assert.ok(said.endsWith(`; questions to ${contact}`), said);
    assert.throws(() => crowd(1));
  });

  it('tells the operator once a minute how many it turned away, why, and some of whom', () => {
    const { entrance, knock, told } = entranceOf({ turnAway: 100, limits: { connections: 1000 } });
    for (let i = 0; i < 7; i++) for (let again = 0; again < 2; again++) away(knock(`198.51.100.${i}`));
    away(knock(BAD));
    seated(knock(GOOD));
    assert.deepEqual(told, []);
    entrance.forget();
    const networks = Array.from({ length: 5 }, (_, i) => `198.51.100.${i}`);
    assert.deepEqual(told, [
      [
        { reason: 'emergency', connections: 14, networks },
        { reason: 'standing', connections: 1, networks: [BAD] },
      ],
    ]);
    entrance.forget();
    assert.equal(told.length, 1);
  });

  it('notes once a minute whom it turned away, where there is a honeypot that asks, and nobody at the honeypot', () => {
    const { entrance, knock, counts, loaded } = entranceOf({
      site: { honeypot: true },
      limits: { connectionsPerClient: 1, connections: 1000 },
    });
    seated(knock('198.51.100.9'));
    for (let i = 0; i < 3; i++) assert.match(away(knock('198.51.100.9')), /from 198\.51\.100\.9/);
    const [key, ...others] = counts.keys();
    assert.match(key ?? '', /^turned-away 198\.51\.100\.0\/24 /);
    assert.deepEqual([others, counts.get(key ?? '')], [[], 1]);
    entrance.forget();
    away(knock('198.51.100.9'));
    assert.equal(counts.get(key ?? ''), 2);
    loaded(2);
    away(knock('203.0.113.10'));
    away(knock('203.0.113.11', 'honeypot'));
    assert.deepEqual([...counts.values()], [2, 1]);
    const without = entranceOf({ limits: { connectionsPerClient: 1 } });
    seated(without.knock('198.51.100.9'));
    away(without.knock('198.51.100.9'));
    assert.deepEqual([...without.counts], []);
  });
});

describe('the entrance with a store elsewhere', () => {
  it('counts a connection while the store is asked', async () => {
    const waiting: (() => void)[] = [];
    const { entrance, knock, loaded } = entranceOf({
      standing: (network) =>
        new Promise((resolve) => waiting.push(() => resolve(STANDINGS[network] ?? { good: 0, bad: 0 }))),
    });
    loaded(2);
    const [first, second] = [knock(GOOD), knock('198.51.100.9')];
    assert.equal(entrance.open, 2);
    for (const answer of waiting) answer();
    const good = await first;
    assert.equal((await second).kind, 'turned-away');
    assert.equal(entrance.open, 1);
    seated(good).leave();
    assert.equal(entrance.open, 0);
  });

  it('favours nobody who left while it was asked', async () => {
    let answer: (standing: { good: number; bad: number }) => void = () => undefined;
    let elsewhere = true;
    const { knock, loaded } = entranceOf({
      standing: () => (elsewhere ? new Promise((resolve) => (answer = resolve)) : { good: 5, bad: 0 }),
    });
    const seat = seated(knock(GOOD));
    loaded(1);
    const takes = seat.takesMail(no);
    seat.leave();
    answer({ good: 5, bad: 0 });
    assert.equal(await takes, false);
    elsewhere = false;
    loaded(2);
    for (let i = 0; i < 4; i++) seated(knock(GOOD));
    away(knock(GOOD));
  });

  const ill: [name: string, answer: () => Promise<never>][] = [
    ['rejects', () => Promise.reject(new Error('gone'))],
    [
      'throws',
      () => {
        throw new Error('gone');
      },
    ],
    ['is silent', () => new Promise<never>(() => undefined)],
  ];
  for (const [name, answer] of ill) {
    it(`that ${name} has no say: all are unknown, turns go by the hour, and the operator hears of it once`, async (t) => {
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const world = entranceOf({
        turnAway: 50,
        standing: answer,
        recall: answer,
        limits: { connections: 1000 },
      });
      const ask = async () => {
        let entry = world.knock(GOOD);
        // Two questions, one after the other.
        for (let i = 0; i < 2 && entry instanceof Promise; i++) {
          await new Promise(setImmediate);
          t.mock.timers.tick(500);
          await new Promise(setImmediate);
        }
        entry = await entry;
        return entry.kind;
      };
      const kinds: string[] = [];
      for (let hour = 0; hour < 4; hour++) {
        kinds.push(await ask());
        world.later(3_600_000);
      }
      assert.deepEqual(kinds.slice(0, 2).sort(), ['seat', 'turned-away']);
      assert.deepEqual(kinds.slice(2), kinds.slice(0, 2));
      assert.equal(world.troubles.length, 1);
      assert.equal(world.entrance.open, 2);
    });
  }

  it('what is counted is who is in, whatever happens', async () => {
    const moves = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('knock'), address: fc.constantFrom(OURS, GOOD, BAD, '198.51.100.9') }),
        fc.record({ kind: fc.constant('leave') }),
        fc.record({ kind: fc.constant('mail') }),
        fc.record({ kind: fc.constant('load'), level: fc.constantFrom(0 as const, 1 as const, 2 as const) }),
      ),
      { maxLength: 80 },
    );
    await fc.assert(
      fc.asyncProperty(moves, fc.boolean(), fc.constantFrom(0, 50), async (all, elsewhere, turnAway) => {
        const world = entranceOf({
          turnAway,
          ...(elsewhere
            ? { standing: async (network: string) => STANDINGS[network] ?? { good: 0, bad: 0 } }
            : {}),
        });
        const seats: Seat[] = [];
        for (const move of all) {
          if ('level' in move) world.loaded(move.level);
          else if (move.kind === 'leave') seats.shift()?.leave();
          else if (move.kind === 'mail') await seats[0]?.takesMail(no);
          else if ('address' in move) {
            const entry = await world.knock(move.address);
            if (entry.kind === 'seat') seats.push(entry);
          }
          assert.equal(world.entrance.open, seats.length);
          assert.ok(seats.length <= LIMITS.connections);
        }
        for (const seat of seats) seat.leave();
        world.loaded(2);
        // All favours are given back: the reserve has its four places again.
        for (let i = 0; i < 4; i++) assert.equal((await world.knock(GOOD)).kind, 'seat');
        assert.equal((await world.knock(GOOD)).kind, 'turned-away');
      }),
      { numRuns: 60 },
    );
  });
});
