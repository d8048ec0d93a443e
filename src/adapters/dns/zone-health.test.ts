import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeResolver, type FakeTrouble } from '../../../test/fakes/resolver.ts';
import type { ZoneRecords } from './zone.ts';
import { ZoneHealth, type ListZone, type ZoneEvent } from './zone-health.ts';

const ZONE = 'secret.zen.example';
const listZone = (fields: Partial<ListZone> = {}): ListZone => ({
  zone: ZONE,
  shownAs: 'zen.example',
  lists: 'addresses',
  refusals: [],
  selfTest: true,
  ...fields,
});

function made(records: ZoneRecords, troubles: Record<string, FakeTrouble> = {}, zone: ListZone = listZone()) {
  const dns = fakeResolver(records, troubles);
  const events: ZoneEvent[] = [];
  let tick: (() => void) | undefined;
  const health = new ZoneHealth({
    dns,
    zones: [zone],
    onEvent: (event) => events.push(event),
    every: (_ms, run) => {
      tick = run;
      return () => (tick = undefined);
    },
  });
  return { health, dns, events, isTicking: () => tick !== undefined, tick: () => tick?.() };
}

const GOOD: ZoneRecords = { [`2.0.0.127.${ZONE} A`]: '127.0.0.2' };

describe('ZoneHealth', () => {
  const cases: [what: string, records: ZoneRecords, zone: Partial<ListZone>, reason: RegExp | undefined][] = [
    ['a good list', GOOD, {}, undefined],
    ['a good list of names', { [`test.${ZONE} A`]: '127.0.0.2' }, { lists: 'names' }, undefined],
    ['a dead list', { [`${ZONE} TXT`]: 'gone' }, {}, /does not list its test point 127\.0\.0\.2/],
    ['a dead list of names', {}, { lists: 'names' }, /does not list its test point test/],
    ['one that lists all', { [`*.${ZONE} A`]: '127.0.0.2' }, {}, /lists 127\.0\.0\.1/],
    ['one of names that lists all', { [`*.${ZONE} A`]: '127.0.0.2' }, { lists: 'names' }, /lists invalid/],
    ['a parked domain', { [`*.${ZONE} A`]: '192.0.2.80' }, {}, /outside 127/],
    ['one that refuses', { [`*.${ZONE} A`]: '127.255.255.254' }, {}, /public resolver/],
    [
      'one that refuses in its own way',
      { [`*.${ZONE} A`]: '127.0.10.3' },
      { refusals: [{ low: 0x7f000a00, high: 0x7f000aff }] },
      /refuses our questions/,
    ],
    ['a list without test points', {}, { selfTest: false }, undefined],
  ];
  for (const [what, records, zone, reason] of cases) {
    it(`${reason === undefined ? 'believes' : 'suspends'} ${what}`, async () => {
      const { health, events } = made(records, {}, listZone(zone));
      await health.start();
      health.stop();
      const found = health.suspended(ZONE);
      if (reason === undefined) {
        assert.equal(found, undefined);
        assert.deepEqual(events, []);
      } else {
        assert.match(found ?? '', reason);
        assert.deepEqual(events, [{ kind: 'suspended', zone: 'zen.example', reason: found }]);
        assert.deepEqual(health.state(), [{ zone: 'zen.example', suspended: found }]);
      }
    });
  }

  it('suspends on nonsense, tells once, and resumes when the self-test passes', async () => {
    const { health, events, dns } = made(GOOD);
    await health.start();
    health.suspend(ZONE, 'answered 127.255.255.254');
    health.suspend(ZONE, 'answered 127.255.255.255');
    assert.equal(health.suspended(ZONE), 'answered 127.255.255.255');
    assert.equal(events.length, 1);
    dns.replace({});
    await health.testAll();
    assert.match(health.suspended(ZONE) ?? '', /test point/);
    dns.replace(GOOD);
    await health.testAll();
    assert.equal(health.suspended(ZONE), undefined);
    assert.deepEqual(
      events.map((e) => e.kind),
      ['suspended', 'resumed'],
    );
    health.stop();
  });

  it('resumes a list without test points at the next round', async () => {
    const { health } = made({}, {}, listZone({ selfTest: false }));
    health.suspend(ZONE, 'nonsense');
    await health.testAll();
    assert.equal(health.suspended(ZONE), undefined);
  });

  const half: [Record<string, FakeTrouble>, string][] = [
    [{ [`2.0.0.127.${ZONE}`]: 'timeout', [`1.0.0.127.${ZONE}`]: 'timeout' }, 'nothing'],
    [{ [`2.0.0.127.${ZONE}`]: 'servfail' }, 'the second'],
    [{ [`1.0.0.127.${ZONE}`]: 'servfail' }, 'the first'],
  ];
  for (const [troubles, answered] of half) {
    it(`leaves everything as it was when ${answered} is answered`, async () => {
      const { health } = made(GOOD, troubles);
      await health.testAll();
      assert.equal(health.suspended(ZONE), undefined);
      health.suspend(ZONE, 'nonsense');
      await health.testAll();
      assert.equal(health.suspended(ZONE), 'nonsense');
    });
  }

  it('ignores zones that are not configured', () => {
    const { health, events } = made(GOOD);
    health.suspend('other.example', 'nonsense');
    assert.equal(health.suspended('other.example'), undefined);
    assert.deepEqual(events, []);
  });

  it('tests again from time to time until it is stopped', async () => {
    const { health, dns, tick, isTicking } = made(GOOD);
    await health.start();
    const once = dns.asked.length;
    tick();
    assert.equal(dns.asked.length, 2 * once);
    health.stop();
    assert.equal(isTicking(), false);
    const real = new ZoneHealth({ dns, zones: [listZone()], onEvent: () => undefined, intervalMs: 1 });
    await real.start();
    real.stop();
  });

  it('says nothing of a test that was cut off by stop', async () => {
    const { health, events } = made({});
    const started = health.start();
    health.stop();
    await started;
    assert.deepEqual(events, []);
  });
});
