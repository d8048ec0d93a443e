import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { defineCheck } from './check.ts';
import { NO_TREATMENT, type Treatment } from './exemption.ts';
import type { Finding } from './finding.ts';
import { effectOf, standingOf, type Effect, type Judged } from './ladder.ts';
import type { CheckSettings } from './policy.ts';
import type { Action } from './settings.ts';
import { COSTS, type Cost, type Stage } from './stage.ts';

const SIGNATURE = { contact: 'postmaster@example.org', id: 'K7Q2MX4D' };
const TAGS_ONLY: Treatment = { exemptions: [], refusalsAreTags: true };
const ENVELOPE: Treatment = {
  exemptions: [{ reason: 'x', source: 'postern.toml:1', lifts: 'all', about: 'envelope' }],
  refusalsAreTags: false,
};
const liftsOnly = (lifts: 'all' | readonly string[]): Treatment => ({
  exemptions: [{ reason: 'allow list', source: 'postern.toml:1', lifts, about: 'client' }],
  refusalsAreTags: false,
});

function judged(
  name: string,
  action: Action,
  finding: Partial<Finding>,
  more: {
    stage?: Stage;
    lifted?: 'by-any' | 'by-name';
    tagsListHosts?: true;
    settings?: Partial<CheckSettings>;
  } = {},
): Judged {
  const settings: CheckSettings = {
    on_fail: action,
    on_temperror: 'defer',
    weight: 3,
    refuse_at: 'rcpt',
    actions: {},
    ...more.settings,
  };
  const check = defineCheck({
    name,
    summary: '',
    stage: more.stage ?? 'rcpt',
    cost: 'memory',
    codes: {},
    settings: z.strictObject({}),
    defaults: { on_fail: 'refuse', on_temperror: 'defer', weight: 0, refuse_at: 'rcpt' },
    lifted: more.lifted ?? 'by-any',
    ...(more.tagsListHosts === undefined ? {} : { tagsListHosts: more.tagsListHosts }),
    judge: () => [],
  });
  const found: Finding = {
    result: 'fail',
    code: 'bad',
    text: `${name} is bad`,
    enhanced: '5.7.25',
    ...finding,
  };
  return { configured: { check, settings }, findings: [found] };
}

const standing = (
  all: readonly Judged[],
  { treatment = NO_TREATMENT, upTo, at = 10 }: { treatment?: Treatment; upTo?: Cost; at?: number } = {},
) => standingOf(all, { refuseAtSuspicion: at }, treatment, upTo, SIGNATURE);

describe('the effect of a finding', () => {
  const effect = (j: Judged, treatment = NO_TREATMENT): Effect =>
    effectOf(j.findings[0]!, j.configured.check, j.configured.settings, treatment);

  const cases: [name: string, of: Judged, effect: Effect][] = [
    ['none', judged('a', 'refuse', { result: 'none' }), { kind: 'none' }],
    ['pass', judged('a', 'refuse', { result: 'pass' }), { kind: 'none' }],
    [
      'pass with a weight',
      judged('a', 'refuse', { result: 'pass', weight: -2 }),
      { kind: 'suspect', weight: -2 },
    ],
    ['temperror that defers', judged('a', 'refuse', { result: 'temperror' }), { kind: 'defer' }],
    [
      'temperror that goes on',
      judged('a', 'refuse', { result: 'temperror' }, { settings: { on_temperror: 'go-on' } }),
      { kind: 'observe' },
    ],
    ['off', judged('a', 'off', {}), { kind: 'none' }],
    ['suspect by the weight of the check', judged('a', 'suspect', {}), { kind: 'suspect', weight: 3 }],
    ['suspect by its own weight', judged('a', 'suspect', { weight: 7 }), { kind: 'suspect', weight: 7 }],
    ['refuse', judged('a', 'refuse', {}), { kind: 'refuse' }],
    ['defer', judged('a', 'defer', {}), { kind: 'defer' }],
    ['tag', judged('a', 'tag', {}), { kind: 'tag' }],
    ['observe', judged('a', 'observe', {}), { kind: 'observe' }],
    [
      'an action of its code',
      judged('a', 'refuse', {}, { settings: { actions: { bad: 'tag' } } }),
      { kind: 'tag' },
    ],
    [
      'not an action of another code',
      judged('a', 'refuse', {}, { settings: { actions: { other: 'tag' } } }),
      { kind: 'refuse' },
    ],
  ];
  for (const [name, of, expected] of cases) it(name, () => assert.deepEqual(effect(of), expected));

  it('for a list server is a tag in place of a refusal, save for the rules of the protocol', () => {
    for (const action of ['refuse', 'defer'] as const) {
      assert.deepEqual(effect(judged('a', action, {}), TAGS_ONLY), { kind: 'tag' });
      assert.deepEqual(effect(judged('a', action, {}, { lifted: 'by-name' }), TAGS_ONLY), { kind: action });
      const broken = judged('a', action, {}, { lifted: 'by-name', tagsListHosts: true });
      assert.deepEqual([effect(broken, TAGS_ONLY), effect(broken)], [{ kind: 'tag' }, { kind: action }]);
    }
    assert.deepEqual(effect(judged('a', 'observe', {}), TAGS_ONLY), { kind: 'observe' });
  });

  it('of a question without answer is nothing where the answer could bring a tag at most', () => {
    const silent = { result: 'temperror' } as const;
    const of = (more: Parameters<typeof judged>[3], treatment: Treatment) =>
      effect(judged('a', 'refuse', silent, more), treatment).kind;
    const message = { stage: 'endOfMessage' } as const;
    assert.deepEqual([of({}, TAGS_ONLY), of(message, ENVELOPE)], ['observe', 'observe']);
    assert.equal(of({ ...message, lifted: 'by-name' }, ENVELOPE), 'defer', 'a virus scanner');
    assert.equal(of({ lifted: 'by-name' }, TAGS_ONLY), 'defer');
  });
});

