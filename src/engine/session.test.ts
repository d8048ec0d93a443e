import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import type { AnyCheck } from '../core/check.ts';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import type { ListEntry } from '../core/lists.ts';
import type { CheckSettings, Policy } from '../core/policy.ts';
import { replies } from '../core/replies.ts';
import type { Cost, Stage } from '../core/stage.ts';
import { COSTS } from '../core/stage.ts';
import { networkSet } from '../mail/networks.ts';
import { replay } from './replay.ts';
import { Session } from './session.ts';
import { emptyPorts } from '../../test/fakes/ask.ts';

interface Fake {
  readonly name: string;
  readonly stage?: Stage;
  readonly cost?: Cost;
  readonly answer?: Finding['result'] | 'throws' | 'never';
  readonly asks?: boolean;
  readonly weight?: number;
  readonly lifted?: 'by-any' | 'by-name';
  readonly settings?: Partial<CheckSettings>;
}

const asked: string[] = [];

function fake(f: Fake): { check: AnyCheck; settings: CheckSettings } {
  const { stage = 'connect', cost = 'memory', answer = 'pass', lifted = 'by-any' } = f;
  const finding = (result: Finding['result']): Finding => ({
    result,
    code: result,
    text: `${f.name} says ${result}`,
    enhanced: '5.7.25',
  });
  const check = defineCheck({
    name: f.name,
    summary: '',
    stage,
    cost,
    codes: {},
    settings: z.strictObject({}),
    defaults: { on_fail: 'refuse', on_temperror: 'defer', weight: 1, refuse_at: 'rcpt' },
    lifted,
    ...(f.asks === false
      ? {}
      : {
          async gather() {
            asked.push(f.name);
            if (answer === 'throws') throw new Error('broken');
            if (answer === 'never') await new Promise(() => undefined);
            return { answer };
          },
        }),
    judge: () => [finding(answer as Finding['result'])],
  });
  const settings = {
    on_fail: 'refuse',
    on_temperror: 'defer',
    weight: 1,
    refuse_at: 'rcpt',
    actions: {},
    ...f.settings,
  } as const;
  return { check, settings };
}

function policy(fakes: readonly Fake[], more: Partial<Policy> = {}): Policy {
  const checks = fakes.map(fake).sort((a, b) => COSTS.indexOf(a.check.cost) - COSTS.indexOf(b.check.cost));
  return {
    site: {
      hostName: 'mx.example.org',
      domains: ['example.org'],
      networks: networkSet(['10.0.0.0/8']),
      relays: networkSet(['172.16.0.1/32']),
      clientPrefix: { v4: 32, v6: 64 },
      addresses: [],
      contact: 'postmaster@example.org',
    },
    checks,
    refuseAtSuspicion: 10,
    checksTimeoutMs: 50,
    hash: 'h',
    ...more,
  };
}

function session(p: Policy, { client = '192.0.2.7', lists = [] as readonly ListEntry[] } = {}) {
  asked.length = 0;
  let n = 0;
  const ports = { ...emptyPorts(), lists: { find: () => lists } };
  return new Session(
    {
      policy: p,
      ports,
      nowMs: () => 1_000,
      newId: () => `ID${++n}`,
      trouble: (what, error) => assert.fail(`${what}: ${String(error)}`),
    },
    { door: 'gateway', client: { address: client, port: 4711 }, server: { address: '192.0.2.1', port: 25 } },
  );
}

const USER = { local: 'user', domain: 'example.org' };
const POSTMASTER = { local: 'Postmaster', domain: 'example.org' };
const SENDER = { local: 'a', domain: 'example.net' };

async function upToRcpt(s: Session, to = USER) {
  await s.connect();
  await s.helo('EHLO', 'a.example.net');
  await s.mail(SENDER, {});
  return s.rcpt(to, {});
}

