import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, site } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import type { ZoneRecords } from '../adapters/dns/zone.ts';
import { checkSchema } from '../config/checks.ts';
import type { CommonSettings } from '../core/settings.ts';
import { watchedZones, type ZoneSettings } from './dns-zones.ts';
import { dnswl } from './dnswl.ts';

// Trust is in the last octet: one table a degree.
const degrees = [
  { zone: 'wl.example', codes: ['127.0.0.0/16&0.0.0.1'], weight: -2 },
  { zone: 'wl.example', codes: ['127.0.0.0/16&0.0.0.2'], weight: -4 },
];
const NAME = '7.2.0.192.wl.example';

describe('dnswl', () => {
  const cases: [string, ZoneRecords, Record<string, FakeTrouble>, findings: string[]][] = [
    ['not listed', {}, {}, ['pass not-listed']],
    ['low trust', { [`${NAME} A`]: '127.0.5.1' }, {}, ['pass listed -2']],
    ['middle trust', { [`${NAME} A`]: '127.0.5.2' }, {}, ['pass listed -4']],
    ['both bits', { [`${NAME} A`]: '127.0.5.3' }, {}, ['pass listed -2', 'pass listed -4']],
    ['no trust', { [`${NAME} A`]: '127.0.5.0' }, {}, ['pass not-listed']],
    ['no answer', {}, { [NAME]: 'timeout' }, ['temperror temperror']],
    ['SERVFAIL', {}, { [NAME]: 'servfail' }, ['temperror temperror']],
    ['over its quota', { [`${NAME} A`]: '127.0.10.3' }, {}, ['none suspended']],
    ['blocked', { [`${NAME} A`]: '127.0.0.255' }, {}, ['none suspended']],
    ['a public resolver', { [`${NAME} A`]: '127.255.255.254' }, {}, ['none suspended']],
    ['a parked domain', { [`${NAME} A`]: '192.0.2.1' }, {}, ['none suspended']],
  ];
  for (const [what, records, troubles, expected] of cases) {
    it(what, async () => {
      const dns = fakeResolver(records, troubles);
      const { findings } = await ask(dnswl, {}, { dns }, { zones: degrees });
      assert.deepEqual(
        findings.map((f) => [f.result, f.code, f.weight].filter((x) => x !== undefined).join(' ')),
        expected,
      );
      assert.deepEqual(dns.asked, [`${NAME} A`]);
    });
  }

  it('asks about IPv6 clients only where that is wanted', async () => {
    const zones = [{ ...degrees[0], v6: false }];
    const off = await ask(dnswl, { client: '2001:db8::7' }, {}, { zones });
    assert.equal(off.findings[0]?.code, 'not-asked');
    const name = `7.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.wl.example A`;
    const half = await ask(
      dnswl,
      { client: '2001:db8::7' },
      { dns: fakeResolver({ [name]: '127.0.5.3' }) },
      { zones: [...zones, degrees[1]] },
    );
    assert.deepEqual(
      half.findings.map((f) => f.weight),
      [-4],
    );
  });

  it('takes no weight that speaks against the client', () => {
    assert.throws(() => checkSchema(dnswl).parse({ zones: [{ zone: 'wl.example', weight: 1 }] }), /weight/);
  });

  it('is idle without zones', () => {
    const idle = (zones: object[]) =>
      dnswl.idle?.(checkSchema(dnswl).parse({ zones }) as CommonSettings, site);
    assert.equal(idle([]), 'no zones are configured');
    assert.equal(idle(degrees), undefined);
  });

  it('has its zones watched once each, under the name that may be shown', () => {
    const parsed = checkSchema(dnswl).parse({
      zones: [...degrees, { zone: 'k3y.example', shown_as: 'list.example', self_test: false, refusals: [] }],
    }) as unknown as { zones: ZoneSettings[] };
    assert.deepEqual(
      watchedZones(parsed.zones).map(({ zone, shownAs, lists, refusals, selfTest }) => [
        zone,
        shownAs,
        lists,
        refusals.length,
        selfTest,
      ]),
      [
        ['wl.example', 'wl.example', 'addresses', 4, true],
        ['k3y.example', 'list.example', 'addresses', 0, false],
      ],
    );
  });
});
