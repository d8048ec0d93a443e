import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startDns } from '../dns.ts';
import { startGate } from '../gate.ts';
import { maildirMessages } from '../maildir.ts';
import { onEnd } from '../program.ts';
import { connectSmtp } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';
import { selfSigned } from '../tls.ts';
import { need } from './peer.ts';

async function place(t: TestContext) {
  const openssl = need(t, 'openssl');
  if (openssl === undefined) return undefined;
  const dir = await tempDir(t);
  const gate = await startGate(t, {
    dir,
    backend: `maildir:${join(dir, 'box')}`,
    dns: await startDns(t),
    tables: await selfSigned(t, openssl, dir),
  });
  return { openssl, dir, gate };
}

describe('openssl s_client -starttls smtp', () => {
  for (const version of ['-tls1_2', '-tls1_3']) {
    it(`delivers a message with ${version}`, async (t) => {
      const at = await place(t);
      if (at === undefined) return;
      const { openssl, dir, gate } = at;
      const client = spawn(openssl, [
        ...[
          's_client',
          '-starttls',
          'smtp',
          '-connect',
          `127.0.0.1:${gate.port}`,
          '-CAfile',
          join(dir, 'mx.pem'),
          version,
        ],
        ...[
          '-verify_return_error',
          '-verify_hostname',
          'mx.example.org',
          '-crlf',
          '-quiet',
          '-name',
          'client.example.net',
        ],
      ]);
      onEnd(t, () => void client.kill('SIGKILL'));
      const lines = [
        'EHLO client.example.net',
        'MAIL FROM:<sender@example.net>',
        'rcpt to:<user@example.org>', // s_client takes a line that begins with a capital R for a command of its own
        'DATA',
        'Subject: over TLS\n\nhello\n.',
        'quit',
      ];
      let output = '';
      client.stderr.on('data', (bytes: Buffer) => (output += bytes.toString()));
      client.stdout.on('data', (bytes: Buffer) => {
        output += bytes.toString();
        // The next line for each reply that has come whole, so that nothing is pipelined.
        const replies = output.match(/^\d{3} .*$/gm)?.length ?? 0;
        while (sent < lines.length && sent < replies) client.stdin.write(`${lines[sent++]!}\n`);
      });
      // s_client has said EHLO by itself, and shows the last line of the reply once it has something else to show.
      let sent = 1;
      client.stdin.write(`${lines[0]!}\n`);
      await new Promise((resolve) => client.on('close', resolve));
      assert.match(output, /^250 2\.0\.0 Delivered[^]*^221 /m, output);
      assert.match((await maildirMessages(join(dir, 'box')))[0]?.toString() ?? '', /^Subject: over TLS\r?$/m);
    });
  }

  it('nothing is kept over STARTTLS: a command sent with it in one segment is not carried out', async (t) => {
    const at = await place(t);
    if (at === undefined) return;
    const peer = await connectSmtp({ port: at.gate.port, timeoutMs: 3000 }, t);
    await peer.reply();
    await peer.say('EHLO client.example.net');
    await peer.write('STARTTLS\r\nMAIL FROM:<smuggled@example.net>\r\n');
    const first = await peer.reply();
    if (first.code !== 220) return;
    // CVE-2011-0411: what came in the clear behind STARTTLS must not be answered inside TLS.
    const secure = await peer.startTls().catch(() => undefined);
    if (secure === undefined) return;
    const heard = await secure.say('RCPT TO:<user@example.org>').catch(() => undefined);
    assert.equal(heard === undefined || heard.code === 503, true, heard?.lines.join());
  });
});
