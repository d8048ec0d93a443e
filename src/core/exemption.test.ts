import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkSet } from '../mail/networks.ts';
import type { AnyCheck } from './check.ts';
import { factsOf, site, type Said } from '../../test/fakes/ask.ts';
import {
  hearingOf,
  isClientExempt,
  NO_TREATMENT,
  treatmentKey,
  treatmentOf,
  type Hearing,
  type Treatment,
} from './exemption.ts';
import type { ListEntry } from './lists.ts';
import type { Stage } from './stage.ts';

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
      { reason: 'authenticated as user', source: 'auth', lifts: 'all', about: 'client' },
    ]);
  });

  it('says why, and lifts what the entry names', () => {
    assert.deepEqual(treatment({}, [entry({ reason: 'a friend', lifts: ['helo'] })]).exemptions, [
      { reason: 'a friend', source: 'postern.toml:31', lifts: ['helo'], about: 'client' },
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

describe('how far a check is heard', () => {
  type Heard = Pick<AnyCheck, 'name' | 'stage' | 'lifted' | 'tagsListHosts'>;
  const check = (name: string, stage: Stage, more: Partial<Heard> = {}): Heard => ({
    name,
    stage,
    lifted: 'by-any',
    ...more,
  });
  // Of the envelope, of the message; the protocol's own rules, viruses, DMARC.
  const checks = [
    check('helo', 'helo'),
    check('score', 'endOfMessage'),
    check('rule', 'rcpt', { lifted: 'by-name' }),
    check('virus', 'endOfMessage', { lifted: 'by-name' }),
    check('dmarc', 'endOfMessage', { lifted: 'by-name', tagsListHosts: true }),
  ];
  const client = {};
  const sender = { sender: 'example.net' };
  const recipient = { recipient: 'user@example.org' };
  const cases: [name: string, of: Treatment, heard: readonly Hearing[]][] = [
    ['a stranger', NO_TREATMENT, ['full', 'full', 'full', 'full', 'full']],
    ['our own network', treatment({ client: '10.0.0.1' }), ['none', 'none', 'full', 'full', 'full']],
    ['a relay', treatment({ client: '192.0.2.200' }), ['none', 'none', 'full', 'full', 'full']],
    ['a list host', treatment({}, [entry({ kind: 'list-host' })]), ['tags', 'tags', 'full', 'full', 'tags']],
    [
      'postmaster',
      treatment({ from: '<>', to: 'postmaster@example.org' }),
      ['none', 'tags', 'full', 'full', 'tags'],
    ],
    [
      'postmaster from our own network',
      treatment({ client: '10.0.0.1', from: '<>', to: 'postmaster@example.org' }),
      ['none', 'none', 'full', 'full', 'tags'],
    ],
    ['an entry of the client', treatment({}, [entry(client)]), ['none', 'none', 'full', 'full', 'full']],
    ['an entry of the sender', treatment({}, [entry(sender)]), ['none', 'tags', 'full', 'full', 'full']],
    [
      'an entry of the recipient',
      treatment({}, [entry(recipient)]),
      ['none', 'tags', 'full', 'full', 'full'],
    ],
    [
      'one of each',
      treatment({}, [entry(recipient), entry(client)]),
      ['none', 'none', 'full', 'full', 'full'],
    ],
    ['nothing by name', treatment({}, [entry({ lifts: [] })]), ['full', 'full', 'full', 'full', 'full']],
    ...[client, sender].map((whom): [string, Treatment, readonly Hearing[]] => [
      `some by name for ${JSON.stringify(whom)}`,
      treatment({}, [entry({ ...whom, lifts: ['score', 'virus'] })]),
      ['full', 'none', 'full', 'none', 'full'],
    ]),
    [
      'all, and one by name',
      treatment({}, [entry(sender), entry({ ...sender, lifts: ['virus'] })]),
      ['none', 'tags', 'full', 'none', 'full'],
    ],
    [
      'one by name, and all',
      treatment({}, [entry({ ...sender, lifts: ['score'] }), entry(sender)]),
      ['none', 'none', 'full', 'full', 'full'],
    ],
  ];
  for (const [name, of, heard] of cases)
    it(`under ${name}`, () =>
      assert.deepEqual(
        checks.map((c) => hearingOf(of, c)),
        heard,
      ));

  it('knows a client that nothing is heard against', () => {
    const exempt = [{}, { lifts: ['helo'] }, sender, recipient].map((more) =>
      isClientExempt(treatment({}, [entry(more)])),
    );
    assert.deepEqual(exempt, [true, false, false, false]);
  });
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
    ['sender and recipient', ofEntries({ sender: 'example.net' }), ofEntries({ recipient: 'example.org' })],
    ['the client, whatever else', ofEntries({}), ofEntries({ sender: 'example.net' }, {})],
    ['… in any order', ofEntries({}), ofEntries({}, { sender: 'example.net' })],
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
      ofEntries({ sender: 'example.net' }),
    ];
    assert.equal(new Set(keys).size, keys.length);
  });
});
