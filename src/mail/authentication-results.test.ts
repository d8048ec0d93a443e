import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  formatAuthenticationResults,
  MAX_FIELD_READ,
  parseAuthenticationResults,
  type AuthenticationResult,
} from './authentication-results.ts';

const US = 'mx.example.org';
const parsed = (value: string) => parseAuthenticationResults(value);

describe('what is written', () => {
  it('is a field with a result a line', () => {
    const results: AuthenticationResult[] = [
      {
        method: 'iprev',
        result: 'pass',
        comment: 'mail.example',
        properties: { 'policy.iprev': '192.0.2.7' },
      },
      { method: 'spf', result: 'pass', properties: { 'smtp.mailfrom': 'joe+x@a.example' } },
      { method: 'arc', result: 'none' },
    ];
    assert.equal(
      formatAuthenticationResults(US, results),
      'Authentication-Results: mx.example.org;\r\n' +
        '\tiprev=pass (mail.example) policy.iprev=192.0.2.7;\r\n' +
        '\tspf=pass smtp.mailfrom=joe+x@a.example;\r\n' +
        '\tarc=none\r\n',
    );
  });

  it('says none where nothing was tried', () => {
    assert.equal(formatAuthenticationResults(US, []), 'Authentication-Results: mx.example.org; none\r\n');
  });

  const values: [value: string, written: string][] = [
    ['a.example', 'a.example'],
    ['@a.example', '@a.example'],
    ['2001:db8::1', '"2001:db8::1"'],
    ['a b@c.example', '"a b@c.example"'],
    ['"a\\b"@c.example', '"\\"a\\\\b\\"@c.example"'],
    ['a;spf=pass', '"a;spf=pass"'],
    ['a\r\nX: y', '"a??X: y"'],
    ['j\u00f6@a.example', '"j?@a.example"'],
    ['', '""'],
  ];
  for (const [value, written] of values) {
    it(`${JSON.stringify(value)} as ${written}`, () => {
      const field = formatAuthenticationResults(US, [
        { method: 'spf', result: 'fail', properties: { 'smtp.mailfrom': value } },
      ]);
      assert.ok(field.endsWith(`smtp.mailfrom=${written}\r\n`), field);
    });
  }

  it('folds long results, and cuts what has no end', () => {
    const long = 'x'.repeat(1000);
    const properties = { 'header.d': long, 'header.i': long, 'header.s': long };
    const many = Array.from({ length: 100 }, () => ({
      method: 'dkim' as const,
      result: 'pass',
      comment: long,
      properties,
    }));
    const lines = formatAuthenticationResults(US, many).split('\r\n');
    assert.equal(lines.filter((line) => line.includes('dkim=')).length, 32);
    assert.ok(lines.every((line) => line.length < 400));
    assert.ok(lines.slice(1, -1).every((line) => line.startsWith('\t')));
  });

  it('is read again as it was meant, whatever the values', () => {
    const text = fc.string({ unit: 'binary', maxLength: 80 });
    const anything = fc.record({
      method: fc.constantFrom('spf' as const, 'dkim' as const, 'auth' as const),
      result: fc.constantFrom('pass', 'fail', 'none'),
      comment: text,
      properties: fc.record({ 'smtp.mailfrom': text, 'header.d': text }),
    });
    fc.assert(
      fc.property(fc.array(anything, { minLength: 1, maxLength: 5 }), (results) => {
        const field = formatAuthenticationResults(US, results);
        assert.ok(/^Authentication-Results: [\x20-\x7e]+(?:\r\n\t[\x20-\x7e]+)*\r\n$/.test(field), field);
        const found = parsed(field.slice('Authentication-Results:'.length));
        assert.equal(found?.authservId, US);
        const clean = (value: string) => value.replace(/[^\x20-\x7e]/g, '?');
        assert.deepEqual(
          found.results.map((r) => ({ ...r, properties: { ...r.properties } })),
          results.map(({ method, result, properties: p }) => ({
            method,
            result,
            properties: {
              'smtp.mailfrom': clean(p['smtp.mailfrom']),
              'header.d': clean(p['header.d']),
            },
          })),
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe('what is read', () => {
  const cases: [value: string, results: string][] = [
    [' mx.example; none', ''],
    [' mx.example 1; spf=pass', 'spf=pass'],
    [' MX.example;\r\n\tspf = pass (a; b) smtp.mailfrom=x', 'spf=pass smtp.mailfrom=x'],
    [' mx.example; DMARC=Pass (p=REJECT sp=NONE) header.from=A.example', 'dmarc=pass header.from=A.example'],
    [' mx.example; spf/1=pass', 'spf=pass'],
    [' mx.example; spf=pass reason="it; is" smtp.helo=h', 'spf=pass reason=it; is smtp.helo=h'],
    [' mx.example; spf=pass smtp.mailfrom="a b"@c.example', 'spf=pass smtp.mailfrom=a b@c.example'],
    [' mx.example; spf=pass smtp.mailfrom=SRS0=x=y@c.example', 'spf=pass smtp.mailfrom=SRS0=x=y@c.example'],
    [' mx.example; dkim=pass header.d=a header.d=b; dkim=fail', 'dkim=pass header.d=a, dkim=fail'],
    [' mx.example;', ''],
    [' (c(d)) mx.example (\\)); spf=pass', 'spf=pass'],
    [' mx.example; spf=""', 'spf='],
    [' mx.example; dkim=pass __proto__=x constructor=y', 'dkim=pass __proto__=x constructor=y'],
  ];
  for (const [value, results] of cases) {
    it(JSON.stringify(value), () => {
      const found = parsed(value);
      assert.equal(found?.authservId, 'mx.example');
      const shown = found.results.map(({ method, result, properties }) =>
        [`${method}=${result}`, ...Object.entries(properties).map(([k, v]) => `${k}=${v}`)].join(' '),
      );
      assert.equal(shown.join(', '), results);
    });
  }

  for (const value of [
    '',
    '  ',
    ';spf=pass',
    '(mx.example',
    'mx.example; spf="pass',
    'mx.example; (spf=pass',
  ]) {
    it(`nothing of ${JSON.stringify(value)}`, () => assert.equal(parsed(value), undefined));
  }

  it('up to a length, and so many results', () => {
    const value = 'mx.example; '.padEnd(MAX_FIELD_READ, 'spf=pass;');
    assert.equal(parsed(value)?.results.length, 64);
    assert.equal(parsed(`${value};`), undefined);
  });

  it('anything at all', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parsed(text)));
  });
});