describe('where a climb stands', () => {
  it('goes on where nothing was found', () => {
    assert.deepEqual(standing([]), { verdict: { kind: 'go-on' }, suspicion: 0, tags: [] });
    assert.deepEqual(standing([judged('a', 'observe', {}), judged('b', 'off', {})]).verdict, {
      kind: 'go-on',
    });
  });

  it('refuses by the first check that does, and signs', () => {
    const { verdict } = standing([
      judged('a', 'tag', {}),
      judged('b', 'refuse', {}),
      judged('c', 'refuse', {}),
    ]);
    assert.deepEqual(verdict, {
      kind: 'refuse',
      check: 'b',
      code: 'bad',
      reply: {
        code: 550,
        enhanced: '5.7.25',
        lines: ['Refused: b is bad (b). Mistake? Write to postmaster@example.org with id K7Q2MX4D'],
      },
    });
  });

  it('refuses rather than defers, whichever comes first', () => {
    const [defers, refuses] = [judged('d', 'defer', {}), judged('r', 'refuse', {})];
    for (const order of [
      [defers, refuses],
      [refuses, defers],
    ]) {
      const { verdict } = standing(order);
      assert.ok(verdict.kind === 'refuse' && verdict.check === 'r');
    }
    const { verdict } = standing([defers, judged('e', 'defer', {})]);
    assert.ok(verdict.kind === 'defer' && verdict.check === 'd' && verdict.reply.code === 450);
  });

  it('adds up weights, and tags what counts against the client', () => {
    const got = standing([
      judged('a', 'suspect', { weight: 4 }),
      judged('b', 'refuse', { result: 'pass', weight: -1.5 }),
      judged('c', 'tag', {}),
    ]);
    assert.deepEqual(got, { verdict: { kind: 'go-on' }, suspicion: 2.5, tags: ['a:bad', 'c:bad'] });
  });

  for (const [sum, kind] of [
    [9.9, 'go-on'],
    [10, 'refuse'],
    [10.1, 'refuse'],
  ] as const) {
    it(`${sum} of 10 is ${kind}`, () => {
      const { verdict } = standing([
        judged('a', 'suspect', { weight: sum - 1 }),
        judged('b', 'suspect', { weight: 1 }),
      ]);
      assert.equal(verdict.kind, kind);
      if (verdict.kind === 'go-on') return;
      assert.deepEqual(
        [verdict.check, verdict.code, verdict.reply.enhanced],
        ['suspicion', 'suspicion', '5.7.1'],
      );
      assert.match(verdict.reply.lines[0]!, /unwanted sender: a is bad \(a\), b is bad \(b\) \(suspicion\)/);
    });
  }

  it('counts the sum from DNS on, where lists can speak for the client', () => {
    const heavy = [judged('a', 'suspect', { weight: 50 })];
    for (const upTo of COSTS) {
      const counts = COSTS.indexOf(upTo) >= COSTS.indexOf('dns');
      assert.equal(standing(heavy, { upTo }).verdict.kind, counts ? 'refuse' : 'go-on', upTo);
    }
    assert.equal(standing(heavy).verdict.kind, 'refuse');
    const vouched = [...heavy, judged('w', 'refuse', { result: 'pass', weight: -45 })];
    assert.equal(standing(vouched, { upTo: 'dns' }).verdict.kind, 'go-on');
  });

  it('refuses nobody by a sum without a sign, whatever the threshold', () => {
    assert.equal(standing([judged('a', 'observe', {})], { at: 0 }).verdict.kind, 'go-on');
    assert.equal(standing([judged('a', 'suspect', { weight: -1 })], { at: -5 }).verdict.kind, 'go-on');
  });

  it('leaves a refusal by a check alone although the sum is full', () => {
    const { verdict } = standing([judged('a', 'suspect', { weight: 50 }), judged('r', 'refuse', {})]);
    assert.ok(verdict.kind === 'refuse' && verdict.check === 'r');
  });

  it('is a refusal by the sum although something is deferred', () => {
    const { verdict } = standing([judged('d', 'defer', {}), judged('a', 'suspect', { weight: 50 })]);
    assert.ok(verdict.kind === 'refuse' && verdict.check === 'suspicion');
  });

  it('for a list server never is a refusal by the sum', () => {
    const got = standing([judged('a', 'suspect', { weight: 50 }), judged('r', 'refuse', {})], {
      treatment: TAGS_ONLY,
    });
    assert.deepEqual(got, { verdict: { kind: 'go-on' }, suspicion: 50, tags: ['a:bad', 'r:bad'] });
  });

  it('for an exempt envelope has what the message says as tags, and no more', () => {
    const message = { stage: 'endOfMessage' } as const;
    const got = standing(
      [
        judged('envelope', 'refuse', {}),
        judged('a', 'suspect', { weight: 50 }, message),
        judged('r', 'refuse', {}, message),
        judged('d', 'refuse', { result: 'temperror' }, message),
      ],
      { treatment: ENVELOPE },
    );
    assert.deepEqual(got, { verdict: { kind: 'go-on' }, suspicion: 50, tags: ['a:bad', 'r:bad'] });
  });

  it('is a refusal by the sum of those that are fully heard', () => {
    const heavy = (weight: number) => judged('n', 'suspect', { weight }, { lifted: 'by-name' });
    for (const treatment of [TAGS_ONLY, ENVELOPE]) {
      const { verdict } = standing([judged('a', 'suspect', { weight: 50 }), heavy(10)], { treatment });
      assert.ok(verdict.kind === 'refuse' && verdict.check === 'suspicion');
      assert.match(verdict.reply.lines[0]!, /unwanted sender: n is bad \(n\) \(suspicion\)/);
      assert.equal(
        standing([judged('a', 'suspect', { weight: 50 }), heavy(9)], { treatment }).verdict.kind,
        'go-on',
      );
    }
  });

  it('leaves out what is lifted', () => {
    const all = [judged('a', 'refuse', {}), judged('n', 'refuse', {}, { lifted: 'by-name' })];
    const checkOf = (treatment: Treatment) => {
      const { verdict } = standing(all, { treatment });
      return verdict.kind === 'go-on' ? undefined : verdict.check;
    };
    assert.equal(checkOf(NO_TREATMENT), 'a');
    assert.equal(checkOf(liftsOnly('all')), 'n');
    assert.equal(checkOf(liftsOnly(['n'])), 'a');
    assert.equal(checkOf(liftsOnly(['a', 'n'])), undefined);
  });
});

