/**
 * The RFC 7208 test suite through the gate's own check. The suite is not part of this repository: it runs where it is found.
 * Each case over the fake resolver and over the real one, which asks a DNS server in this process: some records lead to names
 * such as `foo:bar/baz.example.com`, which c-ares does not take.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { DnsResolver } from '../../src/adapters/dns/resolver.ts';
import { DNS_TYPES } from '../../src/adapters/dns/zone.ts';
import { ZoneServer } from '../../src/adapters/dns/zone-server.ts';
import { spf } from '../../src/checks/spf.ts';
import type { DnsAnswer, DnsPort, DnsRecords, DnsType } from '../../src/core/ports.ts';
import { ask } from '../fakes/ask.ts';

const SUITE = join(import.meta.dirname, '../../../shared/testdata/spf/rfc7208-tests.yml');
const CASES = 200;

type Entry = 'TIMEOUT' | Readonly<Record<string, unknown>>;
interface Case {
  readonly helo: string;
  readonly host: string;
  readonly mailfrom: string;
  readonly result: string | readonly string[];
  readonly explanation?: string;
}
interface Scenario {
  readonly description: string;
  readonly tests: Readonly<Record<string, Case>>;
  readonly zonedata: Readonly<Record<string, readonly Entry[]>>;
}

// Nobody waits longer for those that are never answered; an answer from this process takes a millisecond.
const TIMEOUT_MS = 250;

const found = existsSync(SUITE);
describe('RFC 7208 suite', { skip: found ? false : `no ${SUITE}` }, () => {
  const scenarios = found
    ? parseAllDocuments(readFileSync(SUITE, 'utf8'), { uniqueKeys: false }).map(
        (document) => document.toJS() as Scenario,
      )
    : [];
  for (const { description, tests, zonedata } of scenarios) {
    describe(description, () => {
      let server: ZoneServer;
      let real: DnsResolver;
      before(async () => {
        server = await startServer(zonedata);
        real = new DnsResolver({ servers: [`127.0.0.1:${server.port}`], timeoutMs: TIMEOUT_MS });
      });
      after(async () => {
        real.close();
        await server.stop();
      });
      for (const [name, test] of Object.entries(tests)) {
        for (const [resolver, dns] of [
          ['fake', () => zoneOf(zonedata)],
          ['real', () => real],
        ] as const) {
          it(`${name} (${resolver} resolver)`, async () => {
            const from = test.mailfrom === '' ? '<>' : test.mailfrom;
            const said = { client: test.host, helo: test.helo, from };
            const { findings } = await ask(spf, said, { dns: dns() });
            const expected = typeof test.result === 'string' ? [test.result] : test.result;
            const code = findings[0]?.code ?? '';
            assert.ok(expected.includes(code), `${code}, not ${expected.join(' or ')}`);
          });
        }
      }
    });
  }
  it('has all its cases', () => {
    const cases = scenarios.map(({ tests }) => Object.keys(tests).length);
    assert.equal(
      cases.reduce((sum, n) => sum + n, 0),
      CASES,
    );
  });
});

/** SPF entries of the suite stand for TXT where there is none; TIMEOUT answers all that has no entry of its own. */
function recordsOf(entries: readonly Entry[], type: DnsType): readonly unknown[] {
  const values = (wanted: string) =>
    entries.flatMap((entry) => (entry !== 'TIMEOUT' && wanted in entry ? [entry[wanted]] : []));
  const found = values(type);
  const records = type === 'TXT' && found.length === 0 ? values('SPF') : found;
  return records.filter((record) => record !== 'NONE');
}

function zoneOf(zonedata: Scenario['zonedata']): DnsPort {
  const zone = new Map(Object.entries(zonedata).map(([name, entries]) => [name.toLowerCase(), entries]));
  const lookUp = (name: string, type: DnsType, hops = 0): DnsAnswer<unknown> => {
    const entries = zone.get(name.toLowerCase().replace(/\.$/, ''));
    if (entries === undefined) return { kind: 'nxdomain' };
    const records = recordsOf(entries, type);
    if (records.length > 0) return { kind: 'found', records: records.map((r) => recordOf(type, r)) };
    const cname = recordsOf(entries, 'CNAME')[0];
    if (typeof cname === 'string' && hops < 8) return lookUp(cname, type, hops + 1);
    return entries.includes('TIMEOUT') ? { kind: 'timeout' } : { kind: 'no-data' };
  };
  return {
    resolve: async <T extends DnsType>(name: string, type: T) =>
      lookUp(name, type) as DnsAnswer<DnsRecords[T]>,
  };
}

async function startServer(zonedata: Scenario['zonedata']): Promise<ZoneServer> {
  const records: Record<string, string[]> = {};
  const silent: string[] = [];
  for (const [name, entries] of Object.entries(zonedata)) {
    for (const type of DNS_TYPES) {
      const texts = recordsOf(entries, type).map((record) => writtenOf(type, record));
      // An empty set says that the name exists.
      records[`${name} ${type}`] = texts;
      if (texts.length === 0 && entries.includes('TIMEOUT')) silent.push(`${name.toLowerCase()} ${type}`);
    }
  }
  const server = await ZoneServer.start(records);
  for (const key of silent) server.troubles.set(key, 'timeout');
  return server;
}

/** As in a zone file. */
function writtenOf(type: DnsType, record: unknown): string {
  if (type !== 'MX') return Array.isArray(record) ? record.join('') : String(record);
  const [priority, exchange] = record as [number, string];
  return `${priority} ${exchange === '' ? '.' : exchange}`;
}

function recordOf(type: string, value: unknown): unknown {
  if (type === 'MX') {
    const [priority, exchange] = value as [number, string];
    return { priority, exchange: exchange.toLowerCase().replace(/\.$/, '') };
  }
  const text = Array.isArray(value) ? value.join('') : String(value);
  return type === 'PTR' ? text.toLowerCase().replace(/\.$/, '') : text;
}
