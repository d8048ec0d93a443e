import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import * as dnsPacket from 'dns-packet';
import { ZoneServer } from './zone-server.ts';

describe('ZoneServer', () => {
  let server: ZoneServer;
  before(async () => {
    server = await ZoneServer.start({
      'a.example A': '192.0.2.1',
      'big.example TXT': Array.from({ length: 10 }, () => 'x'.repeat(200)),
    });
  });
  after(() => server.stop());

  const query = (name: string, type: 'A' | 'TXT' | 'SOA') =>
    dnsPacket.encode({
      type: 'query',
      id: 7,
      flags: dnsPacket.RECURSION_DESIRED,
      questions: [{ name, type, class: 'IN' }],
    });

  async function overUdp(...messages: Buffer[]) {
    const socket = createSocket('udp4');
    try {
      for (const message of messages) socket.send(message, server.port, '127.0.0.1');
      const [answer] = (await once(socket, 'message')) as [Buffer];
      const packet = dnsPacket.decode(answer);
      // RFC 1035 4.1.1: the low four bits.
      return { ...packet, rcode: (packet.flags ?? 0) & 15 };
    } finally {
      socket.close();
    }
  }

  it('answers over UDP, after bytes that are no DNS', async () => {
    const answer = await overUdp(
      Buffer.from('no DNS at all, but long enough'),
      Buffer.alloc(0),
      query('a.example', 'A'),
    );
    assert.equal(answer.id, 7);
    assert.deepEqual(
      answer.answers?.map((a) => ('data' in a ? a.data : undefined)),
      ['192.0.2.1'],
    );
  });

  it('cuts over UDP what it sends whole over TCP', async () => {
    const short = await overUdp(query('big.example', 'TXT'));
    assert.ok(short.flag_tc);
    assert.deepEqual(short.answers, []);

    const socket = connect(server.port, '127.0.0.1');
    const framed = dnsPacket.streamEncode({
      type: 'query',
      id: 8,
      questions: [{ name: 'big.example', type: 'TXT', class: 'IN' }],
    });
    // In two pieces, cut inside the length.
    socket.write(framed.subarray(0, 1));
    await once(socket, 'connect');
    socket.write(framed.subarray(1));
    let held = Buffer.alloc(0);
    while (held.length < 2 || held.length < 2 + held.readUInt16BE(0)) {
      const [bytes] = (await once(socket, 'data')) as [Buffer];
      held = Buffer.concat([held, bytes]);
    }
    socket.destroy();
    assert.equal(dnsPacket.streamDecode(held).answers?.length, 10);
  });

  it('has no data of a type that it does not know', async () => {
    const answer = await overUdp(query('a.example', 'SOA'));
    assert.deepEqual([answer.rcode, answer.answers], [0, []]);
  });

  it('fails for single names, types or all', async () => {
    const rcode = async (name: string) => (await overUdp(query(name, 'A'))).rcode;
    server.troubles.set('a.example', 'refused').set('b.example A', 'servfail');
    assert.deepEqual(
      [await rcode('a.example'), await rcode('b.example'), await rcode('c.example')],
      [5, 2, 3],
    );
    server.troubles.clear();
    server.troubles.set('*', 'servfail');
    assert.equal(await rcode('c.example'), 2);
    server.troubles.clear();
    assert.equal(await rcode('a.example'), 0);
  });

  it('stops with answers outstanding', async () => {
    const other = await ZoneServer.start({});
    other.troubles.set('late.example', 60_000);
    const socket = createSocket('udp4');
    socket.send(query('late.example', 'A'), other.port, '127.0.0.1');
    while (other.questions() === 0) await new Promise((resolve) => setImmediate(resolve));
    await other.stop();
    socket.close();
  });
});
