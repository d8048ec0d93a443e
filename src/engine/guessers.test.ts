import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asking, CLIENT, gate, HOUR, WILLING } from '../../test/fakes/visits.ts';
import { GUESSES } from '../core/charges.ts';
import type { Block } from '../core/ports.ts';
import { reply } from '../mail/reply.ts';

describe('guesses', () => {
  const names = Array.from({ length: 8 }, (_, i) => `guess${i}@example.org`);

  const convicted = (list: readonly Block[]) => list.map((b) => [b.network, b.by]);
  const attacked = [[CLIENT, 'dictionary-attack']];

  it('are an attack, which is deferred in the session and convicts when it is over', async (t) => {
    const { begin, blocks } = gate(t);
    const { ask, session } = await asking(begin());
    for (const to of names.slice(0, 5)) assert.equal(await ask(to), '550 recipients');
    assert.equal(await ask('user@example.org'), '450 dictionary-attack');
    assert.deepEqual(blocks.list(), []);
    const decision = session.ended();
    assert.deepEqual(convicted(blocks.list()), attacked);
    const [block] = blocks.list();
    assert.deepEqual(
      [block!.reason, block!.evidence],
      [`${CLIENT} asked for 5 recipients in one session that do not exist`, decision!.id],
    );
    assert.deepEqual(decision!.charges, [
      { charge: 'guess', check: 'recipients', times: 5 },
      {
        charge: 'conviction',
        check: 'dictionary-attack',
        block: { network: CLIENT, endsMs: block!.endsMs },
      },
    ]);
  });

  it('of a list whose first addresses are dead are none: the living ones wait, and come the next time', async (t) => {
    const { visit, blocks } = gate(t);
    const living = Array.from({ length: 5 }, (_, i) => `user${i}@example.org`);
    assert.deepEqual(await visit({ to: [...names.slice(0, 5), ...living] }), [
      ...Array.from({ length: 5 }, () => '550 recipients'),
      ...Array.from({ length: 5 }, () => '450 dictionary-attack'),
    ]);
    assert.deepEqual(blocks.list(), []);
    assert.deepEqual(
      await visit({ to: living }),
      living.map(() => '250'),
    );
  });

  it('of a session are summed up when it is over, also where each was a transaction of its own', async (t) => {
    const { begin, blocks } = gate(t);
    const { ask, session } = await asking(begin());
    for (const to of names.slice(0, 5)) {
      await ask(to);
      session.transactionEnded();
      await session.mail({ local: 'a', domain: 'example.net' }, {});
    }
    const last = session.transactionEnded();
    assert.deepEqual(blocks.list(), []);
    assert.equal(session.ended(), undefined);
    assert.deepEqual(convicted(blocks.list()), attacked);
    assert.equal(blocks.list()[0]!.evidence, last!.id);
  });

  it('are counted over the sessions of a network, and convict in the session of one', async (t) => {
    const { visit, blocks, store } = gate(t);
    for (let i = 0; i < 4; i++) await visit({ to: names.slice(0, 4) });
    await visit({ to: names.slice(0, 3) });
    assert.equal(store.rates.count(GUESSES, CLIENT), 19);
    assert.deepEqual(await visit(), ['250']);
    assert.deepEqual(blocks.list(), []);
    await visit({ to: names.slice(0, 1) });
    assert.deepEqual(convicted(blocks.list()), attacked);
    assert.equal(blocks.list()[0]!.reason, `${CLIENT} asked for 20 recipients lately that do not exist`);
  });

  it('of a client in good standing are a strike, from four times as many on', async (t) => {
    const { begin, deserve, blocks, later } = gate(t);
    await deserve();
    const charged: unknown[] = [];
    for (const n of [19, 20]) {
      const { ask, session } = await asking(begin());
      for (let i = 0; i < n; i++) assert.equal(await ask(`guess${i}@example.org`), '550 recipients');
      charged.push(session.ended()!.charges!.slice(1));
      later(2 * HOUR);
    }
    assert.deepEqual(charged, [[], [{ charge: 'strike', check: 'dictionary-attack', times: 1 }]]);
    assert.deepEqual(blocks.list(), []);
  });

  it('of others behind the same address convict no session without any', async (t) => {
    const { visit, blocks, store } = gate(t);
    for (let i = 0; i < 20; i++) store.rates.add(GUESSES, CLIENT, HOUR);
    for (let i = 0; i < 3; i++) assert.deepEqual(await visit(), ['450 dictionary-attack']);
    assert.deepEqual(blocks.list({ ended: true }), []);
    assert.equal(store.standing.of(CLIENT).bad, 0);
  });

  it('of neighbours convict nobody, not even with one of his own', async (t) => {
    const { visit, blocks } = gate(t, { site: { clientPrefix: { v4: 24, v6: 64 } } });
    for (let i = 0; i < 4; i++) await visit({ to: names.slice(0, 4), client: '192.0.2.1' });
    await visit({ to: names.slice(0, 3), client: '192.0.2.1' });
    // His is the twentieth of the network.
    await visit({ to: names.slice(0, 1), client: '192.0.2.9' });
    assert.deepEqual(await visit({ client: '192.0.2.9' }), ['450 dictionary-attack']);
    assert.deepEqual(blocks.list(), []);
  });

  it('convict nobody where they lead to nothing', async (t) => {
    for (const settings of [{ on_fail: 'observe' }, { actions: { session: 'off', network: 'observe' } }]) {
      const { visit, blocks } = gate(t, { settings: { 'dictionary-attack': settings } });
      for (let i = 0; i < 4; i++) await visit({ to: names });
      assert.deepEqual(blocks.list(), []);
    }
  });

  it('convict nobody whom an entry lifts the check for', async (t) => {
    const entries = [
      { kind: 'allow', client: CLIENT, lifts: ['dictionary-attack'], source: 'list:1' },
    ] as const;
    const { visit, blocks } = gate(t, { entries });
    for (let i = 0; i < 4; i++) await visit({ to: names });
    assert.deepEqual(blocks.list(), []);
  });

  it('of a service that a stranger has write to made-up addresses convict nobody', async (t) => {
    const { begin, blocks, store } = gate(t);
    const write = async (local: string): Promise<string> => {
      const session = begin();
      const to = { local, domain: 'example.org' };
      await session.helo('EHLO', 'mail.example.net');
      await session.mail({ local: 'a', domain: 'example.net' }, {});
      const verdict = await session.rcpt(to, {});
      if (verdict.kind === 'other-transaction') assert.fail('split');
      session.recipientAnswered(to, verdict.kind === 'go-on' ? WILLING : verdict.reply);
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
