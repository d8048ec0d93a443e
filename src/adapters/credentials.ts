/**
 * User names and passwords for AUTH, from a file of `user:$scrypt$N$r$p$SALT$HASH` lines (salt and hash in base64url).
 * scrypt (RFC 7914) in Node's thread pool, a few at a time: guessing bots must not take the pool from the mail, nor one client network
 * the turns of all others.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { MAX_MEMORY_OCTETS, parsePasswordHash, type PasswordHash } from '../core/password-hash.ts';

const PARAMETERS = { N: 16_384, r: 8, p: 1 } as const;
const KEY_OCTETS = 32;
const MAX_AT_A_TIME = 4;
// Of one network one password is looked at after the other, and so many may be under way: an office that comes to work, no flood.
const MAX_PER_NETWORK = 8;
// Behind so many the wait is about a second; more would be hoarded for nobody.
const MAX_WAITING = 64;
const MAX_PASSWORD_OCTETS = 1024;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const { N, r, p } = PARAMETERS;
  const key = await derive(password, salt, KEY_OCTETS, PARAMETERS);
  return `$scrypt$${N}$${r}$${p}$${salt.toString('base64url')}$${key.toString('base64url')}`;
}

export class Credentials {
  readonly #users: ReadonlyMap<string, string>;
  /** Networks whose password is being looked at. */
  readonly #working = new Set<string>();
  /** In the order they came. */
  readonly #waiting: { readonly network: string; readonly begin: () => void }[] = [];
  /** What each network has under way, waiting included. */
  readonly #asked = new Map<string, number>();

  constructor(users: ReadonlyMap<string, string>) {
    this.#users = users;
  }

  /** `too-many`: that client network asks more at one time than is its share; `unavailable`: all together do. */
  async verify(
    identity: string,
    password: string,
    network: string,
  ): Promise<'ok' | 'wrong' | 'unavailable' | 'too-many'> {
    if (Buffer.byteLength(password) > MAX_PASSWORD_OCTETS) return 'wrong';
    const asked = this.#asked.get(network) ?? 0;
    if (asked >= MAX_PER_NETWORK) return 'too-many';
    const mustWait = this.#working.size >= MAX_AT_A_TIME || this.#working.has(network);
    if (mustWait && this.#waiting.length >= MAX_WAITING) return 'unavailable';
    this.#asked.set(network, asked + 1);
    // Whoever begins the next one puts its network among the working ones.
    if (mustWait) await new Promise<void>((begin) => this.#waiting.push({ network, begin }));
    else this.#working.add(network);
    try {
      return await this.#look(identity, password);
    } finally {
      this.#done(network);
    }
  }

  async #look(identity: string, password: string): Promise<'ok' | 'wrong'> {
    // An unknown user costs the same time as a wrong password, so that names cannot be guessed by the clock.
    const hash = parsePasswordHash(this.#users.get(identity) ?? '') ?? DECOY;
    const key = await derive(password, hash.salt, hash.key.length, hash);
    return timingSafeEqual(key, hash.key) && hash !== DECOY ? 'ok' : 'wrong';
  }

  #done(network: string): void {
    this.#working.delete(network);
    const asked = (this.#asked.get(network) ?? 0) - 1;
    if (asked > 0) this.#asked.set(network, asked);
    else this.#asked.delete(network);
    const next = this.#waiting.find((waiting) => !this.#working.has(waiting.network));
    if (next === undefined) return;
    this.#waiting.splice(this.#waiting.indexOf(next), 1);
    this.#working.add(next.network);
    next.begin();
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
