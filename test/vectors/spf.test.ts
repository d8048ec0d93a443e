/**
 * The RFC 7208 test suite through the gate's own check. The suite is not part of this repository: it runs where it is found.
 * Two resolvers: one that is asked any name, and one that, like c-ares, says NXDOMAIN to names with odd octets: then the
 * outcome must not be a guess.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
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

// Their records lead to names such as `foo:bar/baz.example.com`.
const UNASKABLE = new Set([
  'a-colon-domain',
  'a-colon-domain-ip4mapped',
  'mx-colon-domain',
  'mx-colon-domain-ip4mapped',
  'macro-mania-in-domain',
]);

const found = existsSync(SUITE);
describe('RFC 7208 suite', { skip: found ? false : `no ${SUITE}` }, () => {
  const scenarios = found
    ? parseAllDocuments(readFileSync(SUITE, 'utf8'), { uniqueKeys: false }).map(
        (document) => document.toJS() as Scenario,
      )
    : [];
  for (const { description, tests, zonedata } of scenarios) {
    describe(description, () => {
      for (const [name, test] of Object.entries(tests)) {
        for (const [resolver, carries] of [
          ['any name', () => true],
          ['names that c-ares carries', isCarried],
        ] as const) {
          it(`${name} (${resolver})`, async () => {
            const dns = zoneOf(zonedata, carries);
            const from = test.mailfrom === '' ? '<>' : test.mailfrom;
            const said = { client: test.host, helo: test.helo, from };
            const { findings } = await ask(spf, said, { dns });
            const listed = typeof test.result === 'string' ? [test.result] : test.result;
            const expected = carries === isCarried && UNASKABLE.has(name) ? ['permerror'] : listed;
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

function isCarried(name: string): boolean {
  return name.split('.').every((label) => /^[a-z0-9_/*-]{1,63}$/.test(label));
}

/** Zone data of the suite: SPF entries stand for TXT where there is none, TIMEOUT answers all that has no entry of its own. */
function zoneOf(zonedata: Scenario['zonedata'], carries: (name: string) => boolean): DnsPort {
  const zone = new Map(Object.entries(zonedata).map(([name, entries]) => [name.toLowerCase(), entries]));
  const lookUp = (name: string, type: string, hops = 0): DnsAnswer<unknown> => {
    const entries = zone.get(name.toLowerCase().replace(/\.$/, ''));
    if (entries === undefined || !carries(name.toLowerCase().replace(/\.$/, ''))) return { kind: 'nxdomain' };
    const values = (wanted: string) =>
      entries.flatMap((entry) => (entry !== 'TIMEOUT' && wanted in entry ? [entry[wanted]] : []));
    let records = values(type);
    if (type === 'TXT' && records.length === 0) records = values('SPF');
    const cname = values('CNAME')[0];
    if (records.length === 0 && typeof cname === 'string' && hops < 8) return lookUp(cname, type, hops + 1);
    records = records.filter((record) => record !== 'NONE');
    if (records.length > 0) return { kind: 'found', records: records.map((r) => recordOf(type, r)) };
    return entries.includes('TIMEOUT') ? { kind: 'timeout' } : { kind: 'no-data' };
  };
  return {
    resolve: async <T extends DnsType>(name: string, type: T) =>
      lookUp(name, type) as DnsAnswer<DnsRecords[T]>,
  };
}

function recordOf(type: string, value: unknown): unknown {
  if (type === 'MX') {
    const [priority, exchange] = value as [number, string];
    return { priority, exchange: exchange.toLowerCase().replace(/\.$/, '') };
  }
  const text = Array.isArray(value) ? value.join('') : String(value);
  return type === 'PTR' ? text.toLowerCase().replace(/\.$/, '') : text;
}
