import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { transferDecoder, transferEncoding, type TransferEncoding } from './transfer-encoding.ts';

function decoded(
  encoding: TransferEncoding,
  octets: Buffer,
  piece: number,
): { text: string; garbage: number } {
  const decoder = transferDecoder(encoding);
  const all: Buffer[] = [];
  for (let at = 0; at < octets.length; at += piece) all.push(decoder.write(octets.subarray(at, at + piece)));
  all.push(decoder.end());
  return { text: Buffer.concat(all).toString('latin1'), garbage: decoder.garbage };
}

describe('a transfer encoding', () => {
  const cases: [TransferEncoding, written: string, text: string, garbage?: number][] = [
    ['identity', 'a=\r\n', 'a=\r\n'],
    ['base64', '', ''],
    ['base64', 'SGVsbG8=', 'Hello'],
    ['base64', 'SGVs\r\n bG8', 'Hello'],
    ['base64', 'SGk=SGk=', 'HiHi'],
    ['base64', 'S!G\0k=', 'Hi', 2],
    ['base64', 'SGVsb', 'Hel', 1],
    ['base64', '====', ''],
    ['base64', '_-', '', 2],
    ['quoted-printable', 'a=3Db=3d', 'a=b='],
    ['quoted-printable', 'a=\r\nb=\nc= \t\r\nd', 'abcd'],
    ['quoted-printable', 'a=zz=4z=', 'a=zz=4z', 2],
    ['quoted-printable', '==41=', '=A', 1],
    ['quoted-printable', '=4', '=4', 1],
    ['quoted-printable', '= x', '=x', 1],
    ['uuencode', 'begin 644 a\r\n#0V%T\r\n`\r\nend\r\nrest', 'Cat', 4],
    ['uuencode', 'begin 644 a\n!', '', 0],
    ['uuencode', `begin 644 a\n${'M'.repeat(200)}\n`, 'x', 100],
  ];
  for (const [encoding, written, text, garbage = 0] of cases) {
    it(`${encoding}: ${JSON.stringify(written.slice(0, 40))}`, () => {
      for (const piece of [1000, 1, 2, 3]) {
        const found = decoded(encoding, Buffer.from(written, 'latin1'), piece);
        if (text === 'x') assert.equal(found.text.length, 45);
        else assert.equal(found.text, text);
        assert.equal(found.garbage, garbage);
      }
    });
  }

  it('gives back what was encoded', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 10 }), (octets, piece) => {
        const bytes = Buffer.from(octets);
        const text = bytes.toString('latin1');
        assert.deepEqual(decoded('base64', Buffer.from(bytes.toString('base64')), piece), {
          text,
          garbage: 0,
        });
        const quoted = Array.from(bytes, (c) => `=${c.toString(16).padStart(2, '0')}`).join('=\r\n');
        assert.deepEqual(decoded('quoted-printable', Buffer.from(quoted), piece), { text, garbage: 0 });
      }),
    );
  });

  it('never gives more than it takes, and takes anything', () => {
    for (const encoding of ['base64', 'quoted-printable', 'uuencode'] as const)
      fc.assert(
        fc.property(
          fc.string({ unit: fc.constantFrom('=', '4', 'z', '\r', '\n', ' ', '!', 'begin \n', 'M', '\xff') }),
          (written) => {
            const bytes = Buffer.from(written, 'latin1');
            assert.ok(decoded(encoding, bytes, 3).text.length <= bytes.length);
          },
        ),
      );
  });

  const names: [string, TransferEncoding | undefined][] = [
    ['', 'identity'],
    ['7bit', 'identity'],
    ['8BIT', 'identity'],
    ['binary', 'identity'],
    [' Base64 ', 'base64'],
    ['"base64";', 'base64'],
    ['quoted-printable', 'quoted-printable'],
    ['x-uuencode', 'uuencode'],
    ['x-zip', undefined],
  ];
  for (const [value, encoding] of names)
    it(`is named ${JSON.stringify(value)}`, () => assert.equal(transferEncoding(value), encoding));
});
