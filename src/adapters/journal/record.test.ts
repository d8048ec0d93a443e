import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decision } from '../../../test/contracts/journal.ts';
import type { Decision, EarlyJudgement, RecipientDecision, Step } from '../../core/decision.ts';
import { OUTCOMES } from '../../core/decision.ts';
import type { Json } from '../../core/check.ts';
import type { BroughtCharge } from '../../core/charges.ts';
import type { Exemption, Treatment } from '../../core/exemption.ts';
import type { SessionFacts } from '../../core/facts.ts';
import type { Finding } from '../../core/finding.ts';
import type { Would } from '../../core/ladder.ts';
import type { Recipient } from '../../core/recipient.ts';
import { STAGES } from '../../core/stage.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import type { MailParameters } from '../../mail/parameters.ts';
import type { Reply } from '../../mail/reply.ts';
import { decisionOf, recordOf } from './record.ts';

type FieldsOf<T> = { readonly [K in keyof T]-?: fc.Arbitrary<Required<T>[K]> };
type OptionalKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? K : never }[keyof T];

/** Any T at all: a field that is added to one of these types has to be added here, or it does not compile. */
const any = <T>(
  required: readonly Exclude<keyof T, OptionalKeys<T>>[],
  fields: FieldsOf<T>,
): fc.Arbitrary<T> => {
  // Which of its fields are optional is beyond the types of fast-check.
  const untyped: Record<string, fc.Arbitrary<unknown>> = fields;
  return fc.record(untyped, {
    requiredKeys: required.map(String),
  }) as fc.Arbitrary<unknown> as fc.Arbitrary<T>;
};

/** Also what is no character: half of a pair. */
const anyText = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('\ud800', 'x\udc00"', '\u2028\0\n', '__proto__'),
);
const anyNumber = fc.oneof(fc.nat(100), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const list = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { maxLength: 3 });
const anyJson = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>;

const anyMailbox = any<Mailbox>(['local', 'domain'], { local: anyText, domain: anyText });
const anyAddress = fc.record({ address: anyText, port: fc.nat(65_535) });
const anyReply = any<Reply>(['code', 'enhanced', 'lines'], {
  code: fc.integer({ min: 200, max: 599 }),
  enhanced: anyText,
  lines: list(anyText),
});
const anyWould = any<Would>(['kind', 'suspicion'], {
  kind: fc.constantFrom('go-on', 'refuse', 'defer'),
  check: anyText,
  code: anyText,
  suspicion: anyNumber,
});
const anyExemption = any<Exemption>(['reason', 'source', 'lifts', 'about'], {
  reason: anyText,
  source: anyText,
  lifts: fc.oneof(fc.constant('all' as const), list(anyText)),
  about: fc.constantFrom('client', 'envelope'),
});
const anyTreatment = any<Treatment>(['exemptions', 'refusalsAreTags'], {
  exemptions: list(anyExemption),
  refusalsAreTags: fc.boolean(),
  namesOpen: fc.constantFrom(true, undefined),
});

const sessionFields: FieldsOf<SessionFacts> = {
  id: fc.oneof(fc.constant('S'), anyText),
  door: fc.constantFrom('gateway', 'milter', 'policy'),
  startedAtMs: fc.oneof(fc.constantFrom(1_790_000_000_000, 1_790_000_000_000.25), anyNumber),
  client: anyAddress,
  server: anyAddress,
  role: fc.constantFrom('honeypot', undefined),
  tls: maybe(fc.record({ protocol: anyText, cipher: anyText })),
  helo: maybe(fc.record({ verb: fc.constantFrom('HELO', 'EHLO', 'LHLO'), name: anyText })),
  authenticated: maybe(fc.record({ mechanism: anyText, identity: anyText })),
  violations: fc.subarray([
    'early-talker',
    'pipelining',
    'bare-newline',
    'too-many-errors',
    'foreign-protocol',
  ] as const),
  guesses: maybe(fc.nat()),
  asked: maybe(fc.nat()),
};
const anySession = any<SessionFacts>(
  ['id', 'door', 'startedAtMs', 'client', 'server', 'violations'],
  sessionFields,
);

const anyParameters = any<MailParameters>([], {
  sizeOctets: fc.nat(),
  body: fc.constantFrom('7BIT', '8BITMIME'),
  smtputf8: fc.constant(true),
  ret: fc.constantFrom('FULL', 'HDRS'),
  envid: anyText,
});

const anyAnswered = any<Recipient>(['local', 'domain'], {
  local: anyText,
  domain: anyText,
  tag: fc.constantFrom('valid', 'expired', 'wrong', undefined),
});
const anyRecipient = any<RecipientDecision>(['mailbox', 'outcome', 'reply'], {
  mailbox: anyAnswered,
  outcome: fc.constantFrom(...OUTCOMES),
  reply: anyReply,
  check: maybe(anyText),
  code: maybe(anyText),
  would: maybe(anyWould),
  violationsSeen: maybe(fc.nat(5)),
  treatment: maybe(anyTreatment),
});

