import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readRecipient, readSender } from './envelope.ts';

describe('a sender', () => {
  const a = { local: 'a', domain: 'example.net' };
  const cases: [string, string[], ReturnType<typeof readSender>][] = [
    ['<a@example.net>', [], { reversePath: a, parameters: {} }],
    ['a@EXAMPLE.net', [], { reversePath: a, parameters: {} }],
    ['<>', ['BODY=8BITMIME'], { reversePath: null, parameters: { body: '8BITMIME' } }],
    ['<@relay.example:a@example.net>', [], { reversePath: a, parameters: {} }],
    [
      '<a@example.net>',
      ['SIZE=1000', 'SMTPUTF8', 'RET=HDRS', 'ENVID=x'],
      { reversePath: a, parameters: { sizeOctets: 1000, smtputf8: true, ret: 'HDRS', envid: 'x' } },
    ],
    [
      '<a@example.net>',
      ['XYZZY=1', 'SIZE=x', 'AUTH=<>', 'size=5', 'SIZE=6', 'BODY=7BIT BODY=8BITMIME', ''],
      { reversePath: a, parameters: { sizeOctets: 5 } },
    ],
    ['<bücher@example.net>', [], { reversePath: { local: 'bücher', domain: 'example.net' }, parameters: {} }],
    ['', [], undefined],
    ['<a@example.net> SIZE=1', [], undefined],
    ['<a@example.net> <b@example.net>', [], undefined],
    ['<a@example.net', [], undefined],
    ['<a b@example.net>', [], { reversePath: { local: 'a b', domain: 'example.net' }, parameters: {} }],
    ['<a@example.net.>', [], { reversePath: a, parameters: {} }],
    ['<a..b@example.net>', [], { reversePath: { local: 'a..b', domain: 'example.net' }, parameters: {} }],
    ['Ann <a@example.net>', [], { reversePath: a, parameters: {} }],
    ['<root>', [], { reversePath: { local: 'root', domain: '' }, parameters: {} }],
    ['root', [], { reversePath: { local: 'root', domain: '' }, parameters: {} }],
  ];
  for (const [path, parameters, expected] of cases) {
    it(`${path} ${parameters.join(' ')}`, () => assert.deepEqual(readSender({ path, parameters }), expected));
  }
  it('has a local part of the length that is asked for', () => {
    const path = `<${'x'.repeat(65)}@example.net>`;
    assert.equal(readSender({ path, parameters: [] }), undefined);
    assert.notEqual(readSender({ path, parameters: [] }, { localPartOctets: 65 }), undefined);
  });
});

describe('a recipient', () => {
  const b = { local: 'b', domain: 'example.org' };
  const cases: [string, string[], ReturnType<typeof readRecipient>][] = [
    ['<b@example.org>', [], { forwardPath: b, parameters: {} }],
    [
      '<b@example.org>',
      ['NOTIFY=NEVER', 'ORCPT=rfc822;b@example.org', 'X=1'],
      { forwardPath: b, parameters: { notify: 'NEVER', orcpt: 'rfc822;b@example.org' } },
    ],
    ['<Postmaster>', [], { forwardPath: { local: 'Postmaster', domain: '' }, parameters: {} }],
    ['<>', [], undefined],
    ['<b@example.org> x', [], undefined],
    ['<b>', [], { forwardPath: { local: 'b', domain: '' }, parameters: {} }],
  ];
  for (const [path, parameters, expected] of cases) {
    it(`${path} ${parameters.join(' ')}`, () =>
      assert.deepEqual(readRecipient({ path, parameters }), expected));
  }
});
