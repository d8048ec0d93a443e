import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_PROXY_HEADER_OCTETS, readProxyHeader } from './reader.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const v1 = (line: string) => Buffer.from(`${line}\r\n`, 'latin1');
const v2 = (hex: string) => Buffer.from(SIGNATURE + hex.replaceAll(' ', ''), 'hex');
const proxied = (a: string, ap: number, b: string, bp: number) => ({
  kind: 'proxied',
  source: { address: a, port: ap },
  destination: { address: b, port: bp },
});
const V4 = 'c0000207 c6336401 1267 0019';
const V6 = '20010db8000000000000000000000001 20010db8000000000000000000000002 1267 0019';

const headers: readonly [string, Buffer, object][] = [
  [
    'v1 TCP4',
    v1('PROXY TCP4 192.0.2.7 198.51.100.1 4711 25'),
    proxied('192.0.2.7', 4711, '198.51.100.1', 25),
  ],
  [
    'v1 TCP6',
    v1('PROXY TCP6 2001:DB8:0::1 2001:db8::2 65535 0'),
    proxied('2001:db8::1', 65535, '2001:db8::2', 0),
  ],
  ['v1 TCP6 with IPv4 in it', v1('PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2'), proxied('192.0.2.7', 1, '::1', 2)],
  ['v1 UNKNOWN', v1('PROXY UNKNOWN'), { kind: 'unknown' }],
  ['v1 UNKNOWN with more', v1('PROXY UNKNOWN ffff::1 whatever it is'), { kind: 'unknown' }],
  ['v1 with 107 octets', v1(`PROXY UNKNOWN ${'x'.repeat(91)}`), { kind: 'unknown' }],
  ['v2 TCP4', v2(`21 11 000c ${V4}`), proxied('192.0.2.7', 4711, '198.51.100.1', 25)],
  ['v2 TCP4 with TLVs', v2(`21 11 0010 ${V4} 04000100`), proxied('192.0.2.7', 4711, '198.51.100.1', 25)],
  ['v2 TCP6', v2(`21 21 0024 ${V6}`), proxied('2001:db8::1', 4711, '2001:db8::2', 25)],
  ['v2 LOCAL', v2('20 00 0000'), { kind: 'local' }],
  ['v2 LOCAL with addresses', v2(`20 11 000c ${V4}`), { kind: 'local' }],
  ['v2 unspecified', v2('21 00 0003 010203'), { kind: 'unknown' }],
  ['v2 UDP', v2(`21 12 000c ${V4}`), { kind: 'unknown' }],
  ['v2 Unix', v2(`21 31 00d8 ${'00'.repeat(216)}`), { kind: 'unknown' }],
  ['v2 with the longest payload', v2(`21 00 1000 ${'00'.repeat(4096)}`), { kind: 'unknown' }],
];

const malformed: readonly [string, Buffer][] = [
  ['no header', Buffer.from('EHLO x\r\n')],
  ['TLS', Buffer.from('160301', 'hex')],
  ['lower case', v1('proxy TCP4 192.0.2.7 198.51.100.1 1 2')],
  ['v1 with 108 octets', v1(`PROXY UNKNOWN ${'x'.repeat(92)}`)],
  ['v1 without end', Buffer.from(`PROXY ${'x'.repeat(101)}`)],
  ['v1 with a bare LF', Buffer.from(`PROXY UNKNOWN\n${'x'.repeat(100)}`)],
  ['v1 family', v1('PROXY UDP4 192.0.2.7 198.51.100.1 1 2')],
  ['v1 two spaces', v1('PROXY TCP4  192.0.2.7 198.51.100.1 1 2')],
  ['v1 field missing', v1('PROXY TCP4 192.0.2.7 198.51.100.1 1')],
  ['v1 field too many', v1('PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3')],
  ['v1 wrong family', v1('PROXY TCP4 ::1 ::2 1 2')],
  ['v1 IPv4 as IPv6', v1('PROXY TCP6 192.0.2.7 198.51.100.1 1 2')],
  ['v1 short address', v1('PROXY TCP4 127.1 198.51.100.1 1 2')],
  ['v1 zone', v1('PROXY TCP6 fe80::1%eth0 ::2 1 2')],
  ['v1 port 65536', v1('PROXY TCP4 192.0.2.7 198.51.100.1 65536 2')],
  ['v1 port 01', v1('PROXY TCP4 192.0.2.7 198.51.100.1 01 2')],
  ['v1 port -1', v1('PROXY TCP4 192.0.2.7 198.51.100.1 -1 2')],
  ['v2 version', v2('11 11 000c')],
  ['v2 command', v2('22 11 000c')],
  ['v2 family', v2('21 41 000c')],
  ['v2 transport', v2('21 13 000c')],
  ['v2 too short for IPv4', v2('21 11 000b')],
  ['v2 too short for IPv6', v2('21 21 0023')],
  ['v2 too long', v2('21 11 1001')],
];

describe('a PROXY header', () => {
  for (const [name, bytes, header] of headers) {
    it(`${name}: is incomplete until it is whole, and leaves what follows`, () => {
      for (let cut = 0; cut < bytes.length; cut++) {
        assert.deepEqual(readProxyHeader(bytes.subarray(0, cut)), { kind: 'incomplete' }, `cut at ${cut}`);
      }
      const expected = { kind: 'header', header, usedOctets: bytes.length };
      assert.deepEqual(readProxyHeader(bytes), expected);
      assert.deepEqual(readProxyHeader(Buffer.concat([bytes, Buffer.from('EHLO x\r\n')])), expected);
    });
  }

  for (const [name, bytes] of malformed) {
    it(`malformed: ${name}`, () => assert.equal(readProxyHeader(bytes).kind, 'malformed'));
  }

  it('never waits beyond the bound, never throws, and never uses more than there is', () => {
    const starts = fc.constantFrom('', 'PROXY ', 'PROXY TCP4 ', 'PROXY TCP6 ::1 ');
    const bytes = fc.oneof(
      fc.tuple(starts, fc.string()).map(([a, b]) => Buffer.from(a + b)),
      fc.uint8Array({ maxLength: 300 }).map((tail) => Buffer.concat([v2(''), tail])),
      fc
        .tuple(fc.constantFrom('2111', '2121', '2011', '2100'), fc.uint8Array())
        .map(([a, b]) => Buffer.concat([v2(a), b])),
    );
    fc.assert(
      fc.property(bytes, (some) => {
        const outcome = readProxyHeader(some);
        if (outcome.kind === 'header') assert.ok(outcome.usedOctets <= some.length);
        const padded = Buffer.concat([some, Buffer.alloc(MAX_PROXY_HEADER_OCTETS)]);
        assert.notEqual(readProxyHeader(padded).kind, 'incomplete');
      }),
    );
  });
});
