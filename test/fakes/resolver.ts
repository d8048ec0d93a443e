import type { DnsAnswer, DnsPort, DnsRecords, DnsType } from '../../src/core/ports.ts';
import { readZone, type ZoneRecords } from '../../src/adapters/dns/zone.ts';

export type FakeTrouble = 'servfail' | 'timeout';

export interface FakeResolver extends DnsPort {
  /** What was asked, as `name TYPE`, in order. */
  readonly asked: string[];
  /** By `name TYPE` or by name. */
  readonly troubles: Map<string, FakeTrouble>;
  replace(records: ZoneRecords): void;
}

/** DNS as a plain map with a failure list; answers in the next microtask. */
export function fakeResolver(
  records: ZoneRecords,
  troubles: Readonly<Record<string, FakeTrouble>> = {},
): FakeResolver {
  let zone = readZone(records);
  const fake: FakeResolver = {
    asked: [],
    troubles: new Map(Object.entries(troubles)),
    replace: (other) => {
      zone = readZone(other);
    },
    resolve: async <T extends DnsType>(
      name: string,
      type: T,
      signal: AbortSignal,
    ): Promise<DnsAnswer<DnsRecords[T]>> => {
      const key = `${name.toLowerCase()} ${type}`;
      fake.asked.push(key);
      const trouble = signal.aborted
        ? 'timeout'
        : (fake.troubles.get(key) ?? fake.troubles.get(name.toLowerCase()));
      if (trouble === 'timeout') return { kind: 'timeout' };
      if (trouble === 'servfail') return { kind: 'servfail', reason: 'SERVFAIL' };
      const found = zone.lookUp(name, type);
      return found.kind === 'found' ? { kind: 'found', records: found.records } : { kind: found.kind };
    },
  };
  return fake;
}
