/** How the gate is, put together for whoever watches it. */
import type { Certificates } from '../adapters/certificates.ts';
import type { DnsResolver } from '../adapters/dns/resolver.ts';
import type { ZoneHealth } from '../adapters/dns/zone-health.ts';
import type { Health } from '../adapters/health.ts';
import type { Dependency } from '../core/status.ts';

const DAY_MS = 86_400_000;
/** A renewal that is due and has not come is seen in time. */
const ENDS_SOON_MS = 14 * DAY_MS;

export interface Asked {
  readonly dns: Pick<DnsResolver, 'answering' | 'servers'>;
  readonly health: Pick<Health, 'state'>;
  readonly zones: Pick<ZoneHealth, 'state'>;
  readonly certificates: Pick<Certificates, 'expiries'> | undefined;
}

export function dependenciesOf({ dns, health, zones, certificates }: Asked, nowMs: number): Dependency[] {
  return [
    ...health.state(),
    { kind: 'dns', name: dns.servers.join(', '), ...dns.answering.state() },
    ...zones.state().map(({ zone, suspended, silent }): Dependency => {
      const detail = suspended ?? silent;
      return {
        kind: 'dns-list',
        name: zone,
        ...(detail === undefined ? { state: 'ok' } : { state: 'ill', detail }),
      };
    }),
    ...[...(certificates?.expiries() ?? [])].map(([name, endsMs]): Dependency => {
      const leftMs = endsMs - nowMs;
      if (leftMs <= 0) return { kind: 'certificate', name, state: 'ill', detail: 'it has ended' };
      if (leftMs >= ENDS_SOON_MS) return { kind: 'certificate', name, state: 'ok' };
      const days = Math.ceil(leftMs / DAY_MS);
      return {
        kind: 'certificate',
        name,
        state: 'slow',
        detail: `it ends in ${days === 1 ? 'a day' : `${days} days`}`,
      };
    }),
  ];
}

/** `journal` and `store` are ill for a while after trouble with them. */
export class RecentTrouble {
  readonly #nowMs: () => number;
  readonly #last = new Map<'journal' | 'store', { readonly detail: string; readonly atMs: number }>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  note(kind: 'journal' | 'store', error: unknown): void {
    this.#last.set(kind, {
      detail: error instanceof Error ? error.message : String(error),
      atMs: this.#nowMs(),
    });
  }

  state(): Dependency[] {
    return (['journal', 'store'] as const).map((kind) => {
      const last = this.#last.get(kind);
      return last === undefined || this.#nowMs() - last.atMs > ILL_MS
        ? { kind, name: `${kind}.sqlite`, state: 'ok' }
        : { kind, name: `${kind}.sqlite`, state: 'ill', detail: last.detail };
    });
  }
}

const ILL_MS = 60_000;
