import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BOB, NEVER, begin, deliver, said, startBackend, until } from '../../../test/delivery.ts';
import { die, silent, type Script } from '../../../test/fakes/scripted-backend.ts';

describe('the pool', () => {
  it('asks once more on a fresh connection when a reused one turns out dead at MAIL', async (t) => {
    const dies: Script = { MAIL: (_, nth) => (nth === 2 ? die : '250 ok\r\n') };
    const { server, backend } = await startBackend(t, dies);
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
    assert.equal(server.connections, 2);
    assert.equal(server.messages.length, 2);
  });

  it('does not ask again once MAIL was accepted', async (t) => {
    const { server, backend } = await startBackend(t, { RCPT: (_, nth) => (nth === 2 ? die : '250 ok\r\n') });
    await deliver(backend);
    assert.match(said(await deliver(backend)), /^unreachable: connection /);
    assert.equal(server.connections, 1);
  });

  it('forgets idle connections that the backend ends, and those idle for too long', async (t) => {
    const { server, backend } = await startBackend(t, {}, { idleTimeoutMs: 30 });
    await deliver(backend);
    await until(() => server.heard.includes('QUIT'));
    await deliver(backend);
    server.cutAll();
    await until(() => server.openConnections === 0);
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
    assert.equal(server.connections, 3);
  });

  it('bounds the connections, makes others wait, and says so when the wait is over', async (t) => {
    const { server, backend } = await startBackend(t, {}, { maxConnections: 2, maxWaitMs: 50 });
    const first = await begin(backend);
    const second = await begin(backend);
    assert.equal(said(await deliver(backend)), 'unreachable: all 2 connections are busy');
    const third = deliver(backend);
    first.abort();
    assert.equal(said(await third), '250 2.0.0 Taken');
    second.abort();
    assert.equal(server.connections, 2);
  });

  it('lets a waiting transaction in when a busy connection dies', async (t) => {
    const { server, backend } = await startBackend(
      t,
      { RCPT: (_, nth) => (nth === 1 ? silent : '250 ok\r\n') },
      { maxConnections: 1 },
    );
    const first = await begin(backend);
    const rcpt = first.rcpt(BOB, {}, NEVER);
    const second = deliver(backend);
    await until(() => server.heard.some((line) => line.startsWith('RCPT')));
    server.cutAll();
    await rcpt;
    first.abort();
    assert.equal(said(await second), '250 2.0.0 Taken');
  });

  it('ends its idle connections at close and keeps none after it: older sessions still deliver', async (t) => {
    const { server, backend } = await startBackend(t);
    await deliver(backend);
    await backend.close();
    await until(() => server.openConnections === 0);
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
    await until(() => server.openConnections === 0);
  });
});
