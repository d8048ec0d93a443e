/** M8: who brings a virus or certain spam is turned away at the greeting the next time, before anything is asked on its account. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { DEFAULT_CHECKS, startGateway, type FakeWorld } from '../../../test/fakes/gateway.ts';
import { onEnd } from '../../../test/program.ts';
import { sendMail } from '../../../test/smtp.ts';
import { openStore } from '../../adapters/store/sqlite.ts';
import { clamav } from '../../checks/clamav.ts';
import { classifier } from '../../checks/classifier.ts';
import { rspamd } from '../../checks/rspamd.ts';
import { shortTermBlock } from '../../checks/short-term-block.ts';
import { spamassassin } from '../../checks/spamassassin.ts';
import type { AnyCheck } from '../../core/check.ts';
import type { ListEntry } from '../../core/lists.ts';
import type { RspamdVerdict, Scanner } from '../../core/scanners.ts';
import type { Site } from '../../core/site.ts';
import { networkSet } from '../../mail/networks.ts';

const MAIL = {
  from: 'sender@example.net',
  to: 'user@example.org',
  message: 'Subject: x\r\n\r\nbuy pills\r\n',
};
const HOUR = 3_600_000;

const says = <V>(verdict: V): Scanner<V> => ({
  scan: async () => verdict,
  probe: async () => undefined,
});
const rspamdSays = (action: RspamdVerdict['action'], score: number): RspamdVerdict => ({
  kind: 'scored',
  action,
  skipped: false,
  score,
  required: 15,
  symbols: [],
});
const SCANNERS = {
  clamav: says({ kind: 'infected' as const, name: 'Test.Virus' }),
  spamassassin: says({ kind: 'scored' as const, spam: true, score: 20, required: 5, tests: ['A'] }),
  rspamd: says(rspamdSays('reject', 20)),
};
/** All that it is asked about was spam. */
const CLASSIFIER = {
  recall: (tokens: Iterable<string>) => ({
    trained: { ham: 1000, spam: 1000 },
    seen: [...tokens].map((token) => ({ token, ham: 0, spam: 100 })),
  }),
};
const ADDRESS = { address: '127.0.0.1:1' };

interface Options {
  readonly check: readonly [AnyCheck, Record<string, unknown>?];
  readonly entries?: readonly ListEntry[];
  readonly site?: Partial<Site>;
  readonly scanners?: object;
  readonly proxies?: readonly string[];
  /** Hours in which it brought good mail. */
  readonly good?: number;
  readonly to?: string;
}

async function gate(t: TestContext, options: Options) {
  const clock = { ms: Date.UTC(2026, 10, 21, 8) };
  const store = openStore(':memory:', { nowMs: () => clock.ms });
  onEnd(t, () => store.close());
  for (let i = 0; i < (options.good ?? 0); i++) {
    store.standing.note('127.0.0.1', 'good');
    clock.ms += HOUR;
  }
  const { standing, blocks, rates, store: entries } = store;
  const world = await startGateway(t, {
    checks: [[shortTermBlock, { refuse_at: 'earliest' }], ...(DEFAULT_CHECKS ?? []), options.check],
    entries: options.entries ?? [],
    site: options.site ?? {},
    listener: { proxyProtocolFrom: networkSet(options.proxies ?? []) },
    ports: {
      store: entries,
      standing,
      blocks,
      rates,
      scanners: { ...SCANNERS, ...options.scanners },
      classifier: CLASSIFIER,
    },
  });
  return { world, blocks };
}

/** What the client hears of its message, and then of its next connection. */
async function twice(world: FakeWorld, mail = MAIL): Promise<[first: number, next: string]> {
  const first = await sendMail(await world.connect(), mail);
  await world.decided(1);
  const next = await sendMail(await world.connect(), mail);
  return [first.heard.code, `${next.step} ${next.heard.code}`];
}

