import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { HeaderChange } from './events.ts';
import {
  encodeChange,
  MAX_HEADER_LINE_OCTETS,
  MAX_HEADER_VALUE_OCTETS,
  safeValue,
} from './header-changes.ts';

const GRANTED = { addHeaders: true, changeHeaders: true, leadingSpace: false };
const shown = (change: HeaderChange, agreed = GRANTED) =>
  encodeChange(change, agreed).toString('latin1').slice(4);

describe('a change of the header', () => {
  const cases: [HeaderChange, string, string][] = [
    [{ kind: 'add', name: 'X-A', value: 'b' }, 'hX-A\0b\0', 'hX-A\0 b\0'],
    [{ kind: 'insert', index: 0, name: 'X-A', value: 'b' }, 'i\0\0\0\0X-A\0b\0', 'i\0\0\0\0X-A\0 b\0'],
    [
      { kind: 'insert', index: 258, name: 'X-A', value: 'b' },
      'i\0\0\x01\x02X-A\0b\0',
      'i\0\0\x01\x02X-A\0 b\0',
    ],
    [{ kind: 'change', index: 1, name: 'X-A', value: 'b' }, 'm\0\0\0\x01X-A\0b\0', 'm\0\0\0\x01X-A\0 b\0'],
    [{ kind: 'change', index: 1, name: 'X-A', value: '' }, 'm\0\0\0\x01X-A\0 \0', 'm\0\0\0\x01X-A\0 \0'],
    [{ kind: 'delete', index: 2, name: 'X-A' }, 'm\0\0\0\x02X-A\0\0', 'm\0\0\0\x02X-A\0\0'],
    [{ kind: 'add', name: 'X-A', value: '' }, 'hX-A\0\0', 'hX-A\0 \0'],
  ];
  for (const [change, without, withSpace] of cases) {
    it(JSON.stringify(change), () => {
      assert.equal(shown(change), without);
      assert.equal(shown(change, { ...GRANTED, leadingSpace: true }), withSpace);
    });
  }

  it('is nothing where the MTA has not granted it', () => {
    const cannotAdd = { ...GRANTED, addHeaders: false };
    const cannotChange = { ...GRANTED, changeHeaders: false };
    assert.equal(shown({ kind: 'add', name: 'A', value: 'b' }, cannotAdd), '');
    assert.equal(shown({ kind: 'insert', index: 0, name: 'A', value: 'b' }, cannotAdd), '');
    assert.equal(shown({ kind: 'change', index: 1, name: 'A', value: 'b' }, cannotChange), '');
    assert.equal(shown({ kind: 'delete', index: 1, name: 'A' }, cannotChange), '');
    assert.notEqual(shown({ kind: 'delete', index: 1, name: 'A' }, cannotAdd), '');
    assert.notEqual(shown({ kind: 'add', name: 'A', value: 'b' }, cannotChange), '');
  });

  it('has a name and an index of our own making', () => {
    for (const name of ['', 'A B', 'A:', 'A\n', 'A\0', 'Ä', 'x'.repeat(77)]) {
      assert.throws(() => shown({ kind: 'add', name, value: 'b' }), /no name/);
    }
    assert.equal(shown({ kind: 'add', name: 'x'.repeat(76), value: 'b' }), `h${'x'.repeat(76)}\0b\0`);
    for (const index of [0, -1, 1.5, 2 ** 31, Number.NaN]) {
      assert.throws(() => shown({ kind: 'delete', index, name: 'A' }), /no index/);
    }
    assert.throws(() => shown({ kind: 'insert', index: -1, name: 'A', value: 'b' }), /no index/);
  });
});

describe('a value', () => {
  const cases: [string, string, string][] = [
    ['stays as it is', 'mx.example.org; spf=pass', 'mx.example.org; spf=pass'],
    ['keeps its folds, as LF', 'a;\r\n\tb;\n c', 'a;\n\tb;\n c'],
    ['begins no other field', 'a\nBcc: b@example.org', 'a\n Bcc: b@example.org'],
    ['nor does CRLF', 'a\r\nBcc: b', 'a\n Bcc: b'],
    ['ends no header', 'a\n\nbody', 'a\n body'],
    ['nor with white space', 'a\n \t\n b', 'a\n b'],
    ['ends in no line end', 'a\r\n', 'a'],
    ['begins without white space', '  a', 'a'],
    ['nor on the next line', '\n a\n b', 'a\n b'],
    ['has no control characters', 'a\0b\rc\x1bd\x7fe\x0bf', 'a?b?c?d?e?f'],
    ['keeps tabs and UTF-8', 'a\tbücher', 'a\tbücher'],
    ['may be empty', ' \r\n ', ''],
  ];
  for (const [name, given, expected] of cases) it(name, () => assert.equal(safeValue('X', given), expected));

  it('has no line above 998 octets, the first with its name', () => {
    const long = 'x'.repeat(2000);
    assert.equal(safeValue('Name', long).length, MAX_HEADER_LINE_OCTETS - 'Name: '.length);
    assert.equal(safeValue('N', 'x'.repeat(995)).length, 995);
    assert.equal(safeValue('N', 'x'.repeat(996)).length, 995);
    const [, second] = safeValue('Name', `a\n ${long}`).split('\n');
    assert.equal(second?.length, MAX_HEADER_LINE_OCTETS);
  });

  it('is cut between characters', () => {
    const value = safeValue('N', 'é'.repeat(600));
    assert.equal(value, 'é'.repeat(497));
  });

  it('has an end', () => {
    const line = 'x'.repeat(900);
    const lines = safeValue('N', Array.from({ length: 40 }, () => line).join('\n ')).split('\n');
    assert.equal(lines.length, Math.floor(MAX_HEADER_VALUE_OCTETS / 902));
  });

  it('whatever it is, is one field', () => {
    const parts = fc.array(
      fc.constantFrom('\n', '\r', '\0', ' ', '\t', ':', 'Bcc', 'é', '\u{1f600}', 'x'.repeat(700)),
    );
    fc.assert(
      fc.property(parts, (given) => {
        const value = safeValue('X-Test', given.join(''));
        assert.ok(!/[\0\r]/.test(value));
        assert.ok(Buffer.byteLength(value) <= MAX_HEADER_VALUE_OCTETS);
        const [first = '', ...folded] = value.split('\n');
        assert.ok(!/^[\t ]/.test(first));
        for (const line of folded) assert.match(line, /^[\t ].*[^\t ]$/);
        for (const line of [`X-Test: ${first}`, ...folded]) {
          assert.ok(Buffer.byteLength(line) <= MAX_HEADER_LINE_OCTETS);
        }
        assert.equal(safeValue('X-Test', value), value, 'what is safe stays as it is');
      }),
      { numRuns: 300 },
    );
  });
});
