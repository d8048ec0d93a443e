import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { charsetDecoder, decodeOctetText, isKnownCharset } from './charset.ts';

describe('text in a charset', () => {
  const cases: [charset: string, hex: string, text: string][] = [
    ['utf-8', '4ac3bc', 'Jü'],
    [' UTF-8 ', 'e282ac', '€'],
    ['utf-8', '41ff42', 'A\ufffdB'],
    ['', '4ac3bc', 'Jü'],
    ['us-ascii', 'f09f9880', '😀'],
    ['us-ascii', '4afc', 'Jü'],
    ['', '4ac3bc20fc', 'Jü ü'],
    ['', 'e282', 'â‚'],
    ['x-no-such', '80', '€'],
    ['iso-8859-1', '80', '€'],
    ['iso-8859-15', 'a4', '€'],
    ['koi8-r', 'f0d2c9', 'При'],
    ['windows-1251', 'cff0e8', 'При'],
    ['gb2312', 'c4e3', '你'],
    ['big5', 'a741', '你'],
    ['euc-kr', 'b3ca', '너'],
    ['shift_jis', '82a0', 'あ'],
    ['iso-2022-jp', '1b2442242224241b2842', 'あい'],
    ['utf-7', '2b414f512d', 'ä'],
    ['utf-16le', '41004200', 'AB'],
    ['a'.repeat(10_000), '41', 'A'],
    ['__proto__', '41', 'A'],
    ['constructor', '41', 'A'],
    ['base64', '41', 'A'],
    ['HEX', '41', 'A'],
    ['b-in_ary:1999', '80', '€'],
    ['unicode-1-1-utf-7', '2b414f512d', 'ä'],
  ];
  for (const [charset, hex, text] of cases) {
    it(`${charset.slice(0, 20)}: ${hex}`, () => {
      const octets = Buffer.from(hex, 'hex');
      const whole = charsetDecoder(charset);
      assert.equal(whole.write(octets) + whole.end(), text);
      const cut = charsetDecoder(charset);
      let pieces = '';
      for (let i = 0; i < octets.length; i++) pieces += cut.write(octets.subarray(i, i + 1));
      assert.equal(pieces + cut.end(), text);
    });
  }

  it('is read from octets in a header', () => {
    assert.equal(decodeOctetText('J\xc3\xbc'), 'Jü');
    assert.equal(decodeOctetText('J\xfc'), 'Jü');
    assert.equal(decodeOctetText('J'), 'J');
  });

  it('says what it knows', () => {
    for (const [name, known] of [
      ['utf-8', true],
      ['', true],
      ['ISO-2022-JP', true],
      ['x-no-such', false],
    ] as const)
      assert.equal(isKnownCharset(name), known, name);
  });
});
