import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { earlyTalker } from '../checks/early-talker.ts';
import { spamTrap } from '../checks/spam-trap.ts';
import { checkSchema } from '../config/checks.ts';
import type { Charge } from '../core/charges.ts';
import type { Step } from '../core/decision.ts';
import type { Finding } from '../core/finding.ts';
import type { ListEntry } from '../core/lists.ts';
import type { CheckSettings } from '../core/policy.ts';
import { networkSet } from '../mail/networks.ts';
import { fakeResolver } from '../../test/fakes/resolver.ts';
import { CLIENT, gate, TRAP, type GateOptions, type Visit } from '../../test/fakes/visits.ts';
import { bring, chargesOf, type Charged } from './charges.ts';

describe('whom nobody convicts', () => {
  const entry = (kind: ListEntry['kind'], more: Partial<ListEntry> = {}): ListEntry => ({
    kind,
    client: '192.0.2.0/24',
    source: 'list:1',
    ...more,
  });
  // Guilty of a visit to the honeypot, which only an entry that names it lifts, of a trap, of early talking and of guessing.
  const guilty: Visit = {
    role: 'honeypot',
    violations: ['early-talker'],
    to: [TRAP, 'user@example.org'],
  };
  const cases: [who: string, options: GateOptions, visit?: Visit][] = [
    ['our own networks', { site: { networks: networkSet(['192.0.2.0/24']) } }],
    ['those we relay for', { site: { relays: networkSet([CLIENT]) } }],
    ['forwarders', { settings: {} }],
    ['authenticated clients', {}, { ...guilty, authenticated: true }],
    ['allow-listed clients', { entries: [entry('allow')] }],
    [
      'clients that an entry lifts the block list for',
      { entries: [entry('allow', { lifts: ['short-term-block'] })] },
    ],
    [
      'clients that are allow-listed by name',
      {
        entries: [{ kind: 'allow', host: '.example.net', source: 'list:1' }],
        ports: {
          dns: fakeResolver({
            '7.2.0.192.in-addr.arpa PTR': ['mail.example.net'],
            'mail.example.net A': [CLIENT],
          }),
        },
      },
    ],
    ['list hosts', { entries: [entry('list-host')] }],
    ['anybody where the list is off', {}],
    [
      'by checks that only observe',
      {
        settings: Object.fromEntries(
          ['honeypot', 'spam-trap', 'early-talker'].map((name) => [name, { on_fail: 'observe' }]),
        ),
      },
    ],
    [
      'by findings that are only observed',
      {
        settings: {
          honeypot: { actions: { caught: 'observe' } },
          'spam-trap': { actions: { trap: 'off' } },
          'early-talker': { actions: { spoke: 'observe' } },
        },
      },
    ],
    [
      'by a question that had no answer',
      {
        ports: {
          rates: {
            add: () => 1,
            count: () => {
              throw new Error('the store is ill');
            },
          },
        },
      },
      { role: 'honeypot' },
    ],
  ];
  for (const [who, options, visit = guilty] of cases)
    it(who, async (t) => {
      const world = gate(t, { ...options, site: { honeypot: true, ...options.site } });
      const { convictions } = world.policy;
      if (who === 'forwarders')
        Object.assign(world.policy, {
          convictions: { ...convictions, spared: networkSet(['192.0.2.0/24']) },
        });
      if (who.endsWith('is off')) Object.assign(world.policy, { convictions: undefined });
      for (let i = 0; i < 5; i++) await world.visit(visit);
      assert.deepEqual(world.blocks.list({ ended: true }), []);
      assert.deepEqual(world.store.standing.of(CLIENT), { good: 0, bad: 0 });
      assert.deepEqual(world.troubles, []);
    });

  it('is not the guilty one', async (t) => {
    const { visit, blocks } = gate(t, { site: { honeypot: true } });
    await visit(guilty);
    assert.equal(blocks.list().length, 1);
  });

  it('nor one that an entry about its recipient, its sender, or another check lifts something for', async (t) => {
    for (const part of [
      { recipient: 'user@example.org' },
      { sender: 'a@example.net' },
      { client: CLIENT, lifts: ['fcrdns'] },
    ]) {
      const { visit, blocks } = gate(t, {
        site: { honeypot: true },
        entries: [{ kind: 'allow', source: 'list:1', ...part }],
      });
      await visit({ ...guilty, to: ['user@example.org'] });
      assert.equal(blocks.list().length, 1, JSON.stringify(part));
    }
  });
});

