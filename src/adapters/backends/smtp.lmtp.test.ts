import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { BOB, NEVER, begin, deliver, message, said, startBackend } from '../../../test/delivery.ts';
import { ScriptedBackend } from '../../../test/fakes/scripted-backend.ts';
import { openBackend } from './open.ts';

describe('delivery to an LMTP backend', () => {
  it('says LHLO and takes one recipient a transaction', async (t) => {
    const { server, backend } = await startBackend(t, {}, {}, 'lmtp');
    assert.equal(backend.capabilities().recipientsPerTransaction, 1);
    const delivery = await begin(backend);
    assert.equal(said(await delivery.rcpt(BOB, {}, NEVER)), '250 2.1.5 Ok');
    assert.match(
      said(await delivery.rcpt({ local: 'eve', domain: 'example.org' }, {}, NEVER)),
      /^452 4\.5\.3/,
    );
    assert.equal(said(await delivery.send(message('x\r\n'), NEVER)), '250 2.0.0 Taken');
    assert.equal(server.heard[0], 'LHLO mx.example.org');
    assert.equal(server.heard.filter((line) => line.startsWith('RCPT')).length, 1);
  });

  it('speaks over a Unix socket', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-lmtp-'));
    const path = join(folder, 'lmtp');
    const server = await ScriptedBackend.start({}, path);
    const backend = openBackend({ kind: 'lmtp+unix', path }, { hostName: 'mx.example.org' });
    t.after(async () => {
      await backend.close();
      await server.stop();
      await rm(folder, { recursive: true });
    });
    assert.equal(said(await deliver(backend)), '250 2.0.0 Taken');
    assert.equal(server.heard[0], 'LHLO mx.example.org');
  });

  it('has no HELO to fall back to', async (t) => {
    const { server, backend } = await startBackend(t, { LHLO: '500 no\r\n' }, {}, 'lmtp');
    assert.match(said(await deliver(backend)), /^unreachable: refuses/);
    assert.deepEqual(server.heard, ['LHLO mx.example.org']);
  });
});
