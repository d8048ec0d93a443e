/** A bucket a client network: it fills by the second, and every look takes from it. */
export interface Looks {
  /** Whether it may look, for `cost` looks. */
  take(network: string, cost?: number): boolean;
  /** After so many seconds it may look again. */
  waitS(network: string): number;
}

/** Networks remembered; beyond it the one that looked longest ago is forgotten. */
const MAX_NETWORKS = 20_000;

export function openLooks(perMinute: number, nowMs: () => number, maxNetworks = MAX_NETWORKS): Looks {
  const left = new Map<string, { readonly looks: number; readonly atMs: number }>();
  const eachMs = 60_000 / perMinute;
  const now = (network: string): number => {
    const known = left.get(network);
    if (known === undefined) return perMinute;
    return Math.min(perMinute, known.looks + Math.max(0, nowMs() - known.atMs) / eachMs);
  };
  return {
    take(network, cost = 1) {
      const looks = now(network);
      const may = looks >= 1;
      left.delete(network);
      left.set(network, { looks: may ? Math.max(0, looks - cost) : looks, atMs: nowMs() });
      if (left.size > maxNetworks) left.delete(left.keys().next().value ?? '');
      return may;
    },
    waitS: (network) => Math.max(1, Math.ceil(((1 - now(network)) * eachMs) / 1000)),
  };
}
