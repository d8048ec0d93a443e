import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decision } from '../../test/contracts/journal.ts';
import { reply } from '../mail/reply.ts';
import { MAX_LINES, storyOf, verdictOf } from './story.ts';

const CHECKS = [{ name: 'helo', codes: { 'no-fqdn': 'the name is no host name' } }];

describe('a decision as a story', () => {
  it('goes through the dialogue, each check where it was asked, to the end', () => {
    const one = decision({ id: 'A', sizeOctets: 99, suspicion: 2, tags: ['spf:softfail'] });
    const session = {
      ...one.session,
      tls: { protocol: 'TLSv1.3', cipher: 'x' },
      violations: ['pipelining'] as const,
    };
    assert.deepEqual(
      storyOf({ ...one, session }).map(({ kind, tone, text }) => `${kind} ${tone}: ${text}`),
      [
        'dialogue ok: 192.0.2.7 came to the gateway, over TLSv1.3',
        'dialogue observe: It broke the rules of the dialogue: it sent commands ahead without leave',
        'dialogue ok: It said EHLO mail.example.net',
        'check refuse: no; refused for it',
        'dialogue ok: It named the sender ann@example.net',
        'dialogue ok: It named the recipient Bob@example.org',
        'dialogue refuse: Bob@example.org: refused, 550 5.7.1 Refused: no',
        'dialogue ok: It sent a message of 99 octets',
        'verdict suspect: Suspicion: 2',
        'verdict tag: Marked: spf:softfail',
        'verdict refuse: refused, 550 5.7.1 Refused: no',
      ],
    );
  });

  it('has the checks of each recipient between its name and the answer', () => {
    const one = decision({ id: 'A' });
    const [recipient] = one.recipients;
    const [step] = one.steps;
    assert.ok(recipient !== undefined && step !== undefined);
    const [bob, eve] = ['bob', 'eve'].map((local) => ({ local, domain: 'example.org' }));
    assert.ok(bob !== undefined && eve !== undefined);
    const at = (place: number, check: string) => ({
      ...step,
      stage: 'rcpt' as const,
      recipient: place,
      check,
    });
    const lines = storyOf({
      ...one,
      recipients: [bob, eve, bob].map((mailbox) => ({ ...recipient, mailbox })),
      unanswered: { local: 'pat', domain: 'example.org' },
      steps: [at(0, 'relay'), at(1, 'relay'), at(0, 'greylist'), at(2, 'callout'), at(3, 'honeypot')],
    }).filter(({ stage }) => stage === 'rcpt');
    assert.deepEqual(
      lines.map(({ check, text }) => check ?? text.split(':')[0]),
      [
        'It named the recipient bob@example.org',
        'relay',
        'greylist',
        'bob@example.org',
        'It named the recipient eve@example.org',
        'relay',
        'eve@example.org',
        'It named the recipient bob@example.org',
        'callout',
        'bob@example.org',
        'It named the recipient pat@example.org, and left before it had an answer',
        'honeypot',
      ],
    );
  });

  it('shows what came back, and not without end', () => {
    const one = decision({ id: 'A' });
    const [step] = one.steps;
    assert.ok(step !== undefined);
    const evidence = { asked: 'x'.repeat(5000) };
    const [line] = storyOf({ ...one, steps: [{ ...step, evidence }] }).filter(({ kind }) => kind === 'check');
    assert.ok((line?.evidence?.length ?? 0) <= 1001);
    assert.match(line?.evidence ?? '', /^\{"asked":"x/);
    const many = storyOf({ ...one, steps: Array.from({ length: 2 * MAX_LINES }, () => step) });
    assert.ok(many.length <= MAX_LINES + 10);
    assert.ok(many.some(({ text }) => text.includes('more steps are left out')));
    assert.equal(many.at(-1)?.kind, 'verdict');
  });

  it('tells what the profile "watch" let in, and what was held against the client', () => {
    const one = decision({
      id: 'A',
      outcome: 'accepted',
      would: { kind: 'refuse', check: 'helo', code: 'no-fqdn', suspicion: 0 },
      charges: [{ charge: 'strike', check: 'helo', times: 2 }],
      exemption: { reason: 'allow list', source: 'postern.toml:3', lifts: ['dnsbl'], about: 'client' },
    });
    const texts = storyOf(one).map(({ text }) => text);
    assert.ok(texts.includes('Without the profile "watch" it would be refused by helo:no-fqdn, suspicion 0'));
    assert.ok(texts.includes('Held against the client: strike by helo, 2 by now'));
    assert.ok(texts.includes('Exempt: allow list (postern.toml:3) lifts dnsbl'));
  });
});

describe('the verdict in plain words', () => {
  const { check, code, ...rest } = decision({ id: 'A' });
  const { reply: said, ...silent } = rest;
  const cases = [
    [
      decision({ id: 'A' }),
      'helo:no-fqdn',
      /^Refused by helo:no-fqdn – no\. The client was told: 550 5\.7\.1 Refused: no$/,
    ],
    [decision({ id: 'A', steps: [] }), 'helo:no-fqdn', /– the name is no host name\./],
    [
      { ...rest, outcome: 'deferred', reply: reply(451, '4.3.0', 'Full') },
      'backend',
      /^Deferred: the client was asked to come again by backend\. The client was told: 451/,
    ],
    [
      decision({ id: 'A', check: 'suspicion', code: 'suspicion', suspicion: 7 }),
      'suspicion:suspicion',
      /The signs came to 7\./,
    ],
    [{ ...silent, outcome: 'abandoned' }, undefined, /^The client left before there was a verdict\.$/],
    [{ ...silent, outcome: 'abandoned' }, 'too many errors', /^Cut off: too many errors\.$/],
    [
      decision({ id: 'A', outcome: 'accepted', recipients: [] }),
      undefined,
      /^The mail server took the message, to all recipients\.$/,
    ],
    [
      decision({ id: 'A', outcome: 'relayed' }),
      undefined,
      /^The message was relayed, to 0 of 1 recipients\.$/,
    ],
  ] as const;
  for (const [one, decidedBy, expected] of cases)
    it(String(expected), () => assert.match(verdictOf(one, decidedBy, CHECKS), expected));
});
