import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_PARAMETERS, parseContentType, parseParameterized } from './content-type.ts';

describe('Content-Type', () => {
  const cases: [value: string, type: string | undefined, parameters?: Record<string, string>][] = [
    ['text/plain', 'text/plain'],
    ['Text/HTML; Charset="UTF-8"', 'text/html', { charset: 'UTF-8' }],
    [
      'text/plain (a; comment (nested)); (x) charset = (y) us-ascii (z)',
      'text/plain',
      { charset: 'us-ascii (z)' },
    ],
    ['multipart/mixed; boundary="a;b\\"c"', 'multipart/mixed', { boundary: 'a;b"c' }],
    ['multipart/mixed; boundary="never closed', 'multipart/mixed', { boundary: 'never closed' }],
    ['multipart/mixed; boundary="=?utf-8?Q?a?="', 'multipart/mixed', { boundary: '=?utf-8?Q?a?=' }],
    ['a/b;; ;name=x y.exe ;', 'a/b', { name: 'x y.exe' }],
    ['a/b; name=report (1).exe', 'a/b', { name: 'report (1).exe' }],
    ['a/b; name="x" junk; z=1', 'a/b', { name: 'x', z: '1' }],
    ['a/b; name; =x; z=1', 'a/b', { z: '1' }],
    ['a/b; name="=?utf-8?Q?=C3=BC?=.exe"', 'a/b', { name: 'ü.exe' }],
    ['a/b; name=\xc3\xbc.exe', 'a/b', { name: 'ü.exe' }],
    ["a/b; title*=us-ascii'en-us'This%20is", 'a/b', { title: 'This is' }],
    ["a/b; title*0*=utf-8''%c3; title*1*=%bc%20; title*2=x%20; title*10=z", 'a/b', { title: 'ü x%20z' }],
    ['a/b; t*1=b; t*0=a', 'a/b', { t: 'ab' }],
    ["a/b; name=plain; name*=utf-8''ext", 'a/b', { name: 'ext' }],
    ['a/b; name*=%zz%41', 'a/b', { name: '%zzA' }],
    ['a / b', 'a/b'],
    ['text', undefined],
    ['/plain', undefined],
    ['text/', undefined],
    ['te xt/plain', undefined],
    ['', undefined],
  ];
  for (const [value, type, parameters = {}] of cases) {
    it(JSON.stringify(value), () => {
      const parsed = parseContentType(value);
      assert.equal(parsed?.value, type);
      if (parsed !== undefined) assert.deepEqual(Object.fromEntries(parsed.parameters), parameters);
    });
  }

  it('keeps what else was said under a name', () => {
    const { parameters, others } = parseParameterized(
      "attachment; filename=a; filename=b; filename*=''c; filename=a",
    );
    assert.equal(parameters.get('filename'), 'c');
    assert.deepEqual(others, [
      { name: 'filename', value: 'b' },
      { name: 'filename', value: 'a' },
    ]);
  });

  const readings: [value: string, first: string, others: string[]][] = [
    ['a; name=x.js .txt', 'x.js .txt', ['x.js']],
    ['a; name=x.js (y)', 'x.js (y)', ['x.js']],
    ['a; name="x.js .txt"', 'x.js .txt', []],
    ['a; name=x.js', 'x.js', []],
    ['a; name==?utf-8?q?x.js?= .txt', 'x.js .txt', ['x.js']],
    ['a; name*0=x.js; name*2=.txt', 'x.js.txt', ['x.js']],
    ['a; name*0=x.js; name*0=.txt', 'x.js.txt', ['x.js', '.txt']],
    ['a; name*0=x; name*1=.js; name*1=.txt', 'x.js.txt', ['x.js', 'x.txt']],
    ['a; name*1=x.js', 'x.js', []],
    ['a; name*0=x; name*1=.js', 'x.js', []],
  ];
  for (const [value, first, others] of readings) {
    it(`reads ${value} in every way`, () => {
      const parsed = parseParameterized(value);
      assert.equal(parsed.parameters.get('name'), first);
      assert.deepEqual(
        parsed.others.map((other) => other.value),
        others,
      );
    });
  }

  it('has a bound for parameters', () => {
    const text = `a/b${Array.from({ length: MAX_PARAMETERS + 5 }, (_, i) => `;p${i}=x`).join('')}`;
    assert.equal(parseContentType(text)?.parameters.size, MAX_PARAMETERS);
    assert.equal(parseContentType(text)?.cut, true);
    assert.equal(parseContentType('a/b; c=d;')?.cut, false);
  });
});
