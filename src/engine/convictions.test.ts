import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asking, CLIENT, gate, HOUR, MINUTES, TRAP, UNKNOWN } from '../../test/fakes/visits.ts';
import { UNSETTLED } from '../core/charges.ts';
import type { Decision } from '../core/decision.ts';
import type { Block, Ports } from '../core/ports.ts';
import { replay } from './replay.ts';

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
    // One message is enough for it, and the next may be another customer's of the same provider.
    assert.deepEqual(await visit(), ['450 short-term-block']);
    assert.deepEqual(await visit({ client: '192.0.2.8' }), ['250'], 'the neighbour');
    assert.deepEqual(
      await visit({ to: ['postmaster@example.org'] }),
      ['550 recipients'],
      'asked, not blocked',
    );
    assert.deepEqual(await visit({ authenticated: true }), ['250']);
    later(HOUR - 1);
    assert.deepEqual(await visit(), ['450 short-term-block']);
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
    await visit(nonsense);
    await visit({ to: ['user@example.org'] });
    assert.deepEqual(blocks.list(), []);
    // Recipients that it asked for are no errors, and no excuse.
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
      [undefined, 'old', 'spam-trap', 'is no mailbox here (recipients).'],
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

  it('holds for sessions that are open: it is asked anew for each transaction', async (t) => {
    for (const refuse_at of ['rcpt', 'earliest']) {
      const { begin, visit, policy } = gate(t, { settings: { 'short-term-block': { refuse_at } } });
      const open = begin();
      assert.equal((await open.connect()).kind, 'go-on');
      const { ask } = await asking(open);
      assert.equal(await ask('user@example.org'), '250');
      const before = open.transactionEnded()!;
      await visit({ to: [TRAP] });
      const atMail = await open.mail({ local: 'a', domain: 'example.net' }, {});
      if (refuse_at === 'earliest') assert.equal(atMail.kind, 'defer');
      else assert.equal(await ask('user@example.org'), '450 short-term-block');
      const decision = open.ended()!;
      assert.deepEqual([decision.check, decision.code], ['short-term-block', 'doubtful']);
      // Each is judged again by what was answered then.
      const again = async (d: Decision) => replay(JSON.parse(JSON.stringify(d)) as Decision, policy);
      assert.equal((await again(before)).recipients[0]!.kind, 'go-on');
      const { early, recipients } = await again(decision);
      assert.equal((early ?? recipients[0])!.kind, 'defer');
    }
  });

  it('of a client that brings good mail too defers, however often it is convicted', async (t) => {
    const { visit, store, later } = gate(t);
    store.standing.note(CLIENT, 'good');
    for (let i = 0; i < 3; i++) {
      await visit({ to: [TRAP] });
      assert.deepEqual(await visit(), ['450 short-term-block']);
      later(16 * HOUR);
    }
  });

  it('stands in the decision that brought it, and a strike too', async (t) => {
    const { begin, deserve } = gate(t);
    const charges = async () => {
      const { ask, session } = await asking(begin());
      await ask(TRAP);
      return session.ended()!.charges;
    };
    await deserve();
    assert.deepEqual(await charges(), [{ charge: 'strike', check: 'spam-trap', times: 1 }]);
    const other = gate(t);
    const { ask, session } = await asking(other.begin());
    await ask(TRAP);
    const { endsMs } = (session.ended(), other.blocks.list()[0]!);
    assert.ok(endsMs > other.clock.ms);
    // While it is in force nothing is brought.
    const again = await asking(other.begin());
    await again.ask(TRAP);
    assert.equal(again.session.ended()!.charges, undefined);
  });

  it('makes the standing worse once an hour, and not while it is in force', async (t) => {
    const { visit, store, later } = gate(t);
    for (let i = 0; i < 100; i++) await visit({ to: [], violations: ['too-many-errors'] });
    assert.equal(store.standing.of(CLIENT).bad, 1);
    later(HOUR / 2);
    await visit({ to: [TRAP] });
    assert.ok(store.standing.of(CLIENT).bad <= 1);
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
    const { visit, begin, later } = gate(t, {
      settings: { 'short-term-block': { refuse_at: 'earliest' } },
    });
    for (const kind of ['defer', 'refuse']) {
      await visit({ to: [TRAP] });
      const verdict = await begin().connect();
      assert.ok(verdict.kind === kind, `${kind}: ${verdict.kind}`);
      later(HOUR);
    }
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

describe('the honeypot', () => {
  const here = { role: 'honeypot', to: ['user@example.org', 'postmaster@example.org'] } as const;
  const withOne = { site: { honeypot: true } };

  it('convicts nobody for what a stranger can have sent here', async (t) => {
    const { visit, blocks } = gate(t, withOne);
    // By an MX record of his own, through a provider; by a forged sender, as bounces and callouts.
    assert.deepEqual(await visit({ role: 'honeypot', to: ['a@attacker.example'] }), ['450 honeypot']);
    assert.deepEqual(await visit({ role: 'honeypot', from: null }), ['450 honeypot']);
    assert.deepEqual(blocks.list(), []);
    await visit({ role: 'honeypot', to: ['a@attacker.example', 'user@example.org'] });
    assert.equal(blocks.list().length, 1);
  });

  it('defers everybody, and convicts who came without a reason', async (t) => {
    const { visit, blocks } = gate(t, withOne);
    assert.deepEqual(await visit(here), ['450 honeypot', '450 honeypot']);
    assert.deepEqual(
      blocks.list().map((b) => [b.network, b.by]),
      [[CLIENT, 'honeypot']],
    );
    assert.deepEqual(await visit(), ['450 short-term-block']);
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
