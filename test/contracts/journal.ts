/** What every journal must do, whatever engine is below it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Decision, Journal, JournalQuery } from '../../src/core/decision.ts';
import { replies } from '../../src/core/replies.ts';
import { reply } from '../../src/mail/reply.ts';
import { onEnd, type Cleanup } from '../program.ts';

/** A refusal by `helo` unless said otherwise. */
export function decision(over: Partial<Decision> & { client?: string; id: string }): Decision {
  const { client = '192.0.2.7', ...rest } = over;
  return {
    sessionId: `S${over.id}`,
    atMs: 1_000_000,
    tookMs: 12.5,
    session: {
      id: `S${over.id}`,
      door: 'gateway',
      startedAtMs: 1_000_000,
      client: { address: client, port: 4711 },
      server: { address: '192.0.2.1', port: 25 },
      helo: { verb: 'EHLO', name: 'mail.example.net' },
      violations: [],
    },
    transaction: { reversePath: { local: 'ann', domain: 'example.net' }, parameters: {} },
    recipients: [
      {
        mailbox: { local: 'Bob', domain: 'example.org' },
        outcome: 'refused',
        reply: reply(550, '5.7.1', 'Refused: no'),
      },
    ],
    steps: [
      {
        stage: 'helo',
        check: 'helo',
        findings: [{ result: 'fail', code: 'no-fqdn', text: 'no' }],
        action: 'refuse',
        tookMs: 2,
      },
    ],
    outcome: 'refused',
    reply: reply(550, '5.7.1', 'Refused: no'),
    check: 'helo',
    code: 'no-fqdn',
    suspicion: 0,
    policy: 'abc',
    ...rest,
  };
}

const MORNING: readonly Decision[] = [
  decision({ id: 'A', atMs: 1000 }),
  decision({
    id: 'B',
    atMs: 2000,
    client: '192.0.3.9',
    outcome: 'accepted',
    sizeOctets: 500,
    transaction: { reversePath: null, parameters: {} },
    recipients: [
      {
        mailbox: { local: 'carl', domain: 'example.com' },
        outcome: 'accepted',
        reply: reply(250, '2.0.0', 'ok'),
      },
      {
        mailbox: { local: 'dora', domain: 'example.org' },
        outcome: 'accepted',
        reply: reply(250, '2.0.0', 'ok'),
      },
    ],
    steps: [],
    check: 'recipients',
    code: 'taken',
  }),
  decision({
    id: 'C',
    atMs: 3000,
    client: '2001:db8::5',
    outcome: 'deferred',
    check: 'fcrdns',
    transaction: { reversePath: { local: 'eve', domain: 'example.com' }, parameters: {} },
    steps: [
      {
        stage: 'connect',
        check: 'fcrdns',
        findings: [{ result: 'temperror', code: 'dns', text: 't' }],
        action: 'defer',
        tookMs: 3,
      },
      {
        stage: 'helo',
        check: 'helo',
        findings: [{ result: 'pass', code: 'ok', text: 'y' }],
        action: 'none',
        tookMs: 1,
      },
    ],
  }),
  decision({
    id: 'D',
    atMs: 4000,
    client: '192.0.2.200',
    outcome: 'accepted',
    sizeOctets: 1500,
    steps: [
      {
        stage: 'connect',
        check: 'fcrdns',
        findings: [{ result: 'fail', code: 'no-ptr', text: 'n' }],
        action: 'suspect',
        tookMs: 4,
      },
    ],
  }),
];

const FOUND: readonly (readonly [JournalQuery, string])[] = [
  [{}, 'DCBA'],
  [{ limit: 2 }, 'DC'],
  [{ id: 'B' }, 'B'],
  [{ id: 'SC' }, 'C'],
  [{ id: "B' OR '1" }, ''],
  [{ client: '192.0.2.7' }, 'A'],
  [{ client: '192.0.2.0/24' }, 'DA'],
  [{ client: '192.0.2.0/25' }, 'A'],
  [{ client: '0.0.0.0/0' }, 'DBA'],
  [{ client: '2001:db8::/32' }, 'C'],
  [{ client: '2001:db8::5' }, 'C'],
  [{ client: '2001:db8::4/127' }, 'C'],
  [{ client: '2001:db8::6/127' }, ''],
  [{ sender: 'Ann@example.net' }, 'DA'],
  [{ sender: 'EXAMPLE.com' }, 'C'],
  [{ sender: '<>' }, 'B'],
  [{ recipient: 'bob@example.org' }, 'DCA'],
  [{ recipient: 'example.com' }, 'B'],
  [{ check: 'fcrdns' }, 'C'],
  [{ outcome: 'accepted' }, 'DB'],
  [{ sinceMs: 2000, untilMs: 4000 }, 'CB'],
  [{ outcome: 'accepted', client: '192.0.3.0/24', recipient: 'dora@example.org' }, 'B'],
];

