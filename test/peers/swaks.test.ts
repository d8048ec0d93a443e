import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { hashPassword } from '../../src/adapters/credentials.ts';
import { startDns } from '../dns.ts';
import { startGate, type GateSettings } from '../gate.ts';
import { maildirMessages } from '../maildir.ts';
import { runProgram } from '../program.ts';
import { connectSmtp } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';
import { selfSigned } from '../tls.ts';
import { need } from './peer.ts';

interface Place {
  readonly dir: string;
  readonly maildir: string;
  swaks(...args: readonly string[]): Promise<{ readonly exit: number | string; readonly output: string }>;
  readonly port: number;
}

async function place(
  t: TestContext,
  { tls = false, ...gateSettings }: Partial<GateSettings> & { tls?: boolean } = {},
): Promise<Place | undefined> {
  const swaks = need(t, 'swaks');
  const openssl = need(t, 'openssl');
  if (swaks === undefined || openssl === undefined) return undefined;
  const dir = await tempDir(t);
  const maildir = join(dir, 'box');
  const tables = `${gateSettings.tables ?? ''}\n${tls ? await selfSigned(t, openssl, dir) : ''}`;
  const gate = await startGate(t, {
    dir,
    backend: `maildir:${maildir}`,
    dns: await startDns(t),
    ...gateSettings,
    tables,
  });
  return {
    dir,
    maildir,
    port: gate.port,
    swaks: (...args) =>
      runProgram(t, swaks, [
        ...['--server', '127.0.0.1', '--port', String(gate.port), '--helo', 'client.example.net'],
        ...['--from', 'sender@example.net', '--to', 'user@example.org', '--timeout', '15', ...args],
      ]),
  };
}

describe('swaks', () => {
  it('sends a message', async (t) => {
    const at = await place(t);
    if (at === undefined) return;
    const { exit, output } = await at.swaks(
      '--header',
      'Subject: from swaks',
      '--body',
      '.a line with a dot',
    );
    assert.equal(exit, 0, output);
    const [message, ...others] = await maildirMessages(at.maildir);
    assert.equal(others.length, 0);
    assert.match(message?.toString() ?? '', /^Received: from client\.example\.net /m);
    assert.match(message?.toString() ?? '', /^Subject: from swaks\r?$/m);
    assert.match(message?.toString() ?? '', /^\.a line with a dot\r?$/m);
  });

  it('sends a message over STARTTLS', async (t) => {
    const at = await place(t, { tls: true });
    if (at === undefined) return;
    const { exit, output } = await at.swaks('--tls');
    assert.equal(exit, 0, output);
    assert.match(output, /TLS started with cipher TLSv1\.3/);
    assert.equal((await maildirMessages(at.maildir)).length, 1);
  });

  it('is not offered AUTH without TLS, and authenticates to relay over TLS', async (t) => {
    const swaks = need(t, 'swaks');
    if (swaks === undefined) return;
    const users = join(await tempDir(t), 'users');
    await writeFile(users, `alice:${await hashPassword('secret')}\n`);
    const at = await place(t, { tls: true, tables: `[auth]\nusers_file = ${JSON.stringify(users)}\n` });
    if (at === undefined) return;
    const login = ['--auth', 'PLAIN', '--auth-user', 'alice', '--auth-password'];
    const plain = await at.swaks(...login, 'secret');
    // swaks: 28 is "no authentication was possible".
    assert.equal(plain.exit, 28, plain.output);
    const wrong = await at.swaks('--tls', ...login, 'wrong');
    assert.match(wrong.output, /<~\* 535 5\.7\.8 /);
    const right = await at.swaks('--tls', ...login, 'secret');
    assert.equal(right.exit, 0, right.output);
    assert.match(right.output, /<~\s+235 2\.7\.0 /);
    assert.equal((await maildirMessages(at.maildir)).length, 1);
  });

  it('is refused AUTH without TLS although it insists', async (t) => {
    const at = await place(t, { tls: true });
    if (at === undefined) return;
    const peer = await connectSmtp({ port: at.port }, t);
    await peer.reply();
    const ehlo = await peer.say('EHLO client.example.net');
    assert.ok(!ehlo.lines.some((line) => line.includes('AUTH')), ehlo.lines.join('\n'));
    const heard = await peer.say('AUTH PLAIN AGFsaWNlAHNlY3JldA==');
    assert.ok([502, 503, 504, 538].includes(heard.code), heard.lines.join());
    assert.ok(!heard.lines.some((line) => line.includes('AGFsaWNl')));
  });

  it('is not offered PIPELINING, so --pipeline sends line by line; who pipelines all the same is caught', async (t) => {
    const at = await place(t);
    if (at === undefined) return;
    const polite = await at.swaks('--pipeline');
    assert.equal(polite.exit, 0, polite.output);
    assert.equal((await maildirMessages(at.maildir)).length, 1);

    const peer = await connectSmtp({ port: at.port }, t);
    await peer.reply();
    await peer.say('EHLO client.example.net');
    await peer.write('MAIL FROM:<sender@example.net>\r\nRCPT TO:<user@example.org>\r\nDATA\r\n');
    const heard = await peer.reply();
    const codes = [heard.code];
    while (codes.length < 3 && codes.at(-1) !== 421)
      codes.push(
        await peer.reply().then(
          (h) => h.code,
          () => 421,
        ),
      );
    assert.ok(!codes.includes(354), `a pipelining client came to DATA: ${codes.join()}`);
    assert.ok(
      codes.some((code) => code >= 500),
      codes.join(),
    );
  });

  it('is refused relaying', async (t) => {
    const at = await place(t);
    if (at === undefined) return;
    const { exit, output } = await at.swaks('--to', 'someone@example.com');
    // swaks: 24 is "no recipient was accepted".
    assert.equal(exit, 24, output);
    assert.match(output, /<\*\* 554 5\.7\.1 Refused: /);
    assert.equal((await maildirMessages(at.maildir)).length, 0);
  });
});
