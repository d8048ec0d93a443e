import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Admission, type AdmissionLimits, type Admitted } from './admission.ts';

const LIMITS: AdmissionLimits = {
  connections: 10,
  connectionsPerClient: 3,
  connectionsPerMinute: 5,
  clientPrefixV4: 32,
  clientPrefixV6: 64,
  stressAt: 50,
};

describe('admission', () => {
  it('in all: at the limit and one above', () => {
    const admission = new Admission();
    for (let i = 0; i < 10; i++) assert.equal(admission.admit(`192.0.2.${i}`, LIMITS, 0), 'welcome');
    assert.equal(admission.admit('192.0.2.99', LIMITS, 0), 'full');
    assert.equal(admission.open, 10);
    admission.release('192.0.2.0', LIMITS);
    assert.equal(admission.admit('192.0.2.99', LIMITS, 0), 'welcome');
  });

  it('of one client: at the limit and one above', () => {
    const admission = new Admission();
    for (let i = 0; i < 3; i++) assert.equal(admission.admit('192.0.2.1', LIMITS, 0), 'welcome');
    assert.equal(admission.admit('192.0.2.1', LIMITS, 0), 'client-full');
    assert.equal(admission.admit('192.0.2.2', LIMITS, 0), 'welcome');
    admission.release('192.0.2.1', LIMITS);
    assert.equal(admission.admit('192.0.2.1', LIMITS, 0), 'welcome');
  });

  it('of one client in a minute: at the limit, one above, and after it', () => {
    const admission = new Admission();
    const come = (atMs: number) => {
      const admitted = admission.admit('192.0.2.1', LIMITS, atMs);
      if (admitted === 'welcome') admission.release('192.0.2.1', LIMITS);
      return admitted;
    };
    for (let i = 0; i < 5; i++) assert.equal(come(1000 + i), 'welcome');
    assert.equal(come(1000 + 59_999), 'client-too-fast');
    assert.equal(come(1000 + 60_000), 'welcome');
  });

  const networks: [prefixes: Partial<AdmissionLimits>, one: string, other: string, together: boolean][] = [
    [{}, '192.0.2.1', '192.0.2.2', false],
    [{ clientPrefixV4: 24 }, '192.0.2.1', '192.0.2.200', true],
    [{ clientPrefixV4: 24 }, '192.0.2.1', '192.0.3.1', false],
    [{}, '2001:db8::1', '2001:db8::2:0:0:1', true],
    [{}, '2001:db8::1', '2001:db8:0:1::1', false],
    [{ clientPrefixV6: 128 }, '2001:db8::1', '2001:db8::2', false],
    [{ clientPrefixV4: 24 }, 'no address', '192.0.2.1', false],
  ];
  for (const [prefixes, one, other, together] of networks) {
    it(`${one} and ${other} are ${together ? 'one client' : 'two'} ${JSON.stringify(prefixes)}`, () => {
      const limits = { ...LIMITS, connectionsPerClient: 1, ...prefixes };
      const admission = new Admission();
      assert.equal(admission.admit(one, limits, 0), 'welcome');
      assert.equal(admission.admit(other, limits, 0), together ? 'client-full' : 'welcome');
      admission.release(one, limits);
      assert.equal(admission.admit(one, limits, 0), 'welcome');
    });
  }

  it('stress begins at its share of the connections', () => {
    const admission = new Admission();
    for (let i = 0; i < 5; i++) {
      assert.ok(!admission.stressed(LIMITS));
      admission.admit(`192.0.2.${i}`, LIMITS, 0);
    }
    assert.ok(admission.stressed(LIMITS));
  });

  it('forgets who is gone and whose minute is over, and nobody else', () => {
    const limits = { ...LIMITS, connectionsPerMinute: 1 };
    const come = (admission: Admission, address: string, atMs: number): Admitted =>
      admission.admit(address, limits, atMs);
    const admission = new Admission();
    come(admission, '192.0.2.1', 0);
    come(admission, '192.0.2.2', 0);
    admission.release('192.0.2.2', limits);
    admission.forgetIdle(59_999);
    assert.equal(come(admission, '192.0.2.2', 59_999), 'client-too-fast');
    admission.forgetIdle(60_000);
    // Still connected, so still counted.
    admission.release('192.0.2.1', limits);
    assert.equal(admission.open, 0);
  });

  it('remembers no more than 100,000 clients, the oldest that are gone first', () => {
    const limits = { ...LIMITS, connections: 1000, connectionsPerMinute: 1 };
    const admission = new Admission();
    const address = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    assert.equal(admission.admit('192.0.2.1', limits, 0), 'welcome');
    const pass = (n: number) => {
      assert.equal(admission.admit(address(n), limits, 0), 'welcome');
      admission.release(address(n), limits);
    };
    for (let n = 0; n < 99_999; n++) pass(n);
    assert.equal(admission.admit(address(0), limits, 0), 'client-too-fast');
    pass(99_999);
    assert.equal(admission.admit(address(0), limits, 0), 'welcome');
    assert.equal(admission.admit('192.0.2.1', limits, 0), 'client-too-fast');
    assert.equal(admission.open, 2);
  });

  it('what is released was admitted: nothing is left over', () => {
    const limits = { ...LIMITS, connectionsPerMinute: 1000 };
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -4, max: 4 }), { maxLength: 60 }), (moves) => {
        const admission = new Admission();
        const open: string[] = [];
        for (const [atMs, move] of moves.entries()) {
          const address = `192.0.2.${Math.abs(move)}`;
          if (move >= 0) {
            if (admission.admit(address, limits, atMs) === 'welcome') open.push(address);
          } else {
            const gone = open.shift();
            if (gone !== undefined) admission.release(gone, limits);
          }
          assert.equal(admission.open, open.length);
          assert.ok(open.length <= 10 && open.filter((o) => o === address).length <= 3);
        }
      }),
    );
  });
});
