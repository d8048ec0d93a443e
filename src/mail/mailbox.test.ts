import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatMailbox, formatReversePath, mailboxKey } from './mailbox.ts';

describe('a mailbox', () => {
  for (const [local, domain, text] of [
    ['a.b+c', 'example.net', 'a.b+c@example.net'],
    ['é', 'example.net', 'é@example.net'],
    ['a b', 'example.net', '"a b"@example.net'],
    ['a"\\', 'example.net', '"a\\"\\\\"@example.net'],
    ['a..b', 'example.net', '"a..b"@example.net'],
    ['', 'example.net', '""@example.net'],
    ['Postmaster', '', 'Postmaster'],
  ] as const) {
    it(text, () => assert.equal(formatMailbox({ local, domain }), text));
  }
  it('has a key without case', () => {
    assert.equal(mailboxKey({ local: 'A.b', domain: 'example.net' }), 'a.b@example.net');
  });
});

describe('a reverse-path', () => {
  it('is empty when it is null', () => assert.equal(formatReversePath(null), ''));
  it('is a mailbox otherwise', () => {
    assert.equal(formatReversePath({ local: 'a', domain: 'example.net' }), 'a@example.net');
  });
});
