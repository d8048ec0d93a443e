import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import { keyOf, sealed } from '../../test/signing.ts';
import { arc } from './arc.ts';

const MESSAGE = 'From: joe@a.example\r\nSubject: x\r\n\r\nbody\r\n';
const found = async (message: string, troubles: Record<string, FakeTrouble> = {}) =>
  (await ask(arc, { from: 'joe@a.example', message }, { dns: fakeResolver(keyOf('l.example'), troubles) }))
    .findings;
const once = () => sealed(MESSAGE, 'l.example', 'l.example; none');

describe('arc', () => {
  it('pass', async () => {
    const properties = { 'smtp.remote-ip': '192.0.2.7' };
    assert.deepEqual(await found(await sealed(await once(), 'l.example', 'l.example; none', 2)), [
      {
        result: 'pass',
        code: 'pass',
        text: 'the ARC chain of 2 holds, sealed last by l.example',
        authentication: [{ method: 'arc', result: 'pass', comment: 'i=2', properties }],
      },
    ]);
  });

  it('fail', async () => {
    const comment = 'i=1 no valid signature';
    assert.deepEqual(await found(`${await once()}x\r\n`), [
      {
        result: 'fail',
        code: 'fail',
        text: `the ARC chain does not hold: ${comment}`,
        enhanced: '5.7.29',
        authentication: [{ method: 'arc', result: 'fail', comment }],
      },
    ]);
  });

  it('none', async () => {
    const authentication = [{ method: 'arc', result: 'none' }];
    assert.deepEqual(await found(MESSAGE), [
      { result: 'none', code: 'none', text: 'the message has no ARC chain', authentication },
    ]);
  });

  it('temperror, of which the header says nothing', async () => {
    assert.deepEqual(await found(await once(), { 's._domainkey.l.example': 'servfail' }), [
      {
        result: 'temperror',
        code: 'temperror',
        text: 'the ARC chain could not be verified: DNS did not answer',
        enhanced: '5.7.29',
      },
    ]);
  });
});
