/**
 * User names and passwords for AUTH, from a file of `user:$scrypt$N$r$p$SALT$HASH` lines (salt and hash in base64url).
 * scrypt (RFC 7914) in Node's thread pool, a few at a time: guessing bots must not take the pool from the mail.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { MAX_MEMORY_OCTETS, parsePasswordHash, type PasswordHash } from '../core/password-hash.ts';

const PARAMETERS = { N: 16_384, r: 8, p: 1 } as const;
const KEY_OCTETS = 32;
const MAX_AT_A_TIME = 4;
const MAX_PASSWORD_OCTETS = 1024;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const { N, r, p } = PARAMETERS;
  const key = await derive(password, salt, KEY_OCTETS, PARAMETERS);
  return `$scrypt$${N}$${r}$${p}$${salt.toString('base64url')}$${key.toString('base64url')}`;
}

export class Credentials {
  readonly #users: ReadonlyMap<string, string>;
  #working = 0;

  constructor(users: ReadonlyMap<string, string>) {
    this.#users = users;
  }

  async verify(identity: string, password: string): Promise<'ok' | 'wrong' | 'unavailable'> {
    if (Buffer.byteLength(password) > MAX_PASSWORD_OCTETS) return 'wrong';
    if (this.#working >= MAX_AT_A_TIME) return 'unavailable';
    // An unknown user costs the same time as a wrong password, so that names cannot be guessed by the clock.
    const hash = parsePasswordHash(this.#users.get(identity) ?? '') ?? DECOY;
    this.#working++;
    try {
      const key = await derive(password, hash.salt, hash.key.length, hash);
      return timingSafeEqual(key, hash.key) && hash !== DECOY ? 'ok' : 'wrong';
    } finally {
      this.#working--;
    }
  }
}

const DECOY: PasswordHash = { ...PARAMETERS, salt: randomBytes(16), key: randomBytes(KEY_OCTETS) };

function derive(
  password: string,
  salt: Buffer,
  octets: number,
  { N, r, p }: Pick<PasswordHash, 'N' | 'r' | 'p'>,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, octets, { N, r, p, maxmem: MAX_MEMORY_OCTETS + 1_048_576 }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}
