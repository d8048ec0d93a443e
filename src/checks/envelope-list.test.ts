import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, type Said } from '../../test/fakes/ask.ts';
import { buildLists, type ListEntry } from '../core/lists.ts';
import { envelopeList } from './envelope-list.ts';

const entry = (fields: Partial<ListEntry>): ListEntry => ({
  kind: 'block',
  source: 'postern.toml:1',
  ...fields,
});
const said: Said = { client: '192.0.2.7', from: 'joe@example.net', to: 'amy@example.org' };

describe('envelope-list', () => {
  const cases: [string, ListEntry, Said, code: string, text: RegExp][] = [
    [
      'a sender',
      entry({ sender: 'joe@example.net' }),
      said,
      'sender',
      /^sender <joe@example\.net> is on our block list$/,
    ],
    ['a domain', entry({ sender: 'example.net', reason: 'ads' }), said, 'sender', /block list: ads$/],
    ['the null sender', entry({ sender: '<>' }), { ...said, from: '<>' }, 'sender', /^sender <> /],
    [
      'a recipient',
      entry({ recipient: 'amy@example.org' }),
      said,
      'recipient',
      /^amy@example\.org takes no mail/,
    ],
    ['both', entry({ sender: 'example.net', recipient: 'amy@example.org' }), said, 'sender', /^sender/],
    [
      'with the client',
      entry({ client: '192.0.2.0/24', recipient: 'amy@example.org' }),
      said,
      'recipient',
      /^amy/,
    ],
    [
      'another recipient',
      entry({ sender: 'example.net', recipient: 'ann@example.org' }),
      said,
      'not-listed',
      /./,
    ],
    ['another client', entry({ client: '192.0.3.0/24', sender: 'example.net' }), said, 'not-listed', /./],
    ['the client alone', entry({ client: '192.0.2.7' }), said, 'not-listed', /./],
    ['an allow entry', entry({ kind: 'allow', sender: 'example.net' }), said, 'not-listed', /./],
    [
      'hostile bytes',
      entry({ sender: 'example.net' }),
      { ...said, from: 'a\r\nü@example.net' },
      'sender',
      /"?a\?\?\?"?@/,
    ],
  ];
  for (const [what, listed, facts, code, text] of cases) {
    it(`${code}: ${what}`, async () => {
      const { findings } = await ask(envelopeList, facts, { lists: buildLists([listed]) });
      assert.equal(findings.length, 1);
      assert.equal(findings[0]?.code, code);
      assert.equal(findings[0].result, code === 'not-listed' ? 'pass' : 'fail');
      assert.match(findings[0].text, text);
    });
  }
});
