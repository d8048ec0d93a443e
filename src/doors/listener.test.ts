import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { onEnd } from '../../test/program.ts';
import { listen } from './listener.ts';

describe('a listener', () => {
  it('says where it is bound, hands connections over, and takes none once closed', async (t) => {
    const sockets: Socket[] = [];
    const listener = await listen(
      { host: '127.0.0.1', port: 0 },
      (socket) => void sockets.push(socket),
      (error) => assert.fail(error.message),
    );
    const { host, port } = listener.address;
    assert.equal(host, '127.0.0.1');
    assert.ok(port > 0);
    const client = connect(port, host);
    onEnd(t, () => void client.destroy());
    await once(client, 'connect');
    client.write('x');
    while (sockets.length === 0) await new Promise(setImmediate);
    // Does not wait for those who are connected.
    await listener.close();
    const late = connect(port, host);
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
    sockets[0]!.end('y');
    const [heard] = (await once(client, 'data')) as [Buffer];
    assert.equal(heard.toString(), 'y');
  });

  it("rejects with the system's error where the address is taken or not ours", async () => {
    const nobody = () => undefined;
    const first = await listen({ host: '127.0.0.1', port: 0 }, nobody, nobody);
    await assert.rejects(listen(first.address, nobody, nobody), { code: 'EADDRINUSE' });
    await assert.rejects(listen({ host: '192.0.2.1', port: 0 }, nobody, nobody), { code: 'EADDRNOTAVAIL' });
    await first.close();
  });
});
