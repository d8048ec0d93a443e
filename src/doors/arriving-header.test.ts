import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_PEEKED_OCTETS, peeked } from './arriving-header.ts';

function seen(pieces: readonly string[]): { headers: string[]; passedOn: string } {
  const headers: string[] = [];
  const passedOn: Buffer[] = [];
  const content = peeked(
    {
      append: (bytes) => void passedOn.push(bytes),
      finish: async () => ({ kind: 'disk-full' }),
      dispose: () => undefined,
    },
    ({ bytes, end, fields }) => headers.push(`${fields.length} ${bytes.toString('latin1', 0, end)}`),
  );
  for (const piece of pieces) void content.append(Buffer.from(piece, 'latin1'));
  return { headers, passedOn: Buffer.concat(passedOn).toString('latin1') };
}

describe('a header that comes in', () => {
  const text = 'A: 1\r\nB: 2\r\n\r\nbody\r\n\r\nC: 3\r\n\r\n';
  for (const [name, pieces] of [
    ['at once', [text]],
    ['octet by octet', text.split('')],
    ['cut in the empty line', [text.slice(0, 13), text.slice(13)]],
  ] as const) {
    it(`is shown once: ${name}`, () => {
      assert.deepEqual(seen(pieces), { headers: ['2 A: 1\r\nB: 2\r\n'], passedOn: text });
    });
  }

  it('is not shown before it is there', () => assert.deepEqual(seen(['A: 1\r\nB: 2\r\n']).headers, []));

  it('is shown as far as the limit', () => {
    const long = 'Field: value\r\n'.repeat(5000);
    const { headers, passedOn } = seen([long.slice(0, 5000), long.slice(5000)]);
    assert.equal(passedOn, long);
    assert.equal(headers.length, 1);
    assert.ok(headers[0]!.length <= MAX_PEEKED_OCTETS + 5);
  });
});
