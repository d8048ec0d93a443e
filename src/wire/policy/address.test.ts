import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readAddress } from './address.ts';

describe('an address as the MTA keeps it', () => {
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
    ['root', undefined],
    ['', undefined],
    ['@example.net', undefined],
    ['a@', undefined],
    ['a@b c', undefined],
    ['a@example.net>', undefined],
    ['a\n@example.net', undefined],
  ] as const) {
    it(JSON.stringify(text), () => assert.deepEqual(readAddress(text), expected));
  }
  it('has a local part of the length that is asked for', () => {
    const long = `${'x'.repeat(65)}@example.net`;
    assert.equal(readAddress(long), undefined);
    assert.equal(readAddress(long, 65)?.local.length, 65);
  });
});
