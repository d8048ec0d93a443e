import { randomFillSync } from 'node:crypto';

// Crockford's base 32: read aloud on the telephone, no letter is taken for a digit.
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LENGTH = 8;

const pool = new Uint8Array(4096);
let used = pool.length;

/** An id of 40 random bits: short enough for a reply line, too many to guess one. */
export function newId(): string {
  if (used + LENGTH > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  let id = '';
  for (let i = 0; i < LENGTH; i++) id += ALPHABET[(pool[used++] ?? 0) & 31] ?? '';
  return id;
}
