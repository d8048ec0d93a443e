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

  describe('a list that is silent', () => {
    const SOME = 5;

    function silenced(zone: ListZone = listZone()) {
      const dns = fakeResolver(GOOD, { [`2.0.0.127.${ZONE}`]: 'timeout' });
      const events: ZoneEvent[] = [];
      let nowMs = 0;
      const probes = new Set<() => void>();
      const health = new ZoneHealth({
        dns,
        zones: [zone],
        onEvent: (event) => events.push(event),
        nowMs: () => nowMs,
        every: (_ms, run) => {
          probes.add(run);
          return () => void probes.delete(run);
        },
      });
      const ask = (answered: boolean, tookMs = 4000) => {
        const heard = health.asking(ZONE);
        nowMs += tookMs;
        heard(answered);
      };
      const probe = async () => {
        for (const run of probes) run();
        await new Promise((resolve) => setImmediate(resolve));
      };
      return { health, dns, events, probes, ask, probe };
    }

    it('is not waited for after some questions in a row, and the operator hears it once', () => {
      const { health, events, ask } = silenced();
      for (let i = 1; i < SOME; i++) ask(false);
      assert.equal(health.silent(ZONE), undefined);
      ask(false);
      assert.match(health.silent(ZONE) ?? '', /silent/);
      ask(false);
      assert.deepEqual(
        events.map(({ kind, zone }) => [kind, zone]),
        [['silent', 'zen.example']],
      );
      assert.equal(health.suspended(ZONE), undefined, 'silence is no nonsense');
      assert.equal(health.state()[0]?.silent, health.silent(ZONE));
      health.stop();
      assert.equal(health.silent(ZONE), undefined);
    });

    it('is waited for as long as one question in some is answered', () => {
      const { health, ask } = silenced();
      for (let i = 0; i < 4 * SOME; i++) ask(i % SOME === 0);
      assert.equal(health.silent(ZONE), undefined);
    });

    it('is no such list where only our own limits cut questions short', () => {
      const { health, ask } = silenced();
      for (let i = 0; i < 4 * SOME; i++) ask(false, 1);
      assert.equal(health.silent(ZONE), undefined);
    });

    for (const selfTest of [true, false]) {
      it(`is waited for again when it answers a probe, ${selfTest ? 'with' : 'without'} test points`, async () => {
        const { health, dns, events, probes, ask, probe } = silenced(listZone({ selfTest }));
        for (let i = 0; i < SOME; i++) ask(false);
        assert.equal(probes.size, 1);
        await probe();
        assert.notEqual(health.silent(ZONE), undefined, 'it did not answer');
        dns.troubles.clear();
        dns.replace({});
        await probe();
        assert.equal(health.silent(ZONE), undefined);
        assert.equal(probes.size, 0);
        assert.deepEqual(events.at(-1), { kind: 'answers', zone: 'zen.example' });
        for (let i = 1; i < SOME; i++) ask(false);
        assert.equal(health.silent(ZONE), undefined, 'the count did not begin anew');
      });
    }

    it('is waited for again when a question that was on its way is answered', () => {
      const { health, ask, events } = silenced();
      for (let i = 0; i < SOME; i++) ask(false);
      ask(true);
      assert.equal(health.silent(ZONE), undefined);
      assert.equal(events.length, 2);
    });

    it('is none of ours, where it is not configured', () => {
      const { health, events } = silenced(listZone({ zone: 'other.example' }));
      for (let i = 0; i < 2 * SOME; i++) {
        const heard = health.asking(ZONE);
        heard(false);
      }
      assert.equal(health.silent(ZONE), undefined);
      assert.deepEqual(events, []);
    });
  });
});
