import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { namedRecipient } from './named-recipient.ts';

describe('named-recipient', () => {
  const joe = 'joe@example.org';
  const cases: [
    header: string,
    code: string,
    said?: { from?: string; recipients?: string[] },
    aliases?: string[],
  ][] = [
    [`To: Joe <${joe}>`, 'named'],
    ['To: JOE+shop@Example.ORG', 'named'],
    ['To: x@example.net\r\nCC: y@example.net,\r\n  joe@example.org', 'named'],
    [`Resent-To: ${joe}`, 'named'],
    [`To: Joe <${joe}>`, 'named', { recipients: ['joe+shop@example.org'] }],
    [`To: Joe <${joe}>`, 'named', { recipients: ['prvs=0123abcdef=joe@example.org'] }],
    [`To: Joe <${joe}>`, 'named', { recipients: ['ann@example.org', joe] }],
    ['To: staff@example.org', 'unnamed'],
    ['To: staff@example.org', 'named', {}, ['Staff@example.org']],
    ['To: any@lists.example.org', 'named', {}, ['@lists.example.org']],
    ['To: x@example.net', 'unnamed'],
    ['To: "joe@example.org" <x@example.net>', 'unnamed'],
    ['To: undisclosed-recipients:;', 'nobody-named'],
    ['Subject: joe@example.org', 'nobody-named'],
    ['To: x@example.net', 'bounce', { from: '<>' }],
    ['To: x@example.net\r\nList-Id: <l.example.net>', 'list'],
    ['To: x@example.net\r\nPrecedence: LIST', 'list'],
    ['To: x@example.net\r\nPrecedence: bulk', 'unnamed'],
  ];
  for (const [header, code, said = {}, aliases = []] of cases) {
    it(`${code}: ${header}${JSON.stringify(said)}`, async () => {
      const message = `From: a@example.net\r\n${header}\r\n\r\nTo: joe@example.org\r\n`;
      const facts = { from: 'a@example.net', recipients: [joe], message, ...said };
      const { findings } = await ask(namedRecipient, facts, {}, { aliases });
      assert.equal(findings[0]?.code, code);
      const result = code === 'named' ? 'pass' : /named$/.test(code) ? 'fail' : 'none';
      assert.equal(findings[0].result, result);
    });
  }

  it('is off unless it is wanted', () => assert.equal(namedRecipient.defaults.on_fail, 'off'));
});