const PLAIN = ['result', 'code', 'text'] as const;
const findingFields: FieldsOf<Finding> = {
  result: fc.constantFrom('pass', 'fail', 'temperror', 'none'),
  code: anyText,
  text: anyText,
  enhanced: anyText,
  replyCode: fc.integer({ min: 400, max: 599 }),
  weight: anyNumber,
  shownAs: anyText,
  shownText: anyText,
  domain: anyText,
  authentication: list(
    fc.record({ method: fc.constantFrom('spf', 'dkim'), result: anyText, comment: anyText }),
  ),
  spam: fc.record({ isSpam: fc.boolean(), score: anyNumber, required: anyNumber, tests: list(anyText) }),
};
const { result, code, text, enhanced } = findingFields;
const anyFinding: fc.Arbitrary<Finding> = fc.oneof(
  fc.record({ result, code, text }),
  fc.record({ result, code, text, enhanced }),
  any<Finding>(PLAIN, findingFields),
);

const anyStep = any<Step>(['stage', 'check', 'findings', 'action', 'tookMs'], {
  stage: fc.constantFrom(...STAGES),
  recipient: maybe(fc.nat(4)),
  check: anyText,
  evidence: fc.oneof(fc.constantFrom(undefined, null, 0, {}, []), anyJson),
  findings: fc.oneof(
    anyFinding.map((finding) => [finding]),
    list(anyFinding),
  ),
  action: fc.constantFrom(
    ...(['none', 'refuse', 'defer', 'tag', 'suspect', 'observe', 'exempt', 'kept', 'go-on'] as const),
  ),
  tookMs: fc.oneof(
    fc.integer({ min: 0, max: 9e6 }).map((us) => us / 1000),
    anyNumber,
  ),
  lookups: maybe(fc.nat(40)),
});

const anyEarly = any<EarlyJudgement>(['stage', 'violationsSeen'], {
  stage: fc.constantFrom('connect', 'helo', 'mail'),
  violationsSeen: fc.nat(5),
  treatment: maybe(anyTreatment),
});
const anyCharge = any<BroughtCharge>(['charge', 'check'], {
  charge: fc.constantFrom('conviction', 'strike', 'guess'),
  check: anyText,
  times: maybe(fc.nat()),
  block: maybe(fc.record({ network: anyText, endsMs: anyNumber })),
});

const REQUIRED = [
  ...(['id', 'sessionId', 'atMs', 'tookMs', 'session', 'recipients', 'steps'] as const),
  ...(['outcome', 'suspicion', 'policy'] as const),
] as const;
const decisionFields: FieldsOf<Decision> = {
  id: anyText,
  sessionId: fc.oneof(fc.constant('S'), anyText),
  atMs: fc.oneof(fc.constantFrom(1_790_000_000_020, 1_790_000_000_000.75), anyNumber),
  tookMs: anyNumber,
  session: anySession,
  transaction: maybe(
    fc.record({ reversePath: fc.option(anyMailbox), parameters: fc.oneof(fc.constant({}), anyParameters) }),
  ),
  recipients: list(anyRecipient),
  unanswered: maybe(anyAnswered),
  steps: list(anyStep),
  exemption: maybe(anyExemption),
  outcome: fc.constantFrom(...OUTCOMES),
  reply: maybe(anyReply),
  check: maybe(anyText),
  code: maybe(anyText),
  suspicion: anyNumber,
  would: maybe(anyWould),
  early: maybe(anyEarly),
  atData: maybe(fc.nat(5)),
  atMessage: maybe(fc.nat(5)),
  tags: maybe(list(anyText)),
  sizeOctets: maybe(fc.nat()),
  charges: maybe(list(anyCharge)),
  policy: anyText,
};
const anyDecision = any<Decision>(REQUIRED, decisionFields);

/** As the engine makes them: one reply for several, and for the whole; the check that decided is that of its recipient. */
const anyShared = fc
  .record({ d: anyDecision, which: fc.nat(2), shared: fc.boolean(), decides: fc.boolean() })
  .map(({ d, which, shared, decides }): Decision => {
    const said = d.recipients[which];
    if (said === undefined) return d;
    const recipients = shared ? d.recipients.map((r) => ({ ...r, reply: said.reply })) : d.recipients;
    const { check: by, code: why } = said;
    return { ...d, recipients, reply: said.reply, ...(decides ? { check: by, code: why } : {}) };
  });

