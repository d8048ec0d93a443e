import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decision } from '../../../test/contracts/journal.ts';
import type { Decision, Step } from '../../core/decision.ts';
import type { Finding } from '../../core/finding.ts';
import { refusal, replies } from '../../core/replies.ts';
import { reply } from '../../mail/reply.ts';
import { idOf, refusalOf } from './refusal.ts';
import { LATER, OF_REPLIES, OTHER, REMEDIES } from './remedies.ts';

const ID = 'K7Q2MX4D';
const SIGNATURE = { contact: 'postmaster@example.org', reportUrl: 'https://mx.example.org', id: ID };
const BOB = { local: 'bob', domain: 'example.org' } as const;

const step = (check: string, finding: Partial<Finding>, action: Step['action'] = 'refuse'): Step => ({
  stage: 'rcpt',
  check,
  findings: [{ result: 'fail', code: 'found', text: 'it is so', ...finding }],
  action,
  tookMs: 1,
});

/** Refused, or deferred, by the check's finding, as the ladder does it. */
function stopped(
  check: string,
  finding: Partial<Finding> = {},
  kind: 'refuse' | 'defer' = 'refuse',
  over: Partial<Decision> = {},
): Decision {
  const { text = 'it is so', shownText = text, shownAs = check } = finding;
  const said = refusal(kind, shownAs, { text: shownText }, SIGNATURE);
  return decision({
    id: ID,
    outcome: kind === 'refuse' ? 'refused' : 'deferred',
    reply: said,
    check,
    code: 'found',
    steps: [step(check, finding, kind)],
    recipients: [],
    ...over,
  });
}

describe('an id', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    [ID, ID],
    ['k7q2mx4d', ID],
    ['K7Q2MX4D.', ID],
    ['K7Q2MX4D).', ID],
    ['OIL2MX4D', '0112MX4D'],
    ['', undefined],
    ['A', undefined],
    ['K7Q2 MX4D', undefined],
    ["K7Q2MX4D'--", undefined],
    ['../../etc', undefined],
    ['K'.repeat(33), undefined],
  ];
  for (const [text, id] of cases) it(JSON.stringify(text), () => assert.equal(idOf(text), id));
});

describe('what is shown of a decision', () => {
  it('is what the reply said, as it was said', () => {
    const shown = refusalOf([stopped('fcrdns', { text: '192.0.2.7 has no \u202eDNS\x1b' })], ID);
    assert.deepEqual(shown, {
      decision: ID,
      check: 'fcrdns',
      client: '192.0.2.7',
      atMs: 1_000_000,
      kind: 'refused',
      said: [
        '550 5.7.1 Refused: 192.0.2.7 has no ?DNS? (fcrdns). Mistake? https://mx.example.org/r/K7Q2MX4D',
      ],
      remedies: [REMEDIES['fcrdns']],
    });
  });

  it('is nothing of what was accepted, of what the client left, or of another id', () => {
    const ok = { recipients: [], steps: [], check: undefined, code: undefined } as const;
    for (const of of [
      [],
      [decision({ id: ID, outcome: 'accepted', reply: replies.delivered(ID), ...ok })],
      [decision({ id: ID, outcome: 'relayed', reply: replies.delivered(ID), ...ok })],
      [decision({ id: ID, outcome: 'abandoned', reply: undefined, ...ok })],
      [decision({ id: ID, outcome: 'accepted', reply: replies.otherTransaction(), ...ok })],
      [decision({ id: 'OTHER', sessionId: ID })],
    ])
      assert.equal(refusalOf(of, ID), undefined);
  });

  it('is found by the id of the session where the reply named that', () => {
    const said = refusal('refuse', 'helo', { text: 'it is so' }, SIGNATURE);
    const shown = refusalOf(
      [decision({ id: 'OTHER' }), stopped('helo', {}, 'refuse', { id: 'X', reply: said })],
      ID,
    );
    assert.equal(shown?.decision, 'X');
  });

  it('is the refused recipients of a message that others got', () => {
    const refused = refusal('refuse', 'spf', { text: 'it is so' }, SIGNATURE);
    const shown = refusalOf(
      [
        stopped('spf', {}, 'refuse', {
          outcome: 'accepted',
          reply: replies.delivered(ID),
          check: undefined,
          recipients: [
            { mailbox: BOB, outcome: 'accepted', reply: replies.recipientOk() },
            { mailbox: BOB, outcome: 'refused', reply: refused, check: 'spf', code: 'found' },
            { mailbox: BOB, outcome: 'deferred', reply: replies.otherTransaction() },
          ],
        }),
      ],
      ID,
    );
    assert.deepEqual(shown?.kind, 'refused');
    assert.equal(shown.check, 'spf');
    assert.equal(shown.said.length, 1);
    assert.match(shown.said[0]!, /^550 .*\(spf\)/);
  });

  it('is no more than five replies', () => {
    const recipients = Array.from({ length: 9 }, (_, n) => ({
      mailbox: BOB,
      outcome: 'refused' as const,
      reply: refusal('refuse', 'spf', { text: `it is ${n}` }, SIGNATURE),
    }));
    assert.equal(refusalOf([stopped('spf', {}, 'refuse', { recipients })], ID)?.said.length, 5);
  });

  it('is a deferral where nothing was refused', () => {
    const shown = refusalOf([stopped('greylist', {}, 'defer')], ID);
    assert.equal(shown?.kind, 'deferred');
    assert.deepEqual(shown.remedies, [REMEDIES['greylist']]);
  });

  const trap = { text: 'bob@example.org is a trap', shownText: '<bob@example.org> is no mailbox here' };
  const remedies: readonly (readonly [string, Decision, readonly unknown[]])[] = [
    [
      'a trap under its other name',
      stopped('spam-trap', { ...trap, shownAs: 'recipients' }),
      [REMEDIES['recipients']],
    ],
    ['a trap that was said by mistake', stopped('spam-trap'), [OTHER]],
    ['a check that nobody knows', stopped('homemade'), [OTHER]],
    ['a check that nobody knows, deferring', stopped('homemade', {}, 'defer'), [LATER]],
    [
      'a name that the reply did not tell',
      stopped('fcrdns', {}, 'refuse', { reply: reply(550, '5.7.1', `Go away, ${ID}`) }),
      [OTHER],
    ],
    [
      'a name that the client put into the reply',
      stopped('helo', { text: 'the name x(clamav)(spam-trap) is none' }),
      [REMEDIES['helo']],
    ],
    [
      'several signs, as far as they were told',
      stopped(
        'suspicion',
        {
          text: 'too many signs of an unwanted sender: a (fcrdns), b (generic-rdns)',
        },
        'refuse',
        {
          code: 'suspicion',
          steps: [
            step('fcrdns', {}, 'suspect'),
            step('generic-rdns', {}, 'suspect'),
            step('classifier', {}, 'suspect'),
            step('spf', {}, 'observe'),
          ],
        },
      ),
      [REMEDIES['fcrdns'], REMEDIES['generic-rdns']],
    ],
    [
      'a reply that no check gave',
      stopped('x', {}, 'refuse', { reply: replies.mailLoop(ID), check: undefined, code: undefined }),
      [OF_REPLIES['.4.6']],
    ],
    [
      'our own trouble',
      stopped('x', {}, 'defer', { reply: replies.backendUnreachable(ID), check: undefined, code: undefined }),
      [LATER],
    ],
  ];
  for (const [name, of, expected] of remedies)
    it(`has the remedy of ${name}`, () => assert.deepEqual(refusalOf([of], ID)?.remedies, expected));
});
