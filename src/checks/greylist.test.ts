import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ask, factsOf, site, type Said } from '../../test/fakes/ask.ts';
import { checkSchema } from '../config/checks.ts';
import type { Clues } from '../core/clues.ts';
import type { Finding } from '../core/finding.ts';
import type { GreylistAttempt, GreylistPort, GreylistState, StandingPort } from '../core/ports.ts';
import { refusal } from '../core/replies.ts';
import type { CommonSettings } from '../core/settings.ts';
import { formatReply } from '../mail/reply.ts';
import { BROKEN_SERVERS } from './greylist.broken.ts';
import { greylist } from './greylist.ts';
import { clientOf, spell, type GreylistingSettings } from './greylisting.ts';
import { LADDER } from './ladder.ts';

const SAID = { from: 'Joe+tag@a.example', to: 'User@example.org' };

interface Below {
  readonly suspicion?: number;
  /** Domain that SPF vouches for, confirmed name. */
  readonly spf?: string;
  readonly name?: string;
  readonly generic?: boolean;
}

function cluesOf({ suspicion = 0, spf, name, generic = false }: Below): Clues {
  const pass = (domain: string): Finding => ({ result: 'pass', code: 'ok', text: 'x', domain });
  const findings: Record<string, Finding[]> = {
    spf: spf === undefined ? [{ result: 'none', code: 'none', text: 'x' }] : [pass(spf)],
    fcrdns: name === undefined ? [{ result: 'fail', code: 'no-ptr', text: 'x' }] : [pass(name)],
    'generic-rdns': generic ? [{ result: 'fail', code: 'generic', text: 'x' }] : [],
  };
  return { suspicion, found: (check) => findings[check] ?? [] };
}

function greylistSaying(state: GreylistState): GreylistPort & { readonly attempts: GreylistAttempt[] } {
  const attempts: GreylistAttempt[] = [];
  return { attempts, attempt: (attempt) => (attempts.push(attempt), state) };
}

const standingOf = (good: number, bad: number): StandingPort => ({
  of: () => ({ good, bad }),
  note: () => undefined,
});
const NEW: GreylistState = { kind: 'new', waitMs: 180_000 };
const doubted = cluesOf({ suspicion: 2 });

async function codeOf(said: Said, below: Below, settings: Record<string, unknown> = {}): Promise<string> {
  const port = greylistSaying(NEW);
  const { findings } = await ask(greylist, said, { greylist: port }, settings, cluesOf(below));
  const [finding] = findings;
  // Nobody is noted who is not asked about.
  assert.equal(port.attempts.length, ['new', 'learnt'].includes(finding?.code ?? '') ? 1 : 0);
  return finding?.code ?? '';
}