describe('what mail filters are told of the content', () => {
  const ham = { isSpam: false, score: 1, required: 5, tests: ['H'] };
  const unsure = { isSpam: false, score: 4, required: 6, tests: ['U'] };
  const spam = { isSpam: true, score: 7, required: 6, tests: ['S'] };
  const worse = { isSpam: true, score: 9, required: 6, tests: ['W'] };
  const cases: [name: string, of: readonly Judged[], expected: Finding['spam'], treatment?: Treatment][] = [
    ['nothing where nobody scored it', [judged('a', 'tag', {})], undefined],
    ['a pass', [judged('a', 'tag', { result: 'pass', spam: ham })], ham],
    ['what is tagged', [judged('a', 'tag', { spam })], spam],
    ['what is suspected', [judged('a', 'suspect', { spam })], spam],
    ['not what is observed', [judged('a', 'observe', { spam })], undefined],
    ['not what is off', [judged('a', 'off', { spam })], undefined],
    ['not what is lifted', [judged('a', 'tag', { spam })], undefined, liftsOnly('all')],
    ['what is refused for others', [judged('a', 'refuse', { spam })], spam, TAGS_ONLY],
    [
      'spam before ham',
      [judged('a', 'tag', { result: 'pass', spam: ham }), judged('b', 'tag', { spam })],
      spam,
    ],
    [
      '… in any order',
      [judged('b', 'tag', { spam }), judged('a', 'tag', { result: 'pass', spam: ham })],
      spam,
    ],
    ['the worse of two', [judged('a', 'tag', { spam }), judged('b', 'tag', { spam: worse })], worse],
    ['… in any order', [judged('a', 'tag', { spam: worse }), judged('b', 'tag', { spam })], worse],
    [
      'the nearer to spam',
      [judged('a', 'tag', { result: 'pass', spam: ham }), judged('b', 'tag', { spam: unsure })],
      unsure,
    ],
  ];
  for (const [name, of, expected, treatment = NO_TREATMENT] of cases)
    it(name, () => assert.deepEqual(standing(of, { treatment }).spam, expected));
});
