import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatIp, formatNetwork, networkAround, parseIp, parseNetwork, type Ip } from './ip.ts';
import { networkSet } from './networks.ts';

describe('networkSet', () => {
  it('finds the narrowest network, and all around it', () => {
    const set = networkSet([
      '10.0.0.0/8',
      '10.1.0.0/16',
      '10.1.2.0/24',
      '10.1.0.0/16',
      '2001:db8::/32',
      '10.1.2.3',
    ]);
    assert.equal(set.size, 5);
    const cases: [address: string, all: number[]][] = [
      ['10.1.2.3', [5, 2, 1, 3, 0]],
      ['10.1.2.4', [2, 1, 3, 0]],
      ['10.1.3.1', [1, 3, 0]],
      ['10.2.0.0', [0]],
      ['9.255.255.255', []],
      ['11.0.0.0', []],
      ['::ffff:10.2.0.0', [0]],
      ['2001:db8:ffff::1', [4]],
      ['2001:db9::', []],
      ['nonsense', []],
    ];
    for (const [address, all] of cases) {
      assert.deepEqual(set.findAll(address), all, address);
      assert.equal(set.find(address), all[0], address);
      assert.equal(set.has(address), all.length > 0, address);
    }
  });

  it('reaches both ends of the address space', () => {
    const set = networkSet(['0.0.0.0/32', '255.255.255.255', '::/128', 'ffff::/16']);
    for (const address of ['0.0.0.0', '255.255.255.255', '::', 'ffff:ffff::1'])
      assert.ok(set.has(address), address);
    for (const address of ['0.0.0.1', '255.255.255.254', '::1', 'fffe:ffff::'])
      assert.ok(!set.has(address), address);
    assert.ok(networkSet(['0.0.0.0/0']).has('255.255.255.255'));
    assert.ok(!networkSet(['0.0.0.0/0']).has('2001:db8::1'));
    assert.ok(networkSet(['::/0']).has('ffff::'));
  });

  it('is empty without networks', () => {
    assert.equal(networkSet([]).size, 0);
    assert.equal(networkSet([]).has('192.0.2.1'), false);
  });

  it('throws with the right network', () => {
    assert.throws(() => networkSet(['10.0.0.0/8', '192.0.2.1/24']), /the network is 192\.0\.2\.0\/24/);
  });

  it('agrees with a naive model', () => {
    // Few distinct bits, so that networks nest, touch and repeat.
    const word = fc.constantFrom(0, 1, 0x80000000, 0xffffffff, 0x0a000000, 0x0a010000, 0xfffffffe);
    const ip: fc.Arbitrary<Ip> = fc.oneof(
      fc.tuple(word).map((words) => ({ family: 4 as const, words })),
      fc.tuple(word, word, word, word).map((words) => ({ family: 6 as const, words })),
    );
    const canonical = (i: Ip) => parseIp(formatIp(i)) ?? i; // ::ffff:0:0/96 turns into IPv4
    const network = fc
      .tuple(ip.map(canonical), fc.nat(128))
      .map(([i, p]) => networkAround(i, i.family === 4 ? p % 33 : p))
      // One that became a mapped network by masking cannot be written as IPv6.
      .filter((n) => parseNetwork(formatNetwork(n)).kind === 'network');
    fc.assert(
      fc.property(
        fc.array(network, { maxLength: 30 }),
        fc.array(ip.map(canonical), { maxLength: 30 }),
        (nets, ips) => {
          const set = networkSet(nets.map(formatNetwork));
          assert.equal(set.size, new Set(nets.map(formatNetwork)).size);
          for (const i of [...ips, ...nets.map((n) => n.base)]) {
            const around = [...nets.entries()].filter(
              ([, n]) =>
                n.base.family === i.family && formatNetwork(networkAround(i, n.prefix)) === formatNetwork(n),
            );
            const expected = around.sort(([, a], [, b]) => b.prefix - a.prefix).map(([index]) => index);
            assert.equal(set.find(formatIp(i)), expected[0]);
            assert.deepEqual(set.findAll(formatIp(i)), expected);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('holds half a million networks, and a look-up costs about what it costs among a thousand', () => {
    const texts = (count: number) =>
      Array.from({ length: count }, (_, i) => {
        const n = Math.imul(i, 2654435761) >>> 0; // scattered, all different
        return i % 10 === 0
          ? `2001:db8:${(n >>> 16).toString(16)}:${(n & 0xffff).toString(16)}::/64`
          : `${n >>> 24}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;
      });
    const asked = texts(50_000);
    const time = (count: number) => {
      const set = networkSet(texts(count));
      assert.equal(set.size, count);
      let hits = 0;
      const rounds = [1, 2, 3].map(() => {
        const from = process.hrtime.bigint();
        for (const address of asked) if (set.has(address)) hits += 1;
        return Number(process.hrtime.bigint() - from);
      });
      assert.ok(hits > 0);
      return Math.min(...rounds);
    };
    const small = time(1000);
    const large = time(500_000);
    // A walk over the list would take hundreds of times as long.
    assert.ok(large < small * 20, `${large} ns against ${small} ns`);
  });
});
