import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { connect, TLSSocket, type ConnectionOptions, type SecureContext } from 'node:tls';
import { selfSigned } from '../../test/tls.ts';
import { Certificates, type CertificateFiles, type CertificateSettings } from './certificates.ts';

const NAMES = ['one', 'two', 'three'] as const;
let dir: string;
const ends: (() => void | Promise<void>)[] = [];
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'postern-test-'));
  await Promise.all(
    NAMES.map(async (name) => {
      await mkdir(join(dir, name));
      await selfSigned({ after: (fn) => void ends.push(fn) }, 'openssl', join(dir, name));
    }),
  );
});
after(async () => {
  for (const end of ends) await end();
  await rm(dir, { recursive: true });
});

const files = (name: string): CertificateFiles => ({
  certificate: join(dir, name, 'mx.pem'),
  key: join(dir, name, 'mx.key'),
});

const fingerprint = async (name: string) =>
  new X509Certificate(await readFile(files(name).certificate)).fingerprint256;

/** What a client sees that shakes hands with the context. */
async function seen(secureContext: SecureContext, options: ConnectionOptions = {}) {
  const [near, far] = duplexPair();
  const server = new TLSSocket(far, { isServer: true, secureContext });
  server.on('error', () => undefined);
  const client = connect({ socket: near, rejectUnauthorized: false, ...options });
  try {
    await once(client, 'secureConnect');
    server.write('x');
    await once(client, 'data');
    return { fingerprint: client.getPeerX509Certificate()!.fingerprint256, ticket: client.getTLSTicket() };
  } finally {
    client.destroy();
    server.destroy();
  }
}

function open(settings: Partial<CertificateSettings> = {}) {
  const clock = { ms: 0 };
  const troubles: string[] = [];
  const certificates = new Certificates(
    { ...files('one'), sni: [], sessionTickets: false, minVersion: 'TLSv1.2', ...settings },
    () => clock.ms,
    (file) => void troubles.push(file),
  );
  return { certificates, clock, troubles };
}

describe('certificates', () => {
  it('are chosen by server name, exact or by wildcard', async () => {
    const { certificates } = open({
      sni: [
        { ...files('two'), names: ['MX2.example.org'] },
        { ...files('three'), names: ['*.example.net'] },
      ],
    });
    for (const [name, which] of [
      [undefined, 'one'],
      ['', 'one'],
      ['mx.example.org', 'one'],
      ['mx2.example.org', 'two'],
      ['mx2.EXAMPLE.org', 'two'],
      ['a.example.net', 'three'],
      ['a.b.example.net', 'one'],
      ['example.net', 'one'],
    ] as const) {
      const got = await seen(certificates.contextFor(name));
      assert.equal(got.fingerprint, await fingerprint(which), String(name));
    }
  });

  it('say when each of them ends, a renewed one too', async () => {
    await mkdir(join(dir, 'renewed'), { recursive: true });
    await copyFile(files('one').certificate, files('renewed').certificate);
    await copyFile(files('one').key, files('renewed').key);
    const { certificates, clock } = open({
      ...files('renewed'),
      sni: [{ ...files('two'), names: ['a.example.org', 'b.example.org'] }],
    });
    const endOf = async (name: string) =>
      new X509Certificate(await readFile(files(name).certificate)).validToDate.getTime();
    assert.deepEqual(
      [...certificates.expiries()],
      [
        [files('renewed').certificate, await endOf('one')],
        [files('two').certificate, await endOf('two')],
      ],
    );
    await copyFile(files('three').certificate, files('renewed').certificate);
    await copyFile(files('three').key, files('renewed').key);
    clock.ms += 5_000;
    assert.equal(certificates.expiries().get(files('renewed').certificate), await endOf('three'));
  });

  it('are read again when the files change, and not at every handshake', async () => {
    await mkdir(join(dir, 'live'), { recursive: true });
    const replace = async (by: string) => {
      await copyFile(files(by).certificate, files('live').certificate);
      await copyFile(files(by).key, files('live').key);
    };
    await replace('one');
    const { certificates, clock, troubles } = open(files('live'));
    const first = certificates.contextFor(undefined);
    clock.ms += 5_000;
    assert.equal(certificates.contextFor(undefined), first);
    await rm(join(dir, 'live'), { recursive: true });
    await mkdir(join(dir, 'live'));
    await replace('two');
    clock.ms += 4_999;
    assert.equal(certificates.contextFor(undefined), first);
    clock.ms += 1;
    const second = certificates.contextFor(undefined);
    assert.equal((await seen(second)).fingerprint, await fingerprint('two'));

    // A broken or missing new file leaves the old one in force, and is told of.
    for (const broken of ['no PEM', await readFile(files('three').certificate, 'utf8')]) {
      await writeFile(files('live').certificate, broken);
      clock.ms += 5_000;
      assert.equal(certificates.contextFor(undefined), second);
    }
    await rm(files('live').certificate);
    clock.ms += 5_000;
    assert.equal(certificates.contextFor(undefined), second);
    assert.deepEqual(troubles, Array(3).fill(files('live').certificate));
    await replace('three');
    clock.ms += 5_000;
    assert.equal((await seen(certificates.contextFor(undefined))).fingerprint, await fingerprint('three'));
    assert.equal(troubles.length, 3);
  });

  it('must be there and fit at the start', () => {
    assert.throws(() => open(files('nowhere')), { code: 'ENOENT' });
    assert.throws(() => open({ key: files('two').key }), /key values mismatch/i);
    assert.throws(() => open({ sni: [{ ...files('two'), key: files('one').key, names: ['a'] }] }));
  });

  it('are given from the version on that is set', async () => {
    const old = { maxVersion: 'TLSv1.2' } as const;
    assert.ok(await seen(open().certificates.contextFor(undefined), old));
    const strict = open({ minVersion: 'TLSv1.3' }).certificates.contextFor(undefined);
    assert.ok(await seen(strict));
    await assert.rejects(seen(strict, old), { code: /^ERR_SSL_/ });
  });

  for (const sessionTickets of [false, true]) {
    it(`${sessionTickets ? 'give' : 'do not give'} session tickets`, async () => {
      const context = open({ sessionTickets }).certificates.contextFor(undefined);
      const { ticket } = await seen(context, { maxVersion: 'TLSv1.2' });
      assert.equal(ticket !== undefined, sessionTickets);
    });
  }
});