export function journalContract(
  open: (cleanup: Cleanup) => Promise<{ journal: Journal; nowMs: (ms: number) => void }>,
): void {
  const morning = async (cleanup: Cleanup) => {
    const opened = await open(cleanup);
    onEnd(cleanup, () => opened.journal.close());
    for (const d of MORNING) opened.journal.record(d);
    return opened;
  };

  it('finds decisions by everything that is given, newest first', async (t) => {
    const { journal } = await morning(t);
    for (const [query, ids] of FOUND) {
      const found = await journal.find(query);
      assert.equal(found.map((d) => d.id).join(''), ids, JSON.stringify(query));
    }
  });

  it('gives decisions back as they came', async (t) => {
    const { journal } = await morning(t);
    assert.deepEqual(await journal.find({ id: 'C' }), [MORNING[2]]);
  });

  it('sums up', async (t) => {
    const { journal } = await morning(t);
    assert.deepEqual(await journal.summary({}), {
      received: 4,
      delivered: 2,
      relayed: 0,
      rejected: 1,
      deferred: 1,
      abandoned: 0,
      ham: 1,
      tagged: 1,
      partly: 1,
      deliveredOctets: 2000,
      clients: 4,
      byCheck: [
        { check: 'fcrdns', asked: 2, failed: 1, temperror: 1, refused: 0, deferred: 1, tookMs: 7 },
        { check: 'helo', asked: 2, failed: 1, temperror: 0, refused: 1, deferred: 0, tookMs: 3 },
      ],
      turnedAway: {},
    });
    const first = await journal.summary({ untilMs: 2000 });
    assert.deepEqual([first.received, first.rejected, first.clients], [1, 1, 1]);
    assert.equal((await journal.summary({ sinceMs: 5000 })).received, 0);
  });

  it('counts whom the door turned away, by the minute, and not among what was received', async (t) => {
    const { journal, nowMs } = await open(t);
    onEnd(t, () => journal.close());
    journal.turnedAway(1000, 'emergency', 3);
    journal.turnedAway(2000, 'emergency', 4);
    journal.turnedAway(61_000, 'full', 5);
    const { turnedAway, received, byCheck } = await journal.summary({});
    assert.deepEqual([turnedAway, received, byCheck], [{ emergency: 7, full: 5 }, 0, []]);
    assert.deepEqual((await journal.summary({ sinceMs: 60_000 })).turnedAway, { full: 5 });
    nowMs(200_000);
    await journal.expire(0);
    assert.deepEqual((await journal.summary({})).turnedAway, {});
  });

  it('knows what was tagged, and what reached some recipients only', async (t) => {
    const { journal } = await morning(t);
    const step = { stage: 'connect', check: 'dnswl', action: 'suspect', tookMs: 1 } as const;
    const [bob] = decision({ id: 'x' }).recipients;
    const good = { outcome: 'accepted', atMs: 500_000, sizeOctets: 1 } as const;
    const delivered = { ...bob!, outcome: 'accepted' } as const;
    journal.record(
      decision({
        ...good,
        id: 'vouched',
        recipients: [delivered],
        steps: [{ ...step, findings: [{ result: 'pass', code: 'listed', text: 'w', weight: -2 }] }],
      }),
    );
    journal.record(
      decision({
        ...good,
        id: 'tag',
        recipients: [delivered],
        steps: [{ ...step, action: 'tag', findings: [] }],
      }),
    );
    journal.record(decision({ ...good, id: 'some', recipients: [delivered, bob!], steps: [] }));
    const later = { ...bob!, outcome: 'deferred' } as const;
    journal.record(decision({ ...good, id: 'later', recipients: [later, delivered], steps: [] }));
    journal.record(decision({ id: 'none', atMs: 500_000, recipients: [bob!, later] }));
    const { ham, tagged, partly, delivered: all } = await journal.summary({ sinceMs: 400_000 });
    assert.deepEqual([ham, tagged, partly, all], [3, 1, 2, 4]);
  });

  it('does not count who was only told that the gate stops', async (t) => {
    const { journal } = await morning(t);
    const stop = replies.stopping('mx.example.org');
    const idle = {
      transaction: undefined,
      recipients: [],
      steps: [],
      check: undefined,
      code: undefined,
    } as const;
    const before = await journal.summary({});
    journal.record(
      decision({ ...idle, id: 'stop', client: '203.0.113.1', outcome: 'deferred', reply: stop }),
    );
    assert.deepEqual(await journal.summary({}), before);
    assert.equal((await journal.find({ id: 'stop' })).length, 1);
    // A message that the stop cost is one deferred, and other trouble is none of the stop's.
    journal.record(decision({ id: 'mail', outcome: 'deferred', reply: stop, steps: [] }));
    journal.record(decision({ ...idle, id: 'late', outcome: 'deferred', reply: replies.timedOut() }));
    journal.record(decision({ ...idle, id: 'gone', outcome: 'abandoned', reply: undefined }));
    const after = await journal.summary({});
    assert.deepEqual(
      [
        after.received - before.received,
        after.deferred - before.deferred,
        after.abandoned - before.abandoned,
      ],
      [3, 2, 1],
    );
  });

  it('drops what is old, and all of it', async (t) => {
    const { journal, nowMs } = await morning(t);
    for (let i = 0; i < 1200; i++) journal.record(decision({ id: `old${i}`, atMs: 10 }));
    journal.record(decision({ id: 'E', atMs: 120_000 }));
    nowMs(5000);
    assert.equal(await journal.expire(2500), 1202);
    assert.deepEqual(
      (await journal.find({})).map((d) => d.id),
      ['E', 'D', 'C'],
    );
    assert.deepEqual(await journal.find({ recipient: 'example.com' }), []);
    assert.deepEqual(await journal.find({ id: 'old7' }), []);
    // What the checks did is summed up by the minute, and goes by the minute.
    const asked = async () => (await journal.summary({})).byCheck.find((c) => c.check === 'helo')?.asked;
    assert.equal(await asked(), 1203);
    nowMs(65_000);
    assert.equal(await journal.expire(0), 2);
    assert.equal(await asked(), 1);
    nowMs(200_000);
    assert.equal(await journal.expire(0), 1);
    assert.equal(await asked(), undefined);
    journal.record(decision({ id: 'F' }));
    assert.deepEqual(
      (await journal.find({ id: 'F' })).map((d) => d.id),
      ['F'],
    );
  });

  it('drops what is too much: bare connections first, then the oldest', async (t) => {
    const { journal, nowMs } = await open(t);
    onEnd(t, () => journal.close());
    nowMs(100_000);
    const bare = { transaction: undefined, recipients: [], steps: [], check: undefined, code: undefined };
    // Among each other, as they come in a flood.
    for (let i = 0; i < 600; i++) {
      journal.record(decision({ ...bare, id: `bare${i}`, atMs: 1000 + i, outcome: 'abandoned' }));
      if (i % 100 === 0) journal.record(decision({ id: `mail${i}`, atMs: 500 + i }));
    }
    assert.equal(await journal.expire(1e9, 1e9), 0);
    const left = async () => (await journal.find({ limit: 1000 })).map((d) => d.id);
    const mails = [500, 400, 300, 200, 100, 0].map((i) => `mail${i}`);
    // Nothing is so small: all would go, but for what is recorded since.
    const expired = journal.expire(1e9, 1);
    assert.equal(await expired, 606);
    assert.deepEqual(await left(), []);
    for (let i = 0; i < 600; i++) {
      journal.record(decision({ ...bare, id: `bare${i}`, atMs: 1000 + i, outcome: 'abandoned' }));
      if (i % 100 === 0) journal.record(decision({ id: `mail${i}`, atMs: 500 + i }));
    }
    const all = await left();
    assert.equal(all.length, 606);
    // As much as the decisions alone take.
    const dropped = await journal.expire(1e9, 80_000);
    assert.ok(dropped > 0 && dropped <= 600, String(dropped));
    const rest = await left();
    assert.deepEqual(
      rest.filter((id) => id.startsWith('mail')),
      mails,
    );
    for (const id of mails) assert.equal((await journal.find({ id })).length, 1);
    // Of the bare ones the oldest went.
    assert.deepEqual(
      rest,
      all.filter((id) => id.startsWith('mail') || Number(id.slice(4)) >= dropped),
    );
  });

  it('keeps both of two that chance gave the same id', async (t) => {
    const { journal } = await morning(t);
    const other = decision({ id: 'A', atMs: 9000 });
    journal.record(other);
    assert.deepEqual(await journal.find({ id: 'A' }), [other, MORNING[0]]);
  });

  it('sums up the checks of the minutes that the span touches', async (t) => {
    const { journal } = await morning(t);
    for (const atMs of [59_999, 60_000, 119_999, 120_000]) journal.record(decision({ id: `m${atMs}`, atMs }));
    for (const [sinceMs, untilMs, asked] of [
      [60_000, 120_000, 2],
      [61_000, 62_000, 2],
      [0, 60_000, 3],
      [0, 60_001, 5],
    ] as const) {
      const { byCheck } = await journal.summary({ sinceMs, untilMs });
      assert.equal(byCheck.find((c) => c.check === 'helo')?.asked, asked, `${sinceMs} to ${untilMs}`);
    }
  });
}
