import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fields, fieldValue, headerEnd } from './header.ts';

const b = (text: string) => Buffer.from(text, 'latin1');

describe('the end of a header', () => {
  const cases: [name: string, text: string, end: number | undefined, whenComplete: number][] = [
    ['an empty line', 'A: 1\r\n\r\nb', 6, 6],
    ['an empty line first', '\r\nA: 1\r\n', 0, 0],
    ['the end', 'A: 1\r\n', undefined, 6],
    ['the end within a line', 'A: 1\r\nB: 2', undefined, 10],
    ['the end within a folded line', 'A: 1\r\n b', undefined, 8],
    ['the end within what is no field', 'A: 1\r\nno', undefined, 6],
    ['the end at once', '', undefined, 0],
    ['a CR that waits for its LF', 'A: 1\r\n\r', undefined, 6],
    ['a line that is no field', 'A: 1\r\nno field\r\nB: 2\r\n', 6, 6],
    ['a line with a space in its name', 'A: 1\r\nB 2: x\r\n', 6, 6],
    ['a line without name', 'A: 1\r\n: x\r\n', 6, 6],
    ['text from the start', 'Hello\r\nA: 1\r\n', 0, 0],
    ['white space from the start', ' A: 1\r\nB: 2\r\n', 0, 0],
    ['white space from the start, unfinished', '\tA: 1', undefined, 0],
    ['octets beyond ASCII in a name', 'A: 1\r\n\xe4: x\r\n', 6, 6],
    ['a folded line behind a field', 'A: 1\r\n\tb\r\n c\r\n\r\n', 14, 14],
    ['white space before the colon', 'A \t: 1\r\n\r\n', 8, 8],
  ];
  for (const [name, text, end, whenComplete] of cases) {
    it(name, () => {
      assert.equal(headerEnd(b(text), false), end);
      assert.equal(headerEnd(b(text), true), whenComplete);
    });
  }

  it('once known is known whatever follows', () => {
    const line = fc.constantFrom(
      'A: 1\r\n',
      '\tfolded\r\n',
      '\r\n',
      'text\r\n',
      ' ',
      'B',
      ':',
      '\r',
      '\n',
      '\xff',
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.array(line, { maxLength: 4 }), (head, more) => {
        const end = headerEnd(b(head.join('')), false);
        if (end !== undefined) assert.equal(headerEnd(b([...head, ...more].join('')), false), end);
      }),
    );
  });
});

describe('the fields of a header', () => {
  const found = (text: string, end = text.length) =>
    [...fields(b(text), end)].map((f) => [f.name, text.slice(f.start, f.end), fieldValue(b(text), f)]);

  it('come with their folded lines', () => {
    assert.deepEqual(found('A: 1\r\nB:\r\n\t2\r\n 3\r\nC \t:4\r\n\r\nD: 5\r\n', 25), [
      ['A', 'A: 1\r\n', '1'],
      ['B', 'B:\r\n\t2\r\n 3\r\n', '2 3'],
      ['C', 'C \t:4\r\n', '4'],
    ]);
  });

  it('pass over what is none', () => {
    assert.deepEqual(found(' folded: 1\r\nno field\r\nA: 1\r\n'), [['A', 'A: 1\r\n', '1']]);
  });

  it('end where the header does, within a line too', () => {
    assert.deepEqual(found('A: 1\r\nB: 2345', 9), [
      ['A', 'A: 1\r\n', '1'],
      ['B', 'B: ', '2345'.slice(0, 0)],
    ]);
    assert.deepEqual(found('A: 1\r\n\tfolded', 10), [['A', 'A: 1\r\n\tfol', '1\tfol']]);
    assert.deepEqual(found(''), []);
  });

  it('cover a header without gap or overlap', () => {
    const field = fc.stringMatching(/^[!-9;-~]{1,12}: [ -~]{0,20}(?:\r\n[ \t][ -~]{0,10}){0,2}\r\n$/);
    fc.assert(
      fc.property(fc.array(field, { maxLength: 8 }), (texts) => {
        const bytes = b(`${texts.join('')}\r\nbody`);
        const end = headerEnd(bytes, true)!;
        assert.equal(end, texts.join('').length);
        let at = 0;
        for (const f of fields(bytes, end)) {
          assert.equal(f.start, at);
          assert.ok(bytes.toString('latin1', f.start).startsWith(f.name));
          at = f.end;
        }
        assert.equal(at, end);
      }),
    );
  });
});
