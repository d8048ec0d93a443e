import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GUESSES, UNSETTLED } from '../core/charges.ts';
import type { Block, Ports } from '../core/ports.ts';
import type { Verdict } from '../core/verdict.ts';
import { reply, type Reply } from '../mail/reply.ts';
import { CLIENT, gate, HOUR, MINUTES, TRAP, UNKNOWN, WILLING } from '../../test/fakes/visits.ts';

const verdictReply = (verdict: Verdict): Reply => (verdict.kind === 'go-on' ? WILLING : verdict.reply);
const lasting = ({ sinceMs, endsMs }: Block) => (endsMs - sinceMs) / HOUR;

describe('the life of a conviction', () => {
  it('begins with a trap, ends by itself, and is longer the next time', async (t) => {
    const { visit, later, blocks } = gate(t);
    assert.deepEqual(await visit({ to: [TRAP] }), ['550 spam-trap']);
    const [first, ...none] = blocks.list();
    assert.deepEqual(none, []);
    assert.deepEqual(
      [first!.network, first!.by, first!.reason, first!.evidence, first!.convictions, lasting(first!)],
      [CLIENT, 'spam-trap', `<${TRAP}> is no mailbox here`, 'ID2', 1, 1],
    );
    assert.deepEqual(await visit(), ['554 short-term-block']);
    assert.deepEqual(await visit({ client: '192.0.2.8' }), ['250'], 'the neighbour');
    assert.deepEqual(
      await visit({ to: ['postmaster@example.org'] }),
      ['550 recipients'],
      'asked, not blocked',
    );
    assert.deepEqual(await visit({ authenticated: true }), ['250']);
    later(HOUR - 1);
    assert.deepEqual(await visit(), ['554 short-term-block']);
    later(1);
    assert.deepEqual(await visit(), ['250']);

    const hours: number[] = [];
    for (let i = 0; i < 6; i++) {
      await visit({ to: [TRAP] });
      const [block] = blocks.list();
      hours.push(lasting(block!));
      assert.deepEqual(await visit(), ['554 short-term-block']);
      later(lasting(block!) * HOUR);
      assert.deepEqual(await visit(), ['250']);
    }
    assert.deepEqual(hours, [4, 16, 64, 168, 168, 168]);

    later(31 * 24 * HOUR);
    await visit({ to: [TRAP] });
    assert.equal(lasting(blocks.list()[0]!), 1, 'forgotten');
  });

  it('begins with the third session that talks nonsense until it is cut off, in a day', async (t) => {
    const { visit, blocks } = gate(t);
    const nonsense = { to: [], violations: ['too-many-errors'] } as const;
    for (let i = 0; i < 2; i++) await visit(nonsense);
    // One that asked for recipients was cut off over those.
    await visit({ to: ['old1@example.org', 'user@example.org'], violations: ['too-many-errors'] });
    assert.deepEqual(blocks.list(), []);
    await visit(nonsense);
    assert.deepEqual(
      blocks.list().map(({ by, network }) => [by, network]),
      [['dialogue', CLIENT]],
    );
  });

  it('is not made worse by what is done while it lasts', async (t) => {
    const { visit, begin, blocks, later } = gate(t);
    const side = begin();
    await visit({ to: [TRAP], transactions: 3 });
    await visit({ to: [TRAP, TRAP] });
    await side.helo('EHLO', 'mail.example.net');
    await side.mail({ local: 'a', domain: 'example.net' }, {});
    await side.rcpt({ local: 'old', domain: 'example.org' }, {});
    side.recipientAnswered({ local: 'old', domain: 'example.org' }, UNKNOWN);
    side.ended();
    later(30 * MINUTES);
    await visit({ to: [TRAP], violations: ['early-talker'] });
    assert.deepEqual(
      blocks.list().map((b) => [b.convictions, lasting(b)]),
      [[1, 1]],
    );
  });

  it('is told to the operator by name, and to the client as what it looks like', async (t) => {
    const { begin } = gate(t, { site: { honeypot: true } });
    for (const [role, local, check, shown] of [
      [undefined, 'old', 'spam-trap', 'is no mailbox here (recipient-list).'],
      ['honeypot', 'user', 'honeypot', 'while the others take mail (mx-order).'],
    ] as const) {
      const session = begin(role === undefined ? {} : { role });
      await session.helo('EHLO', 'mail.example.net');
      await session.mail({ local: 'a', domain: 'example.net' }, {});
      const verdict = await session.rcpt({ local, domain: 'example.org' }, {});
      assert.ok(verdict.kind === 'refuse' || verdict.kind === 'defer');
      assert.equal(verdict.check, check);
      assert.ok(verdict.reply.lines[0]!.includes(shown), verdict.reply.lines[0]);
      assert.doesNotMatch(verdict.reply.lines[0]!, /trap|honeypot/);
      session.ended();
    }
  });

  it('ends when the operator ends it', async (t) => {
    const { visit, blocks } = gate(t);
    await visit({ to: [TRAP] });
    assert.equal(blocks.remove(CLIENT), true);
    assert.deepEqual(await visit(), ['250']);
    await visit({ to: [TRAP] });
    assert.equal(lasting(blocks.list()[0]!), 1);
  });

  it('is refused with the greeting where the operator wants it so', async (t) => {
    const { visit, begin } = gate(t, { settings: { 'short-term-block': { refuse_at: 'earliest' } } });
    await visit({ to: [TRAP] });
    const verdict = await begin().connect();
    assert.equal(verdict.kind === 'refuse' && verdict.reply.code, 554);
    assert.equal((await begin({ client: '192.0.2.8' }).connect()).kind, 'go-on');
  });
});

