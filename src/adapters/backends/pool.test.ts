import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { Connection } from './connection.ts';
import { Pool, type Lease } from './pool.ts';

const SETTINGS = {
  hostName: 'mx.example.org',
  tls: 'none',
  connectTimeoutMs: 1000,
  commandTimeoutMs: 1000,
  dataTimeoutMs: 1000,
} as const;

/** A pool of connections that are never spoken over, and an `acquire` that says what became of it. */
function poolOf(t: TestContext, maxConnections: number, maxWaitMs = 60_000) {
  const over = new AbortController();
  t.after(() => over.abort());
  const made: Connection[] = [];
  const pool = new Pool(
    async () => {
      const target = { protocol: 'smtp', address: { host: '127.0.0.1', port: 1 } } as const;
      const connection = new Connection(new net.Socket(), target, SETTINGS);
      made.push(connection);
      return connection;
    },
    { maxConnections, idleTimeoutMs: 60_000, maxWaitMs },
  );
  const ask = (network?: string, wanted?: 'any' | 'fresh', signal = over.signal) => {
    const asked: { lease?: Lease; failed?: string } = {};
    void pool.acquire(network, signal, wanted).then((got) => {
      if (!('kind' in got)) asked.lease = got;
      else asked.failed = got.kind === 'replied' ? String(got.reply.code) : got.reason;
    });
    return asked;
  };
  return { pool, made, ask };
}

const settled = () => new Promise(setImmediate);

describe('who waits for a connection', () => {
  it('is not passed over for one who wants a fresh one, and none sleeps while one is free', async (t) => {
    const { pool, made, ask } = poolOf(t, 1);
    const first = ask();
    await settled();
    const fresh = ask(undefined, 'fresh');
    const any = ask();
    pool.giveBack(first.lease!);
    await settled();
    // The reused one made room for the fresh one.
    assert.deepEqual([fresh.lease?.reused, any.lease, made[0]!.lost], [false, undefined, 'ended by us']);
    pool.giveBack(fresh.lease!);
    await settled();
    assert.deepEqual([any.lease?.reused, any.lease?.connection], [true, made[1]]);
    pool.giveBack(any.lease!);
    pool.close();
  });

  it('who gives up leaves the turn to the next', async (t) => {
    const { pool, ask } = poolOf(t, 1);
    const first = ask();
    await settled();
    const over = new AbortController();
    const second = ask(undefined, 'any', over.signal);
    const third = ask();
    over.abort(new Error('deadline'));
    pool.giveBack(first.lease!);
    await settled();
    assert.equal(second.failed, 'given up: deadline');
    assert.ok(third.lease);
    pool.giveBack(third.lease);
    pool.close();
  });

  it('whatever comes and goes: connections stay bounded, shares are kept, nobody waits beside a free one', async (t) => {
    const step = fc.oneof(
      fc.record({
        act: fc.constant('ask' as const),
        network: fc.constantFrom(undefined, 'a', 'b'),
        wanted: fc.constantFrom('any' as const, 'fresh' as const),
      }),
      fc.record({
        act: fc.constantFrom('give' as const, 'lose' as const, 'wear-out' as const),
        which: fc.nat(20),
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        fc.array(step, { maxLength: 40 }),
        async (max, steps) => {
          const { pool, made, ask } = poolOf(t, max);
          const share = Math.max(1, Math.floor(max / 4));
          let asked: (ReturnType<typeof ask> & { readonly network: string | undefined })[] = [];
          for (const s of steps) {
            if (s.act === 'ask') asked.push(Object.assign(ask(s.network, s.wanted), { network: s.network }));
            else {
              const holding = asked.filter((a) => a.lease !== undefined);
              const chosen = holding[s.which % Math.max(1, holding.length)];
              if (chosen?.lease !== undefined) {
                if (s.act === 'lose') chosen.lease.connection.cut('lost');
                if (s.act === 'wear-out') chosen.lease.connection.fruitless = 99;
                pool.giveBack(chosen.lease);
                asked = asked.filter((a) => a !== chosen);
              }
            }
            await settled();
            const held = (network: string | undefined) =>
              asked.filter((a) => a.lease !== undefined && a.network === network).length;
            const busy = asked.filter((a) => a.lease !== undefined).length;
            const alive = made.filter((c) => c.lost === undefined).length;
            assert.ok(alive <= max, `${alive} connections`);
            for (const network of ['a', 'b']) assert.ok(held(network) <= share);
            const waiting = asked.filter((a) => a.lease === undefined);
            const eligible = waiting.filter((a) => a.network === undefined || held(a.network) < share);
            assert.ok(eligible.length === 0 || busy === max, `${eligible.length} wait, ${busy} are busy`);
            assert.equal(pool.exhausted, waiting.length > 0 && busy === max);
          }
          // All who wait get their turn in the end.
          while (asked.length > 0) {
            const holding = asked.filter((a) => a.lease !== undefined);
            assert.ok(holding.length > 0, 'nobody holds a connection, and somebody waits');
            for (const { lease } of holding) if (lease !== undefined) pool.giveBack(lease);
            asked = asked.filter((a) => !holding.includes(a));
            await settled();
          }
          pool.close();
          assert.ok(made.every((c) => c.lost !== undefined));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('the share of one client network', () => {
  it('is a quarter: what it asks beyond waits for its own, and the others are let by', async (t) => {
    const { pool, ask } = poolOf(t, 8);
    const greedy = Array.from({ length: 8 }, () => ask('192.0.2.7'));
    await settled();
    assert.equal(greedy.filter((a) => a.lease !== undefined).length, 2);
    // It waits for itself alone: nobody has to hurry for it.
    assert.equal(pool.exhausted, false);
    const honest = ask('198.51.100.3');
    await settled();
    assert.ok(honest.lease);
    pool.giveBack(greedy[0]!.lease!);
    await settled();
    assert.ok(greedy[2]!.lease);
    pool.close();
  });

  for (const [max, share] of [
    [1, 1],
    [7, 1],
    [8, 2],
    [20, 5],
  ] as const) {
    it(`of ${max} is ${share}; trusted clients have no bounds`, async (t) => {
      const { ask } = poolOf(t, max);
      const greedy = Array.from({ length: max + 1 }, () => ask('192.0.2.7'));
      const trusted = Array.from({ length: max + 1 }, () => ask());
      await settled();
      const held = (all: typeof greedy) => all.filter((a) => a.lease !== undefined).length;
      assert.deepEqual([held(greedy), held(trusted)], [share, max - share]);
    });
  }

  it('is told with 451 after a while, and others that all are busy', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { ask } = poolOf(t, 1, 30_000);
    ask('192.0.2.7');
    await Promise.resolve();
    const more = ask('192.0.2.7');
    const other = ask('198.51.100.3');
    const flush = async () => {
      for (let i = 0; i < 10; i++) await Promise.resolve();
    };
    t.mock.timers.tick(4_999);
    await flush();
    assert.equal(more.failed, undefined);
    t.mock.timers.tick(1);
    await flush();
    assert.deepEqual([more.failed, other.failed], ['451', undefined]);
    t.mock.timers.tick(25_000);
    await flush();
    assert.equal(other.failed, 'all 1 connections are busy');
  });
});