describe('the client that brought it', () => {
  const guilty: [name: string, check: Options['check'], by: string, text: RegExp][] = [
    ['a virus', [clamav, ADDRESS], 'clamav', /infected: ClamAV found Test\.Virus/],
    ['certain spam by SpamAssassin', [spamassassin, ADDRESS], 'spamassassin', /scores it 20/],
    ['certain spam by rspamd', [rspamd, ADDRESS], 'rspamd', /scores it 20/],
    [
      'certain spam by the words of this site',
      [classifier, { actions: { certain: 'refuse' } }],
      'classifier',
      /words of the message score 1\.0000/,
    ],
    [
      'certain spam that is deferred',
      [spamassassin, { ...ADDRESS, actions: { certain: 'defer' } }],
      'spamassassin',
      /scores it 20/,
    ],
  ];
  for (const [name, check, by, text] of guilty) {
    it(`${name}: is turned away at the greeting`, async (t) => {
      const { world, blocks } = await gate(t, { check });
      const [first, next] = await twice(world);
      assert.ok(first >= 400, String(first));
      // For now or for good: that is the block list's own to say.
      assert.match(next, /^banner (?:421|554)$/);
      const [block] = blocks.list();
      assert.deepEqual([block?.network, block?.by, block?.convictions], ['127.0.0.1', by, 1]);
      assert.match(block?.reason ?? '', text);
      const [one, two] = await world.decided(2);
      assert.deepEqual([one?.id, two?.check], [block?.evidence, 'short-term-block']);
      assert.deepEqual(world.backend.taken, []);
    });
  }

  const spam: Options['check'] = [spamassassin, ADDRESS];
  const own = networkSet(['127.0.0.0/8']);
  const entry = (more: Partial<ListEntry>): ListEntry => ({ kind: 'allow', source: 'test:1', ...more });
  const innocent: [name: string, options: Options, first: number][] = [
    ['spam that is not certain', { check: [spamassassin, { ...ADDRESS, certain_score: 21 }] }, 250],
    [
      'spam that is refused and not certain',
      { check: [spamassassin, { ...ADDRESS, certain_score: 21, on_fail: 'refuse' }] },
      554,
    ],
    [
      'certain spam that is tagged',
      { check: [spamassassin, { ...ADDRESS, actions: { certain: 'tag' } }] },
      250,
    ],
    [
      'certain spam that is only observed',
      { check: [spamassassin, { ...ADDRESS, actions: { certain: 'observe' } }] },
      250,
    ],
    ['what the classifier is sure of, as it is by default', { check: [classifier] }, 250],
    [
      'what the classifier refuses as spam, and only tags as certain',
      { check: [classifier, { actions: { spam: 'refuse' } }] },
      550,
    ],
    ['a virus that is tagged', { check: [clamav, { ...ADDRESS, on_fail: 'tag' }] }, 250],
    [
      'what rspamd refuses for its rules (a strike)',
      { check: [rspamd, ADDRESS], scanners: { rspamd: says(rspamdSays('reject', 14)) } },
      554,
    ],
    ['certain spam, in good standing', { check: spam, good: 12 }, 554],
    ['a virus, from our own networks', { check: [clamav, ADDRESS], site: { networks: own } }, 554],
    ['a virus, from a relay', { check: [clamav, ADDRESS], site: { relays: own } }, 554],
    [
      'a virus, from a list host',
      { check: [clamav, ADDRESS], entries: [entry({ kind: 'list-host', client: '127.0.0.1' })] },
      554,
    ],
    [
      'certain spam, from a list host',
      { check: spam, entries: [entry({ kind: 'list-host', client: '127.0.0.1' })] },
      250,
    ],
    [
      'a virus, from a client that is let in',
      { check: [clamav, ADDRESS], entries: [entry({ client: '127.0.0.1' })] },
      554,
    ],
    ['certain spam, for one who takes all', { check: spam, entries: [entry({ recipient: MAIL.to })] }, 250],
    ['a sample of it, for abuse', { check: spam, to: 'abuse@example.org' }, 250],
    [
      'no answer',
      { check: [spamassassin, ADDRESS], scanners: { spamassassin: says({ kind: 'failed', reason: 'x' }) } },
      450,
    ],
  ];
  for (const [name, options, code] of innocent) {
    it(`${name}: comes in the next time`, async (t) => {
      const { world, blocks } = await gate(t, options);
      const [first, next] = await twice(world, { ...MAIL, to: options.to ?? MAIL.to });
      assert.equal(first, code);
      assert.equal(next, `message ${code}`);
      assert.deepEqual(blocks.list(), []);
    });
  }

  for (const [header, network] of [
    ['PROXY UNKNOWN\r\n', undefined],
    ['PROXY TCP4 192.0.2.7 192.0.2.25 4711 25\r\n', '192.0.2.7'],
  ] as const) {
    it(`behind a proxy is ${network ?? 'nobody where the proxy names nobody'}`, async (t) => {
      const { world, blocks } = await gate(t, { check: [clamav, ADDRESS], proxies: ['127.0.0.1'] });
      const peer = await world.connect();
      await peer.write(header);
      assert.equal((await sendMail(peer, MAIL)).heard.code, 554);
      await world.decided(1);
      assert.deepEqual(
        blocks.list().map((block) => block.network),
        network === undefined ? [] : [network],
      );
    });
  }
});