describe('a list that spares hosts by their name', () => {
  const entries = [
    { kind: 'allow', host: 'mx.partner.example', lifts: ['short-term-block'], source: 'allow.txt:1' },
  ] as const;
  const dnsOf = (kind: 'timeout' | 'nxdomain'): Partial<Ports> => ({
    dns: { resolve: async () => ({ kind }) },
  });

  it('does so while DNS does not say who the client is', async (t) => {
    const { visit, blocks } = gate(t, { entries, ports: dnsOf('timeout') });
    await visit({ to: [TRAP] });
    assert.deepEqual(blocks.list(), []);
  });

  it('spares nobody else', async (t) => {
    const { visit, blocks } = gate(t, { entries, ports: dnsOf('nxdomain') });
    await visit({ to: [TRAP] });
    assert.equal(blocks.list().length, 1);
  });
});

describe('strikes', () => {
  it('are one a session, and three of them a block', async (t) => {
    const { visit, blocks, later } = gate(t);
    const bad = { violations: ['early-talker', 'pipelining'], heloName: 'mx.example.org' } as const;
    await visit({ ...bad, transactions: 3 });
    await visit(bad);
    assert.deepEqual(blocks.list(), []);
    await visit(bad);
    assert.deepEqual(
      blocks.list().map((b) => [b.by, lasting(b)]),
      [['early-talker', 1]],
    );
    // Those three are spent.
    later(HOUR);
    await visit(bad);
    await visit(bad);
    assert.deepEqual(blocks.list(), []);
    await visit(bad);
    assert.deepEqual(blocks.list().map(lasting), [4]);
  });

  it('are forgotten after a day', async (t) => {
    const { visit, blocks, later } = gate(t);
    for (let i = 0; i < 6; i++) {
      await visit({ violations: ['pipelining'] });
      if (i % 2 === 1) later(24 * HOUR);
    }
    assert.deepEqual(blocks.list(), []);
  });

  it('are what the first slip of a client in good standing is, also where one strike is enough for others', async (t) => {
    const { visit, deserve, blocks } = gate(t, { settings: { 'short-term-block': { strikes: 1 } } });
    await deserve();
    await visit({ to: [TRAP] });
    assert.deepEqual(blocks.list(), []);
    await visit({ violations: ['early-talker'], client: '192.0.2.9' });
    assert.equal(blocks.list().length, 1);
  });

  it('are what the first slip of a client in good standing is', async (t) => {
    const { visit, deserve, blocks } = gate(t);
    await deserve();
    await visit({ to: [TRAP] });
    assert.deepEqual(blocks.list(), []);
    assert.deepEqual(await visit(), ['250']);
    for (let i = 0; i < 2; i++) await visit({ to: [TRAP] });
    assert.equal(blocks.list().length, 1, 'it is good no more');
  });
});