describe('session', () => {
  it('keeps verdicts on connection and HELO until RCPT (H3)', async () => {
    const s = session(policy([{ name: 'bad', answer: 'fail' }]));
    assert.equal((await s.connect()).kind, 'go-on');
    assert.equal((await s.helo('EHLO', 'x')).kind, 'go-on');
    assert.equal((await s.mail(SENDER, {})).kind, 'go-on');
    assert.deepEqual(asked, []);
    const verdict = await s.rcpt(USER, {});
    assert.equal(verdict.kind, 'refuse');
    assert.equal(
      verdict.reply.lines[0],
      'Refused: bad says fail (bad). Mistake? Write to postmaster@example.org with id ID2',
    );
  });

  it('names the page that takes reports, with the id that the journal knows', async () => {
    const reportUrl = 'https://mx.example.org';
    const named = (early: boolean) => {
      const settings = early ? { settings: { refuse_at: 'earliest' as const } } : {};
      const made = policy([{ name: 'bad', answer: 'fail', ...settings }]);
      return session({ ...made, site: { ...made.site, reportUrl } });
    };
    const late = named(false);
    const atRcpt = await upToRcpt(late);
    assert.ok(atRcpt.kind === 'refuse');
    assert.match(atRcpt.reply.lines[0]!, /\(bad\)\. Mistake\? https:\/\/mx\.example\.org\/r\/ID2$/);
    late.recipientAnswered(USER, atRcpt.reply);
    assert.equal(late.ended()?.id, 'ID2');
    const early = named(true);
    const atConnect = await early.connect();
    assert.ok(atConnect.kind === 'refuse');
    const id = /\/r\/(ID\d+)$/.exec(atConnect.reply.lines[0]!)?.[1];
    assert.equal(early.ended(atConnect.reply)?.id, id);
  });

  for (const stage of ['connect', 'helo', 'mail'] as const) {
    it(`refuses at ${stage} where the operator wants it at the earliest`, async () => {
      const s = session(
        policy([{ name: 'bad', stage, answer: 'fail', settings: { refuse_at: 'earliest' } }]),
      );
      const verdicts = [await s.connect(), await s.helo('EHLO', 'x'), await s.mail(SENDER, {})];
      assert.equal(
        verdicts.findIndex((v) => v.kind === 'refuse'),
        ['connect', 'helo', 'mail'].indexOf(stage),
      );
    });
  }

  it('asks cheapest first and nothing dearer after a refusal (P2)', async () => {
    const s = session(
      policy([
        { name: 'dear', cost: 'dns' },
        { name: 'cheap', cost: 'store', stage: 'rcpt', answer: 'fail' },
      ]),
    );
    await upToRcpt(s);
    assert.deepEqual(asked, ['cheap']);
  });

  it('asks the checks of one rung side by side, and each once a session', async () => {
    const s = session(
      policy([
        { name: 'a', cost: 'dns' },
        { name: 'b', cost: 'dns', stage: 'mail' },
        { name: 'c', stage: 'rcpt', cost: 'dns' },
      ]),
    );
    await upToRcpt(s);
    s.recipientAnswered(USER, replies.recipientOk());
    await s.rcpt({ local: 'two', domain: 'example.org' }, {});
    assert.deepEqual(asked, ['a', 'b', 'c', 'c']);
    s.transactionEnded();
    await s.mail(SENDER, {});
    await s.rcpt(USER, {});
    assert.deepEqual(asked.slice(4), ['b', 'c']);
  });

  it('within a rung refuses rather than defers', async () => {
    const s = session(
      policy([
        { name: 'late', answer: 'temperror' },
        { name: 'bad', answer: 'fail' },
      ]),
    );
    assert.equal((await upToRcpt(s)).kind, 'refuse');
  });

  for (const [answer, on_temperror, kind] of [
    ['throws', 'defer', 'defer'],
    ['throws', 'go-on', 'go-on'],
    ['never', 'defer', 'defer'],
    ['never', 'go-on', 'go-on'],
    ['temperror', 'defer', 'defer'],
    ['temperror', 'go-on', 'go-on'],
  ] as const) {
    it(`${answer} with on_temperror = "${on_temperror}" comes to ${kind}, never to a refusal (P3)`, async () => {
      const s = session(policy([{ name: 'ill', cost: 'dns', answer, settings: { on_temperror } }]));
      const verdict = await upToRcpt(s);
      assert.equal(verdict.kind, kind);
      if (verdict.kind === 'defer')
        assert.match(`${verdict.reply.code} ${verdict.reply.enhanced}`, /^450 4\./);
    });
  }

  it('lets suspicion speak before the backend is asked, whatever rungs there are', async () => {
    const s = session(
      policy([
        { name: 'sign', asks: false, answer: 'fail', settings: { on_fail: 'suspect', weight: 10 } },
        { name: 'backend', stage: 'rcpt', cost: 'backend' },
      ]),
    );
    assert.equal((await upToRcpt(s)).kind, 'refuse');
    assert.deepEqual(asked, []);
  });

  it('adds weights up and refuses at the threshold, naming the signs', async () => {
    const suspect = { on_fail: 'suspect', weight: 5 } as const;
    const fakes: Fake[] = [
      { name: 'one', cost: 'dns', answer: 'fail', settings: suspect },
      { name: 'two', cost: 'dns', answer: 'fail', settings: suspect },
    ];
    const verdict = await upToRcpt(session(policy(fakes)));
    assert.equal(verdict.kind === 'refuse' && verdict.check, 'suspicion');
    const below = session(policy(fakes, { refuseAtSuspicion: 10.5 }));
    assert.equal((await upToRcpt(below)).kind, 'go-on');
    assert.deepEqual(below.marks, {
      verdict: { kind: 'go-on' },
      suspicion: 10,
      tags: ['one:fail', 'two:fail'],
    });
  });

  const failing = [{ name: 'bad', cost: 'dns', answer: 'fail' }] as const;
  for (const [what, client, to, lists, kind] of [
    ['own network', '10.1.2.3', USER, [], 'go-on'],
    ['relay', '172.16.0.1', USER, [], 'go-on'],
    ['stranger', '192.0.2.7', USER, [], 'refuse'],
    ['postmaster', '192.0.2.7', POSTMASTER, [], 'go-on'],
    ['bare postmaster', '192.0.2.7', { local: 'postmaster', domain: '' }, [], 'go-on'],
    ['abuse', '192.0.2.7', { local: 'abuse', domain: 'example.org' }, [], 'go-on'],
    ['postmaster elsewhere', '192.0.2.7', { local: 'postmaster', domain: 'example.com' }, [], 'refuse'],
    ['allow entry', '192.0.2.7', USER, [{ kind: 'allow', source: 'f:1' }], 'go-on'],
    [
      'allow entry for this check',
      '192.0.2.7',
      USER,
      [{ kind: 'allow', lifts: ['bad'], source: 'f:1' }],
      'go-on',
    ],
    [
      'allow entry for another check',
      '192.0.2.7',
      USER,
      [{ kind: 'allow', lifts: ['x'], source: 'f:1' }],
      'refuse',
    ],
    ['list host', '192.0.2.7', USER, [{ kind: 'list-host', source: 'f:1' }], 'go-on'],
  ] as const) {
    it(`exemptions: ${what}: ${kind}`, async () => {
      const s = session(policy(failing), { client, lists });
      assert.equal((await upToRcpt(s, to)).kind, kind);
      assert.deepEqual(asked, kind === 'refuse' || what === 'list host' ? ['bad'] : []);
    });
  }

  it('lifts the protocol’s own rules only by name', async () => {
    const fakes: Fake[] = [{ name: 'rule', answer: 'fail', lifted: 'by-name' }];
    for (const [lists, kind] of [
      [[{ kind: 'allow', source: '' }], 'refuse'],
      [[{ kind: 'allow', lifts: ['rule'], source: '' }], 'go-on'],
      [[{ kind: 'list-host', source: '' }], 'refuse'],
    ] as const) {
      assert.equal((await upToRcpt(session(policy(fakes), { lists }))).kind, kind);
    }
  });

  it('splits recipients that want another treatment (E8)', async () => {
    const s = session(policy([]));
    await upToRcpt(s, POSTMASTER);
    s.recipientAnswered(POSTMASTER, replies.recipientOk());
    assert.equal((await s.rcpt(USER, {})).kind, 'other-transaction');
    assert.equal((await s.rcpt({ local: 'abuse', domain: 'example.org' }, {})).kind, 'go-on');
  });

  it('forgets HELO over STARTTLS, and asks its checks again', async () => {
    const s = session(policy([{ name: 'h', stage: 'helo', settings: { refuse_at: 'earliest' } }]));
    await s.connect();
    await s.helo('EHLO', 'before');
    s.startedTls({ protocol: 'TLSv1.3', cipher: 'X' });
    assert.equal(s.facts.helo, undefined);
    await s.helo('EHLO', 'after');
    assert.deepEqual(asked, ['h', 'h']);
  });

  it('judges what needs no asking anew, for facts grow', async () => {
    const check = defineCheck({
      ...fake({ name: 'v' }).check,
      gather: undefined as never,
      judge: ({ session: { violations } }) => [
        { result: violations.length > 0 ? 'fail' : 'pass', code: 'x', text: 't' },
      ],
    });
    const p = policy([]);
    const s = session({ ...p, checks: [{ check, settings: fake({ name: 'v' }).settings }] });
    assert.equal((await upToRcpt(s)).kind, 'go-on');
    s.recipientAnswered(USER, replies.recipientOk());
    s.violated('pipelining');
    assert.equal((await s.data()).kind, 'refuse');
  });
});

