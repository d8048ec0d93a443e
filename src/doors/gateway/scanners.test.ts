/** What the scanners' words come to at the gate: scanners that say what a test tells them to, all else real. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { fakeScanner } from '../../../test/fakes/scanner.ts';
import { DEFAULT_CHECKS, startGateway, type FakeWorldOptions } from '../../../test/fakes/gateway.ts';
import { onEnd } from '../../../test/program.ts';
import { sendMail } from '../../../test/smtp.ts';
import { Clamd } from '../../adapters/scanners/clamd.ts';
import { clamav } from '../../checks/clamav.ts';
import { spamassassin } from '../../checks/spamassassin.ts';
import type { ListEntry } from '../../core/lists.ts';
import type { Scanner, ScanQuestion, SpamVerdict, VirusVerdict } from '../../core/scanners.ts';
import { networkSet } from '../../mail/networks.ts';

const MAIL = { from: 'sender@example.net', to: 'user@example.org' };
const HAM = 'Subject: x\r\n\r\nText\r\n';
const FORGED = 'X-Spam-Flag: NO\r\nX-Spam-Status: No, score=-99.0 required=5.0\r\n\ttests=none\r\n';

async function bodyOf({ content }: ScanQuestion): Promise<string> {
  let text = '';
  for await (const chunk of content.chunks()) text += chunk.toString('latin1');
  return text;
}

/** The word `virus` in a message is one. */
const virusScanner: Scanner<VirusVerdict> = {
  scan: async (question) =>
    /virus/.test(await bodyOf(question)) ? { kind: 'infected', name: 'Test.Virus' } : { kind: 'clean' },
  probe: async () => undefined,
};

/** The number behind `score` in a message is its score. */
const spamScanner: Scanner<SpamVerdict> = {
  scan: async (question) => {
    const score = Number(/score (\d+)/.exec(await bodyOf(question))?.[1] ?? 0);
    return { kind: 'scored', spam: score >= 5, score, required: 5, tests: ['A', 'B'] };
  },
  probe: async () => undefined,
};

const start = (t: TestContext, options: FakeWorldOptions = {}) =>
  startGateway(t, {
    checks: [
      ...(DEFAULT_CHECKS ?? []),
      [clamav, { address: '127.0.0.1:1', max_size: '1KiB' }],
      [spamassassin, { address: '127.0.0.1:1' }],
    ],
    ports: { scanners: { clamav: virusScanner, spamassassin: spamScanner } },
    ...options,
  });

const ILL: Scanner<never> = {
  scan: async () => ({ kind: 'failed', reason: 'no connection' }),
  probe: async () => undefined,
};

const LIST_HOST = { kind: 'list-host', client: '127.0.0.1/32', source: 'test' } as const;

