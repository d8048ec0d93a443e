import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, site } from '../../test/fakes/ask.ts';
import { checkSchema } from '../config/checks.ts';
import { lifts, treatmentOf } from '../core/exemption.ts';
import { factsOf } from '../../test/fakes/ask.ts';
import { spamTrap } from './spam-trap.ts';

const addresses = ['Old.Name@Example.org', '@trap.sub.example.org'];
const from = 'a@example.net';

describe('spam-trap', () => {
  const cases: [to: string, from: string, code: string][] = [
    ['old.name@example.org', from, 'trap'],
    ['OLD.NAME@example.org', from, 'trap'],
    ['old.name@example.org', '<>', 'bounce'],
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

  it('answers as a mailbox that does not exist, and does not give its name away', async () => {
    const { findings } = await ask(spamTrap, { from, to: 'old.name@example.org' }, {}, { addresses });
    const [{ text, enhanced, replyCode, shownAs } = {}] = findings;
    assert.deepEqual(
      [text, enhanced, replyCode, shownAs],
      ['<old.name@example.org> is no mailbox here', '5.1.1', undefined, 'recipient-list'],
    );
  });

  it('convicts for the trap, and not for a bounce to it', () => {
    assert.deepEqual(spamTrap.charges, { trap: 'conviction' });
  });

  it('is lifted for postmaster, also in a domain that is all trap', () => {
    const facts = factsOf({ from, to: 'postmaster@trap.sub.example.org' });
    assert.ok(lifts(treatmentOf(facts, site, []), spamTrap));
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
