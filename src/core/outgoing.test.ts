import assert from 'node:assert/strict';
import { it } from 'node:test';
import { site } from '../../test/fakes/ask.ts';
import { batvDay, checkBatv } from '../mail/batv.ts';
import type { ReversePath } from '../mail/mailbox.ts';
import { networkSet } from '../mail/networks.ts';
import { signedSender } from './outgoing.ts';
import type { Site } from './site.ts';

const AT_MS = Date.UTC(2026, 10, 21);
const KEYS = [
  { number: 4, secret: 'the key that is in use now' },
  { number: 3, secret: 'the key of the last year' },
];
const SIGNING: Partial<Site> = { batvKeys: KEYS, signsOutgoing: true, networks: networkSet(['10.0.0.0/8']) };
const OURS = '10.1.2.3';
const STRANGER = '192.0.2.7';
const BEA = { local: 'bea', domain: 'example.org' };

const cases: [string, string, ReversePath, boolean, Partial<Site>, string | undefined][] = [
  ['ours', OURS, BEA, false, {}, 'bea'],
  ['below one of our domains', OURS, { local: 'bea', domain: 'a.sub.example.org' }, false, {}, 'bea'],
  ['authenticated', STRANGER, BEA, true, {}, 'bea'],
  ['a tag that is there already', OURS, { ...BEA, local: 'prvs=0123abcdef=bea' }, false, {}, 'bea'],
  ['a stranger', STRANGER, BEA, false, {}, undefined],
  ['a relay of ours', STRANGER, BEA, false, { relays: networkSet([STRANGER]) }, undefined],
  ['a sender elsewhere', OURS, { local: 'a', domain: 'example.net' }, false, {}, undefined],
  ['the null sender', OURS, null, false, {}, undefined],
  ['keys that only check', OURS, BEA, false, { signsOutgoing: false }, undefined],
  ['no keys', OURS, BEA, false, { batvKeys: [] }, undefined],
  ['a local part that leaves no room', OURS, { ...BEA, local: 'b'.repeat(50) }, false, {}, undefined],
  ['a local part of other letters', OURS, { ...BEA, local: 'b\xf6' }, false, {}, undefined],
];
for (const [name, address, reversePath, authenticated, changes, signed] of cases) {
  it(`${name}: ${signed ?? 'not signed'}`, () => {
    const sender = signedSender(
      {
        client: { address, port: 1 },
        authenticated: authenticated ? { identity: 'bea', mechanism: 'PLAIN' } : undefined,
      },
      { reversePath, startedAtMs: AT_MS },
      { ...site, ...SIGNING, ...changes },
    );
    if (signed === undefined) assert.equal(sender, undefined);
    else {
      assert.ok(sender !== undefined && sender.local.startsWith('prvs=4'));
      const result = checkBatv(sender, KEYS, batvDay(AT_MS));
      assert.deepEqual(result, { kind: 'valid', mailbox: { local: signed, domain: reversePath?.domain } });
    }
  });
}
