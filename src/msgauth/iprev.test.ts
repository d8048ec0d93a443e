import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import type { ZoneRecords } from '../adapters/dns/zone.ts';
import { confirmedNames, hasAddress, iprev, isIprevOpen } from './iprev.ts';

const PTR = '7.2.0.192.in-addr.arpa PTR';
const never = new AbortController().signal;

describe('iprev', () => {
  const cases: [
    what: string,
    zone: ZoneRecords,
    troubles: Record<string, FakeTrouble>,
    names: string[],
    open: boolean,
  ][] = [
    [
      'a name that leads back',
      { [PTR]: 'a.example', 'a.example A': ['192.0.2.1', '192.0.2.7'] },
      {},
      ['a.example'],
      false,
    ],
    ['a name that leads elsewhere', { [PTR]: 'a.example', 'a.example A': '192.0.2.8' }, {}, [], false],
    ['a name without address', { [PTR]: 'a.example' }, {}, [], false],
    ['the other family only', { [PTR]: 'a.example', 'a.example AAAA': '2001:db8::7' }, {}, [], false],
    ['no name', {}, {}, [], false],
    ['no PTR at a name that exists', { [`x.${PTR}`]: 'a.example' }, {}, [], false],
    ['PTR: SERVFAIL', {}, { [PTR]: 'servfail' }, [], true],
    ['PTR: no answer', {}, { [PTR]: 'timeout' }, [], true],
    ['A: SERVFAIL', { [PTR]: 'a.example' }, { 'a.example A': 'servfail' }, [], true],
    ['A: no answer', { [PTR]: 'a.example' }, { 'a.example A': 'timeout' }, [], true],
    [
      'one of two unanswered, the other good',
      { [PTR]: ['a.example', 'b.example'], 'b.example A': '192.0.2.7' },
      { 'a.example A': 'timeout' },
      ['b.example'],
      false,
    ],
    [
      'one of two unanswered, the other bad',
      { [PTR]: ['a.example', 'b.example'], 'b.example A': '192.0.2.8' },
      { 'a.example A': 'timeout' },
      [],
      true,
    ],
  ];
  for (const [what, zone, troubles, names, open] of cases) {
    it(what, async () => {
      const found = await iprev(fakeResolver(zone, troubles), '192.0.2.7', never);
      assert.deepEqual(confirmedNames(found), names);
      assert.equal(isIprevOpen(found), open);
    });
  }

  it('asks AAAA of an IPv6 client, and compares addresses, not texts', async () => {
    const ptr = `7.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa PTR`;
    const dns = fakeResolver({ [ptr]: 'a.example', 'a.example AAAA': '2001:0db8:0:0::7' });
    assert.deepEqual(confirmedNames(await iprev(dns, '2001:db8::7', never)), ['a.example']);
    assert.deepEqual(dns.asked, [ptr, 'a.example AAAA']);
  });

  it('knows a client by the same names, however DNS turns them round', async () => {
    const names = ['c.example', 'a.example', 'b.example'];
    for (const first of [0, 1, 2]) {
      const zone = { [PTR]: [...names.slice(first), ...names.slice(0, first)] };
      const addresses = Object.fromEntries(names.map((name) => [`${name} A`, '192.0.2.7']));
      const found = await iprev(fakeResolver({ ...zone, ...addresses }), '192.0.2.7', never);
      assert.deepEqual(confirmedNames(found), ['a.example', 'b.example', 'c.example']);
    }
    const many = Array.from({ length: 11 }, (_, i) => `n${String.fromCharCode(97 + i)}.example`);
    for (const records of [many, many.toReversed()]) {
      const found = await iprev(
        fakeResolver({ [PTR]: records, 'na.example A': '192.0.2.7' }),
        '192.0.2.7',
        never,
      );
      assert.deepEqual([confirmedNames(found), isIprevOpen(found)], [['na.example'], false]);
    }
  });

  it('looks at ten names and no more', async () => {
    const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}.example`);
    for (const [count, looked, left] of [
      [9, 9, 0],
      [10, 10, 0],
      [11, 10, 1],
    ] as const) {
      const dns = fakeResolver({ [PTR]: names(count) });
      const found = await iprev(dns, '192.0.2.7', never);
      assert.equal(found.names.length, looked);
      assert.equal(found.left, left);
      // None leads back, and who has not been looked at may.
      assert.equal(isIprevOpen(found), left > 0);
      assert.equal(dns.asked.length, 1 + looked);
    }
  });

  it('asks nothing about what is no address', async () => {
    const dns = fakeResolver({});
    assert.deepEqual(await iprev(dns, 'unix', never), { ptr: 'nxdomain', names: [], left: 0 });
    assert.deepEqual(dns.asked, []);
    assert.equal(hasAddress(['nonsense'], 'unix'), false);
  });
});
