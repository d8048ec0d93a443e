import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RelaxedBody } from './relaxed-body.ts';

function relaxed(pieces: readonly string[]): string {
  const body = new RelaxedBody();
  const out = pieces.map((piece) => body.next(Buffer.from(piece, 'latin1')));
  return Buffer.concat([...out, body.end()]).toString('latin1');
}

describe('the relaxed form of a body', () => {
  const cases: [text: string, form: string][] = [
    ['', ''],
    ['a b\r\n', 'a b\r\n'],
    ['a  b\t\tc\r\n', 'a b c\r\n'],
    [' a\r\n', ' a\r\n'],
    ['\t\ta\r\n', ' a\r\n'],
    ['a \t\r\nb\r\n', 'a\r\nb\r\n'],
    [' \r\n\t\r\n', '\r\n\r\n'],
    ['a \r b\r\n', 'a \r b\r\n'],
    ['a \r', 'a \r'],
    ['a ', 'a'],
    ['a\r\r\n', 'a\r\r\n'],
  ];
  for (const [text, form] of cases) {
    it(JSON.stringify(text), () => {
      assert.equal(relaxed([text]), form);
      assert.equal(relaxed(text.split('')), form);
    });
  }

  it('is the same wherever the pieces end, and its own relaxed form', () => {
    const piece = fc.string({
      unit: fc.constantFrom('a', 'b', ' ', '\t', '\r\n', '\r', 'a b', '\xe9'),
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const form = relaxed(pieces);
        assert.equal(relaxed([pieces.join('')]), form);
        assert.equal(relaxed([form]), form.replace(/[ \t]+$/, ''));
        // RFC 6376 3.4.4 a, said with patterns.
        const wanted = pieces
          .join('')
          .replace(/[ \t]+/g, ' ')
          .replace(/ \r\n/g, '\r\n')
          .replace(/ $/, '');
        assert.equal(form, wanted);
      }),
      { numRuns: 500 },
    );
  });
});
