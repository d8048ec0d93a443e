import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  addressScope,
  canonicalAddress,
  formatIp,
  formatNetwork,
  networkAround,
  parseIp,
  parseNetwork,
  reversedLabels,
  reverseName,
} from './ip.ts';

describe('parseIp', () => {
  const same: [text: string, canonical: string][] = [
    ['192.0.2.7', '192.0.2.7'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::192.0.2.7', '::c000:207'],
  ];
  for (const [text, canonical] of same) {
    it(`takes ${text}`, () => assert.equal(canonicalAddress(text), canonical));
  }

  const none = [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.',
    '.1.2.3',
    '1..2.3',
    '01.2.3.4',
    '1.2.3.04',
    '256.1.1.1',
    '1.2.3.4 ',
    '0x7f.0.0.1',
    '127.1',
    '2130706433',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1::2::3',
    '::12345',
    '::g',
    'fe80::1%eth0',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '::1.2.3',
    '[::1]',
    `${'1'.repeat(60)}.1.1.1`,
  ];
  for (const text of none) {
    it(`refuses "${text}"`, () => assert.equal(parseIp(text), undefined));
  }

  it('reads back what it writes, and takes only what node:net takes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const canonical = canonicalAddress(text);
        assert.ok(canonical !== undefined);
        assert.equal(canonicalAddress(canonical), canonical);
      }),
    );
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('0', '1', '2', '3', '.', ':', 'a', 'f', '%'), maxLength: 20 }),
        (text) => {
          if (parseIp(text) !== undefined) assert.notEqual(isIP(text), 0);
          else assert.ok(isIP(text) === 0 || text.includes('%'), text);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('parseNetwork', () => {
  const good: [text: string, canonical: string][] = [
    ['192.0.2.0/24', '192.0.2.0/24'],
    ['192.0.2.7', '192.0.2.7/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:db8::/32', '2001:db8::/32'],
    ['2001:db8::1', '2001:db8::1/128'],
    ['::/0', '::/0'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::ffff:192.0.2.7', '192.0.2.7/32'],
  ];
  for (const [text, canonical] of good) {
    it(`takes ${text}`, () => {
      const network = parseNetwork(text);
      assert.ok(network.kind === 'network');
      assert.equal(formatNetwork(network), canonical);
    });
  }

  const bad: [text: string, problem: RegExp][] = [
    ['192.0.2.7/24', /the network is 192\.0\.2\.0\/24/],
    ['2001:db8::1/64', /the network is 2001:db8::\/64/],
    ['128.0.0.1/1', /the network is 128\.0\.0\.0\/1/],
    ['192.0.2.0/33', /prefix length from 0 to 32/],
    ['192.0.2.0/', /prefix length from 0 to 32/],
    ['192.0.2.0/024', /prefix length/],
    ['192.0.2.0/24/1', /prefix length/],
    ['2001:db8::/129', /prefix length from 0 to 128/],
    ['::ffff:10.0.0.0/64', /write the IPv4 network/],
    ['example.net', /neither an address nor a network/],
    ['x'.repeat(500), /^"x{60}…"/],
  ];
  for (const [text, problem] of bad) {
    it(`refuses ${text.slice(0, 40)}`, () => {
      const network = parseNetwork(text);
      assert.ok(network.kind === 'bad');
      assert.match(network.problem, problem);
    });
  }
});

describe('names and scopes of addresses', () => {
  const ip = (text: string) => {
    const parsed = parseIp(text);
    assert.ok(parsed);
    return parsed;
  };

  it('reverses labels', () => {
    assert.equal(reversedLabels(ip('192.0.2.7')), '7.2.0.192');
    assert.equal(reverseName(ip('192.0.2.7')), '7.2.0.192.in-addr.arpa');
    // The example of RFC 5782 2.4.
    assert.equal(
      reversedLabels(ip('2001:db8:1:2:3:4:567:89ab')),
      'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2',
    );
    assert.match(reverseName(ip('::1')), /^1\.0\.0\..*\.0\.ip6\.arpa$/);
  });

  it('finds the network around an address', () => {
    assert.equal(formatNetwork(networkAround(ip('192.0.2.77'), 24)), '192.0.2.0/24');
    assert.equal(formatNetwork(networkAround(ip('2001:db8:1:2:3::1'), 64)), '2001:db8:1:2::/64');
  });

  const scopes: [string, string][] = [
    ['8.8.8.8', 'public'],
    ['2600::1', 'public'],
    ['10.1.2.3', 'private'],
    ['100.64.0.1', 'private'],
    ['fd00::1', 'private'],
    ['127.0.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['169.254.1.1', 'link-local'],
    ['fe80::1', 'link-local'],
    ['224.0.0.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['0.0.0.0', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['240.0.0.1', 'reserved'],
    ['192.0.2.1', 'reserved'],
  ];
  for (const [text, scope] of scopes) {
    it(`${text} is ${scope}`, () => assert.equal(addressScope(ip(text)), scope));
  }

  it('formats with the first of the longest zero runs shortened', () => {
    assert.equal(formatIp(ip('1:0:0:2:0:0:3:4')), '1::2:0:0:3:4');
    assert.equal(formatIp(ip('1:0:0:2:0:0:0:3')), '1:0:0:2::3');
  });
});
