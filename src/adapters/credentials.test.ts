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
      assert.equal(await credentials.verify(identity, password), verdict));
  }

  it('are looked at four at a time', async () => {
    const verdicts = await Promise.all(Array.from({ length: 5 }, () => credentials.verify('user', 'right')));
    assert.deepEqual(verdicts, ['ok', 'ok', 'ok', 'ok', 'unavailable']);
    assert.equal(await credentials.verify('user', 'right'), 'ok');
  });

  it('are hashed into a line that is read again, each with a salt of its own', async () => {
    const [one, other] = await Promise.all([hashPassword('right'), hashPassword('right')]);
    assert.notEqual(one, other);
    const hash = parsePasswordHash(one);
    assert.deepEqual([hash?.salt.length, hash?.key.length], [16, 32]);
    const made = new Credentials(new Map([['user', one]]));
    assert.deepEqual(
      [await made.verify('user', 'right'), await made.verify('user', 'wrong')],
      ['ok', 'wrong'],
    );
  });
});