describe('decision', () => {
  it('is one a transaction, with every recipient and step', async () => {
    const s = session(policy([{ name: 'ok', cost: 'dns' }]));
    await upToRcpt(s);
    s.recipientAnswered(USER, replies.recipientOk());
    const verdict = await s.endOfMessage({ sizeOctets: 5 });
    assert.equal(verdict.kind, 'go-on');
    const decision = s.transactionEnded(replies.delivered('ID2'));
    assert.ok(decision);
    assert.equal(decision.outcome, 'accepted');
    assert.equal(decision.id, 'ID2');
    assert.equal(decision.sizeOctets, 5);
    assert.deepEqual(
      decision.recipients.map((r) => r.outcome),
      ['accepted'],
    );
    assert.deepEqual(
      decision.steps.map((x) => x.check),
      ['ok'],
    );
    assert.equal(s.ended(), undefined);
  });

  for (const [what, end, outcome] of [
    ['left after RCPT', undefined, 'abandoned'],
    ['deferred by the backend', replies.backendUnreachable('x'), 'deferred'],
    ['refused at the end', replies.bareNewline('x'), 'refused'],
  ] as const) {
    it(`${what}: ${outcome}`, async () => {
      const s = session(policy([]));
      await upToRcpt(s);
      s.recipientAnswered(USER, replies.recipientOk());
      assert.equal(s.ended(end)?.outcome, outcome);
    });
  }

  it("says of each recipient's steps whose they are, also of one named twice or never answered", async () => {
    const checks: Fake[] = [{ name: 'first' }, { name: 'each', stage: 'rcpt', asks: false }];
    const s = session(policy(checks));
    await upToRcpt(s);
    s.recipientAnswered(USER, replies.recipientOk());
    s.recipientAnswered({ local: '?', domain: '' }, replies.addressNotRead());
    await s.rcpt(USER, {});
    s.recipientAnswered(USER, replies.recipientOk());
    await s.rcpt({ ...USER, local: 'last' }, {});
    const decision = s.ended();
    assert.equal(decision?.recipients.length, 3);
    assert.deepEqual(decision.unanswered, { ...USER, local: 'last' });
    assert.deepEqual(
      decision.steps.map((x) => [x.check, x.recipient]),
      [
        ['first', undefined],
        ['each', 0],
        ['each', 2],
        ['each', 3],
      ],
    );
  });

  it('is one for a sender that could not be read, and begins no transaction', () => {
    const s = session(policy([]));
    const reply = replies.addressNotRead();
    const sender = { local: 'a b', domain: '' };
    const decision = s.senderNotRead(sender, reply);
    assert.deepEqual(
      {
        id: decision.id,
        outcome: decision.outcome,
        transaction: decision.transaction,
        reply: decision.reply,
      },
      { id: 'ID2', outcome: 'deferred', transaction: { reversePath: sender, parameters: {} }, reply },
    );
    assert.equal(s.ended()?.transaction, undefined);
  });

  it('names the check that refused the only recipient', async () => {
    const s = session(policy([{ name: 'bad', answer: 'fail' }]));
    const verdict = await upToRcpt(s);
    assert.equal(verdict.kind, 'refuse');
    s.recipientAnswered(USER, verdict.reply);
    const decision = s.ended();
    assert.ok(decision);
    assert.equal(decision.outcome, 'refused');
    assert.equal(decision.check, 'bad');
    assert.equal(decision.steps[0]?.action, 'refuse');
  });

  it('of a session without transaction is the session’s own', () => {
    const decision = session(policy([])).ended();
    assert.ok(decision);
    assert.equal(decision.outcome, 'abandoned');
    assert.equal(decision.id, 'ID1');
  });
});