// Written by the first journal of these lines. There are such lines on disks: what stands here is never changed, only added to.
const LINE =
  '[1,8617034,"T1","S1",1790000000020,31.5,2.5,"0123456789abcdef",20,"192.0.2.7",4711,"198.51.100.25",25,"mail.example.net",["pipelining"],"ann","example.net",{"sizeOctets":9},2,186,"bob","example.org",550,"5.7.25","192.0.2.7 has no reverse DNS","fcrdns","no-ptr",1,{"tag":"expired"},250,"eve","example.org","fcrdns","no-ptr",1,{"treatment":{"exemptions":[],"refusalsAreTags":true}},1,4,"fcrdns",25736,12345,1,"no-ptr","192.0.2.7 has no reverse DNS","5.7.25",{"names":[]},"helo",1,0,"relay",20995,[0.3333333333333333],1,"ours","example.org is ours",null,"spf",2114,5000,[{"result":"none","code":"none","text":"no record","weight":-1},{"result":"temperror","code":"late","text":"no answer"}],{"early":{"stage":"connect","violationsSeen":0},"tls":{"protocol":"TLSv1.3","cipher":"x"},"guesses":1,"asked":2}]';
const REFUSED: Reply = { code: 550, enhanced: '5.7.25', lines: ['192.0.2.7 has no reverse DNS'] };
const WRITTEN: Decision = {
  id: 'T1',
  sessionId: 'S1',
  atMs: 1_790_000_000_020,
  tookMs: 31.5,
  session: {
    id: 'S1',
    door: 'milter',
    startedAtMs: 1_790_000_000_000,
    client: { address: '192.0.2.7', port: 4711 },
    server: { address: '198.51.100.25', port: 25 },
    tls: { protocol: 'TLSv1.3', cipher: 'x' },
    helo: { verb: 'HELO', name: 'mail.example.net' },
    violations: ['pipelining'],
    guesses: 1,
    asked: 2,
  },
  transaction: { reversePath: { local: 'ann', domain: 'example.net' }, parameters: { sizeOctets: 9 } },
  recipients: [
    {
      mailbox: { local: 'bob', domain: 'example.org', tag: 'expired' },
      outcome: 'refused',
      reply: REFUSED,
      check: 'fcrdns',
      code: 'no-ptr',
      violationsSeen: 1,
    },
    {
      mailbox: { local: 'eve', domain: 'example.org' },
      outcome: 'refused',
      reply: REFUSED,
      check: 'fcrdns',
      code: 'no-ptr',
      violationsSeen: 1,
      treatment: { exemptions: [], refusalsAreTags: true },
    },
  ],
  steps: [
    {
      stage: 'connect',
      check: 'fcrdns',
      evidence: { names: [] },
      findings: [
        { result: 'fail', code: 'no-ptr', text: '192.0.2.7 has no reverse DNS', enhanced: '5.7.25' },
      ],
      action: 'refuse',
      tookMs: 12.345,
      lookups: 1,
    },
    { stage: 'helo', check: 'helo', findings: [], action: 'none', tookMs: 0 },
    {
      stage: 'rcpt',
      recipient: 1,
      check: 'relay',
      evidence: null,
      findings: [{ result: 'pass', code: 'ours', text: 'example.org is ours' }],
      action: 'none',
      tookMs: 1 / 3,
    },
    {
      stage: 'mail',
      check: 'spf',
      findings: [
        { result: 'none', code: 'none', text: 'no record', weight: -1 },
        { result: 'temperror', code: 'late', text: 'no answer' },
      ],
      action: 'go-on',
      tookMs: 5,
    },
  ],
  outcome: 'refused',
  reply: REFUSED,
  check: 'fcrdns',
  code: 'no-ptr',
  suspicion: 2.5,
  early: { stage: 'connect', violationsSeen: 0 },
  policy: '0123456789abcdef',
};

const plain = (d: Decision): Decision => JSON.parse(JSON.stringify(d)) as Decision;

const comesBack = (d: Decision): void => {
  const line = recordOf(d);
  assert.ok(!line.includes('\n'));
  assert.deepStrictEqual(decisionOf(line), plain(d));
};

