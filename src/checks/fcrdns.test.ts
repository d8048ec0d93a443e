import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import type { ZoneRecords } from '../adapters/dns/zone.ts';
import { fcrdns } from './fcrdns.ts';

const PTR = '7.2.0.192.in-addr.arpa PTR';

const said = (result: string, comment?: string) => ({
  authentication: [
    {
      method: 'iprev',
      result,
      ...(comment === undefined ? {} : { comment }),
      properties: { 'policy.iprev': '192.0.2.7' },
    },
  ],
});

describe('fcrdns', () => {
  const temperror = {
    result: 'temperror',
    code: 'temperror',
    text: 'the reverse DNS of 192.0.2.7 could not be looked up',
    enhanced: '5.4.3',
    ...said('temperror'),
  };
  const noPtr = {
    result: 'fail',
    code: 'no-ptr',
    text: '192.0.2.7 has no reverse DNS',
    enhanced: '5.7.25',
    ...said('permerror'),
  };
  const mismatch = {
    result: 'fail',
    code: 'mismatch',
    text: '192.0.2.7 has no matching reverse DNS',
    enhanced: '5.7.25',
    ...said('fail'),
  };
  const ok = {
    result: 'pass',
    code: 'ok',
    text: '192.0.2.7 is mail.example',
    domain: 'mail.example',
    ...said('pass', 'mail.example'),
  };
  const good = { [PTR]: 'mail.example', 'mail.example A': '192.0.2.7' };
  const cases: [what: string, zone: ZoneRecords, troubles: Record<string, FakeTrouble>, finding: object][] = [
    ['confirmed', good, {}, ok],
    ['the second of two names', { ...good, [PTR]: ['other.example', 'mail.example'] }, {}, ok],
    ['NXDOMAIN', {}, {}, noPtr],
    ['no PTR record', { [`x.${PTR}`]: 'a.example' }, {}, noPtr],
    ['a name of another host', { ...good, 'mail.example A': '192.0.2.8' }, {}, mismatch],
    ['a name without address', { [PTR]: 'mail.example' }, {}, mismatch],
    [
      'ten names of other hosts, and more',
      { [PTR]: Array.from({ length: 11 }, (_, i) => `${i}.example`) },
      {},
      temperror,
    ],
    ['PTR times out', good, { [PTR]: 'timeout' }, temperror],
    ['PTR fails', good, { [PTR]: 'servfail' }, temperror],
    ['the name times out', good, { 'mail.example A': 'timeout' }, temperror],
    ['the name fails', good, { 'mail.example A': 'servfail' }, temperror],
  ];
  for (const [what, zone, troubles, finding] of cases) {
    it(what, async () => {
      assert.deepEqual((await ask(fcrdns, {}, { dns: fakeResolver(zone, troubles) })).findings, [finding]);
    });
  }
});
