/** A line of the users file behind the colon: `$scrypt$N$r$p$SALT$HASH` (RFC 7914), salt and hash in base64url. */
export interface PasswordHash {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}

// What a line of the file may ask of us: 128 * N * r octets of memory.
export const MAX_MEMORY_OCTETS = 128 * 1_048_576;

export function parsePasswordHash(text: string): PasswordHash | undefined {
  const m = /^\$scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([\w-]{8,128})\$([\w-]{22,128})$/.exec(text);
  if (m === null) return undefined;
  const [N, r, p] = [Number(m[1]), Number(m[2]), Number(m[3])];
  const powerOfTwo = N > 1 && (N & (N - 1)) === 0;
  if (!powerOfTwo || r < 1 || p < 1 || 128 * N * r > MAX_MEMORY_OCTETS) return undefined;
  return { N, r, p, salt: Buffer.from(m[4] ?? '', 'base64url'), key: Buffer.from(m[5] ?? '', 'base64url') };
}

export const isPasswordHash = (text: string): boolean => parsePasswordHash(text) !== undefined;
