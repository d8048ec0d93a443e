import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkSet } from '../mail/networks.ts';
import { factsOf, site, type Said } from '../../test/fakes/ask.ts';
import { lifts, NO_TREATMENT, treatmentKey, treatmentOf, type Treatment } from './exemption.ts';
import type { ListEntry } from './lists.ts';

const withRelays = { ...site, relays: networkSet(['192.0.2.128/25', '10.1.0.0/16']) };
const entry = (given: Partial<ListEntry>): ListEntry => ({
  kind: 'allow',
  client: '192.0.2.7',
  source: 'postern.toml:31',
  ...given,
});
const treatment = (said: Said, entries: readonly ListEntry[] = []) =>
  treatmentOf(factsOf(said), withRelays, entries);

describe('the treatment of a client or recipient', () => {
  const cases: [name: string, of: Treatment, sources: readonly string[]][] = [
    ['a stranger', treatment({}), []],
    ['our own network', treatment({ client: '10.0.0.1' }), ['networks']],
    ['a relay', treatment({ client: '192.0.2.200' }), ['relays']],
    ['both, once', treatment({ client: '10.1.0.1' }), ['networks']],
    ['a user', treatment({ from: 'a@example.net', to: 'user@example.org' }), []],
    ['postmaster', treatment({ from: 'a@example.net', to: 'PostMaster@example.org' }), ['RFC 5321 4.5.1']],
    ['postmaster without domain', treatment({ from: '<>', to: 'postmaster@' }), ['RFC 5321 4.5.1']],
    ['abuse below our domain', treatment({ from: '<>', to: 'abuse@a.sub.example.org' }), ['RFC 5321 4.5.1']],
    ['postmaster elsewhere', treatment({ from: '<>', to: 'postmaster@example.net' }), []],
    ['an allow entry', treatment({}, [entry({})]), ['postern.toml:31']],
    ['a block entry', treatment({}, [entry({ kind: 'block' })]), []],
    ['a mailbox entry', treatment({}, [entry({ kind: 'mailbox' })]), []],
    [
      'all at once',
      treatment({ client: '10.0.0.1', from: '<>', to: 'abuse@example.org' }, [entry({})]),
      ['networks', 'RFC 5321 4.5.1', 'postern.toml:31'],
    ],
  ];
  for (const [name, of, sources] of cases) {
    it(name, () => {
      assert.deepEqual(
        of.exemptions.map((e) => e.source),
        sources,
      );
      // Postmaster and abuse.
      assert.equal(of.refusalsAreTags, sources.includes('RFC 5321 4.5.1'));
      if (sources.length === 0) assert.equal(of, NO_TREATMENT);
      else assert.ok(of.exemptions.every((e) => e.reason.length > 0 && e.lifts === 'all'));
    });
  }

  it('of one who authenticated', () => {
    const facts = factsOf({});
    const session = { ...facts.session, authenticated: { mechanism: 'PLAIN', identity: 'user' } };
    assert.deepEqual(treatmentOf({ ...facts, session }, site, []).exemptions, [
      { reason: 'authenticated as user', source: 'auth', lifts: 'all' },
    ]);
  });

  it('says why, and lifts what the entry names', () => {
    assert.deepEqual(treatment({}, [entry({ reason: 'a friend', lifts: ['helo'] })]).exemptions, [
      { reason: 'a friend', source: 'postern.toml:31', lifts: ['helo'] },
    ]);
    assert.equal(treatment({}, [entry({})]).exemptions[0]!.reason, 'allow list');
  });

  it('turns refusals of a list server into tags', () => {
    assert.deepEqual(treatment({}, [entry({ kind: 'list-host' })]), {
      exemptions: [],
      refusalsAreTags: true,
    });
  });
});

describe('what is lifted', () => {
  const any = { name: 'a', lifted: 'by-any' } as const;
  const named = { name: 'n', lifted: 'by-name' } as const;
  const cases: [lifts: 'all' | readonly string[], any: boolean, named: boolean][] = [
    ['all', true, false],
    [['a'], true, false],
    [['n'], false, true],
    [['a', 'n'], true, true],
    [[], false, false],
  ];
  for (const [lifted, anyIs, namedIs] of cases) {
    it(`by ${JSON.stringify(lifted)}`, () => {
      const of = treatment({}, [entry({ ...(lifted === 'all' ? {} : { lifts: lifted }) })]);
      assert.deepEqual([lifts(of, any), lifts(of, named)], [anyIs, namedIs]);
    });
  }
  it('by nothing', () => assert.ok(!lifts(NO_TREATMENT, any)));
});

describe('the key of a treatment', () => {
  const ofEntries = (...entries: readonly Partial<ListEntry>[]) =>
    treatmentKey(treatment({}, entries.map(entry)));
  const same: [name: string, one: string, other: string][] = [
    [
      'order and source',
      ofEntries({ lifts: ['b', 'a'] }),
      ofEntries({ lifts: ['a'] }, { lifts: ['b'], source: 'x:1' }),
    ],
    ['two that lift all', ofEntries({}), ofEntries({}, { source: 'x:1' })],
    ['our network and an allow entry', treatmentKey(treatment({ client: '10.0.0.1' })), ofEntries({})],
  ];
  for (const [name, one, other] of same) it(`is the same for ${name}`, () => assert.equal(one, other));

  it('differs where a verdict may', () => {
    const keys = [
      treatmentKey(NO_TREATMENT),
      ofEntries({}),
      ofEntries({ lifts: ['a'] }),
      ofEntries({ lifts: ['b'] }),
      ofEntries({ lifts: ['a', 'b'] }),
      ofEntries({}, { lifts: ['a'] }),
      ofEntries({ kind: 'list-host' }),
      ofEntries({ kind: 'list-host' }, {}),
    ];
    assert.equal(new Set(keys).size, keys.length);
  });
});