describe('replay', () => {
  const anyFake = fc.record({
    stage: fc.constantFrom<Stage>('connect', 'helo', 'mail', 'rcpt', 'endOfMessage'),
    cost: fc.constantFrom<Cost>('memory', 'store', 'dns', 'network'),
    answer: fc.constantFrom<NonNullable<Fake['answer']>>('pass', 'fail', 'temperror', 'none', 'throws'),
    asks: fc.boolean(),
    settings: fc.record({
      on_fail: fc.constantFrom('refuse', 'defer', 'tag', 'suspect', 'observe'),
      on_temperror: fc.constantFrom('defer', 'go-on'),
      weight: fc.integer({ min: 0, max: 9 }),
    }),
  });

  it('comes to the same verdicts without asking (P5)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyFake, { maxLength: 6 }), fc.boolean(), async (fakes, listHost) => {
        const p = policy(
          fakes.map((f, i) => ({
            ...f,
            name: `c${i}`,
            answer: f.answer === 'throws' && !f.asks ? 'fail' : f.answer,
          })),
        );
        const s = session(p, { lists: listHost ? [{ kind: 'list-host', source: '' }] : [] });
        const first = await upToRcpt(s);
        assert.notEqual(first.kind, 'other-transaction');
        if (first.kind === 'other-transaction') return;
        s.recipientAnswered(USER, first.kind === 'go-on' ? replies.recipientOk() : first.reply);
        const message = first.kind === 'go-on' ? await s.endOfMessage({ sizeOctets: 9 }) : undefined;
        const decision = s.transactionEnded(
          message === undefined
            ? undefined
            : message.kind === 'go-on'
              ? replies.delivered('x')
              : message.reply,
        );
        assert.ok(decision);
        asked.length = 0;
        const again = await replay(JSON.parse(JSON.stringify(decision)) as typeof decision, p);
        assert.deepEqual(asked, []);
        assert.deepEqual(again.recipients, [first]);
        assert.deepEqual(again.message, message);
      }),
      { numRuns: 300 },
    );
  });

  it('says unknown where another policy would ask what was never asked', async () => {
    const before = policy([]);
    const s = session(before);
    await upToRcpt(s);
    s.recipientAnswered(USER, replies.recipientOk());
    const decision = s.ended();
    assert.ok(decision);
    const again = await replay(decision, {
      ...policy([{ name: 'new', cost: 'dns', answer: 'fail' }]),
      hash: 'other',
    });
    assert.deepEqual(again.recipients, [{ kind: 'unknown', checks: ['new'] }]);
  });
});
