import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { shapesOf, startHostile } from '../../../test/faults/hostile-dns.ts';
import { askRaw, isCarried } from './raw-question.ts';
import { ZoneServer } from './zone-server.ts';

const never = new AbortController().signal;
const question = (servers: readonly string[], name = 'a+b.example') =>
  ({ name, type: 'A', servers, patienceMs: [40, 60], maxRecords: 10 }) as const;

describe('askRaw', () => {
  let server: ZoneServer;
  before(async () => {
    server = await ZoneServer.start({ 'a+b.example A': '192.0.2.1' });
  });
  after(() => server.stop());
  const here = () => `127.0.0.1:${server.port}`;

  it('finds, and rejects as node:dns does', async () => {
    assert.deepEqual(await askRaw(question([here()]), never), { records: ['192.0.2.1'], ttlMs: 300_000 });
    await assert.rejects(askRaw(question([here()], 'no+name.example'), never), { code: 'ENOTFOUND' });
    await assert.rejects(askRaw(question([here()], 'a..b'), never), { code: 'EBADNAME' });
    assert.equal(isCarried('a..b'), false);
  });

  it('asks over IPv6', async (t) => {
    const v6 = await ZoneServer.start({ 'a+b.example A': '192.0.2.6' }, '::1');
    t.after(() => v6.stop());
    assert.deepEqual((await askRaw(question([`[::1]:${v6.port}`]), never)).records, ['192.0.2.6']);
  });

  // It takes a connection for a broadcast that was not asked for; a network without a way to it fails as early.
  it('rejects where the system cannot send to a server at all, and asks the next one', async () => {
    await assert.rejects(askRaw(question(['255.255.255.255']), never), { code: /^E[A-Z]+$/ });
    assert.deepEqual((await askRaw(question(['255.255.255.255', here()]), never)).records, ['192.0.2.1']);
  });

  it('ends when it is told to', async () => {
    server.troubles.set('*', 'timeout');
    const ending = new AbortController();
    const asked = askRaw({ ...question([here()]), patienceMs: [60_000] }, ending.signal);
    ending.abort();
    await assert.rejects(asked, { code: 'ECANCELLED' });
    server.troubles.clear();
  });

  // Each holds a record that would be found if it were believed.
  const unheard: [shape: string, code: string][] = [
    ['no answer', 'ETIMEOUT'],
    ['wrong id', 'ETIMEOUT'],
    ['wrong name in the question', 'ETIMEOUT'],
    ['wrong type in the question', 'ETIMEOUT'],
    ['class CH in the question', 'ETIMEOUT'],
    ['an answer from another port', 'ETIMEOUT'],
    ['a query for an answer', 'ETIMEOUT'],
    ['cut in the record', 'EBADRESP'],
    ['truncated for ever', 'EBADRESP'],
    ['addresses of 5 and 17 octets', 'EBADRESP'],
    ['an alias of itself', 'EBADRESP'],
    ['RCODE 2', 'ESERVFAIL'],
    ['RCODE 5', 'EREFUSED'],
    ['RCODE 9', 'ERCODE9'],
  ];
  for (const [name, code] of unheard) {
    it(`does not take: ${name}`, async (t) => {
      const shape = shapesOf(1).find((s) => s.name === name);
      assert.ok(shape !== undefined);
      const hostile = await startHostile(shape, new Map());
      t.after(() => hostile.stop());
      await assert.rejects(askRaw(question([`127.0.0.1:${hostile.port}`]), never), { code });
      // Another server that answers is believed, unless the first one has said something.
      const both = askRaw(question([`127.0.0.1:${hostile.port}`, here()]), never);
      if (name.startsWith('RCODE')) await assert.rejects(both, { code });
      else assert.deepEqual((await both).records, ['192.0.2.1']);
    });
  }

  it('asks under ids and from ports that nobody can foresee', async (t) => {
    const ids = new Set<number>();
    const ports = new Set<number>();
    const silent = createSocket('udp4');
    silent.on('message', (message, from) => {
      ids.add(message.readUInt16BE(0));
      ports.add(from.port);
    });
    silent.bind(0, '127.0.0.1');
    await once(silent, 'listening');
    t.after(() => void silent.close());
    const servers = [`127.0.0.1:${silent.address().port}`];
    const asked = Array.from({ length: 20 }, () => askRaw(question(servers), never).catch(() => undefined));
    await Promise.all(asked);
    assert.ok(ids.size >= 35, `${ids.size} ids of 40 questions`);
    assert.ok(ports.size >= 20, `${ports.size} ports`);
  });
});
