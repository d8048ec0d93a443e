import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Admission, reserved, type AdmissionLimits, type Place } from './admission.ts';

const LIMITS: AdmissionLimits = {
  connections: 10,
  connectionsPerClient: 3,
  connectionsPerMinute: 5,
  reservedForGood: 20,
  stressAt: 50,
};

const place = (admission: Admission, network: string, limits = LIMITS, nowMs = 0): Place => {
  const admitted = admission.admit(network, limits, nowMs);
  assert.equal(admitted.kind, 'welcome');
  return admitted;
};

describe('admission', () => {
  it('in all: at the limit and one above', () => {
    const admission = new Admission();
    const places = Array.from({ length: 10 }, (_, i) => place(admission, `192.0.2.${i}`));
    assert.equal(admission.admit('192.0.2.99', LIMITS, 0).kind, 'full');
    assert.equal(admission.open, 10);
    places[0]?.release();
    place(admission, '192.0.2.99');
  });

  it('of one client: at the limit and one above', () => {
    const admission = new Admission();
    const places = Array.from({ length: 3 }, () => place(admission, '192.0.2.1'));
    assert.equal(admission.admit('192.0.2.1', LIMITS, 0).kind, 'client-full');
    place(admission, '192.0.2.2');
    places[0]?.release();
    place(admission, '192.0.2.1');
  });

  it('of one client in a minute: at the limit, one above, and after it', () => {
    const admission = new Admission();
    for (let i = 0; i < 5; i++) place(admission, '192.0.2.1', LIMITS, 1000 + i).release();
    assert.equal(admission.admit('192.0.2.1', LIMITS, 1000 + 59_999).kind, 'client-too-fast');
    place(admission, '192.0.2.1', LIMITS, 1000 + 60_000);
  });

  it('stress begins at its share of the connections, the reserve with the first that takes from it', () => {
    const admission = new Admission();
    assert.equal(reserved(LIMITS), 2);
    for (let open = 1; open <= 10; open++) {
      place(admission, `192.0.2.${open}`);
      assert.equal(admission.stressed(LIMITS), open >= 5);
      assert.equal(admission.inReserve(LIMITS), open > 8);
    }
  });

  it('the reserve is a part of the connections, never all', () => {
    const cases: [connections: number, share: number, places: number][] = [
      [1, 90, 0],
      [9, 10, 0],
      [10, 10, 1],
      [10_000, 10, 1000],
      [10_000, 0, 0],
    ];
    for (const [connections, reservedForGood, places] of cases)
      assert.equal(reserved({ connections, reservedForGood }), places);
  });

  it('forgets who is gone and whose minute is over, and nobody else', () => {
    const limits = { ...LIMITS, connectionsPerMinute: 1 };
    const admission = new Admission();
    const open = place(admission, '192.0.2.1', limits);
    place(admission, '192.0.2.2', limits).release();
    admission.forgetIdle(59_999);
    assert.equal(admission.admit('192.0.2.2', limits, 59_999).kind, 'client-too-fast');
    admission.forgetIdle(60_000);
    // Still connected, so still counted.
    const one = { ...limits, connectionsPerClient: 1 };
    assert.equal(admission.admit('192.0.2.1', one, 60_000).kind, 'client-full');
    open.release();
    assert.equal(admission.open, 0);
    place(admission, '192.0.2.1', one, 60_000);
  });

  it('remembers no more than 100,000 clients, the oldest that are gone first', () => {
    const limits = { ...LIMITS, connections: 1000, connectionsPerMinute: 1 };
    const admission = new Admission();
    const address = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    const again = (network: string) => admission.admit(network, limits, 0).kind;
    place(admission, '192.0.2.1', limits);
    for (let n = 0; n < 99_999; n++) place(admission, address(n), limits).release();
    assert.equal(again(address(0)), 'client-too-fast');
    place(admission, address(99_999), limits).release();
    assert.equal(again(address(0)), 'welcome');
    assert.equal(again('192.0.2.1'), 'client-too-fast');
    assert.equal(admission.open, 2);
  });

  it('what is released was admitted: nothing is left over', () => {
    const limits = { ...LIMITS, connectionsPerMinute: 1000 };
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -4, max: 4 }), { maxLength: 60 }), (moves) => {
        const admission = new Admission();
        const open: { network: string; place: Place }[] = [];
        for (const [atMs, move] of moves.entries()) {
          const network = `192.0.2.${Math.abs(move)}`;
          if (move >= 0) {
            const admitted = admission.admit(network, limits, atMs);
            if (admitted.kind === 'welcome') open.push({ network, place: admitted });
          } else open.shift()?.place.release();
          assert.equal(admission.open, open.length);
          assert.ok(open.length <= 10 && open.filter((o) => o.network === network).length <= 3);
        }
      }),
    );
  });
});
