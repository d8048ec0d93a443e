import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readPassword, type PasswordInput } from './password.ts';

/** A terminal's keys, or a pipe's chunks; knows whether it was let go. */
function input(chunks: readonly string[], isTTY: boolean) {
  const seen = { raw: [] as boolean[], open: true, prompts: '' };
  const stream: PasswordInput = {
    isTTY,
    setEncoding: () => undefined,
    setRawMode: (raw) => seen.raw.push(raw),
    async *[Symbol.asyncIterator]() {
      try {
        for (const chunk of chunks) yield await Promise.resolve(chunk);
        // A terminal and an open pipe are waited for.
        await new Promise((resolve) => setTimeout(resolve, 2000).unref());
      } finally {
        seen.open = false;
      }
    },
  };
  return { seen, read: () => readPassword(stream, (text) => void (seen.prompts += text)) };
}

describe('a password from a terminal', () => {
  const cases: [name: string, keys: readonly string[], password: string][] = [
    ['typed twice', ['secret\r', 'secret\r'], 'secret'],
    ['key by key', ['a', 'b', '\r', 'a', 'b', '\r'], 'ab'],
    ['with a slip', ['secrez\x7ft\r', 'sx\becret\n'], 'secret'],
    ['begun anew', ['wrong\x15secret\r', 'secret\x04'], 'secret'],
    ['with characters of two units, and one too many', ['g𝄞ü𝄞\x7f\r', 'g𝄞ü\r'], 'g𝄞ü'],
    ['with spaces at its ends', [' a b \r', ' a b \r'], ' a b '],
    ['nothing left to take back', ['\x7f\x7fa\r', 'a\r'], 'a'],
  ];
  for (const [name, keys, password] of cases) {
    it(name, async () => {
      const { seen, read } = input(keys, true);
      assert.equal(await read(), password);
      assert.deepEqual(seen, { raw: [true, false], open: false, prompts: 'Password: \nAgain: \n' });
    });
  }

  const bad: [name: string, keys: readonly string[], error: object][] = [
    ['two different ones', ['a\r', 'b\r'], { exitCode: 1, message: /not the same/ }],
    ['an empty one', ['\r'], { exitCode: 64, message: /is empty/ }],
    ['Ctrl-C', ['abc\x03'], { exitCode: 130 }],
    ['an endless one', ['x'.repeat(1025)], { exitCode: 64, message: /longer than 1024/ }],
  ];
  for (const [name, keys, error] of bad) {
    it(`takes no password from ${name}, and leaves the terminal as it was`, async () => {
      const { seen, read } = input(keys, true);
      await assert.rejects(read(), error);
      assert.deepEqual([seen.raw, seen.open], [[true, false], false]);
    });
  }
});

describe('a password from a pipe', () => {
  const cases: [chunks: readonly string[], password: string][] = [
    [['secret\n'], 'secret'],
    [['sec', 'ret\r\nnext\n'], 'secret'],
    [['a\x7fb\n'], 'a\x7fb'],
    [['x'.repeat(1024) + '\n'], 'x'.repeat(1024)],
  ];
  for (const [chunks, password] of cases) {
    it(`is its first line: ${JSON.stringify(chunks).slice(0, 40)}`, async () => {
      const { seen, read } = input(chunks, false);
      assert.equal(await read(), password);
      assert.deepEqual(seen, { raw: [], open: false, prompts: '' });
    });
  }
  it('is not empty', () => assert.rejects(input(['\n'], false).read(), { exitCode: 64 }));
  it('is not endless', () => assert.rejects(input(['x'.repeat(1025)], false).read(), { exitCode: 64 }));
});
