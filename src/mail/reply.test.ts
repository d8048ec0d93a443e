import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatReply, isPermanent, isPositive, isTransient, reply } from './reply.ts';

describe('a reply', () => {
  for (const [given, text] of [
    [reply(250, '2.1.0', 'Yes'), '250 2.1.0 Yes\r\n'],
    [reply(220, '', 'mx'), '220 mx\r\n'],
    [reply(334, ''), '334 \r\n'],
    [reply(250, '', 'mx', 'SIZE', 'DSN'), '250-mx\r\n250-SIZE\r\n250 DSN\r\n'],
    [reply(550, '5.7.1', 'a', 'b'), '550-5.7.1 a\r\n550 5.7.1 b\r\n'],
    [reply(550, '5.7.1', 'x\r\n250 y\x1b[1m é'), '550 5.7.1 x??250 y?[1m ?\r\n'],
    [reply(550, '', '\0', '\0'), '550-?\r\n550 ?\r\n'],
    [reply(550, '5.7.1', 'x'.repeat(480)), `550 5.7.1 ${'x'.repeat(480)}\r\n`],
    [reply(550, '5.7.1', 'x'.repeat(481)), `550 5.7.1 ${'x'.repeat(480)}\r\n`],
  ] as const) {
    it(JSON.stringify(text).slice(0, 50), () => assert.equal(formatReply(given), text));
  }
  it('is of one kind', () => {
    const kinds = (code: number) => [isPositive, isTransient, isPermanent].map((is) => is(reply(code, '')));
    assert.deepEqual(kinds(200), [true, false, false]);
    assert.deepEqual(kinds(399), [true, false, false]);
    assert.deepEqual(kinds(400), [false, true, false]);
    assert.deepEqual(kinds(499), [false, true, false]);
    assert.deepEqual(kinds(500), [false, false, true]);
    assert.deepEqual(kinds(599), [false, false, true]);
    assert.deepEqual(kinds(600), [false, false, false]);
  });
});
