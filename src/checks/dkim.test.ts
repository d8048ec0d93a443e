import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import { keyOf, signed } from '../../test/signing.ts';
import { MAX_SIGNATURES } from '../msgauth/signed-header.ts';
import { dkim } from './dkim.ts';

const from = 'joe@a.example';
const MESSAGE = 'From: joe@a.example\r\nSubject: x\r\n\r\nbody\r\n';
const found = async (
  message: string,
  zone = keyOf('a.example'),
  troubles: Record<string, FakeTrouble> = {},
) => (await ask(dkim, { from, message }, { dns: fakeResolver(zone, troubles) })).findings;

describe('dkim', () => {
  it('pass', async () => {
    const [finding, ...more] = await found(await signed(MESSAGE, 'a.example'));
    assert.deepEqual(more, []);
    const properties = finding?.authentication?.[0]?.properties ?? {};
    assert.deepEqual(finding, {
      result: 'pass',
      code: 'pass',
      text: 'the DKIM signature of a.example holds',
      domain: 'a.example',
      authentication: [{ method: 'dkim', result: 'pass', properties }],
    });
    const { 'header.b': b, ...others } = properties;
    assert.equal(b?.length, 8);
    assert.deepEqual(others, {
      'header.d': 'a.example',
      'header.i': '@a.example',
      'header.s': 's',
      'header.a': 'ed25519-sha256',
    });
  });

  const cases: [name: string, message: () => Promise<string>, code: string, text: string][] = [
    [
      'another body',
      async () => `${await signed(MESSAGE, 'a.example')}x\r\n`,
      'fail',
      'the DKIM signature of a.example does not hold: body hash did not verify',
    ],
    [
      'a part left out',
      async () => `${await signed(MESSAGE, 'a.example', { maxBodyLength: 6 })}x\r\n`,
      'policy',
      'the DKIM signature of a.example is not good enough: the signature leaves out 3 octets at the end',
    ],
    [
      'no key',
      () => signed(MESSAGE, 'b.example'),
      'neutral',
      'the DKIM signature of b.example cannot be verified: no key',
    ],
    [
      'nobody',
      async () => `DKIM-Signature: x\r\n${MESSAGE}`,
      'neutral',
      'the DKIM signature of nobody cannot be verified: unknown algorithm',
    ],
  ];
  for (const [name, message, code, text] of cases) {
    it(`${code}: ${name}`, async () => {
      const [finding] = await found(await message());
      assert.deepEqual(
        [finding?.result, finding?.code, finding?.text, finding?.enhanced, finding?.domain],
        ['fail', code, text, '5.7.20', undefined],
      );
      assert.equal(finding?.authentication?.[0]?.result, code);
    });
  }

  it('none', async () => {
    const authentication = [{ method: 'dkim', result: 'none' }];
    assert.deepEqual(await found(MESSAGE), [
      { result: 'none', code: 'none', text: 'the message is not signed', authentication },
    ]);
  });

  it('temperror', async () => {
    const troubles = { 's._domainkey.a.example': 'timeout' } as const;
    const [finding] = await found(await signed(MESSAGE, 'a.example'), {}, troubles);
    assert.deepEqual([finding?.result, finding?.code], ['temperror', 'temperror']);
  });

  it('too-many', async () => {
    const one = await signed(MESSAGE, 'a.example');
    const field = one.slice(0, one.length - MESSAGE.length);
    const findings = await found(field.repeat(1000) + MESSAGE);
    assert.deepEqual(
      findings.map(({ code }) => code),
      [...Array.from({ length: MAX_SIGNATURES }, () => 'pass'), 'too-many'],
    );
    assert.equal(findings.at(-1)?.text, '990 of the DKIM signatures were not looked at');
  });

  it('finds nothing in a trial, which has no message', async () => {
    const evidence = null as never;
    assert.deepEqual(dkim.judge({} as never, evidence, {} as never, {} as never), []);
  });
});
