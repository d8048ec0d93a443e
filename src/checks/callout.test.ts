import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import { checkSchema } from '../config/checks.ts';
import type { Json } from '../core/check.ts';
import { NO_CLUES, type Clues } from '../core/clues.ts';
import type { Finding } from '../core/finding.ts';
import type { BackendAnswer, CalloutAnswer, Ports } from '../core/ports.ts';
import type { CommonSettings } from '../core/settings.ts';
import { reply } from '../mail/reply.ts';
import { callout } from './callout.ts';

const ON = { on_fail: 'refuse' };
const from = 'Anna@example.net';

const says = (code: number, enhanced: string, text: string): BackendAnswer => ({
  kind: 'replied',
  reply: reply(code, enhanced, text),
});
const ofTransaction = (code: number, enhanced: string, text: string): BackendAnswer => ({
  kind: 'replied',
  reply: reply(code, enhanced, text),
  of: 'transaction',
});
const YES = says(250, '2.1.5', 'Ok');
const NO = says(550, '5.1.1', 'No such user');
const GONE: BackendAnswer = { kind: 'unreachable', reason: 'timed out connecting' };

/** Ports with one clock, a server that answers so, and a store and rates that forget in time. */
function world(...answers: CalloutAnswer[]) {
  let nowMs = 0;
  const kept = new Map<string, { value: Json; endsMs: number }>();
  const windows = new Map<string, { count: number; endsMs: number }>();
  const asked: { hosts: readonly string[]; recipients: string[] }[] = [];
  const dns = fakeResolver({
    'example.net MX': [
      '20 mx2.example.net',
      '10 mx1.example.net',
      '10 mx.example.org',
      '30 a.example',
      '40 b.example',
    ],
    'any.example.net MX': '10 mx1.example.net',
    'bare.example A': '192.0.2.1',
    'null.example MX': '0 .',
  });
  const ports: Partial<Ports> = {
    dns,
    store: {
      recall: (space, key) => {
        const row = kept.get(`${space} ${key}`);
        return row === undefined || row.endsMs <= nowMs ? undefined : row.value;
      },
      remember: async (space, key, value, keptMs) =>
        void kept.set(`${space} ${key}`, { value, endsMs: nowMs + keptMs }),
      forget: () => undefined,
    },
    rates: {
      add: (space, key, windowMs) => {
        const known = windows.get(`${space} ${key}`);
        const row =
          known === undefined || known.endsMs <= nowMs ? { count: 0, endsMs: nowMs + windowMs } : known;
        row.count += 1;
        windows.set(`${space} ${key}`, row);
        return row.count;
      },
      count: () => 0,
    },
    callout: {
      ask: async (hosts, recipients) => {
        asked.push({ hosts, recipients: recipients.map(({ local, domain }) => `${local}@${domain}`) });
        return answers;
      },
    },
  };
  return { ports, asked, dns, kept, pass: (ms: number) => void (nowMs += ms) };
}

async function finding(
  w: ReturnType<typeof world>,
  sender = from,
  settings: Record<string, unknown> = {},
  clues: Clues = NO_CLUES,
): Promise<Finding> {
  const { findings } = await ask(callout, { from: sender }, w.ports, { ...ON, ...settings }, clues);
  assert.equal(findings.length, 1);
  return findings[0]!;
}

const DAY = 86_400_000;
const HOUR = 3_600_000;