describe("a decision's line in the journal", () => {
  it('gives the decision back whole, whatever is in it', () => {
    fc.assert(fc.property(anyDecision, comesBack), { numRuns: 400 });
    fc.assert(fc.property(anyShared, comesBack), { numRuns: 400 });
  });

  it('gives each field back, also where it is alone', () => {
    const { transaction: _t, reply: _r, check: _ch, code: _co, ...least } = decision({ id: 'A' });
    const one = { ...least, recipients: [], steps: [] };
    const { helo: _h, ...session } = least.session;
    const some = <T extends object>(fields: FieldsOf<T>): [string, unknown][] =>
      Object.entries<fc.Arbitrary<unknown>>(fields).flatMap(([field, values]) =>
        fc.sample(values, 8).map((value): [string, unknown] => [field, value]),
      );
    for (const [field, value] of some(decisionFields)) comesBack({ ...one, session, [field]: value });
    for (const [field, value] of some(sessionFields))
      comesBack({ ...one, session: { ...session, [field]: value } });
  });

  it('tells evidence that is null from none', () => {
    const { steps, ...rest } = decision({ id: 'A' });
    const [step] = steps;
    assert.ok(step);
    const { evidence: _, ...without } = step;
    const back = decisionOf(recordOf({ ...rest, steps: [{ ...without, evidence: null }, without] })).steps;
    assert.deepEqual(
      back.map((s) => ('evidence' in s ? s.evidence : 'absent')),
      [null, 'absent'],
    );
  });

  it('has at most half the length of the decision as JSON', () => {
    const step = (check: string): Step => ({
      stage: 'rcpt',
      recipient: 0,
      check,
      findings: [{ result: 'pass', code: 'clean', text: 'nothing against 192.0.2.7' }],
      action: 'none',
      tookMs: 0.125,
    });
    const d = decision({ id: 'A', steps: Array.from({ length: 30 }, (_, i) => step(`check-${i}`)) });
    assert.ok(recordOf(d).length * 2 < JSON.stringify(d).length);
  });

  it('reads what was written before', () => {
    assert.deepStrictEqual(decisionOf(LINE), WRITTEN);
    assert.equal(recordOf(WRITTEN), LINE);
    const [, ...values] = JSON.parse(LINE) as unknown[];
    assert.throws(() => decisionOf(JSON.stringify([2, ...values])), /another version: 2/);
  });
});

describe('a line of an earlier journal', () => {
  const bob = { local: 'bob', domain: 'example.org' };
  const eve = { local: 'eve', domain: 'example.org' };
  const expired = { ...bob, tag: 'expired' };
  const { recipients, ...rest } = decision({ id: 'A' });
  // The mailboxes in the order of their answers, who was asked what in the order of the steps, and the places that come of it. `-`: not judged.
  const cases: readonly [
    string,
    readonly (object | '-')[],
    readonly [object | undefined, string][],
    unknown[],
  ][] = [
    [
      'steps of all',
      [bob],
      [
        [undefined, 'helo'],
        [bob, 'relay'],
      ],
      [undefined, 0],
    ],
    [
      'two',
      [bob, eve],
      [
        [bob, 'relay'],
        [eve, 'relay'],
        [eve, 'greylist'],
      ],
      [0, 1, 1],
    ],
    [
      'one twice',
      [bob, bob],
      [
        [bob, 'relay'],
        [bob, 'relay'],
        [bob, 'greylist'],
      ],
      [0, 1, 1],
    ],
    [
      'one twice, more at first',
      [bob, bob],
      [
        [bob, 'relay'],
        [bob, 'greylist'],
        [bob, 'relay'],
      ],
      [0, 0, 1],
    ],
    [
      'one twice, and another between',
      [bob, eve, bob],
      [
        [bob, 'relay'],
        [eve, 'relay'],
        [bob, 'relay'],
      ],
      [0, 1, 2],
    ],
    [
      'one that was put off in between',
      [bob, '-', bob],
      [
        [bob, 'relay'],
        [bob, 'relay'],
      ],
      [0, 2],
    ],
    [
      'one with and without a tag',
      [expired, bob],
      [
        [expired, 'fake-bounce'],
        [bob, 'relay'],
      ],
      [0, 1],
    ],
    [
      'one that was never answered',
      [bob],
      [
        [bob, 'relay'],
        [eve, 'relay'],
      ],
      [0, 1],
    ],
    [
      'the same, named before',
      [bob],
      [
        [bob, 'relay'],
        [bob, 'relay'],
      ],
      [0, 1],
    ],
  ];
  for (const [name, named, asked, expected] of cases) {
    it(`has its recipients by their places: ${name}`, () => {
      const [recipient] = recipients;
      const [step] = rest.steps;
      const { violationsSeen: _, ...answered } = recipient ?? {};
      const line = JSON.stringify({
        ...rest,
        recipients: named.map((mailbox) =>
          mailbox === '-' ? { ...answered, mailbox: bob } : { ...answered, mailbox, violationsSeen: 0 },
        ),
        steps: asked.map(([mailbox, check]) => ({ ...step, stage: 'rcpt', recipient: mailbox, check })),
      });
      const read = decisionOf(line);
      assert.deepEqual(
        read.steps.map((s) => s.recipient),
        expected,
      );
      // Who was judged and never answered stands in the line's steps alone.
      const unanswered = asked.find((_, i) => expected[i] === named.length)?.[0];
      assert.deepStrictEqual(
        { ...read, steps: [] },
        {
          ...(JSON.parse(line) as Decision),
          ...(unanswered === undefined ? {} : { unanswered }),
          steps: [],
        },
      );
    });
  }
});
