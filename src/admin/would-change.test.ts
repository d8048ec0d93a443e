import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { policyOver, recorded, type Said, type Then } from '../../test/fakes/recorded.ts';
import { buildLists } from '../core/lists.ts';
import { replies } from '../core/replies.ts';
import { reply } from '../mail/reply.ts';
import { wouldChange } from './would-change.ts';

const LISTED = { dnsbl: { zones: [{ zone: 'bl.example', weight: 8 }] } };
const WEIGHED = {
  dnsbl: { ...LISTED.dnsbl, on_fail: 'suspect' },
  spf: { on_fail: 'suspect', actions: { fail: 'suspect' }, weight: 3 },
};

describe('what would have changed it', () => {
  const cases: [name: string, then: Then, now: Said | undefined, expected: readonly (string | RegExp)[]][] = [
    [
      'refused by a check alone',
      { said: LISTED },
      undefined,
      [
        'Without the check dnsbl it would have been accepted, as far as was asked.',
        'With an allow entry for 192.0.2.7 it would have been accepted, as far as was asked.',
        'With an allow entry for anna@example.net it would have been accepted, as far as was asked.',
      ],
    ],
    [
      'others were not asked any more',
      { said: { ...LISTED, spf: { on_fail: 'refuse' }, greylist: { mode: 'classic' } } },
      undefined,
      [
        'Without the check dnsbl it would have gone on to spf, greylist, which nobody asked then.',
        /allow entry for 192\.0\.2\.7 it would have been accepted/,
        /allow entry for anna@example\.net it would have been accepted/,
      ],
    ],
    [
      'two that refuse',
      { said: { ...LISTED, helo: {} }, helo: 'localhost' },
      undefined,
      [/^Without the check helo it would have gone on to dnsbl, which/, /192\.0\.2\.7/, /anna@example\.net/],
    ],
    [
      'the sum of suspicion',
      { said: WEIGHED },
      undefined,
      [
        'Its suspicion 11 reached refuse_at_suspicion 10.',
        'Without dnsbl (8) it would have stayed below, and it would have been accepted, as far as was asked.',
        'Without spf (3) it would have stayed below, and it would have been accepted, as far as was asked.',
        /192\.0\.2\.7/,
        /anna@example\.net/,
      ],
    ],
    [
      'the greylist',
      { said: { greylist: { mode: 'classic' } } },
      undefined,
      [
        /^The greylist lets it pass when it comes again after \d\d:\d\d on 19\d\d-\d\d-\d\d\.$/,
        'Without the check greylist it would have been accepted, as far as was asked.',
        /192\.0\.2\.7/,
        /anna@example\.net/,
      ],
    ],
    [
      'what an entry lifts by name alone',
      { said: { 'recipient-list': { known_only: true } } },
      undefined,
      [
        'Without the check recipient-list it would have been accepted, as far as was asked.',
        'An allow entry for 192.0.2.7 lifts it only if it names the check: lifts = ["recipient-list"].',
        'An allow entry for anna@example.net lifts it only if it names the check: lifts = ["recipient-list"].',
      ],
    ],
    [
      'refused before a recipient was named',
      { said: { helo: { refuse_at: 'earliest' } }, helo: 'localhost' },
      undefined,
      [
        'Without the check helo it would have been accepted (it had named no recipient yet).',
        'With an allow entry for 192.0.2.7 it would have been accepted (it had named no recipient yet).',
      ],
    ],
    [
      'what was close',
      { said: { dnsbl: { ...LISTED.dnsbl, on_fail: 'tag' }, spf: { ...WEIGHED.spf } } },
      undefined,
      [
        'Its suspicion was 3; refuse_at_suspicion is 10, so 7 more would have refused it.',
        'dnsbl found "listed", and it was tagged; with actions = { listed = "refuse" } it would have been refused.',
        'spf found "fail", and it was counted as suspicion; with actions = { fail = "refuse" } it would have been refused.',
      ],
    ],
    ['nothing against it', { said: { helo: {} } }, undefined, [/No check that was asked found anything/]],
    [
      'the configuration is another one now',
      { said: LISTED },
      {},
      ['Under the configuration in force now: accepted.', /192\.0\.2\.7/, /anna/].slice(0, 1),
    ],
    [
      'the backend refused it',
      { said: { helo: {} }, final: reply(554, '5.6.0', 'No') },
      undefined,
      ['No check decided it, so no setting of a check would have changed it.'],
    ],
    [
      'our own stop',
      { said: LISTED, stopsBefore: 'mail', final: replies.stopping('mx') },
      undefined,
      ['No check had a say in it.'],
    ],
  ];
  for (const [name, then, now, expected] of cases) {
    it(name, async () => {
      const policy = now === undefined ? policyOver(then.said, 'then') : policyOver(now, 'now');
      const told = await wouldChange(await recorded(then), policy, buildLists([]));
      if (now === undefined) assert.equal(told.length, expected.length, told.join('\n'));
      for (const [i, said] of expected.entries())
        if (typeof said === 'string') assert.equal(told[i], said);
        else assert.match(told[i] ?? '', said);
    });
  }
});