describe('scanners at the gate', () => {
  it('refuse a virus by its name', async (t) => {
    const world = await start(t);
    const { heard } = await sendMail(await world.connect(), { ...MAIL, message: `${HAM}virus\r\n` });
    assert.match(
      heard.lines[0] ?? '',
      /^554 5\.7\.1 Refused: the message is infected: ClamAV found Test\.Virus \(clamav\)\. Mistake\?/,
    );
    assert.deepEqual(world.backend.taken, []);
    const [decision] = await world.decided(1);
    assert.deepEqual([decision?.outcome, decision?.check, decision?.code], ['refused', 'clamav', 'infected']);
  });

  for (const [name, options] of [
    ['a mailing-list host', { entries: [LIST_HOST] }],
    ['our own networks', { site: { networks: networkSet(['127.0.0.0/8']) } }],
    ['postmaster', {}],
  ] as [string, FakeWorldOptions][]) {
    it(`refuse a virus from or for ${name} too`, async (t) => {
      const world = await start(t, options);
      const to = name === 'postmaster' ? 'postmaster@example.org' : MAIL.to;
      const peer = await world.connect();
      const { heard } = await sendMail(peer, { ...MAIL, to, message: `${HAM}virus\r\n` });
      assert.equal(heard.code, 554);
    });
  }

  const cases: [name: string, score: number, options: FakeWorldOptions, tags: string][] = [
    ['ham', 1, {}, 'X-Spam-Status: No, score=1.0 required=5.0\r\n\ttests=A,B\r\n'],
    ['spam', 7, {}, 'X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=7.0 required=5.0\r\n\ttests=A,B\r\n'],
    [
      'certain spam of a mailing list',
      20,
      { entries: [LIST_HOST] },
      'X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=20.0 required=5.0\r\n\ttests=A,B\r\n',
    ],
  ];
  for (const [name, score, options, tags] of cases) {
    it(`tag ${name}, in place of what was forged`, async (t) => {
      const world = await start(t, options);
      const message = `${HAM}score ${score}\r\n`;
      const { heard } = await sendMail(await world.connect(), { ...MAIL, message: FORGED + message });
      assert.equal(heard.code, 250);
      const text = world.backend.taken[0]?.bytes.toString('latin1') ?? '';
      assert.ok(text.endsWith(`\r\n${tags}${message}`), text);
      assert.equal(text.match(/X-Spam-Status/g)?.length, 1);
    });
  }

  const SPAM_TAG = 'X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=20.0 required=5.0\r\n';
  const source = 'test';
  const ALLOWED: readonly [name: string, to: string, entry: ListEntry | undefined, comesTo: string][] = [
    ['postmaster', 'postmaster@example.org', undefined, 'tag'],
    ['abuse', 'abuse@example.org', undefined, 'tag'],
    ['a recipient who takes all', MAIL.to, { kind: 'allow', recipient: MAIL.to, source }, 'tag'],
    ['a sender who is let in', MAIL.to, { kind: 'allow', sender: MAIL.from, source }, 'tag'],
    [
      'one user’s choice of a client',
      MAIL.to,
      { kind: 'allow', client: '127.0.0.1', recipient: MAIL.to, source },
      'tag',
    ],
    ['a client that is let in', MAIL.to, { kind: 'allow', client: '127.0.0.1', source }, 'nothing'],
    [
      'an entry that names the check',
      MAIL.to,
      { kind: 'allow', recipient: MAIL.to, lifts: ['spamassassin'], source },
      'nothing',
    ],
    [
      'an entry that names another',
      MAIL.to,
      { kind: 'allow', recipient: MAIL.to, lifts: ['clamav'], source },
      'refusal',
    ],
  ];
  for (const [name, to, entry, comesTo] of ALLOWED) {
    it(`make certain spam a ${comesTo} for ${name}`, async (t) => {
      const world = await start(t, { entries: entry === undefined ? [] : [entry] });
      const message = `${FORGED}${HAM}score 20\r\n`;
      const { heard } = await sendMail(await world.connect(), { ...MAIL, to, message });
      assert.equal(heard.code, comesTo === 'refusal' ? 554 : 250);
      const text = world.backend.taken[0]?.bytes.toString('latin1') ?? '';
      assert.equal(text.includes(SPAM_TAG), comesTo === 'tag', text);
      assert.equal(/tags=\S*spamassassin:certain/.test(text), comesTo === 'tag', text);
      assert.ok(!text.includes('score=-99.0'));
    });

    it(`while ill, ${comesTo === 'refusal' ? 'defer' : 'do not defer'} mail for ${name}`, async (t) => {
      const world = await start(t, {
        entries: entry === undefined ? [] : [entry],
        ports: { scanners: { clamav: virusScanner, spamassassin: ILL } },
      });
      const { heard } = await sendMail(await world.connect(), { ...MAIL, to, message: HAM });
      assert.equal(heard.code, comesTo === 'refusal' ? 450 : 250);
    });
  }

  it('defer everybody’s mail while the virus scanner is ill, unless an entry names it', async (t) => {
    const entries: ListEntry[] = [
      { kind: 'allow', recipient: 'all@example.org', source },
      { kind: 'allow', recipient: 'named@example.org', source },
      { kind: 'allow', recipient: 'named@example.org', lifts: ['clamav'], source },
      { kind: 'list-host', recipient: 'list@example.org', source },
    ];
    const world = await start(t, {
      entries,
      ports: { scanners: { clamav: ILL, spamassassin: spamScanner } },
    });
    const codes: Record<string, number> = {};
    for (const who of ['postmaster', 'all', 'list', 'named']) {
      const mail = { ...MAIL, to: `${who}@example.org`, message: `${HAM}virus\r\n` };
      codes[who] = (await sendMail(await world.connect(), mail)).heard.code;
    }
    assert.deepEqual(codes, { postmaster: 450, all: 450, list: 450, named: 250 });
  });

  it('leave the tags of our own networks alone, which have scanners of their own', async (t) => {
    const world = await start(t, { site: { networks: networkSet(['127.0.0.0/8']) } });
    await sendMail(await world.connect(), { ...MAIL, message: FORGED + HAM });
    assert.ok(world.backend.taken[0]?.bytes.toString('latin1').endsWith(FORGED + HAM));
  });

  it('say when a message was too large for them', async (t) => {
    const world = await start(t);
    const message = `${HAM}virus\r\n${'x'.repeat(70)}\r\n${`${'y'.repeat(70)}\r\n`.repeat(20)}`;
    const { heard } = await sendMail(await world.connect(), { ...MAIL, message });
    assert.equal(heard.code, 250);
    assert.match(world.backend.taken[0]?.bytes.toString('latin1') ?? '', /;\r\n\ttags=clamav:too-large\r\n/);
  });

  it('that are down defer, or are done without, as each is set', async (t) => {
    for (const [on_temperror, code] of [
      ['defer', 450],
      ['go-on', 250],
    ] as const) {
      const world = await start(t, {
        checks: [...(DEFAULT_CHECKS ?? []), [spamassassin, { address: '127.0.0.1:1', on_temperror }]],
        ports: { scanners: { spamassassin: ILL } },
      });
      const { heard } = await sendMail(await world.connect(), { ...MAIL, message: HAM });
      assert.equal(heard.code, code);
      assert.equal(world.backend.taken.length, code === 250 ? 1 : 0);
    }
  });

  it('that are busy have senders wait, and defer those for whom there is no room', async (t) => {
    const held: (() => void)[] = [];
    const { settings } = await fakeScanner(
      t,
      (socket) => {
        socket.once('data', () => held.push(() => socket.end('1: stream: OK\0')));
      },
      { atOnce: 1, maxWaiting: 2 },
    );
    const scanner = new Clamd(settings);
    onEnd(t, () => scanner.close());
    const world = await start(t, {
      checks: [...(DEFAULT_CHECKS ?? []), [clamav, { address: '127.0.0.1:1' }]],
      ports: { scanners: { clamav: scanner } },
    });
    const codes: number[] = [];
    const senders = Array.from({ length: 5 }, async () => {
      const { heard } = await sendMail(await world.connect(), { ...MAIL, message: HAM });
      codes.push(heard.code);
    });
    // One is scanned and two wait; the other two hear at once that they shall come again.
    while (codes.length < 2) await new Promise(setImmediate);
    assert.deepEqual(codes, [450, 450]);
    while (codes.length < 5) {
      held.shift()?.();
      await new Promise(setImmediate);
    }
    await Promise.all(senders);
    assert.deepEqual(codes.slice(2), [250, 250, 250]);
    assert.equal(world.backend.taken.length, 3);
  });
});
