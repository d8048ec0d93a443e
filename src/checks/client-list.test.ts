import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { buildLists, type ListEntry } from '../core/lists.ts';
import { clientList } from './client-list.ts';

const entry = (fields: Partial<ListEntry>): ListEntry => ({
  kind: 'block',
  source: 'postern.toml:1',
  ...fields,
});

describe('client-list', () => {
  const cases: [what: string, entries: ListEntry[], code: string, text: string][] = [
    ['an address', [entry({ client: '192.0.2.7' })], 'listed', '192.0.2.7 is on our block list'],
    [
      'a network',
      [entry({ client: '192.0.2.0/24', reason: 'spam' })],
      'listed',
      '192.0.2.7 is on our block list: spam',
    ],
    ['another network', [entry({ client: '192.0.3.0/24' })], 'not-listed', '192.0.2.7 is on no block list'],
    [
      'an allow entry',
      [entry({ kind: 'allow', client: '192.0.2.7' })],
      'not-listed',
      '192.0.2.7 is on no block list',
    ],
    [
      'entries with further conditions',
      [
        entry({ client: '192.0.2.7', sender: 'example.net' }),
        entry({ client: '192.0.2.7', host: 'a.example' }),
      ],
      'not-listed',
      '192.0.2.7 is on no block list',
    ],
  ];
  for (const [what, entries, code, text] of cases) {
    it(`${code}: ${what}`, async () => {
      const { findings } = await ask(clientList, { client: '192.0.2.7' }, { lists: buildLists(entries) });
      const listed = code === 'listed';
      assert.deepEqual(findings, [
        listed
          ? { result: 'fail', code, text, enhanced: '5.7.1', replyCode: 554 }
          : { result: 'pass', code, text },
      ]);
    });
  }
});
