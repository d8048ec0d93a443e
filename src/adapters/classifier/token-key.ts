/**
 * A token as the number it is stored under: 53 bits, so that it is a number in JavaScript and in SQLite. Each database has a seed of
 * its own, so that nobody can work out beforehand which made-up word has the number of a good one. Of a million tokens two share a
 * number in one database of 18,000, and then count as one.
 */
export function tokenKey(token: string, seed: number): number {
  // Two lanes of multiply and xor, each mixed at the end as in MurmurHash3's finalizer (A. Appleby, public domain).
  let a = seed ^ 0x9e3779b9;
  let b = Math.imul(seed, 0x85ebca6b) ^ token.length;
  for (let i = 0; i < token.length; i++) {
    const c = token.charCodeAt(i);
    a = Math.imul(a ^ c, 0x9e3779b1);
    b = Math.imul(b ^ c, 0x5f356495);
    // Without it the low bits would hear nothing of the high ones.
    a ^= a >>> 15;
    b ^= b >>> 13;
  }
  return (mixed(a ^ (b >>> 7)) >>> 0) + (mixed(b ^ Math.imul(a, 0x27d4eb2f)) & 0x1fffff) * 0x100000000;
}

function mixed(lane: number): number {
  let h = lane ^ (lane >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
