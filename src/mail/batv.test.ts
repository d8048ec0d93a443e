import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { batvDay, batvOriginal, checkBatv, signBatv } from './batv.ts';

const joe = { local: 'joe', domain: 'example.org' };
const key = { number: 3, secret: 'a secret' };
const today = 20_778;

describe('a bounce address tag', () => {
  it('says key and last day, and is valid until then', () => {
    const signed = signBatv(joe, key, today)!;
    assert.match(signed.local, /^prvs=3785[0-9a-f]{6}=joe$/);
    assert.deepEqual(batvOriginal(signed), joe);
    for (const [day, kind] of [
      [today - 1, 'expired'],
      [today, 'valid'],
      [today + 7, 'valid'],
      [today + 8, 'expired'],
      [today + 900, 'expired'],
    ] as const)
      assert.deepEqual(checkBatv(signed, [key], day), { kind, mailbox: joe }, `${day - today}`);
  });

  it('is the same over the turn of the thousand days', () => {
    const signed = signBatv(joe, key, 20_996)!;
    assert.match(signed.local, /^prvs=3003/);
    for (const [day, kind] of [
      [20_996, 'valid'],
      [21_003, 'valid'],
      [21_004, 'expired'],
    ] as const)
      assert.equal(checkBatv(signed, [key], day).kind, kind);
  });

  it('holds for its address, under its key, whatever the case', () => {
    const signed = signBatv(joe, key, today)!;
    const cases = [
      [joe, 'untagged'],
      [{ ...signed, local: signed.local.toUpperCase() }, 'valid'],
      [{ ...signed, domain: 'example.net' }, 'forged'],
      [{ ...signed, local: signed.local.replace('joe', 'ann') }, 'forged'],
      [{ ...signed, local: signed.local.replace('prvs=3785', 'prvs=3784') }, 'forged'],
      [{ ...signed, local: signed.local.replace('prvs=3', 'prvs=4') }, 'unknown-key'],
      [{ ...joe, local: 'prvs=joe/3785abcdef' }, 'untagged'],
      [{ ...joe, local: 'prvs=3785abcdef=' }, 'untagged'],
    ] as const;
    for (const [mailbox, kind] of cases)
      assert.equal(checkBatv(mailbox, [key], today).kind, kind, mailbox.local);
    assert.equal(checkBatv(signed, [{ number: 3, secret: 'another' }], today).kind, 'forged');
    assert.equal(checkBatv(signed, [{ number: 1, secret: 'x' }, key], today).kind, 'valid');
  });

  it('replaces the one there is, and is not put where it does not fit', () => {
    const again = signBatv(signBatv(joe, key, today)!, key, today + 1)!;
    assert.deepEqual(checkBatv(again, [key], today + 8), { kind: 'valid', mailbox: joe });
    for (const [length, fits] of [
      [48, true],
      [49, false],
    ] as const)
      assert.equal(signBatv({ ...joe, local: 'x'.repeat(length) }, key, today) !== undefined, fits);
  });

  it('counts days from 1970', () => {
    assert.equal(batvDay(0), 0);
    assert.equal(batvDay(86_400_000 - 1), 0);
    assert.equal(batvDay(86_400_000), 1);
  });
});
