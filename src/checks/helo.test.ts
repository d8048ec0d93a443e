import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { helo } from './helo.ts';

type Case = [
  said: string,
  code: string,
  enhanced?: string | undefined,
  replyCode?: number | undefined,
  settings?: object,
  client?: string,
];

describe('helo', () => {
  const cases: Case[] = [
    ['mail.example.net', 'ok'],
    ['MAIL.Example.NET.', 'ok'],
    ['my_host.example.net', 'ok'],
    ['my_host.example.net', 'syntax', '5.5.2', 501, { underscores: false }],
    ['[192.0.2.7]', 'ok'],
    ['[IPv6:2001:db8:0::7]', 'ok', undefined, undefined, {}, '2001:db8::7'],
    ['[IPv6:::ffff:192.0.2.7]', 'ok'],
    ['[192.0.2.7]', 'literal-refused', '5.7.1', 550, { literals: false }],
    ['[192.0.2.8]', 'literal-mismatch', '5.7.1', 550],
    ['[198.51.100.25]', 'own-address', '5.7.1', 550],
    ['[IPv6:2001:db8:25:0::25]', 'own-address', '5.7.1', 550],
    ['[198.51.100.25]', 'ok', undefined, undefined, {}, '198.51.100.25'],
    ['[192.0.2.7', 'syntax', '5.5.2', 501],
    ['[2001:db8::7]', 'syntax', '5.5.2', 501],
    ['[]', 'syntax', '5.5.2', 501],
    ['192.0.2.7', 'bare-address', '5.5.2', 501],
    ['2001:db8::7', 'bare-address', '5.5.2', 501],
    ['', 'syntax', '5.5.2', 501],
    ['a..example', 'syntax', '5.5.2', 501],
    ['-a.example', 'syntax', '5.5.2', 501],
    ['a b.example', 'syntax', '5.5.2', 501],
    ['a\r\nb.example', 'syntax', '5.5.2', 501],
    ['bücher.example', 'syntax', '5.5.2', 501],
    [`${'x'.repeat(64)}.example`, 'syntax', '5.5.2', 501],
    [`${'abcdefg.'.repeat(40)}example`, 'syntax', '5.5.2', 501],
    ['localhost', 'not-fqdn', '5.5.2', 504],
    ['WIN-ABCDEF', 'not-fqdn', '5.5.2', 504],
    ['1.2.3', 'not-fqdn', '5.5.2', 504],
    ['mx.example.org', 'own-name', '5.7.1', 550],
    ['MX.example.ORG.', 'own-name', '5.7.1', 550],
    ['example.org', 'own-domain', '5.7.1', 550],
    ['a.sub.example.org', 'own-domain', '5.7.1', 550],
    ['other.example.org', 'ok'],
  ];
  for (const [said, code, enhanced, replyCode, settings = {}, client] of cases) {
    it(`${code}: ${JSON.stringify(said.slice(0, 40))}${client === undefined ? '' : ` from ${client}`}`, async () => {
      const facts = { helo: said, ...(client === undefined ? {} : { client }) };
      const { findings } = await ask(helo, facts, {}, { ...settings });
      const [finding] = findings;
      assert.equal(findings.length, 1);
      assert.deepEqual([finding?.code, finding?.enhanced, finding?.replyCode], [code, enhanced, replyCode]);
      assert.equal(finding?.result, code === 'ok' ? 'pass' : 'fail');
    });
  }

  it('is a strike where the name is a lie about us, and no more than a refusal where it may be a mistake', () => {
    assert.deepEqual(helo.charges, { 'own-name': 'strike', 'own-address': 'strike' });
  });
});
