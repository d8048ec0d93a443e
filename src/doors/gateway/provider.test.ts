/** What a stranger can make of a shared provider's address: its other customers wait at most, and are never sent away for good. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { FakeBackend, REFUSES } from '../../../test/fakes/backend.ts';
import { DEFAULT_CHECKS, startGateway, type FakeWorldOptions } from '../../../test/fakes/gateway.ts';
import { onEnd } from '../../../test/program.ts';
import { sendMail } from '../../../test/smtp.ts';
import { openStore } from '../../adapters/store/sqlite.ts';
import { dictionaryAttack } from '../../checks/dictionary-attack.ts';
import { honeypot } from '../../checks/honeypot.ts';
import { shortTermBlock } from '../../checks/short-term-block.ts';

const PROVIDER = '127.0.0.5';
const HOUR = 3_600_000;

async function gate(t: TestContext, options: FakeWorldOptions = {}) {
  const clock = { ms: Date.now() };
  const store = openStore(':memory:', { nowMs: () => clock.ms });
  onEnd(t, () => store.close());
  const backend = new FakeBackend();
  for (let i = 0; i < 30; i++) backend.mailboxes.set(`dead${i}@example.org`, REFUSES);
  const { standing, blocks, rates, store: entries } = store;
  const world = await startGateway(t, {
    checks: [[honeypot], [shortTermBlock], [dictionaryAttack], ...(DEFAULT_CHECKS ?? [])],
    backend,
    ports: { store: entries, standing, blocks, rates },
    ...options,
  });
  /** The codes that the recipients of one session heard. */
  const session = async (to: readonly string[], from = 'evil@example.net', address = PROVIDER) => {
    const peer = await world.connect(address);
    await peer.reply();
    await peer.say('EHLO client.example.net');
    await peer.say(`MAIL FROM:<${from}>`);
    const codes: number[] = [];
    for (const recipient of to) codes.push((await peer.say(`RCPT TO:<${recipient}>`)).code);
    await peer.say('QUIT');
    await peer.closed;
    return codes;
  };
  const honest = async (address = PROVIDER) => {
    const mail = { from: 'ann@example.net', to: 'user@example.org', message: 'Subject: x\r\n\r\nx\r\n' };
    return (await sendMail(await world.connect(address), mail)).heard.code;
  };
  return { world, clock, session, honest, blocks, standing };
}

const dead = (n: number) => Array.from({ length: n }, (_, i) => `dead${i}@example.org`);

describe('one message through a shared provider', () => {
  it('to invented recipients holds the others up for a while, and refuses nobody', async (t) => {
    const { session, honest, blocks, clock } = await gate(t);
    assert.equal(await honest(), 250);
    assert.deepEqual(await session(dead(6)), [550, 550, 550, 550, 550, 450]);
    assert.equal(blocks.list()[0]?.network, PROVIDER);
    assert.equal(await honest(), 450);
    clock.ms += HOUR;
    assert.equal(await honest(), 250);
    // Nor the next time, and not for longer than it takes: it is known for good mail.
    await session(dead(6));
    assert.equal(await honest(), 450);
  });

  it('to the honeypot, by an MX record of the stranger’s own, does it no harm', async (t) => {
    const { session, blocks, standing } = await gate(t, {
      site: { honeypot: true },
      listener: { role: 'honeypot' },
    });
    assert.deepEqual(await session(['x@attacker.example', 'y@attacker.example']), [554, 554]);
    assert.deepEqual(await session(['user@example.org'], ''), [450]);
    assert.deepEqual([blocks.list(), standing.of(PROVIDER)], [[], { good: 0, bad: 0 }]);
  });

  it('convicts no session that asked for nobody unknown, and no neighbour', async (t) => {
    const { session, honest, blocks } = await gate(t, {
      site: { clientPrefix: { v4: 24, v6: 64 } },
    });
    for (let i = 0; i < 5; i++) await session(dead(4));
    assert.equal(blocks.list()[0]?.network, PROVIDER);
    for (let i = 0; i < 2; i++) assert.equal(await honest('127.0.0.6'), 450);
    assert.deepEqual(
      blocks.list({ ended: true }).map(({ network }) => network),
      [PROVIDER],
    );
  });
});

describe('a list', () => {
  it('whose first addresses are dead is taken up where it left off', async (t) => {
    const { session, blocks } = await gate(t);
    const living = ['user@example.org', 'a@example.org', 'b@example.org', 'c@example.org', 'd@example.org'];
    assert.deepEqual(await session([...dead(5), ...living]), [
      ...dead(5).map(() => 550),
      ...living.map(() => 450),
    ]);
    assert.deepEqual(await session(living), [250, 250, 250, 250, 250]);
    assert.deepEqual(blocks.list({ ended: true }), []);
  });
});

describe('nonsense', () => {
  it('in many sessions at once is one slip in the standing', async (t) => {
    const { world, standing, blocks } = await gate(t);
    for (let i = 0; i < 12; i++) {
      const peer = await world.connect(PROVIDER);
      await peer.reply();
      let code = 0;
      while (code !== 421) code = (await peer.say('FOO')).code;
      await peer.closed;
    }
    await world.decided(12);
    assert.ok(standing.of(PROVIDER).bad <= 1, String(standing.of(PROVIDER).bad));
    assert.equal(blocks.list().length, 1);
  });
});

describe('a block', () => {
  it('holds for a session that was open before it', async (t) => {
    const { world, session, clock } = await gate(t);
    const open = await world.connect(PROVIDER);
    await open.reply();
    await open.say('EHLO client.example.net');
    const ask = async () => {
      await open.say('MAIL FROM:<ann@example.net>');
      const { code } = await open.say('RCPT TO:<user@example.org>');
      await open.say('RSET');
      return code;
    };
    assert.equal(await ask(), 250);
    await session(dead(5));
    assert.equal(await ask(), 450);
    clock.ms += HOUR;
    assert.equal(await ask(), 250);
  });
});
