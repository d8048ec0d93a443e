import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isPasswordHash, parsePasswordHash } from './password-hash.ts';

const salt = Buffer.alloc(16, 1).toString('base64url');
const key = Buffer.alloc(32, 2).toString('base64url');

describe('a password hash', () => {
  it('is read', () => {
    assert.deepEqual(parsePasswordHash(`$scrypt$16384$8$1$${salt}$${key}`), {
      N: 16_384,
      r: 8,
      p: 1,
      salt: Buffer.alloc(16, 1),
      key: Buffer.alloc(32, 2),
    });
  });

  const cases: [name: string, text: string, good: boolean][] = [
    ['128 MiB, the most', `$scrypt$131072$8$1$${salt}$${key}`, true],
    ['more memory than that', `$scrypt$262144$8$1$${salt}$${key}`, false],
    ['N that is no power of two', `$scrypt$16383$8$1$${salt}$${key}`, false],
    ['N of 1', `$scrypt$1$8$1$${salt}$${key}`, false],
    ['N of 0', `$scrypt$0$8$1$${salt}$${key}`, false],
    ['r of 0', `$scrypt$16384$0$1$${salt}$${key}`, false],
    ['p of 0', `$scrypt$16384$8$0$${salt}$${key}`, false],
    ['no salt', `$scrypt$16384$8$1$$${key}`, false],
    ['a short key', `$scrypt$16384$8$1$${salt}$abc`, false],
    ['another scheme', `$argon2$16384$8$1$${salt}$${key}`, false],
    ['something behind', `$scrypt$16384$8$1$${salt}$${key}$`, false],
    ['base64 that is not of URLs', `$scrypt$16384$8$1$${'+'.repeat(22)}$${key}`, false],
    ['a password', 'secret', false],
    ['nothing', '', false],
  ];
  for (const [name, text, good] of cases)
    it(`${name}: ${good}`, () => assert.equal(isPasswordHash(text), good));
});
