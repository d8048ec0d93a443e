import type { Json } from './check.ts';

/**
 * What is remembered of a domain of ours behind whose backend any recipient is taken (E5): written by the adapter that asks the
 * backend for a recipient that cannot exist, read by the check `recipients`.
 */
export interface AcceptAllRecord {
  readonly acceptsAll: boolean;
  /** Milliseconds since 1970. */
  readonly askedAtMs: number;
}

/** In the store, by domain. */
export const ACCEPT_ALL = 'accept-all';

export function acceptAllRecord(value: Json | undefined): AcceptAllRecord | undefined {
  if (typeof value !== 'object' || value === null || !('acceptsAll' in value) || !('askedAtMs' in value))
    return undefined;
  const { acceptsAll, askedAtMs } = value;
  return typeof acceptsAll === 'boolean' && typeof askedAtMs === 'number'
    ? { acceptsAll, askedAtMs }
    : undefined;
}
