import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_UNREAD, unreadAuthors } from './authors.ts';

describe('authors in From that no address was read of', () => {
  const cases: [field: string, read: readonly string[], unread: readonly string[]][] = [
    ['a@a.example', ['a@a.example'], []],
    ['A <a@A.example.>', ['a@a.example'], []],
    ['A <a@a.example> <b@b.example>', ['a@a.example'], ['b.example']],
    ['b@b(c).example', ['b@b'], ['b.example']],
    ['b @ b.example, c', ['b@b.example'], []],
    ['"b@b.example" <a@a.example>', ['a@a.example'], []],
    ['b@b.example <a@a.example>', ['a@a.example'], []],
    ['b@b.example (joe) <a@a.example>', ['a@a.example'], []],
    ['b@b.example; <a@a.example>', ['a@a.example'], ['b.example']],
    ['(b@b.example) a@a.example', ['a@a.example'], []],
    ['"x" (y (z) \\) b@b.example) a@a.example', ['a@a.example'], []],
    ['"a b"@a.example', ['"a b"@a.example'], []],
    ['a@a.example (b@b.example', ['a@a.example'], ['b.example']],
    ['a@b\xc3\xbccher.example', ['a@bücher.example'], []],
    ['nobody', [], []],
    ['@', [], []],
  ];
  for (const [field, read, unread] of cases) {
    it(field, () => {
      assert.deepEqual(
        unreadAuthors([field], read),
        unread.map((domain) => `unread@${domain}`),
      );
    });
  }

  it('are few, each once, and never cost much', () => {
    const many = Array.from({ length: 50 }, (_, i) => `<a@a${i % 20}.example>`).join(' ');
    assert.equal(unreadAuthors([many, many], []).length, MAX_UNREAD);
    for (const part of ['(', '"', '@', 'a@b ', '(")', '\\', '@a<'])
      assert.ok(unreadAuthors([part.repeat(16_384)], []).length <= MAX_UNREAD);
    fc.assert(fc.property(fc.string(), (text) => assert.ok(unreadAuthors([text], []).length <= MAX_UNREAD)));
  });
});
