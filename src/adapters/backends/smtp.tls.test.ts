import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { begin, deliver, said, startBackend } from '../../../test/delivery.ts';
import { openBackend } from './open.ts';

const STARTTLS = { EHLO: '250-fake\r\n250 STARTTLS\r\n' };
describe('STARTTLS', () => {
  it('reads nothing that came in plain text behind the reply', async (t) => {
    const { backend } = await startBackend(t, { ...STARTTLS, STARTTLS: '220 go\r\n250 injected\r\n' });
    assert.match(said(await deliver(backend)), /^unreachable: speaks nonsense/);
  });

  it('must be offered where it is required, and may be missing where it is opportunistic', async (t) => {
    const strict = await startBackend(t, {}, { tls: 'verify' });
    assert.equal(said(await deliver(strict.backend)), 'unreachable: offers no STARTTLS, and tls is "verify"');
    const refused = await startBackend(t, { ...STARTTLS, STARTTLS: '454 4.7.0 not now\r\n' });
    assert.match(said(await deliver(refused.backend)), /^unreachable: refuses in reply to STARTTLS: 454/);
    const off = await startBackend(t, STARTTLS, { tls: 'none' });
    assert.equal(said(await deliver(off.backend)), '250 2.0.0 Taken');
  });

  it('encrypts without a trusted certificate unless it is to be verified', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-tls-'));
    t.after(() => rm(folder, { recursive: true }));
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
      '-keyout',
      key,
      '-out',
      certificate,
    ]);
    const pem = await readFile(certificate, 'utf8');
    const keyPem = await readFile(key, 'utf8');
    const mails: boolean[] = [];
    const server = net.createServer((plain) => {
      const serve = (socket: net.Socket) => {
        socket.on('error', () => undefined);
        socket.on('data', (bytes: Buffer) => {
          const verb = bytes.toString().slice(0, 4);
          if (verb === 'MAIL') mails.push(socket instanceof TLSSocket);
          if (verb !== 'STAR') socket.write(verb === 'EHLO' ? '250-x\r\n250 STARTTLS\r\n' : '250 ok\r\n');
          else {
            socket.removeAllListeners('data');
            socket.write('220 go\r\n');
            serve(new TLSSocket(socket, { isServer: true, key: keyPem, cert: pem }));
          }
        });
      };
      plain.write('220 x\r\n');
      serve(plain);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const address = {
      kind: 'smtp',
      host: '127.0.0.1',
      port: (server.address() as net.AddressInfo).port,
    } as const;
    for (const settings of [{ tls: 'required' }, { tls: 'verify', tlsAuthorities: pem }] as const) {
      const backend = openBackend(address, { hostName: 'mx', ...settings });
      (await begin(backend)).abort();
      await backend.close();
    }
    assert.deepEqual(mails, [true, true]);
    const distrusting = openBackend(address, { hostName: 'mx', tls: 'verify' });
    assert.match(said(await deliver(distrusting)), /^unreachable: connection lost: .*self-signed/);
  });
});
