import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  formatAddressLiteral,
  isDomainName,
  isFqdn,
  organizationalDomain,
  parseAddressLiteral,
  parseDomain,
} from './domain.ts';

const label63 = 'a'.repeat(63);

describe('a domain', () => {
  for (const [text, domain] of [
    ['example.org', 'example.org'],
    ['MX.Example.ORG', 'mx.example.org'],
    ['localhost', 'localhost'],
    ['a-b.c--d.example', 'a-b.c--d.example'],
    ['1.2.3.4', '1.2.3.4'],
    ['Bücher.example', 'xn--bcher-kva.example'],
    ['例え.テスト', 'xn--r8jz45g.xn--zckzah'],
    ['', undefined],
    ['.', undefined],
    ['example.org.', undefined],
    ['.example.org', undefined],
    ['a..b', undefined],
    ['-a.example', undefined],
    ['a-.example', undefined],
    ['a_b.example', undefined],
    ['a b.example', undefined],
    ['ü%41.example', undefined],
    ['ü/x.example', undefined],
    ['ü_b.example', undefined],
    ['\u{fffd}.example', undefined],
    [`${label63}.example`, `${label63}.example`],
    [`${label63}a.example`, undefined],
    [`${`${label63}.`.repeat(3)}${'a'.repeat(61)}`, `${`${label63}.`.repeat(3)}${'a'.repeat(61)}`],
    [`${`${label63}.`.repeat(3)}${'a'.repeat(62)}`, undefined],
    [`ü${'a'.repeat(260)}`, undefined],
  ] as const) {
    it(JSON.stringify(text).slice(0, 60), () => assert.equal(parseDomain(text), domain));
  }
  it('may have underscores where that is granted', () => {
    assert.equal(parseDomain('_a_.B_c.example', { underscore: true }), '_a_.b_c.example');
    assert.equal(isDomainName('-a_.example', { underscore: true }), false);
  });
});

describe('a fully qualified name', () => {
  for (const [name, fqdn] of [
    ['mx.example.org', true],
    ['MX.EXAMPLE.ORG', true],
    ['a.b1', true],
    ['localhost', false],
    ['1.2.3.4', false],
    ['a.b..c', false],
    ['a_b.example', false],
  ] as const) {
    it(`${name}: ${fqdn}`, () => assert.equal(isFqdn(name), fqdn));
  }
});

describe('an address literal', () => {
  for (const [text, address] of [
    ['[192.0.2.1]', '192.0.2.1'],
    ['[IPv6:2001:DB8:0:0::1]', '2001:db8::1'],
    ['[ipv6:::1]', '::1'],
    ['[IPv6:::ffff:192.0.2.1]', '192.0.2.1'],
    ['[192.0.2.256]', undefined],
    ['[192.0.2]', undefined],
    ['[2001:db8::1]', undefined],
    ['[IPv6:fe80::1%eth0]', undefined],
    ['[IPv6:192.0.2.1]', undefined],
    ['[X400:a]', undefined],
    ['[]', undefined],
    ['192.0.2.1]', undefined],
    ['[192.0.2.1', undefined],
  ] as const) {
    it(text, () => {
      assert.equal(parseAddressLiteral(text), address);
      if (address !== undefined) assert.equal(parseAddressLiteral(formatAddressLiteral(address)), address);
    });
  }
});

describe('the organizational domain', () => {
  for (const [name, organization] of [
    ['mx.mail.example.co.uk', 'example.co.uk'],
    ['example.org', 'example.org'],
    ['alice.github.io', 'alice.github.io'],
    ['x.alice.github.io', 'alice.github.io'],
    ['co.uk', 'co.uk'],
    ['localhost', 'localhost'],
    ['192.0.2.1', '192.0.2.1'],
  ] as const) {
    it(name, () => assert.equal(organizationalDomain(name), organization));
  }
});