describe('callout', () => {
  it('is off until the operator turns it on, whatever single findings lead to', () => {
    const settingsOf = (said: Record<string, unknown>) =>
      checkSchema(callout).parse(said) as unknown as CommonSettings;
    assert.equal(settingsOf({}).on_fail, 'off');
    assert.match(callout.idle!(settingsOf({}), {} as never)!, /on_fail = "refuse"/);
    assert.ok(callout.idle!(settingsOf({ actions: { 'no-mailbox': 'refuse' } }), {} as never));
    for (const on_fail of ['refuse', 'observe', 'suspect'])
      assert.equal(callout.idle!(settingsOf({ on_fail }), {} as never), undefined);
  });

  const cases: [name: string, answers: BackendAnswer[], result: string, enhanced?: string][] = [
    ['takes it, not any', [YES, NO], 'pass takes'],
    ['takes it, and does not say of the other', [YES, GONE], 'pass takes'],
    ['takes any', [YES, YES], 'none accepts-all'],
    ['refuses it', [NO], 'fail no-mailbox', '5.1.7'],
    ['refuses it with 551', [says(551, '', 'User not local')], 'fail no-mailbox', '5.1.7'],
    ['refuses it without status', [says(550, '', 'Unknown user')], 'fail no-mailbox', '5.1.7'],
    [
      'refuses it as qmail does',
      [says(553, '', 'sorry, no mailbox here by that name. (#5.1.1)')],
      'fail no-mailbox',
      '5.1.7',
    ],
    ['refuses us by policy', [says(550, '5.7.1', 'Access denied')], 'none undecided'],
    [
      'refuses us without status',
      [says(550, '', '192.0.2.1 is listed at zen.spamhaus.org')],
      'none undecided',
    ],
    ['refuses by a rule', [says(550, '', 'Administrative prohibition')], 'none undecided'],
    [
      'refuses without status',
      [says(550, '', 'sorry, no mailbox here by that name')],
      'fail no-mailbox',
      '5.1.7',
    ],
    ['moved', [says(551, '', 'Try <b@example.com>')], 'fail no-mailbox', '5.1.7'],
    ['refuses to relay', [says(550, '', 'Relaying denied')], 'none undecided'],
    [
      'refuses to relay as qmail does',
      [says(553, '', "sorry, that domain isn't in my list (#5.7.1)")],
      'none undecided',
    ],
    [
      'refuses our sender',
      [says(550, '5.1.8', 'Null sender has no domain')],
      'fail refuses-bounces',
      '5.1.8',
    ],
    ['has it full', [says(552, '5.2.2', 'Mailbox full')], 'none undecided'],
    ['has it disabled', [says(550, '5.2.1', 'Mailbox disabled')], 'none undecided'],
    ['breaks off for good', [says(554, '5.0.0', 'Transaction failed')], 'none undecided'],
    ['speaks nonsense', [says(354, '', 'Go on')], 'none undecided'],
    ['defers', [says(450, '4.2.0', 'Greylisted')], 'temperror deferred', '5.1.7'],
    ['defers the null sender', [ofTransaction(451, '4.7.1', 'Later')], 'temperror deferred', '5.1.7'],
    [
      'refuses the null sender',
      [ofTransaction(550, '', 'We take no bounces')],
      'fail refuses-bounces',
      '5.1.8',
    ],
    [
      'refuses the null sender with status',
      [ofTransaction(553, '5.1.7', 'Bad sender')],
      'fail refuses-bounces',
      '5.1.8',
    ],
    ['refuses us at MAIL', [ofTransaction(554, '5.7.1', 'Client host blocked')], 'none undecided'],
    ['refuses us at MAIL without status', [ofTransaction(550, '', 'Your IP is blocked')], 'none undecided'],
    ['wants TLS', [ofTransaction(530, '5.7.0', 'Must issue a STARTTLS command first')], 'none undecided'],
    ['cannot be reached', [GONE], 'temperror unreachable', '5.4.1'],
    ['said nothing', [], 'temperror unreachable', '5.4.1'],
  ];
  for (const [name, answers, expected, enhanced] of cases) {
    it(`a server that ${name}: ${expected}`, async () => {
      const f = await finding(world(...answers));
      assert.deepEqual([`${f.result} ${f.code}`, f.enhanced], [expected, enhanced]);
    });
  }

  it('makes what the server says harmless', async () => {
    const f = await finding(world(says(550, '5.1.1', `\x1b[2J\u202e${'so sorry. '.repeat(200)}`)));
    assert.match(
      f.text,
      /^the mail server of example\.net says of <Anna@example\.net>: 550 5\.1\.1 \?\[2J\?so/,
    );
  });

  it('asks the best three hosts, ourselves left out, for the address and for one that nobody has', async () => {
    const w = world(YES, NO);
    await finding(w);
    assert.deepEqual(w.asked, [
      {
        hosts: ['mx1.example.net', 'mx2.example.net', 'a.example'],
        recipients: ['Anna@example.net', 'nobodyk7q2mx4e@example.net'],
      },
    ]);
  });

  it('asks the domain itself where it has no MX record', async () => {
    const w = world(YES, NO);
    await finding(w, 'a@bare.example');
    assert.deepEqual(w.asked[0]!.hosts, ['bare.example']);
  });

  const passes = (check: string, result: Finding['result'], code: string): Clues => ({
    suspicion: 0,
    found: (name) => (name === check ? [{ result, code, text: 'x' }] : []),
  });
  const skipped: [code: string, sender: string, clues?: Clues, trouble?: FakeTrouble][] = [
    ['null-sender', '<>'],
    ['literal', 'a@[192.0.2.7]'],
    ['ours', 'a@example.org'],
    ['ours', 'a@deep.sub.example.org'],
    ['no-mx', 'a@gone.example'],
    ['no-mx', 'a@null.example'],
    ['spf-decided', from, passes('spf', 'pass', 'pass')],
    ['spf-decided', from, passes('spf', 'fail', 'fail')],
    ['greylist-decided', from, passes('greylist', 'pass', 'passed')],
    ['greylist-decided', from, passes('greylist', 'fail', 'new')],
    ['temperror', from, NO_CLUES, 'servfail'],
    ['temperror', from, NO_CLUES, 'timeout'],
  ];
  for (const [code, sender, clues, trouble] of skipped) {
    it(`${sender}: nobody is asked (${code}${trouble === undefined ? '' : `, ${trouble}`})`, async () => {
      const w = world(YES, NO);
      if (trouble !== undefined) w.dns.troubles.set('example.net MX', trouble);
      assert.equal((await finding(w, sender, {}, clues)).code, code);
      assert.equal(w.asked.length, 0);
    });
  }

  for (const [check, result, code] of [
    ['spf', 'fail', 'softfail'],
    ['spf', 'none', 'neutral'],
    ['spf', 'none', 'none'],
    ['spf', 'temperror', 'temperror'],
    ['greylist', 'none', 'not-doubted'],
    ['greylist', 'temperror', 'unanswered'],
  ] as const) {
    it(`${check} ${code} decides nothing`, async () => {
      const w = world(YES, NO);
      assert.equal((await finding(w, from, {}, passes(check, result, code))).code, 'takes');
    });
  }

  const remembered: [name: string, answers: BackendAnswer[], code: string, keptMs: number][] = [
    ['a good address', [YES, NO], 'takes', 7 * DAY],
    ['a domain that takes any', [YES, YES], 'accepts-all', 7 * DAY],
    ['a bad address', [NO], 'no-mailbox', 2 * HOUR],
    ['a domain without bounces', [ofTransaction(550, '', 'No')], 'refuses-bounces', 2 * HOUR],
  ];
  for (const [name, answers, code, keptMs] of remembered) {
    it(`remembers ${name} for ${keptMs / HOUR} hours`, async () => {
      const w = world(...answers);
      const first = await finding(w);
      w.pass(keptMs - 1);
      assert.deepEqual(await finding(w, 'anna@example.net'), {
        ...first,
        text: first.text.replace('Anna', 'anna'),
      });
      assert.deepEqual([first.code, w.asked.length], [code, 1]);
      w.pass(1);
      await finding(w);
      assert.equal(w.asked.length, 2);
    });
  }

  for (const answer of [GONE, says(450, '', 'Later'), says(550, '5.7.1', 'No')]) {
    it(`asks again after ${JSON.stringify(answer)}`, async () => {
      const w = world(answer);
      await finding(w);
      await finding(w);
      assert.deepEqual([w.asked.length, w.kept.size], [2, 0]);
    });
  }

  it('keeps one address from another, and a domain from another', async () => {
    const w = world(NO);
    await finding(w);
    await finding(w, 'berta@example.net');
    await finding(w, 'anna@bare.example');
    assert.equal(w.asked.length, 3);
  });

  it('asks for nobody again only when domain_kept is over', async () => {
    const w = world(YES, NO);
    await finding(w);
    await finding(w, 'berta@example.net', { domain_kept: '3d' });
    assert.deepEqual(w.asked[1]!.recipients, ['berta@example.net']);
    w.pass(7 * DAY);
    await finding(w, 'carla@example.net');
    assert.equal(w.asked[2]!.recipients.length, 2);
  });

  it('passes over what the store holds and is no answer', async () => {
    for (const value of [
      true,
      5,
      'x',
      {},
      { kind: 'takes' },
      { kind: 'unreachable', said: '' },
      { kind: 'x', said: '' },
    ]) {
      const w = world(YES, NO);
      for (const space of ['callout-addresses anna@example.net', 'callout-domains example.net'])
        w.kept.set(space, { value, endsMs: DAY });
      assert.equal((await finding(w)).code, 'takes');
      assert.equal(w.asked.length, 1);
    }
  });

  it('goes on where its servers were asked too often, keeps nothing of it, and asks again', async () => {
    const w = world({ kind: 'limited', reason: '192.0.2.0/24 was asked 30 times within a minute' });
    for (const asked of [1, 2]) {
      const { result, code, text, enhanced } = await finding(w);
      assert.deepEqual([result, code, enhanced], ['temperror', 'limited', '5.4.5']);
      assert.match(text, / was not asked: 192\.0\.2\.0\/24 was asked 30 times within a minute$/);
      assert.equal(w.asked.length, asked);
    }
    assert.equal(w.kept.size, 0);
  });

  it('asks a domain so often and no more until the window is over', async () => {
    const w = world(NO);
    const settings = { per_domain: 3, per_domain_window: '10m' };
    const codes: string[] = [];
    for (const local of ['a', 'b', 'c', 'd', 'e'])
      codes.push((await finding(w, `${local}@example.net`, settings)).code);
    assert.deepEqual(codes, ['no-mailbox', 'no-mailbox', 'no-mailbox', 'limited', 'limited']);
    const { result, text } = await finding(w, 'f@example.net', settings);
    assert.deepEqual(
      [result, text],
      ['temperror', 'the mail server of example.net was not asked: example.net was asked 3 times lately'],
    );
    // What is known already costs the domain nothing.
    assert.equal((await finding(w, 'a@example.net', settings)).code, 'no-mailbox');
    assert.equal((await finding(w, 'a@bare.example', settings)).code, 'no-mailbox');
    assert.equal(w.asked.length, 4);
    // Nor does it get more by names that its owner makes up.
    assert.equal((await finding(w, 'a@any.example.net', settings)).code, 'limited');
    w.pass(600_000);
    assert.equal((await finding(w, 'f@example.net', settings)).code, 'no-mailbox');
  });
});
