import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { takenAddress } from './taken-address.ts';

describe('an address that an MTA took', () => {
  for (const [text, expected] of [
    ['a@example.net', { local: 'a', domain: 'example.net' }],
    ['A.b+c@EXAMPLE.net', { local: 'A.b+c', domain: 'example.net' }],
    ['two words@example.net', { local: 'two words', domain: 'example.net' }],
    ['a@b@example.net', { local: 'a@b', domain: 'example.net' }],
    ['say "hi"@example.net', { local: 'say "hi"', domain: 'example.net' }],
    ['bücher@bücher.example', { local: 'bücher', domain: 'xn--bcher-kva.example' }],
    ['a@[192.0.2.7]', { local: 'a', domain: '[192.0.2.7]' }],
    ['a@my_pc.example.net', { local: 'a', domain: 'my_pc.example.net' }],
    ['postmaster', { local: 'postmaster', domain: '' }],
    ['root', { local: 'root', domain: '' }],
    ['two words', { local: 'two words', domain: '' }],
    ['a@example.net.', { local: 'a', domain: 'example.net' }],
    ['a.@example.net', { local: 'a.', domain: 'example.net' }],
    ['a..b@example.net', { local: 'a..b', domain: 'example.net' }],
    ['a@example.net..', undefined],
    ['', undefined],
    ['@example.net', undefined],
    ['a@', undefined],
    ['a@b c', undefined],
    ['a@example.net>', undefined],
    ['a\n@example.net', undefined],
  ] as const) {
    it(JSON.stringify(text), () => assert.deepEqual(takenAddress(text), expected));
  }
  it('has a local part of the length that is asked for', () => {
    const long = `${'x'.repeat(65)}@example.net`;
    assert.equal(takenAddress(long), undefined);
    assert.equal(takenAddress(long, 65)?.local.length, 65);
  });
});
