import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { senderKey } from './sender-key.ts';

describe('senderKey', () => {
  const cases: [local: string, key: string][] = [
    ['Joe.Smith', 'joe.smith'],
    ['joe2', 'joe2'],
    ['joe-99', 'joe-#'],
    ['john1985smith', 'john#smith'],
    ['4711', '4711'],
    ['49301234567', '49301234567'],
    ['deadbeef', 'deadbeef'],
    ['dad1', 'dad1'],
    ['müller', 'müller'],
    ['', ''],
    ['+', '+'],
    ['+joe', '+joe'],
    ['#', '#'],
    // BATV
    ['prvs=2857ab12cd=joe', 'joe'],
    ['PRVS=2857AB12CD=Joe', 'joe'],
    ['prvs=joe/2857ab12cd', 'joe'],
    ['prvs=joe=2857ab12cd', 'joe'],
    ['prvs=2857ab12cd=', 'prvs=#='],
    ['prvs=joe', 'prvs=joe'],
    ['btv1==285ab12cd34==joe', 'joe'],
    ['msprvs1=17943xX5f-Aq=bounces-263-ab12', 'bounces-#'],
    // SRS
    ['SRS0=Xk4b=QQ=a.example=joe', 'srs0=a.example=joe'],
    ['SRS0+Xk4b=QQ=a.example=joe', 'srs0=a.example=joe'],
    ['srs0-zz9y=AB=a.example=joe', 'srs0=a.example=joe'],
    ['SRS0=Xk4b=QQ=a.example=list-return-77-u=b.example', 'srs0=a.example=list-return-#-u=b.example'],
    ['SRS0=Xk4b=QQ=a.example=joe+tag', 'srs0=a.example=joe'],
    ['SRS1=zz9y=f.example==Xk4b=QQ=a.example=joe', 'srs1=a.example=joe'],
    ['SRS1=zz9y=f.example=Xk4b=QQ=a.example=joe', 'srs1=a.example=joe'],
    ['SRS0=Xk4b=QQ', 'srs0=xk4b=qq'],
    ['srs0=', 'srs0='],
    // behind a plus
    ['list-bounces+user=example.org', 'list-bounces'],
    ['me+caf_=you=example.org', 'me'],
    // VERP and tokens
    ['list-return-1234-user=example.org', 'list-return-#-user=example.org'],
    ['bounce-mc.us1_23.45-user=example.org', 'bounce-#'],
    ['bounce-md_10612303.5adf1f70.v1-0f662aa357fe4841870c6a233ce23b66', 'bounce-#'],
    ['bounces-to-nobody', 'bounces-to-nobody'],
    ['bo-bx7a90k', 'bo-#'],
    ['0102018f1c2d3e4f-1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d-000000', '#'],
    ['n01361f1607-0fe582ccfc934393-user===example.org', '#-user===example.org'],
    ['3kjh2zg8bqo7xw9', '#'],
    ['msg-20261121-x', 'msg-#-x'],
    ['ab12cd-9', '#'],
  ];
  for (const [local, key] of cases) it(`${local} is ${key}`, () => assert.equal(senderKey(local), key));

  it('is one for all messages of a sender that numbers them', () => {
    const forms: ((n: number, hex: string) => string)[] = [
      (n) => `bounce-${n}-user=example.org`,
      (n, hex) => `prvs=${1000 + (n % 9000)}${hex.slice(0, 6)}=joe`,
      (n, hex) => `list-return-${n}-${hex.slice(0, 4)}9-user=example.org`,
      (_n, hex) => `SRS0=${hex.slice(0, 4)}=${hex.slice(0, 2)}=a.example=joe`,
      (n, hex) => `notify+${hex}${n}`,
      (n, hex) => `0000018f${hex}-${n}`,
    ];
    const token = fc.string({
      unit: fc.constantFrom(...Array.from('0123456789abcdef')),
      minLength: 8,
      maxLength: 12,
    });
    for (const form of forms) {
      fc.assert(
        fc.property(fc.nat(), token, fc.nat(), token, (n, hex, m, other) => {
          // A run of hexadecimal letters with few changes is no token to anybody.
          fc.pre([hex, other].every((text) => /^[0-9a-f]{0,3}[0-9][a-f][0-9][a-f]/.test(text)));
          assert.equal(senderKey(form(n, hex)), senderKey(form(m, other)));
        }),
        { numRuns: 40 },
      );
    }
  });

  it('makes something of anything, never more than there was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (local) => {
        assert.ok(senderKey(local).length <= local.toLowerCase().length);
      }),
    );
  });

  // Quadratic work on 100,000 characters would not end while anybody waits.
  for (const unit of [
    '1a',
    '1-',
    'a=',
    '#-',
    'prvs=',
    'srs0=',
    'srs1==',
    '+',
    '=2857ab12cd',
    'bounce-',
    '9',
    'z',
  ]) {
    it(`is linear in ${unit}${unit}...`, { timeout: 20_000 }, () => {
      const long = unit.repeat(Math.ceil(100_000 / unit.length));
      for (const local of [long, `prvs=${long}!`, `SRS0=${long}`, `x-${long}`]) {
        assert.ok(senderKey(local).length <= local.length);
      }
    });
  }
});
