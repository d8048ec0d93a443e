import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { relay } from '../../checks/relay.ts';
import { networkSet } from '../../mail/networks.ts';
import { startBackend } from '../../../test/delivery.ts';
import { startGateway, upToRcpt, type FakeWorld } from '../../../test/fakes/gateway.ts';
import type { SmtpPeer } from '../../../test/smtp.ts';

/** The gateway before a backend of so many connections, without a check whose deadline would end the wait. */
async function before(t: TestContext, maxConnections: number) {
  const { backend, server } = await startBackend(t, {}, { maxConnections });
  const world = await startGateway(t, { backendFor: () => backend, checks: [[relay]] });
  return { world, server };
}

/** Puts the clock forward, less than any other time-out would need, until the client hears 421; it may say something meanwhile. */
async function hearsLast(world: FakeWorld, holder: SmtpPeer, says = ''): Promise<string | undefined> {
  const heard: string[] = [];
  const listen = (): Promise<void> =>
    holder.reply().then(({ lines, code }) => {
      heard.push(...lines);
      return code === 421 ? undefined : listen();
    });
  listen().catch(() => undefined); // cut before its 421: then the last reply says so
  for (let i = 0; i < 15 && heard.at(-1)?.startsWith('421') !== true; i++) {
    world.later(6_000);
    if (says !== '') await holder.write(says);
    await sleep(200);
  }
  return heard.at(-1);
}

describe('a client that holds a backend connection', () => {
  for (const [does, said, says] of [
    ['and falls silent after RCPT', [], ''],
    ['and falls silent in the message', ['DATA', 'Subject: x'], ''],
    ['and says nothing to the purpose', [], 'NOOP\r\n'],
  ] as const) {
    it(`${does} hears 421 when another waits for it, and that one is served`, async (t) => {
      const { world, server } = await before(t, 1);
      const silent = await world.connect();
      assert.equal((await upToRcpt(silent)).code, 250);
      if (said.length > 0) {
        assert.equal((await silent.say(said[0]!)).code, 354);
        await silent.write(`${said[1]!}\r\n`);
      }
      const other = await world.connect('127.0.0.2');
      const taken = upToRcpt(other);
      assert.match((await hearsLast(world, silent, says)) ?? 'nothing', /^421 4\.4\.2 /);
      assert.equal((await taken).code, 250);
      assert.deepEqual(server.messages, []);
    });
  }

  it('may be silent while nobody waits', async (t) => {
    const { world } = await before(t, 2);
    const silent = await world.connect();
    await upToRcpt(silent);
    assert.equal((await upToRcpt(await world.connect('127.0.0.2'))).code, 250);
    for (let i = 0; i < 12; i++) {
      world.later(10_000);
      await sleep(100);
    }
    assert.equal((await silent.say('NOOP')).code, 250);
  });
});

describe('the share of the backend connections', () => {
  it('is counted by client network, and bounds neither our own networks nor relays', async (t) => {
    for (const [site, client, network] of [
      [{}, '127.0.0.1', '127.0.0.1'],
      [{ clientPrefix: { v4: 24, v6: 64 } }, '127.0.0.1', '127.0.0.0/24'],
      [{ networks: networkSet(['127.0.0.2']) }, '127.0.0.2', undefined],
      [{ relays: networkSet(['127.0.0.2']) }, '127.0.0.2', undefined],
    ] as const) {
      const world = await startGateway(t, { site, checks: [[relay]] });
      await upToRcpt(await world.connect(client));
      assert.equal(world.backend.envelopes[0]!.client.network, network);
    }
  });
});
