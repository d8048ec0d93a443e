import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeEncodedWords } from './encoded-words.ts';

describe('encoded-words', () => {
  const cases: [value: string, text: string][] = [
    ['', ''],
    ['plain', 'plain'],
    ['=?ISO-8859-1?Q?a?=', 'a'],
    ['=?ISO-8859-1?Q?a?= b', 'a b'],
    ['=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=', 'ab'],
    ['=?ISO-8859-1?Q?a?=  \r\n =?ISO-8859-2?Q?b?=', 'ab'],
    ['=?ISO-8859-1?Q?a_b?=', 'a b'],
    ['=?US-ASCII*EN?Q?Keith_Moore?= <moore@cs.utk.edu>', 'Keith Moore <moore@cs.utk.edu>'],
    ['x=?utf-8?b?w7w=?=y', 'xüy'],
    ['=?utf-8?b?w7w?=', 'ü'],
    ['=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=', 'ü'],
    ['=?utf-8?Q?a b=ZZ=?=', 'a b=ZZ='],
    ['=?iso-2022-jp?B?GyRCJCIkJBsoQg==?=', 'あい'],
    ['=?x?Q?a', '=?x?Q?a'],
    ['=?utf-8?X?a?=', '=?utf-8?X?a?='],
    ['=?=?utf-8?Q?a?=', '=?a'],
    ['=??Q?a?=', '=??Q?a?='],
    ['J\xc3\xbc =?utf-8?Q?a?= \xfc', 'Jü a ü'],
  ];
  for (const [value, text] of cases)
    it(JSON.stringify(value), () => assert.equal(decodeEncodedWords(value), text));

  it('are decoded up to a bound', () => {
    for (const [count, left] of [
      [2, 0],
      [3, 0],
      [4, 1],
    ] as const) {
      const text = decodeEncodedWords('=?utf-8?Q?a?= '.repeat(count).trim(), 3);
      assert.equal(text.split('=?').length - 1, left, text);
    }
  });
});
