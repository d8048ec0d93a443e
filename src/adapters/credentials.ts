/**
 * User names and passwords for AUTH, from a file of `user:$scrypt$N$r$p$SALT$HASH` lines (salt and hash in base64url).
 * scrypt (RFC 7914) in Node's thread pool, a few at a time: guessing bots must not take the pool from the mail.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

const PARAMETERS = { N: 16_384, r: 8, p: 1 } as const;
const KEY_OCTETS = 32;
// What a line of the file may ask of us: 128 * N * r octets of memory.
const MAX_MEMORY_OCTETS = 128 * 1_048_576;
const MAX_AT_A_TIME = 4;
const MAX_PASSWORD_OCTETS = 1024;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const { N, r, p } = PARAMETERS;
  const key = await derive(password, salt, KEY_OCTETS, PARAMETERS);
  return `$scrypt$${N}$${r}$${p}$${salt.toString('base64url')}$${key.toString('base64url')}`;
}

/** Why the text is no hash that can be checked, or undefined when it is one. */
export function badHash(text: string): string | undefined {
  return parseHash(text) === undefined ? 'is no $scrypt$N$r$p$SALT$HASH; make one with `postern hash-password`' : undefined;
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
    const hash = parseHash(this.#users.get(identity) ?? '') ?? DECOY;
    this.#working++;
    try {
      const key = await derive(password, hash.salt, hash.key.length, hash);
      return timingSafeEqual(key, hash.key) && hash !== DECOY ? 'ok' : 'wrong';
    } finally {
      this.#working--;
    }
  }
}

interface Hash {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}

const DECOY: Hash = { ...PARAMETERS, salt: randomBytes(16), key: randomBytes(KEY_OCTETS) };

function parseHash(text: string): Hash | undefined {
  const m = /^\$scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([\w-]{8,128})\$([\w-]{22,128})$/.exec(text);
  if (m === null) return undefined;
  const [N, r, p] = [Number(m[1]), Number(m[2]), Number(m[3])];
  const powerOfTwo = N > 1 && (N & (N - 1)) === 0;
  if (!powerOfTwo || r < 1 || p < 1 || 128 * N * r > MAX_MEMORY_OCTETS) return undefined;
  return { N, r, p, salt: Buffer.from(m[4] ?? '', 'base64url'), key: Buffer.from(m[5] ?? '', 'base64url') };
}

function derive(password: string, salt: Buffer, octets: number, { N, r, p }: Pick<Hash, 'N' | 'r' | 'p'>): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, octets, { N, r, p, maxmem: MAX_MEMORY_OCTETS + 1_048_576 }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}
