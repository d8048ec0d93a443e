import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import net from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { NEVER, deliver, said } from '../../../test/delivery.ts';
import { openBackend } from './open.ts';

const SINK = '/usr/sbin/smtp-sink';
describe(
  "Postfix's smtp-sink",
  { skip: existsSync(SINK) || process.env['CI'] === 'true' ? false : `no ${SINK}` },
  () => {
    for (const kind of ['smtp', 'lmtp'] as const) {
      it(`takes messages by ${kind}`, async (t) => {
        const probe = net.createServer().listen(0, '127.0.0.1');
        await once(probe, 'listening');
        const { port } = probe.address() as net.AddressInfo;
        probe.close();
        await once(probe, 'close');
        const sink = spawn(
          SINK,
          [...(kind === 'lmtp' ? ['-L'] : []), '-u', 'nobody', `127.0.0.1:${port}`, '16'],
          { stdio: 'ignore' },
        );
        t.after(() => sink.kill());
        const backend = openBackend({ kind, host: '127.0.0.1', port }, { hostName: 'mx.example.org' });
        for (let i = 0; i < 100 && (await backend.probe(NEVER)) !== undefined; i++) await sleep(20);
        for (let i = 0; i < 3; i++) assert.match(said(await deliver(backend)), /^250 /);
        await backend.close();
      });
    }
  },
);
