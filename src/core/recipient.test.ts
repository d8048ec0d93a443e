import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { site } from '../../test/fakes/ask.ts';
import { batvDay, signBatv } from '../mail/batv.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { recipientOf, type Recipient } from './recipient.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 21, 12);
const USED = { number: 1, secret: 'a new secret of ours' };
const OLD = { number: 0, secret: 'an old secret of ours' };
const keyed = { ...site, batvKeys: [USED, OLD] };
const JOE = { local: 'Joe', domain: 'example.org' };

function tagged(mailbox: Mailbox, key = USED, atMs = NOW): Mailbox {
  const signed = signBatv(mailbox, key, batvDay(atMs));
  assert.ok(signed);
  return signed;
}

describe('the recipient that a forward-path stands for', () => {
  const signed = tagged(JOE);
  const forged = { ...signed, local: signed.local.replace('Joe', 'ann') };
  const elsewhere = tagged({ local: 'joe', domain: 'example.net' });
  const cases: [name: string, forwardPath: Mailbox, at: typeof keyed | typeof site, is: Recipient][] = [
    ['one without tag', JOE, keyed, JOE],
    ['one with a tag', signed, keyed, { ...JOE, tag: 'valid' }],
    [
      '… in capitals',
      { ...signed, local: signed.local.toUpperCase() },
      keyed,
      { ...JOE, local: 'JOE', tag: 'valid' },
    ],
    ['… by the old key', tagged(JOE, OLD), keyed, { ...JOE, tag: 'valid' }],
    ['… of a week ago', tagged(JOE, USED, NOW - 7 * DAY), keyed, { ...JOE, tag: 'valid' }],
    ['… of eight days ago', tagged(JOE, USED, NOW - 8 * DAY), keyed, { ...JOE, tag: 'expired' }],
    ['… of another mailbox', forged, keyed, { ...forged, tag: 'wrong' }],
    [
      '… by a key that we do not have',
      tagged(JOE, { ...USED, number: 2 }),
      keyed,
      { ...tagged(JOE, { ...USED, number: 2 }), tag: 'wrong' },
    ],
    [
      '… below one of our domains',
      tagged({ ...JOE, domain: 'a.sub.example.org' }),
      keyed,
      { local: 'Joe', domain: 'a.sub.example.org', tag: 'valid' },
    ],
    ['… that is elsewhere', elsewhere, keyed, elsewhere],
    ['… where there are no keys', signed, site, signed],
    [
      'postmaster without a domain',
      { local: 'Postmaster', domain: '' },
      keyed,
      { local: 'Postmaster', domain: 'example.org' },
    ],
  ];
  for (const [name, forwardPath, at, is] of cases)
    it(name, () => assert.deepEqual(recipientOf(forwardPath, at, NOW), is));
});
