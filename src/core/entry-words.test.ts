import assert from 'node:assert/strict';
import { it } from 'node:test';
import { entryWords } from './entry-words.ts';

for (const [conditions, words] of [
  [{ client: '192.0.2.7' }, 'client 192.0.2.7'],
  [{ client: '192.0.2.0/24', recipient: 'ann@example.org' }, 'network 192.0.2.0/24 to ann@example.org'],
  [{ host: '.example.net', sender: '<>' }, 'host .example.net bounces'],
  [{ sender: 'joe@example.net' }, 'sender joe@example.net'],
  [{ sender: '.example.net' }, 'senders of .example.net'],
  [{ recipient: 'ann@example.org' }, 'mail to ann@example.org'],
] as const)
  it(`an entry in words: ${words}`, () => assert.equal(entryWords(conditions), words));