describe('what is charged', () => {
  const check = (name: string, charges: Readonly<Record<string, Charge>>) => ({
    check: { ...spamTrap, name, charges },
    settings: { ...checkSchema(earlyTalker).parse({ on_fail: 'refuse' }) } as CheckSettings,
  });
  const finding = (code: string, result: Finding['result'] = 'fail'): Finding => ({
    result,
    code,
    text: code,
  });
  const step = (name: string, action: Step['action'], ...findings: Finding[]): Step => ({
    stage: 'rcpt',
    check: name,
    action,
    findings,
    tookMs: 0,
  });
  const lists = check('lists', { grave: 'conviction', light: 'strike', guess: 'guess' });
  const checks = [{ ...lists, settings: { ...lists.settings, actions: { grave: 'observe' as const } } }];

  const cases: [what: string, steps: Step[], comesTo: string[]][] = [
    [
      'the gravest',
      [step('lists', 'refuse', finding('light')), step('lists', 'refuse', finding('light'))],
      ['light'],
    ],
    [
      'a finding beside a graver one that is only observed',
      [step('lists', 'refuse', finding('grave'), finding('light'))],
      ['light'],
    ],
    ['no check that is not there any more', [step('gone', 'refuse', finding('light'))], []],
    [
      'all guesses',
      [step('lists', 'defer', finding('guess')), step('lists', 'suspect', finding('guess'))],
      ['guess', 'guess'],
    ],
    [
      'no pass and no temperror',
      [step('lists', 'defer', finding('light', 'temperror'), finding('light', 'pass'))],
      [],
    ],
    ...(['none', 'observe', 'exempt', 'go-on'] as const).map((action): [string, Step[], string[]] => [
      `nothing that came to ${action}`,
      [step('lists', action, finding('light'))],
      [],
    ]),
  ];
  for (const [what, steps, comesTo] of cases)
    it(what, () => {
      const { guesses, gravest } = chargesOf(steps, { checks });
      const found = gravest === undefined ? guesses : [...guesses, gravest];
      assert.deepEqual(
        found.map(({ text }) => text),
        comesTo,
      );
    });
});

describe('bringing a charge', () => {
  const charged: Charged<'conviction'> = {
    charge: 'conviction',
    client: CLIENT,
    check: 'spam-trap',
    text: 'why',
    id: 'ID',
    bounce: false,
  };

  it('is done in order where the store is elsewhere, and one outbreak is one block', async (t) => {
    const { store } = gate(t);
    const slow = <A extends unknown[], R>(f: (...args: A) => R) => {
      return async (...args: A): Promise<R> => {
        await new Promise((resolve) => setImmediate(resolve));
        return f(...args);
      };
    };
    const { standing, blocks, rates } = store;
    const elsewhere = {
      standing: { of: slow(standing.of.bind(standing)), note: slow(standing.note.bind(standing)) },
      blocks: { covering: slow(blocks.covering.bind(blocks)), convict: slow(blocks.convict.bind(blocks)) },
      rates: { add: slow(rates.add.bind(rates)), count: slow(rates.count.bind(rates)) },
    };
    const { visit } = gate(t, { ports: elsewhere });
    await visit({ to: [TRAP], violations: ['early-talker'], transactions: 2 });
    for (let i = 0; i < 40; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      blocks.list().map((b) => b.convictions),
      [1],
    );
  });

  it('tells the operator where nothing could be remembered, and the client nothing', async (t) => {
    for (const fails of [
      () => {
        throw new Error('disk full');
      },
      () => Promise.reject(new Error('disk full')),
    ]) {
      const { visit, troubles } = gate(t, {
        ports: { standing: { of: () => ({ good: 0, bad: 0 }), note: fails } },
      });
      assert.deepEqual(await visit({ to: [TRAP] }), ['550 spam-trap']);
      assert.deepEqual(troubles.map(String), ['Error: disk full']);
    }
  });

  it('never blocks more than one address or one /64', (t) => {
    const { policy, ports, blocks } = gate(t, { site: { clientPrefix: { v4: 16, v6: 32 } } });
    void bring(charged, policy, ports);
    void bring({ ...charged, client: '2001:db8:1:2:3::4' }, policy, ports);
    assert.deepEqual(
      blocks
        .list()
        .map((b) => b.network)
        .sort(),
      [CLIENT, '2001:db8:1:2::/64'],
    );
  });
});
