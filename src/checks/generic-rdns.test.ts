import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ask } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import type { ZoneRecords } from '../adapters/dns/zone.ts';
import { genericRdns, labelsBelow, matches, ruleFor } from './generic-rdns.ts';
import { RULES, type Example } from './generic-rdns.rules.ts';

const read = (example: Example) =>
  typeof example === 'string' ? ([example, '192.0.2.107'] as const) : example;

describe('rules of generic-rdns', () => {
  for (const rule of RULES) {
    describe(rule.name, () => {
      for (const example of rule.matches) {
        const [name, client] = read(example);
        it(`decides about ${name}`, () => assert.equal(ruleFor(name, client)?.name, rule.name));
      }
      for (const example of rule.spares) {
        const [name, client] = read(example);
        it(`spares ${name}`, () => assert.equal(matches(rule, labelsBelow(name), client), false));
      }
      it('has examples and a sentence', () => {
        assert.ok(rule.matches.length >= 3 && rule.spares.length >= 2);
        assert.match(rule.why, /^[A-Z].*\.$/);
      });
    });
  }

  const real: Example[] = [
    ['mail-oln040092004108.outbound.protection.example', '40.92.4.108'],
    ['mail-sn1nam02on2107.outbound.protection.example', '192.0.2.107'],
    ['mail-ed1-f41.provider.example', '209.85.208.41'],
    ['a8-31.smtp-out.amazonses.example', '54.240.8.31'],
    ['o1.ptr1234.shop.example', '192.0.2.107'],
    ['192-0-2-107.smtp.sender.example', '192.0.2.107'],
    ['mta-192-0-2-107.news.example', '192.0.2.107'],
    ['mx0a-00191d01.gateway.example', '192.0.2.107'],
    ['out5-smtp.messaging.example', '192.0.2.107'],
    ['wout4-smtp.messaging.example', '192.0.2.107'],
    ['mout.provider.example', '192.0.2.107'],
    ['sonic307-1.consmr.mail.bf2.portal.example', '192.0.2.107'],
    ['mail.dsl.example', '192.0.2.107'],
    ['dsl.example', '192.0.2.107'],
    ['mx-out-17.relay.example', '192.0.2.107'],
    ['server1.firm.example', '192.0.2.107'],
    ['ns107.host.example', '192.0.2.107'],
    ['pm-a.mtasv.example', '192.0.2.107'],
    ['vps.smalloffice.example', '192.0.2.107'],
  ];
  for (const example of real) {
    const [name, client] = read(example);
    it(`lets the mail server ${name} be`, () => assert.notEqual(ruleFor(name, client)?.kind, 'generic'));
  }

  const pools: Example[] = [
    ['ec2-192-0-2-107.compute-1.amazonaws.com', '192.0.2.107'],
    ['static.107.2.0.192.clients.provider.example', '192.0.2.107'],
    ['p5089b26b.dip0.provider.example', '80.137.178.107'],
    ['dslb-192-000-002-107.192.000.pools.provider.example', '192.0.2.107'],
    ['2-0-192-107.dsl.provider.example', '192.0.2.107'],
    ['c-192-0-2-107.hsd1.ca.provider.example', '192.0.2.107'],
  ];
  for (const example of pools) {
    const [name, client] = read(example);
    it(`knows ${name}`, () => assert.equal(ruleFor(name, client)?.kind, 'generic'));
  }

  it('takes any name; a pattern that runs wild would never end here', () => {
    const unit = fc.constantFrom('1-', '0.', 'mail', 'dsl-', '1', 'host1-1', '-', '.', 'm', 'x', '192');
    const names = fc.array(unit, { maxLength: 120 }).map((units) => units.join('').slice(0, 240));
    fc.assert(
      fc.property(names, (name) => {
        const rule = ruleFor(`${name}.example.net`, '192.0.2.107');
        assert.ok(rule === undefined || RULES.includes(rule));
      }),
    );
    for (const text of ['1-', '0.', 'mail', 'dsl-', '1', 'host1-1', '-']) {
      const name = text.repeat(50_000);
      assert.doesNotThrow(() => ruleFor(`${name}.example.net`, '192.0.2.107'));
    }
  });
});

describe('generic-rdns', () => {
  const PTR = '107.2.0.192.in-addr.arpa PTR';
  const client = '192.0.2.107';
  const pool = 'dsl-107.pool.provider.example';
  const own = 'mars.firm.example';
  const cases: [
    what: string,
    zone: ZoneRecords,
    troubles: Record<string, FakeTrouble>,
    result: string,
    code: string,
  ][] = [
    ['confirmed', { [PTR]: pool, [`${pool} A`]: client }, {}, 'fail', 'generic'],
    ['given, not confirmed', { [PTR]: pool }, {}, 'fail', 'generic'],
    ['given, not answered', { [PTR]: pool }, { [`${pool} A`]: 'timeout' }, 'fail', 'generic'],
    ['a name of its own', { [PTR]: own, [`${own} A`]: client }, {}, 'pass', 'ok'],
    [
      'a name of its own beside a generic one',
      { [PTR]: [pool, own], [`${own} A`]: client, [`${pool} A`]: client },
      {},
      'pass',
      'ok',
    ],
    ['a borrowed name beside', { [PTR]: [own, pool], [`${pool} A`]: client }, {}, 'fail', 'generic'],
    ['no name', {}, {}, 'none', 'no-name'],
    ['no answer', {}, { [PTR]: 'timeout' }, 'temperror', 'temperror'],
    ['SERVFAIL', {}, { [PTR]: 'servfail' }, 'temperror', 'temperror'],
  ];
  for (const [what, zone, troubles, result, code] of cases) {
    it(`${code}: ${what}`, async () => {
      const { findings } = await ask(genericRdns, { client }, { dns: fakeResolver(zone, troubles) });
      assert.deepEqual(
        findings.map((f) => [f.result, f.code]),
        [[result, code]],
      );
    });
  }

  it('says which name and which rule', async () => {
    const { findings } = await ask(genericRdns, { client }, { dns: fakeResolver({ [PTR]: pool }) });
    assert.deepEqual(findings, [
      {
        result: 'fail',
        code: 'generic',
        text: "dsl-107.pool.provider.example is a generic name, not a mail server's (access-line)",
        enhanced: '5.7.25',
      },
    ]);
  });

  it('spares the hosts of domains that the operator names', async () => {
    const dns = fakeResolver({ [PTR]: pool });
    for (const [spared, code] of [
      ['provider.example', 'ok'],
      [pool, 'ok'],
      ['ovider.example', 'generic'],
    ]) {
      const { findings } = await ask(genericRdns, { client }, { dns }, { spared: [spared] });
      assert.equal(findings[0]?.code, code, spared);
    }
  });
});