describe('greylist', () => {
  const settings = checkSchema(greylist).parse({}) as unknown as GreylistingSettings;

  describe('knows a client by', () => {
    const cases: [what: string, client: string, below: Below, key: string, by: string][] = [
      [
        'the domain whose SPF permits it',
        '192.0.2.7',
        { spf: 'mail.a.example', name: 'x.b.example' },
        'a.example',
        'spf',
      ],
      ['its confirmed name', '192.0.2.7', { name: 'mx7.out.b.example' }, 'b.example', 'fcrdns'],
      ['its /24', '192.0.2.7', {}, '192.0.2.0/24', 'network'],
      ['its /64', '2001:db8:1:2:3::4', {}, '2001:db8:1:2::/64', 'network'],
      [
        'its network, where the name is one of a pool',
        '192.0.2.7',
        { name: 'pool-7.b.example', generic: true },
        '192.0.2.0/24',
        'network',
      ],
      [
        'its network, where the name is one of a pool and the check for that is off',
        '192.0.2.7',
        { name: '192-0-2-7.dsl.b.example' },
        '192.0.2.0/24',
        'network',
      ],
      [
        'SPF, although the name is one of a pool',
        '192.0.2.7',
        { spf: 'a.example', name: 'vm7.b.example', generic: true },
        'a.example',
        'spf',
      ],
      [
        'its network, where the provider permits its whole pool',
        '192.0.2.7',
        { spf: 'b.example', name: 'pool-7.b.example', generic: true },
        '192.0.2.0/24',
        'network',
      ],
      [
        'the part that somebody registered',
        '192.0.2.7',
        { spf: 'a.co.uk', name: 'b.co.uk' },
        'a.co.uk',
        'spf',
      ],
      ['one spelling of a domain', '192.0.2.7', { spf: 'Mail.A.Example' }, 'a.example', 'spf'],
      ['what it is called, where that is no address', 'unix', {}, 'unix', 'network'],
    ];
    for (const [what, client, below, key, by] of cases) {
      it(what, () => {
        const found = clientOf(client, cluesOf(below), settings);
        assert.deepEqual([found.key, found.by], [key, by]);
      });
    }

    it('networks of the configured size', () => {
      const own = { ...settings, client_prefix_v4: 20, client_prefix_v6: 48 };
      assert.equal(clientOf('192.0.47.7', cluesOf({}), own).key, '192.0.32.0/20');
      assert.equal(clientOf('2001:db8:1:2::3', cluesOf({}), own).key, '2001:db8:1::/48');
    });
  });

  it('asks with everything normalised and the times configured', async () => {
    const port = greylistSaying(NEW);
    const times = { delay: '2h', retry_window: '5d', kept: '90d', client_passes: 7 };
    await ask(greylist, SAID, { greylist: port }, times, doubted);
    assert.deepEqual(port.attempts, [
      {
        client: '192.0.2.0/24',
        sender: 'joe@a.example',
        recipient: 'user@example.org',
        delayMs: 7_200_000,
        retryWindowMs: 432_000_000,
        keptMs: 7_776_000_000,
        clientPasses: 7,
        seedOnly: false,
        sessionSinceMs: factsOf(SAID).session.startedAtMs,
      },
    ]);
  });

  const states: [state: GreylistState, result: string, code: string, text: RegExp][] = [
    [NEW, 'fail', 'new', /^greylisted, .* try again in 3 minutes$/],
    [
      { kind: 'early', waitMs: 99_001, sinceFirstMs: 80_999 },
      'fail',
      'early',
      /too soon; try again in 100 seconds$/,
    ],
    [
      { kind: 'early', waitMs: 0, sinceFirstMs: 380_999, sameSession: true },
      'fail',
      'early',
      / tries again on the connection of its first attempt; try again in 1 second, on another$/,
    ],
    [{ kind: 'passed', sinceFirstMs: 300_000 }, 'pass', 'passed', /came again after 5 minutes$/],
    [{ kind: 'known' }, 'pass', 'known', /^192\.0\.2\.0\/24 has brought/],
    [{ kind: 'client-known' }, 'pass', 'client-known', /known for all recipients$/],
  ];
  for (const [state, result, code, text] of states) {
    it(`${state.kind}: ${result}, whether the store answers at once or later`, async () => {
      const at = greylistSaying(state);
      for (const port of [at, { attempt: async (a: GreylistAttempt) => at.attempt(a) }]) {
        const { findings, evidence } = await ask(greylist, SAID, { greylist: port }, {}, doubted);
        assert.deepEqual([findings.length, findings[0]?.result, findings[0]?.code], [1, result, code]);
        assert.match(findings[0]?.text ?? '', text);
        assert.deepEqual(evidence, {
          client: { key: '192.0.2.0/24', by: 'network' },
          suspicion: 2,
          standing: { good: 0, bad: 0 },
          states: [state],
        });
      }
    });
  }

  it('tells the sender how long to wait, in class 4', async () => {
    const { findings } = await ask(greylist, SAID, {}, {}, doubted);
    assert.equal(greylist.defaults.on_fail, 'defer');
    const said = refusal('defer', 'greylist', findings[0]!, { contact: 'p@example.org', id: 'K7Q2MX4D' });
    assert.match(
      formatReply(said),
      /^450 4\.7\.1 Not now: greylisted, .*try again in 3 minutes \(greylist\)/,
    );
  });

  it('leaves the null sender to DATA', async () => {
    assert.equal(await codeOf({ ...SAID, from: '<>' }, { suspicion: 99 }), 'null-sender');
  });

  describe('in doubt', () => {
    const weights = new Map(LADDER.map((check) => [check.name, check.defaults.weight]));
    // What stands in greylist.md, by the weights in force by default.
    const combinations: [checks: string[], code: string][] = [
      [[], 'not-doubted'],
      [['sender-mx'], 'not-doubted'],
      [['fcrdns'], 'new'],
      [['generic-rdns'], 'new'],
      [['helo-dns'], 'new'],
      [['spf'], 'new'],
      [['dnsbl'], 'new'],
      [['rhsbl'], 'new'],
      [['fcrdns', 'sender-mx'], 'new'],
    ];
    for (const [checks, code] of combinations) {
      it(`${code}: ${checks.join(' and ') || 'nothing'}`, async () => {
        const suspicion = checks.reduce((sum, name) => sum + (weights.get(name) ?? Number.NaN), 0);
        assert.equal(await codeOf(SAID, { suspicion }), code);
      });
    }

    it('begins where the operator wants it', async () => {
      assert.equal(await codeOf(SAID, { suspicion: 4.9 }, { greylist_at: 5 }), 'not-doubted');
      assert.equal(await codeOf(SAID, { suspicion: 5 }, { greylist_at: 5 }), 'new');
      assert.equal(await codeOf(SAID, { suspicion: 0 }, { greylist_at: 0 }), 'new');
      assert.equal(await codeOf(SAID, { suspicion: -1 }, { greylist_at: 0 }), 'not-doubted');
    });

    it('spares who has long been sending good mail, unless all are greylisted', async () => {
      const asking = async (good: number, bad: number, mode: string) => {
        const ports = { greylist: greylistSaying(NEW), standing: standingOf(good, bad) };
        return (await ask(greylist, SAID, ports, { mode }, doubted)).findings[0]?.code;
      };
      assert.equal(await asking(3, 0, 'suspicion'), 'good-standing');
      assert.equal(await asking(2, 0, 'suspicion'), 'new');
      assert.equal(await asking(3, 1, 'suspicion'), 'new');
      assert.equal(await asking(3, 0, 'classic'), 'new');
    });
  });

  it('classic: whoever is new', async () => {
    assert.equal(await codeOf(SAID, { spf: 'a.example', name: 'mx.a.example' }, { mode: 'classic' }), 'new');
  });

  it('seed-only: learns all and defers nobody', async () => {
    for (const state of [NEW, { kind: 'passed', sinceFirstMs: 0 } as const]) {
      const port = greylistSaying(state);
      const { findings } = await ask(greylist, SAID, { greylist: port }, { mode: 'seed-only' }, cluesOf({}));
      assert.deepEqual(
        findings.map((f) => `${f.result} ${f.code}`),
        ['none learnt'],
      );
      assert.deepEqual(
        port.attempts.map((a) => a.seedOnly),
        [true],
      );
    }
  });

  describe('spares', () => {
    const own = {
      mode: 'classic',
      broken_servers: ['Airline.example', '198.51.100.0/24', '2001:db8:7::/48', '203.0.113.9'],
    };
    const cases: [what: string, client: string, below: Below, code: string][] = [
      ['a domain whose SPF permits the client', '192.0.2.7', { spf: 'airline.example' }, 'exempt'],
      ['what is below the domain', '192.0.2.7', { spf: 'news.airline.example' }, 'exempt'],
      [
        'a confirmed name, although SPF vouches for another domain',
        '192.0.2.7',
        { spf: 'a.example', name: 'mx.airline.example' },
        'exempt',
      ],
      ['not a longer name', '192.0.2.7', { spf: 'myairline.example' }, 'new'],
      ['not the domain above', '192.0.2.7', { spf: 'example' }, 'new'],
      ['not the name of a pool', '192.0.2.7', { name: 'pool-7.airline.example', generic: true }, 'new'],
      ['not who only calls itself so', '192.0.2.7', {}, 'new'],
      ['a network', '198.51.100.255', {}, 'exempt'],
      ['not the address beside it', '198.51.101.0', {}, 'new'],
      ['an IPv6 network', '2001:db8:7:ffff::1', {}, 'exempt'],
      ['an address', '203.0.113.9', {}, 'exempt'],
      ['one of the list that comes with the program', '192.0.2.7', { spf: 'luv.southwest.com' }, 'exempt'],
    ];
    for (const [what, client, below, code] of cases) {
      it(what, async () => assert.equal(await codeOf({ ...SAID, client }, below, own), code));
    }

    it('those of the program only where the operator lets it', async () => {
      const below = { spf: 'southwest.com' };
      assert.equal(await codeOf(SAID, below, { mode: 'classic' }), 'exempt');
      assert.equal(await codeOf(SAID, below, { mode: 'classic', shipped_list: false }), 'new');
    });

    it('says why', async () => {
      const { findings } = await ask(
        greylist,
        SAID,
        {},
        { mode: 'classic' },
        cluesOf({ name: 'mx.abb.com' }),
      );
      assert.equal(findings[0]?.text, 'abb.com is spared, because it comes again only once');
    });

    it('has a reason for each server, and each once', () => {
      for (const { domain, reason } of BROKEN_SERVERS) {
        assert.match(domain, /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/);
        assert.match(reason, /^[a-z].*[a-z]$/);
      }
      assert.equal(new Set(BROKEN_SERVERS.map(({ domain }) => domain)).size, BROKEN_SERVERS.length);
    });
  });

  it('judges what was recorded by the settings of another day', async () => {
    const judge = async (recorded: Record<string, unknown>, later: Record<string, unknown>, below: Below) => {
      const { evidence } = await ask(greylist, SAID, {}, recorded, cluesOf(below));
      const parsed = checkSchema(greylist).parse(later) as unknown as CommonSettings;
      return greylist.judge(factsOf(SAID), evidence, parsed, site)[0]?.code;
    };
    assert.equal(await judge({}, { greylist_at: 5 }, { suspicion: 4 }), 'not-doubted');
    assert.equal(await judge({}, { mode: 'seed-only' }, { suspicion: 4 }), 'learnt');
    assert.equal(await judge({}, { mode: 'classic' }, { suspicion: 1 }), 'not-asked');
    assert.equal(await judge({ mode: 'classic' }, {}, { suspicion: 1 }), 'not-doubted');
    assert.equal(
      await judge({}, { broken_servers: ['a.example'] }, { suspicion: 4, spf: 'a.example' }),
      'exempt',
    );
  });

  it('wants sensible settings', () => {
    const bad: Record<string, unknown>[] = [
      { mode: 'sometimes' },
      { delay: '59s' },
      { delay: '121m' },
      { greylist_at: -1 },
      { client_passes: -1 },
      { client_prefix_v4: 33 },
      { client_prefix_v6: 129 },
      { broken_servers: ['192.0.2.1/24'] },
      { broken_servers: ['no name'] },
      { broken_servers: ['192.0.2'] },
      { broken_servers: Array.from({ length: 1001 }, (_, i) => `a${i}.example`) },
    ];
    for (const given of bad) {
      assert.equal(checkSchema(greylist).safeParse(given).success, false, JSON.stringify(given).slice(0, 60));
    }
    for (const given of [
      { delay: '1m' },
      { delay: '2h' },
      { client_passes: 0 },
      { broken_servers: ['x.example'] },
    ]) {
      assert.equal(checkSchema(greylist).safeParse(given).success, true, JSON.stringify(given));
    }
  });

  it('spells times as one says them, never too short', () => {
    const cases: [ms: number, text: string][] = [
      [0, '1 second'],
      [1, '1 second'],
      [1001, '2 seconds'],
      [60_000, '60 seconds'],
      [119_000, '119 seconds'],
      [119_001, '2 minutes'],
      [180_000, '3 minutes'],
      [180_001, '4 minutes'],
      [7_200_000, '120 minutes'],
      [18_000_000, '5 hours'],
      [172_800_000, '48 hours'],
    ];
    for (const [ms, text] of cases) assert.equal(spell(ms), text, String(ms));
  });

  it('takes any names and senders', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(
        text,
        text,
        text,
        fc.constantFrom('suspicion', 'classic'),
        async (local, spf, name, mode) => {
          const said = { from: `${local}@a.example`, to: 'user@example.org' };
          for (const below of [{ spf, name }, { name }]) {
            await ask(greylist, said, {}, { mode }, cluesOf({ suspicion: 3, ...below }));
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
