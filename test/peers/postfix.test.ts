import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startDns } from '../dns.ts';
import { startGate } from '../gate.ts';
import { isBelowHeader } from '../maildir.ts';
import { connectSmtp, sendMail } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';
import { startPostfix } from './postfix.ts';

const MESSAGE =
  'From: a@example.net\nTo: user@example.org\nSubject: through the gate\n\n.leading dot\n..two\nend\n';

describe('Postfix on both sides', () => {
  it('as client and as backend: mail arrives unchanged', async (t) => {
    const backend = await startPostfix(t);
    if (backend === undefined) return;
    const dir = await tempDir(t);
    const gate = await startGate(t, {
      dir,
      backend: `smtp://127.0.0.1:${backend.port}`,
      dns: await startDns(t),
      backendSettings: 'xclient = true',
    });
    const client = await startPostfix(t, {
      relayHost: `[127.0.0.1]:${gate.port}`,
      clientOnly: true,
      settings: ['smtp_helo_name = client.example.net', 'smtp_bind_address = 127.0.0.1'],
    });
    if (client === undefined) return;
    for (let i = 0; i < 5; i++) await client.sendmail('a@example.net', `user${i}@example.org`, MESSAGE);
    const sent = await client.logged(/postfix\/smtp\[.*status=sent \(250 2\.0\.0 /, 5);
    assert.equal(sent.length, 5);
    await backend.logged(/status=sent/, 5);
    const messages = await backend.messages();
    assert.equal(messages.length, 5);
    for (const message of messages) {
      assert.ok(message.toString().endsWith(MESSAGE.slice(MESSAGE.indexOf('\n\n'))));
      assert.match(
        message.toString(),
        /^Received: from client\.example\.net .*\n(?:\s.*\n)*?\s+by mx\.example\.org/m,
      );
    }
  });

  it('refuses at the client what the backend refuses', async (t) => {
    const backend = await startPostfix(t, {
      settings: ['virtual_mailbox_maps = inline:{user@example.org=box/}'],
    });
    if (backend === undefined) return;
    const gate = await startGate(t, {
      dir: await tempDir(t),
      backend: `smtp://127.0.0.1:${backend.port}`,
      dns: await startDns(t),
    });
    const mail = { from: 'a@example.net', message: 'Subject: x\r\n\r\nx\r\n' };
    const unknown = await sendMail(await connectSmtp({ port: gate.port }, t), {
      ...mail,
      to: 'nobody@example.org',
    });
    assert.equal(unknown.step, 'rcpt');
    assert.equal(unknown.heard.code, 550);
    assert.match(unknown.heard.lines.join(), /^550 5\.1\.1 /);
    const known = await sendMail(await connectSmtp({ port: gate.port }, t), {
      ...mail,
      to: 'user@example.org',
    });
    assert.deepEqual([known.step, known.heard.code], ['message', 250], known.heard.lines.join());
  });

  it('tells the backend by XCLIENT who the client is', async (t) => {
    const backend = await startPostfix(t);
    if (backend === undefined) return;
    const gate = await startGate(t, {
      dir: await tempDir(t),
      backend: `smtp://127.0.0.1:${backend.port}`,
      dns: await startDns(t),
      backendSettings: 'xclient = true',
      // It would ask as itself in between.
      tables: '[checks.recipients]\ndetect_accept_all = false\n',
    });
    const message = 'Subject: x\r\n\r\nx\r\n';
    for (const localAddress of ['127.11.12.13', '127.21.22.23']) {
      const peer = await connectSmtp({ port: gate.port, localAddress }, t);
      const { heard } = await sendMail(peer, { from: 'a@example.net', to: 'user@example.org', message });
      assert.equal(heard.code, 250, heard.lines.join());
    }
    const log = await backend.logged(/postfix\/smtpd\[\d+\]: [0-9A-F]+: client=/, 2);
    assert.match(log[0]!, /client=\S*\[127\.11\.12\.13\]/);
    assert.match(log[1]!, /client=\S*\[127\.21\.22\.23\]/);
  });

  it('is down: the client hears 4xx, and the next attempt goes through when it is back', async (t) => {
    const first = await startPostfix(t);
    if (first === undefined) return;
    const gate = await startGate(t, {
      dir: await tempDir(t),
      backend: `smtp://127.0.0.1:${first.port}`,
      dns: await startDns(t),
    });
    const mail = { from: 'a@example.net', to: 'user@example.org', message: 'Subject: x\r\n\r\nx\r\n' };
    await first.stop();
    const down = await sendMail(await connectSmtp({ port: gate.port }, t), mail);
    assert.ok(down.heard.code >= 400 && down.heard.code < 500, down.heard.lines.join());
    const second = await startPostfix(t, { port: first.port });
    const up = await sendMail(await connectSmtp({ port: gate.port }, t), mail);
    assert.deepEqual([up.step, up.heard.code], ['message', 250], up.heard.lines.join());
    await second?.logged(/status=sent/);
    assert.ok(isBelowHeader((await second!.messages())[0]!, mail.message));
  });
});
