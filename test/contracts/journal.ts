/** What every journal must do, whatever engine is below it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Decision, FoundPage, Journal, JournalQuery, Step } from '../../src/core/decision.ts';
import type { Cost } from '../../src/core/stage.ts';
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

/** The same as the gate makes it: what `helo` judged stands in its facts, so that it can be judged again. */
export function refusedByHelo(id: string, over: Partial<Decision> = {}): Decision {
  const { recipients, session, ...rest } = decision({ id });
  return {
    ...rest,
    session: { ...session, helo: { verb: 'EHLO', name: 'localhost' } },
    recipients: recipients.map((r) => ({ ...r, check: 'helo', code: 'not-fqdn', violationsSeen: 0 })),
    code: 'not-fqdn',
    ...over,
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
  [{ id: ['SC', 'nobody', 'A'] }, 'CA'],
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

/** A journal under the contract is told by it where checks stand. */
export const RUNGS: Readonly<Record<string, Cost>> = {
  helo: 'memory',
  relay: 'memory',
  dnsbl: 'dns',
  spf: 'dns-chain',
};

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
    const dropped = await journal.expire(1e9, 130_000);
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

  it('keeps the sums of what is left when it drops what was recorded while the clock was ahead', async (t) => {
    const { journal, nowMs } = await open(t);
    onEnd(t, () => journal.close());
    nowMs(1e9);
    const ahead = 30 * 86_400_000;
    for (let i = 0; i < 700; i++)
      journal.record(
        decision({ id: `m${i}`, atMs: i * 60_000 + (i >= 495 && i < 505 ? ahead : 0), steps: [] }),
      );
    const { received } = await journal.summary({});
    const dropped = await journal.expire(1e9, 300_000);
    assert.ok(dropped > 0 && dropped < received, String(dropped));
    assert.ok((await journal.summary({})).received >= received - dropped);
    const last = { sinceMs: 650 * 60_000, untilMs: 700 * 60_000 };
    assert.equal((await journal.summary(last)).received, 50);
  });

  it('takes two recipients that differ in half a character', async (t) => {
    const { journal } = await open(t);
    onEnd(t, () => journal.close());
    const [bob] = decision({ id: 'x' }).recipients;
    const recipients = ['bob', 'a\ud83d', 'a\ud840', 'b\0'].map((local) => ({
      ...bob!,
      mailbox: { local, domain: 'example.org' },
    }));
    journal.record(decision({ id: 'A' }));
    journal.record(decision({ id: 'odd', recipients }));
    assert.deepEqual(
      (await journal.find({ recipient: 'example.org' })).map(({ id }) => id),
      ['odd', 'A'],
    );
    assert.deepEqual(await journal.find({ id: 'odd' }), [decision({ id: 'odd', recipients })]);
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

  it('finds a page after the other, and what comes meanwhile moves nothing', async (t) => {
    const { journal } = await open(t);
    onEnd(t, () => journal.close());
    const all = Array.from({ length: 25 }, (_, i) => `p${String(i).padStart(2, '0')}`);
    let others = 0;
    // Several at the same time.
    for (const [i, id] of all.entries())
      journal.record(decision({ id, atMs: 1000 + Math.floor(i / 3), check: i % 2 === 0 ? 'helo' : 'spf' }));
    for (const [query, wanted] of [
      [{}, all],
      [{ outcome: 'refused' }, all],
      [{ client: '192.0.2.7' }, all],
      [{ sender: 'example.net' }, all],
      [{ check: 'spf' }, all.filter((_, i) => i % 2 === 1)],
      [{ check: 'helo', outcome: 'refused', recipient: 'example.org' }, all.filter((_, i) => i % 2 === 0)],
      [{ outcome: 'accepted' }, []],
    ] as const) {
      const found: string[] = [];
      let before: string | undefined;
      let pages = 0;
      do {
        const next: FoundPage = await journal.findPage({
          ...query,
          limit: 5,
          ...(before !== undefined && { before }),
        });
        found.push(...next.decisions.map(({ id }) => id));
        ({ before } = next);
        pages++;
        journal.record(decision({ id: `new${others++}`, atMs: 999_999, client: '203.0.113.9' }));
        // Recorded late: it began long before.
        journal.record(decision({ id: `new${others++}`, atMs: 1, client: '203.0.113.9' }));
      } while (before !== undefined && pages < 50);
      assert.deepEqual(
        found.filter((id) => !id.startsWith('new')),
        wanted.toReversed(),
        JSON.stringify(query),
      );
      assert.equal(new Set(found).size, found.length);
    }
    await assert.rejects(journal.findPage({ before: "1' OR" }), /before/);
  });

  it('gives everything in the order of recording, and what is new', async (t) => {
    const { journal } = await open(t);
    onEnd(t, () => journal.close());
    assert.equal(await journal.newest(), 0);
    assert.deepEqual(await journal.page({ after: 0, limit: 10 }), { decisions: [], last: 0 });
    for (const d of MORNING.toReversed()) journal.record(d);
    const ids = async (query: Parameters<Journal['page']>[0]) => {
      const { decisions, last } = await journal.page(query);
      return [decisions.map(({ id }) => id).join(''), last] as const;
    };
    const [first, afterTwo] = await ids({ after: 0, limit: 2 });
    assert.equal(first, 'DC');
    assert.equal((await ids({ after: afterTwo, limit: 2 }))[0], 'BA');
    const newest = await journal.newest();
    assert.deepEqual(await ids({ after: newest, limit: 2 }), ['', newest]);
    assert.equal((await ids({ after: 0, limit: 9, sinceMs: 2000, untilMs: 4000 }))[0], 'CB');
    journal.record(decision({ id: 'N' }));
    assert.deepEqual(await ids({ after: newest, limit: 5 }), ['N', newest + 1]);
  });

  it('goes on counting when all was dropped: who waits for what is new misses nothing', async (t) => {
    const { journal, nowMs } = await morning(t);
    const newest = await journal.newest();
    nowMs(1e9);
    await journal.expire(0);
    journal.record(decision({ id: 'N', atMs: 2e9 }));
    const { decisions } = await journal.page({ after: newest, limit: 5 });
    assert.deepEqual(
      decisions.map(({ id }) => id),
      ['N'],
    );
  });

  const step = (check: string, result: 'fail' | 'pass', over: Partial<Step> = {}): Step => ({
    stage: 'rcpt',
    check,
    findings: [{ result, code: 'c', text: 't' }],
    action: result === 'fail' ? 'refuse' : 'none',
    tookMs: 2,
    ...over,
  });
  const refused = (id: string, check: string, steps: readonly Step[], over: Partial<Decision> = {}) =>
    decision({ id, check, steps, ...over });

  it('says what each check did: alone, beside another, against those in good standing', async (t) => {
    const { journal } = await open(t);
    onEnd(t, () => journal.close());
    const good = { evidence: { standing: { good: 3, bad: 0 } } };
    for (const d of [
      refused('alone', 'dnsbl', [step('dnsbl', 'fail', { lookups: 2 }), step('spf', 'pass', { lookups: 5 })]),
      refused('both', 'dnsbl', [step('dnsbl', 'fail'), step('spf', 'fail', { action: 'suspect' })]),
      refused('lifted', 'dnsbl', [step('dnsbl', 'fail'), step('helo', 'fail', { action: 'exempt' })]),
      refused('of two recipients', 'dnsbl', [
        step('dnsbl', 'fail'),
        step('spf', 'fail'),
        step('spf', 'fail'),
      ]),
      refused('unsure', 'dnsbl', [
        step('dnsbl', 'fail'),
        step('classifier', 'fail', {
          findings: [
            {
              result: 'fail',
              code: 'unsure',
              text: 't',
              spam: { isSpam: false, score: 5, required: 9, tests: [] },
            },
          ],
          action: 'tag',
        }),
      ]),
      refused('good', 'greylist', [step('greylist', 'fail', good), step('spf', 'fail')], {
        outcome: 'deferred',
      }),
      refused('let in', 'x', [step('spf', 'fail', { action: 'suspect', ...good })], {
        outcome: 'accepted',
        check: undefined,
      }),
    ])
      journal.record(d);
    const effects = await journal.effect({ sinceMs: 0, untilMs: 2_000_000 });
    const of = (name: string) => {
      const { asked, failed, refused, deferred, alone, overlap, onGoodStanding, lookups, tookMs } =
        effects.find(({ check }) => check === name)!;
      return { asked, failed, refused, deferred, alone, overlap, onGoodStanding, lookups, tookMs };
    };
    const none = { refused: 0, deferred: 0, alone: 0, overlap: 0, onGoodStanding: 0, lookups: 0 };
    assert.deepEqual(of('dnsbl'), {
      ...none,
      asked: 5,
      failed: 5,
      refused: 5,
      alone: 3,
      lookups: 2,
      tookMs: 10,
    });
    assert.deepEqual(of('greylist'), {
      ...none,
      asked: 1,
      failed: 1,
      deferred: 1,
      onGoodStanding: 1,
      tookMs: 2,
    });
    assert.deepEqual(of('spf'), {
      ...none,
      asked: 6,
      failed: 5,
      overlap: 3,
      onGoodStanding: 2,
      lookups: 5,
      tookMs: 12,
    });
    assert.deepEqual(of('helo'), { ...none, asked: 1, failed: 1, overlap: 1, tookMs: 2 });
    assert.deepEqual(of('classifier'), { ...none, asked: 1, failed: 0, tookMs: 2 });
    assert.equal(effects[0]?.check, 'dnsbl');
    assert.deepEqual(await journal.effect({ sinceMs: 2_000_000, untilMs: 3_000_000 }), []);
  });

  it('counts what came to each rung once, whatever was asked there', async (t) => {
    const { journal } = await open(t);
    onEnd(t, () => journal.close());
    journal.record(
      refused('a', 'dnsbl', [
        step('helo', 'pass'),
        step('relay', 'pass'),
        step('dnsbl', 'fail', { lookups: 1 }),
      ]),
    );
    journal.record(refused('b', 'helo', [step('helo', 'fail')], { outcome: 'deferred' }));
    // The sum of many signs stopped on the last rung that was climbed.
    journal.record(refused('c', 'suspicion', [step('helo', 'fail'), step('spf', 'fail', { lookups: 3 })]));
    assert.deepEqual(await journal.rungs({ sinceMs: 0, untilMs: 2_000_000 }), [
      { cost: 'memory', came: 3, refused: 0, deferred: 1, tookMs: 8, lookups: 0 },
      { cost: 'dns', came: 1, refused: 1, deferred: 0, tookMs: 2, lookups: 1 },
      { cost: 'dns-chain', came: 1, refused: 1, deferred: 0, tookMs: 2, lookups: 3 },
    ]);
    assert.deepEqual(
      (await journal.summary({})).byCheck.map(({ check }) => check),
      ['dnsbl', 'helo', 'relay', 'spf', 'suspicion'],
    );
  });

  const MINUTE = 60_000;
  const HOUR = 60 * MINUTE;
  const DAY = 24 * HOUR;

  it('draws traffic without a gap, by the minute and by the hour', async (t) => {
    const { journal } = await open(t);
    onEnd(t, () => journal.close());
    const taken = { outcome: 'accepted', sizeOctets: 100, check: undefined, steps: [] } as const;
    const tagged = { ...taken, steps: [step('spf', 'fail', { action: 'tag' })] };
    journal.record(decision({ id: 'a', atMs: DAY }));
    journal.record(decision({ id: 'b', atMs: DAY + 2 * MINUTE + 1, ...taken }));
    journal.record(decision({ id: 'c', atMs: DAY + 2 * MINUTE + 2, ...tagged }));
    journal.record(decision({ id: 'd', atMs: DAY + 5 * HOUR, outcome: 'deferred', check: 'greylist' }));
    journal.turnedAway(DAY + MINUTE, 'full', 7);
    const short = async (sinceMs: number, untilMs: number, stepMs: number) =>
      (await journal.traffic({ sinceMs, untilMs, stepMs })).map((p) =>
        [
          (p.sinceMs - DAY) / MINUTE,
          Object.values(p.outcomes).join(''),
          p.tagged,
          p.turnedAway,
          p.deliveredOctets,
        ].join(' '),
      );
    // accepted, relayed, refused, deferred, abandoned
    assert.deepEqual(await short(DAY + 30_000, DAY + 3 * MINUTE, MINUTE), [
      '0 00100 0 0 0',
      '1 00000 0 7 0',
      '2 20000 1 0 200',
    ]);
    assert.deepEqual(await short(DAY + 20 * MINUTE, DAY + 5 * HOUR + 1, 2 * HOUR), [
      '0 20100 1 7 200',
      '120 00000 0 0 0',
      '240 00010 0 0 0',
    ]);
    assert.deepEqual(await short(DAY, DAY, MINUTE), []);
    const stopped = { sinceMs: DAY, untilMs: DAY + 6 * HOUR, stepMs: 3 * HOUR };
    assert.deepEqual(await journal.stoppedBy(stopped), { greylist: [0, 1], helo: [1, 0] });
    await assert.rejects(journal.traffic({ sinceMs: 0, untilMs: DAY, stepMs: 1500 }), /whole minutes/);
    await assert.rejects(journal.traffic({ sinceMs: 0, untilMs: 1e15, stepMs: HOUR }), /too many/);
  });

  it('sums up to the millisecond over hours, before and after old minutes were given up', async (t) => {
    const { journal, nowMs } = await open(t);
    onEnd(t, () => journal.close());
    const begins = 100 * DAY;
    // One every 17 minutes for two days: each minute that a span touches counts for its checks, each decision for itself.
    const times = Array.from({ length: 170 }, (_, i) => begins + i * 17 * MINUTE + 13_000);
    for (const [i, atMs] of times.entries())
      journal.record(decision({ id: `h${i}`, atMs, client: `10.0.${i}.1` }));
    journal.turnedAway(begins + 5 * HOUR + 50 * MINUTE, 'full', 12);
    const spans = [
      [begins, begins + 2 * DAY],
      [begins + 13_000, begins + DAY],
      [begins + 13_001, begins + DAY + 7],
      [begins + 3 * HOUR + 5, begins + 9 * HOUR + 1234],
      [begins + 30 * MINUTE, begins + 40 * MINUTE],
      [0, begins + 5 * HOUR - 1],
      [begins + 2 * HOUR, 1e15],
    ] as const;
    const right = async (when: string) => {
      for (const [sinceMs, untilMs] of spans) {
        const inIt = times.filter((ms) => ms >= sinceMs && ms < untilMs).length;
        const { received, rejected, clients } = await journal.summary({ sinceMs, untilMs });
        assert.deepEqual(
          [received, rejected, clients],
          [inIt, inIt, inIt],
          `${when}: ${sinceMs} to ${untilMs}`,
        );
      }
      const query = { sinceMs: begins, untilMs: begins + 2 * DAY, stepMs: 15 * MINUTE };
      const points = await journal.traffic(query);
      assert.deepEqual(
        points.map(({ outcomes }) => outcomes.refused),
        points.map((p) => times.filter((ms) => ms >= p.sinceMs && ms < p.sinceMs + 15 * MINUTE).length),
        when,
      );
      assert.deepEqual(
        (await journal.stoppedBy(query))['helo'],
        points.map(({ outcomes }) => outcomes.refused),
      );
    };
    await right('before');
    const asked = async (sinceMs: number, untilMs: number) =>
      (await journal.effect({ sinceMs, untilMs })).find(({ check }) => check === 'helo')?.asked;
    assert.equal(await asked(begins + 17 * MINUTE, begins + 18 * MINUTE), 1);
    nowMs(begins + 9 * DAY);
    assert.equal(await journal.expire(20 * DAY), 0);
    await right('after');
    // Of the first day there are the hours alone: all of the hour that was asked about; of the second there are minutes.
    assert.equal(await asked(begins + 17 * MINUTE, begins + 18 * MINUTE), 4);
    assert.equal(await asked(begins + DAY + 5 * MINUTE, begins + DAY + 6 * MINUTE), 1);
    const byHours = async (sinceMs: number, untilMs?: number) =>
      (await journal.summary({ sinceMs, ...(untilMs === undefined ? {} : { untilMs }) })).byWholeHours;
    assert.equal(await byHours(begins + 17 * MINUTE), true);
    assert.equal(await byHours(begins, begins + 18 * MINUTE), true);
    assert.equal(await byHours(begins + 3 * HOUR, begins + 5 * HOUR), undefined);
    assert.equal(await byHours(begins + DAY + 5 * MINUTE), undefined);
    assert.equal(await byHours(0), undefined);
    // Who was turned away is spread over the hour that alone is known.
    const away = async (sinceMs: number, untilMs: number, stepMs: number) =>
      (await journal.traffic({ sinceMs, untilMs, stepMs })).map(({ turnedAway }) => turnedAway);
    const from = begins + 5 * HOUR + 30 * MINUTE;
    assert.deepEqual(await away(from, from + 45 * MINUTE, 15 * MINUTE), [3, 3, 0]);
    assert.deepEqual(await away(from - HOUR, from + HOUR, 30 * MINUTE), [0, 6, 6, 0]);
    // What is too old goes from the hours as well.
    nowMs(begins + 9 * DAY + 12 * HOUR);
    await journal.expire(9 * DAY);
    const left = times.filter((ms) => ms >= begins + 12 * HOUR).length;
    assert.deepEqual([(await journal.summary({})).received, await asked(0, 1e15)], [left, left]);
  });
}
