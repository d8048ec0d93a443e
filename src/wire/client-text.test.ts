import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { plainText, rawText } from './client-text.ts';

describe('words of a client', () => {
  for (const [name, bytes, raw, plain] of [
    ['ASCII', Buffer.from('a b\tc'), 'a b\tc', 'a b\tc'],
    ['UTF-8', Buffer.from('bücher'), 'bücher', 'bücher'],
    ['no UTF-8', Buffer.from('b\xfccher', 'latin1'), 'bücher', 'bücher'],
    ['control characters', Buffer.from('a\r\n\0b\x1b\x7fc'), 'a\r\n\0b\x1b\x7fc', 'a???b??c'],
    ['nothing', Buffer.alloc(0), '', ''],
  ] as const) {
    it(name, () => assert.deepEqual([rawText(bytes), plainText(bytes)], [raw, plain]));
  }
});
