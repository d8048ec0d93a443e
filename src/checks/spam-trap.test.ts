import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, site } from '../../test/fakes/ask.ts';
import { checkSchema } from '../config/checks.ts';
import { hearingOf, NO_TREATMENT, treatmentOf } from '../core/exemption.ts';
import { standingOf } from '../core/ladder.ts';
import { buildLists } from '../core/lists.ts';
import type { CheckSettings } from '../core/policy.ts';
import type { BackendAnswer, Ports } from '../core/ports.ts';
import { formatReply, reply } from '../mail/reply.ts';
import { factsOf } from '../../test/fakes/ask.ts';
import { recipientList } from './recipient-list.ts';
import { recipients } from './recipients.ts';
import { spamTrap } from './spam-trap.ts';

const addresses = ['Old.Name@Example.org', '@trap.sub.example.org'];
const from = 'a@example.net';

describe('spam-trap', () => {
  const cases: [to: string, from: string, code: string][] = [
    ['old.name@example.org', from, 'trap'],
    ['OLD.NAME@example.org', from, 'trap'],
    ['old.name@example.org', '<>', 'bounce'],
    ['old.name@example.org', 'double-bounce@mx.example.net', 'verification'],
    ['old.name@example.org', 'Double-Bounce4k2d@mx.example.net', 'verification'],
    ['old.name@example.org', 'PostMaster@example.net', 'verification'],
    ['old.name@example.org', 'MAILER-DAEMON@example.net', 'verification'],
    ['old.name@example.org', 'double-bounce-news@example.net', 'trap'],
    ['old.name@example.org', 'not-postmaster@example.net', 'trap'],
    ['anybody@trap.sub.example.org', from, 'trap'],
    ['anybody@trap.sub.example.org', '<>', 'bounce'],
    ['name@example.org', from, 'no-trap'],
    ['old.name@sub.example.org', from, 'no-trap'],
    ['anybody@x.trap.sub.example.org', from, 'no-trap'],
    ['@trap.sub.example.org@example.org', from, 'no-trap'],
    ['old.name@example.org@x.example.org', from, 'no-trap'],
    ['"old.name"@example.org', from, 'no-trap'],
    ['tr\u00e4p@example.org', from, 'no-trap'],
  ];
  for (const [to, sender, code] of cases) {
    it(`${sender} to ${to}: ${code}`, async () => {
      const { findings } = await ask(spamTrap, { from: sender, to }, {}, { addresses });
      assert.deepEqual(
        findings.map((f) => [f.result, f.code]),
        [[code === 'no-trap' ? 'pass' : 'fail', code]],
      );
    });
  }

  it('answers as a mailbox that does not exist, word for word, whoever knows of that one', async () => {
    const to = 'old.name@example.org';
    const said = reply(550, '5.1.1', 'No such user');
    const backend: BackendAnswer = { kind: 'replied', reply: said };
    const store: Ports['store'] = {
      recall: () => ({ ...said }),
      remember: () => undefined,
      forget: () => undefined,
    };
    const nobody = { lists: buildLists([]), store };
    const asked = [
      [spamTrap, await ask(spamTrap, { from, to }, {}, { addresses })],
      [recipientList, await ask(recipientList, { from, to }, nobody, { known_only: true })],
      [recipientList, await ask(recipientList, { from, to }, nobody)],
      [recipients, await ask(recipients, { from, to }, { store, recipients: { ask: async () => backend } })],
    ] as const;
    const replies = asked.map(([check, { findings }]) => {
      const configured = { check, settings: checkSchema(check).parse({}) as CheckSettings };
      const signature = { contact: 'postmaster@example.org', id: 'K7Q2MX4D' };
      const judged = [{ configured, findings }];
      const { verdict } = standingOf(judged, { refuseAtSuspicion: 10 }, NO_TREATMENT, undefined, signature);
      return verdict.kind === 'refuse' ? [verdict.check, formatReply(verdict.reply)] : [verdict.kind];
    });
    const words =
      '550 5.1.1 Refused: <old.name@example.org> is no mailbox here (recipients). ' +
      'Mistake? Write to postmaster@example.org with id K7Q2MX4D\r\n';
    assert.deepEqual(replies, [
      ['spam-trap', words],
      ['recipient-list', words],
      ['recipient-list', words],
      ['recipients', words],
    ]);
  });

  it('does not give its name away where it is one sign of several', async () => {
    const { findings } = await ask(spamTrap, { from, to: 'old.name@example.org' }, {}, { addresses });
    const settings = checkSchema(spamTrap).parse({ on_fail: 'suspect', weight: 10 }) as CheckSettings;
    const judged = [{ configured: { check: spamTrap, settings }, findings }];
    const signature = { contact: 'postmaster@example.org', id: 'K7Q2MX4D' };
    const { verdict } = standingOf(judged, { refuseAtSuspicion: 10 }, NO_TREATMENT, undefined, signature);
    assert.ok(verdict.kind === 'refuse');
    assert.match(
      verdict.reply.lines[0]!,
      /<old\.name@example\.org> is no mailbox here \(recipients\) \(suspicion\)/,
    );
  });

  it('convicts for the trap, and not for a bounce to it or a question about it', () => {
    assert.deepEqual(spamTrap.charges, { trap: 'conviction' });
  });

  it('is lifted for postmaster, also in a domain that is all trap', () => {
    const facts = factsOf({ from, to: 'postmaster@trap.sub.example.org' });
    assert.equal(hearingOf(treatmentOf(facts, site, []), spamTrap), 'none');
  });

  it('is idle without traps', () => {
    const of = (said: unknown) => spamTrap.idle?.(checkSchema(spamTrap).parse(said) as never, site);
    assert.equal(of({}), 'no traps are listed');
    assert.equal(of({ addresses }), undefined);
  });

  for (const bad of [
    'example.org',
    'a@',
    'a b@example.org',
    'a@ex ample',
    '<a@example.org>',
    '"a"@b.org',
    '',
  ])
    it(`takes no ${JSON.stringify(bad)} for a trap`, () => {
      const { error } = checkSchema(spamTrap).safeParse({ addresses: [bad] });
      assert.match(error?.issues[0]?.message ?? '', /^wants an address or @domain/);
    });

  it('takes no address for a trap that everybody may write to', () => {
    for (const bad of ['postmaster@example.org', 'ABUSE@example.org'])
      assert.match(
        checkSchema(spamTrap).safeParse({ addresses: [bad] }).error?.issues[0]?.message ?? '',
        /everybody may write to/,
      );
  });
});
