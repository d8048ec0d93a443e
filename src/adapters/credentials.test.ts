import assert from 'node:assert/strict';
import { scryptSync } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { parsePasswordHash } from '../core/password-hash.ts';
import { Credentials, hashPassword } from './credentials.ts';

// Cheap ones: the tests are about the answers.
const cheap = (password: string) => {
  const salt = Buffer.from('salt-of-test');
  const key = scryptSync(password, salt, 32, { N: 16, r: 1, p: 1 });
  return `$scrypt$16$1$1$${salt.toString('base64url')}$${key.toString('base64url')}`;
};

let credentials: Credentials;
before(() => {
  credentials = new Credentials(
    new Map([
      ['user', cheap('right')],
      ['bücher@example.org', cheap('pässwörd')],
      ['long', cheap('x'.repeat(1024))],
      ['longer', cheap('x'.repeat(1025))],
      ['broken', 'secret'],
    ]),
  );
});

describe('credentials', () => {
  const cases: [identity: string, password: string, verdict: 'ok' | 'wrong'][] = [
    ['user', 'right', 'ok'],
    ['user', 'wrong', 'wrong'],
    ['user', '', 'wrong'],
    ['user', 'right ', 'wrong'],
    ['User', 'right', 'wrong'],
    ['bücher@example.org', 'pässwörd', 'ok'],
    ['nobody', 'right', 'wrong'],
    ['__proto__', 'right', 'wrong'],
    ['long', 'x'.repeat(1024), 'ok'],
    ['longer', 'x'.repeat(1025), 'wrong'],
    ['broken', 'secret', 'wrong'],
  ];
  for (const [identity, password, verdict] of cases) {
    it(`${identity} with ${password.slice(0, 10)}: ${verdict}`, async () =>
      assert.equal(await credentials.verify(identity, password, '192.0.2.7'), verdict));
  }

  it('asked for by one network in a flood are refused beyond eight, and the others have their turn', async () => {
    const order: string[] = [];
    const flood = Array.from({ length: 12 }, async (_, i) => {
      const verdict = await credentials.verify('user', 'guess', '192.0.2.7');
      order.push(`${i}: ${verdict}`);
    });
    const honest = credentials.verify('user', 'right', '198.51.100.3').then((verdict) => order.push(verdict));
    await Promise.all([...flood, honest]);
    assert.deepEqual(
      order.filter((o) => o.endsWith('too-many')),
      ['8: too-many', '9: too-many', '10: too-many', '11: too-many'],
    );
    assert.equal(order.filter((o) => o.endsWith('wrong')).length, 8);
    // The guesses come one after the other: the honest one does not wait for them.
    const after = order.slice(order.indexOf('ok') + 1);
    assert.ok(after.length >= 4 && after.every((o) => o.endsWith('wrong')), order.join(', '));
    assert.equal(await credentials.verify('user', 'right', '192.0.2.7'), 'ok');
  });

  it('asked for by many networks wait for their turn, 64 of them beside the four at work', async () => {
    const verdicts = await Promise.all(
      Array.from({ length: 70 }, (_, i) => credentials.verify('user', 'right', `192.0.2.${i}`)),
    );
    assert.deepEqual(verdicts, [...Array<string>(68).fill('ok'), 'unavailable', 'unavailable']);
    assert.equal(await credentials.verify('user', 'right', '192.0.2.7'), 'ok');
  });

  it('are hashed into a line that is read again, each with a salt of its own', async () => {
    const [one, other] = await Promise.all([hashPassword('right'), hashPassword('right')]);
    assert.notEqual(one, other);
    const hash = parsePasswordHash(one);
    assert.deepEqual([hash?.salt.length, hash?.key.length], [16, 32]);
    const made = new Credentials(new Map([['user', one]]));
    assert.deepEqual(
      [await made.verify('user', 'right', '192.0.2.7'), await made.verify('user', 'wrong', '192.0.2.7')],
      ['ok', 'wrong'],
    );
  });
});
