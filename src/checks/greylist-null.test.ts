import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, emptyPorts, factsOf, site } from '../../test/fakes/ask.ts';
import { checkSchema } from '../config/checks.ts';
import type { AnyCheck } from '../core/check.ts';
import type { Clues } from '../core/clues.ts';
import type { Facts } from '../core/facts.ts';
import type { GreylistAttempt, GreylistState } from '../core/ports.ts';
import type { CommonSettings } from '../core/settings.ts';
import { greylist } from './greylist.ts';
import { greylistNull } from './greylist-null.ts';

const doubted: Clues = { suspicion: 2, found: () => [] };
const settings = checkSchema(greylistNull).parse({}) as CommonSettings;

async function judged(recipients: readonly string[], states: readonly GreylistState[]) {
  const { session, transaction } = factsOf({ from: '<>' });
  const mailboxes = recipients.map((local) => ({ local, domain: 'example.org' }));
  const facts: Facts = { session, transaction: { ...transaction!, recipients: mailboxes } };
  const attempts: GreylistAttempt[] = [];
  const ports = {
    ...emptyPorts(),
    greylist: { attempt: (attempt: GreylistAttempt) => states[attempts.push(attempt) - 1]! },
  };
  const { signal } = new AbortController();
  const evidence = await greylistNull.gather?.(facts, ports, settings, signal, site, doubted);
  return { attempts, findings: greylistNull.judge(facts, evidence!, settings, site) };
}

describe('greylist-null', () => {
  it('waits for DATA', () => assert.equal(greylistNull.stage, 'data'));

  it('asks about each recipient, with an empty sender', async () => {
    const { attempts, findings } = await judged(['User', 'two'], [{ kind: 'known' }, { kind: 'known' }]);
    assert.deepEqual(
      attempts.map(({ client, sender, recipient }) => [client, sender, recipient]),
      [
        ['192.0.2.0/24', '', 'user@example.org'],
        ['192.0.2.0/24', '', 'two@example.org'],
      ],
    );
    assert.deepEqual(
      findings.map((f) => f.code),
      ['known'],
    );
  });

  const NEW: GreylistState = { kind: 'new', waitMs: 180_000 };
  const cases: [
    what: string,
    states: readonly GreylistState[],
    result: string,
    code: string,
    text: RegExp,
  ][] = [
    ['a new one', [NEW], 'fail', 'new', /in 3 minutes$/],
    ['one of several is new', [{ kind: 'known' }, NEW], 'fail', 'new', /in 3 minutes$/],
    [
      'the longest wait counts',
      [
        { kind: 'early', waitMs: 5000, sinceFirstMs: 175_000 },
        { kind: 'early', waitMs: 60_000, sinceFirstMs: 120_000 },
      ],
      'fail',
      'early',
      /in 60 seconds$/,
    ],
    [
      'all came again',
      [{ kind: 'known' }, { kind: 'passed', sinceFirstMs: 400_000 }],
      'pass',
      'passed',
      /after 7 minutes$/,
    ],
    [
      'a known client',
      [{ kind: 'client-known' }, { kind: 'client-known' }],
      'pass',
      'client-known',
      /all recipients$/,
    ],
  ];
  for (const [what, states, result, code, text] of cases) {
    it(what, async () => {
      const recipients = states.map((_, i) => `user${i}`);
      const [finding] = (await judged(recipients, states)).findings;
      assert.deepEqual([finding?.result, finding?.code], [result, code]);
      assert.match(finding?.text ?? '', text);
    });
  }

  it('has nothing to do with mail that has a sender', async () => {
    const { findings } = await ask(greylistNull, { from: 'joe@a.example' }, {}, { mode: 'classic' }, doubted);
    assert.deepEqual(
      findings.map((f) => `${f.result} ${f.code}`),
      ['none has-sender'],
    );
  });

  it('has the settings of greylist', () => {
    const byDefault = (check: AnyCheck) => JSON.stringify(checkSchema(check).parse({}));
    assert.equal(byDefault(greylistNull), byDefault(greylist));
  });
});
