import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import type { ZoneRecords } from '../adapters/dns/zone.ts';
import { heloDns } from './helo-dns.ts';

const PTR = '7.2.0.192.in-addr.arpa PTR';
const NAME = 'mail.example.co.uk';
const REVERSE = { [PTR]: 'out7.example.co.uk', 'out7.example.co.uk A': '192.0.2.7' };

describe('helo-dns', () => {
  const cases: [
    string,
    said: string,
    ZoneRecords,
    Record<string, FakeTrouble>,
    result: string,
    code: string,
  ][] = [
    ['its own address', NAME, { [`${NAME} A`]: ['192.0.2.1', '192.0.2.7'] }, {}, 'pass', 'ok'],
    ['in capitals with a dot', 'MAIL.example.co.uk.', { [`${NAME} A`]: '192.0.2.7' }, {}, 'pass', 'ok'],
    ['the same organization', NAME, { ...REVERSE, [`${NAME} A`]: '192.0.2.1' }, {}, 'pass', 'ok'],
    [
      'the same organization over IPv6',
      NAME,
      { ...REVERSE, [`${NAME} AAAA`]: '2001:db8::1' },
      {},
      'pass',
      'ok',
    ],
    [
      'only the same suffix',
      'mail.other.co.uk',
      { ...REVERSE, 'mail.other.co.uk A': '192.0.2.1' },
      {},
      'fail',
      'mismatch',
    ],
    [
      'a forged reverse name',
      NAME,
      { [PTR]: 'out7.example.co.uk', [`${NAME} A`]: '192.0.2.1' },
      {},
      'fail',
      'mismatch',
    ],
    ['no reverse name', NAME, { [`${NAME} A`]: '192.0.2.1' }, {}, 'fail', 'mismatch'],
    ['a name that does not exist', NAME, REVERSE, {}, 'fail', 'unresolved'],
    ['a name without address', NAME, { [`${NAME} MX`]: '10 mx.example.co.uk' }, {}, 'fail', 'unresolved'],
    ['no answer', NAME, {}, { [NAME]: 'timeout' }, 'temperror', 'temperror'],
    ['no answer for A', NAME, {}, { [`${NAME} A`]: 'servfail' }, 'temperror', 'temperror'],
    [
      'no answer for A, another AAAA',
      NAME,
      { [`${NAME} AAAA`]: '2001:db8::1' },
      { [`${NAME} A`]: 'timeout' },
      'temperror',
      'temperror',
    ],
    [
      'no answer for AAAA, but it is not needed',
      NAME,
      { [`${NAME} A`]: '192.0.2.7' },
      { [`${NAME} AAAA`]: 'timeout' },
      'pass',
      'ok',
    ],
    [
      'no reverse answer',
      NAME,
      { [`${NAME} A`]: '192.0.2.1' },
      { [PTR]: 'timeout' },
      'temperror',
      'temperror',
    ],
    [
      'no reverse answer, not needed',
      NAME,
      { [`${NAME} A`]: '192.0.2.7' },
      { [PTR]: 'servfail' },
      'pass',
      'ok',
    ],
    ['a literal', '[192.0.2.7]', {}, {}, 'none', 'not-a-name'],
    ['a short name', 'localhost', {}, {}, 'none', 'not-a-name'],
    ['nonsense', 'a b', {}, {}, 'none', 'not-a-name'],
  ];
  for (const [what, said, zone, troubles, result, code] of cases) {
    it(`${code}: ${what}`, async () => {
      const dns = fakeResolver(zone, troubles);
      const { findings } = await ask(heloDns, { helo: said }, { dns });
      assert.deepEqual(
        findings.map((f) => [f.result, f.code]),
        [[result, code]],
      );
      if (code === 'not-a-name') assert.deepEqual(dns.asked, []);
    });
  }

  it('asks no more than it takes to find the client', async () => {
    const dns = fakeResolver({ [`${NAME} A`]: '192.0.2.7' });
    await ask(heloDns, { helo: NAME }, { dns });
    assert.deepEqual(dns.asked, [`${NAME} A`]);
  });

  it('keeps a bounded number of addresses, and compares all', async () => {
    const many = Array.from({ length: 30 }, (_, i) => `192.0.2.${100 + i}`);
    const dns = fakeResolver({ [`${NAME} A`]: [...many, '192.0.2.7'] });
    const { findings, evidence } = await ask(heloDns, { helo: NAME }, { dns });
    assert.equal(findings[0]?.code, 'ok');
    assert.equal((evidence as { addresses: string[] }).addresses.length, 10);
  });
});
