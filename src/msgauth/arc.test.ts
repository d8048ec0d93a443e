import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { messagePort } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import { keyOf, sealed } from '../../test/signing.ts';
import type { ArcOutcome } from './arc.ts';
import { authenticateMessage } from './dkim.ts';

const MESSAGE = 'From: Joe <joe@a.example>\r\nSubject: x\r\n\r\nbody\r\n';
const ZONE = { ...keyOf('l.example'), ...keyOf('m.example') };
const arcOf = async (text: string, troubles: Record<string, FakeTrouble> = {}): Promise<ArcOutcome> => {
  const port = messagePort(Buffer.from(text, 'latin1'));
  return (await authenticateMessage(port, fakeResolver(ZONE, troubles), 0, new AbortController().signal)).arc;
};
const PASSED = 'l.example; spf=fail; dmarc=pass (p=reject) header.from=A.example';

describe('the ARC chain of a message', () => {
  it('says who sealed what', async () => {
    const two = await sealed(
      await sealed(MESSAGE, 'l.example', PASSED),
      'M.example',
      'm.example; dmarc=fail',
      2,
    );
    assert.deepEqual(await arcOf(two), {
      result: 'pass',
      sets: [
        { sealer: 'l.example', dmarcPassed: ['a.example'] },
        { sealer: 'm.example', dmarcPassed: [] },
      ],
    });
  });

  it('is none where there is none', async () => {
    assert.deepEqual(await arcOf(MESSAGE), { result: 'none', sets: [] });
  });

  it('says nothing of what was sealed where it does not hold', async () => {
    const text = await sealed(MESSAGE, 'l.example', PASSED);
    for (const changed of [
      text.replace('body', 'corpse'),
      text.replace('dmarc=pass', 'dmarc=best'),
      text.replace('i=1;', 'i=2;'),
      text.replace(/ARC-Seal/, 'X-Seal'),
    ]) {
      const found = await arcOf(changed);
      assert.deepEqual([found.result, found.sets], ['fail', []], changed);
    }
  });

  it('is unknown where a key cannot be asked for', async () => {
    const text = await sealed(MESSAGE, 'l.example', PASSED);
    for (const trouble of ['servfail', 'timeout'] as const) {
      assert.deepEqual(await arcOf(text, { 's._domainkey.l.example': trouble }), {
        result: 'temperror',
        sets: [],
        problem: 'DNS did not answer',
      });
    }
  });

  const results: [name: string, text: string, passed: string[]][] = [
    ['without an author', 'l.example; dmarc=pass', []],
    ['in a comment', 'l.example; (dmarc=pass header.from=a.example) spf=pass', []],
    ['in quotes', 'l.example; spf=fail reason="x; dmarc=pass header.from=a.example"', []],
    [
      'of two authors',
      'l.example; dmarc=pass header.from=a.example; dmarc=pass header.from=b.example',
      ['a.example', 'b.example'],
    ],
    ['in quotes that do not end', 'l.example; dmarc=pass header.from="a.example', []],
  ];
  for (const [name, text, passed] of results) {
    it(`reads what was sealed: ${name}`, async () => {
      const { sets } = await arcOf(await sealed(MESSAGE, 'l.example', text));
      assert.deepEqual(sets, [{ sealer: 'l.example', dmarcPassed: passed }]);
    });
  }

  it('is too large beyond the limits', async () => {
    const text = await sealed(MESSAGE, 'l.example', `l.example; ${'x'.repeat(9000)}`);
    assert.deepEqual(await arcOf(text), {
      result: 'fail',
      sets: [],
      problem: 'the ARC fields are too large, or too many',
    });
  });
});