describe('guesses', () => {
  const names = Array.from({ length: 8 }, (_, i) => `guess${i}@example.org`);

  it('are an attack, which is refused in the session and convicts', async (t) => {
    const { visit, blocks } = gate(t);
    assert.deepEqual(await visit({ to: [...names.slice(0, 5), 'user@example.org', 'x@example.org'] }), [
      ...Array.from({ length: 5 }, () => '550 recipients'),
      '550 dictionary-attack',
      '550 dictionary-attack',
    ]);
    assert.deepEqual(
      blocks.list().map((b) => [b.network, b.by]),
      [[CLIENT, 'dictionary-attack']],
    );
  });

  it('are counted over the sessions of a network', async (t) => {
    const { visit, blocks, store } = gate(t);
    for (let i = 0; i < 5; i++) await visit({ to: names.slice(0, 4) });
    assert.equal(store.rates.count(GUESSES, CLIENT), 20);
    assert.deepEqual(blocks.list(), []);
    assert.deepEqual(await visit(), ['550 dictionary-attack']);
    assert.equal(blocks.list().length, 1);
  });

  it('of a service that a stranger has write to made-up addresses convict nobody', async (t) => {
    const { begin, blocks, store } = gate(t);
    const write = async (local: string): Promise<string> => {
      const session = begin();
      const to = { local, domain: 'example.org' };
      await session.helo('EHLO', 'mail.example.net');
      await session.mail({ local: 'a', domain: 'example.net' }, {});
      const verdict = await session.rcpt(to, {});
      session.recipientAnswered(to, verdict.kind === 'other-transaction' ? WILLING : verdictReply(verdict));
      if (verdict.kind === 'go-on') {
        await session.endOfMessage({ sizeOctets: 100 });
        session.transactionEnded(reply(250, '2.0.0', 'Ok'));
      }
      session.ended();
      return verdict.kind;
    };
    for (let i = 0; i < 30; i++) {
      await write(`guess${i}`);
      await write(`user${i}`);
    }
    assert.equal(store.rates.count(GUESSES, CLIENT), 20);
    assert.equal(await write('user'), 'defer');
    assert.deepEqual(blocks.list(), []);
  });

  it('are no attack among as many others', async (t) => {
    const { visit, blocks } = gate(t);
    const users = names.map((_, i) => `user${i}@example.org`);
    assert.equal(
      (await visit({ to: [...users, ...names] })).filter((said) => said.endsWith('attack')).length,
      0,
    );
    assert.deepEqual(blocks.list(), []);
  });

  it('of the null sender convict nobody', async (t) => {
    const { visit, blocks, store } = gate(t);
    for (let i = 0; i < 30; i++) await visit({ from: null, to: names });
    assert.deepEqual(await visit({ from: null }), ['450 dictionary-attack']);
    assert.deepEqual(await visit(), ['250']);
    assert.equal(store.rates.count(GUESSES, CLIENT), 0);
    assert.deepEqual(blocks.list(), []);
  });

  it('of the null sender do not count against the mail in the same session', async (t) => {
    const { begin } = gate(t);
    const session = begin();
    await session.helo('EHLO', 'mail.example.net');
    const ask = async (local: string) => {
      const verdict = await session.rcpt({ local, domain: 'example.org' }, {});
      session.recipientAnswered(
        { local, domain: 'example.org' },
        verdict.kind === 'refuse' ? verdict.reply : WILLING,
      );
      return verdict.kind;
    };
    await session.mail(null, {});
    for (let i = 0; i < 8; i++) assert.equal(await ask(`guess${i}`), 'refuse');
    session.transactionEnded();
    await session.mail({ local: 'a', domain: 'example.net' }, {});
    assert.equal(await ask('user'), 'go-on');
    session.ended();
  });
});

describe('the honeypot', () => {
  const here = { role: 'honeypot', to: ['user@example.org', 'postmaster@example.org'] } as const;
  const withOne = { site: { honeypot: true } };

  it('defers everybody, and convicts who came without a reason', async (t) => {
    const { visit, blocks } = gate(t, withOne);
    assert.deepEqual(await visit(here), ['450 honeypot', '450 honeypot']);
    assert.deepEqual(
      blocks.list().map((b) => [b.network, b.by]),
      [[CLIENT, 'honeypot']],
    );
    assert.deepEqual(await visit(), ['554 short-term-block']);
  });

  it('convicts also whom another check refuses there', async (t) => {
    const { visit, blocks } = gate(t, withOne);
    assert.deepEqual(await visit({ role: 'honeypot', heloName: 'localhost' }), ['504 helo']);
    assert.equal(blocks.list()[0]?.by, 'honeypot');
  });

  it('convicts nobody while the gate is unsettled', async (t) => {
    const { visit, blocks, store, later } = gate(t, withOne);
    store.store.remember(UNSETTLED.space, UNSETTLED.key, true, 10 * MINUTES);
    assert.deepEqual(await visit({ role: 'honeypot' }), ['450 honeypot']);
    assert.deepEqual(blocks.list(), []);
    later(10 * MINUTES);
    await visit({ role: 'honeypot' });
    assert.equal(blocks.list().length, 1);
  });

  it('convicts nobody whom the front door deferred within the hour', async (t) => {
    const { visit, blocks, later } = gate(t, {
      ...withOne,
      ports: {
        recipients: { ask: async () => ({ kind: 'unreachable', reason: 'the backend is down' }) },
      },
    });
    assert.deepEqual(await visit(), ['450 recipients']);
    later(HOUR / 2);
    // Deferred again, and not counted from the first time alone.
    await visit();
    later(HOUR - 1);
    await visit({ role: 'honeypot' });
    assert.deepEqual(blocks.list(), []);
    later(HOUR + 1);
    await visit({ role: 'honeypot' });
    assert.equal(blocks.list().length, 1);
  });

  it('knows of a deferral before the client does', async (t) => {
    const { begin, visit, blocks } = gate(t, {
      ...withOne,
      ports: { recipients: { ask: async () => ({ kind: 'unreachable', reason: 'down' }) } },
    });
    const open = begin();
    await open.helo('EHLO', 'mail.example.net');
    await open.mail({ local: 'a', domain: 'example.net' }, {});
    const mailbox = { local: 'user', domain: 'example.org' };
    const verdict = await open.rcpt(mailbox, {});
    assert.ok(verdict.kind === 'defer');
    open.recipientAnswered(mailbox, verdict.reply);
    await visit({ role: 'honeypot' });
    assert.deepEqual(blocks.list(), []);
  });

  it('convicts who was refused at the front door', async (t) => {
    const { visit, blocks } = gate(t, withOne);
    await visit({ heloName: 'localhost' });
    await visit({ role: 'honeypot' });
    assert.equal(blocks.list().length, 1);
  });
});
