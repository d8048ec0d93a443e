/** Rules by signature in the program as it runs: put in force, mended and spoilt by reloads. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startDns } from '../../test/dns.ts';
import { startGate } from '../../test/gate.ts';
import { connectSmtp, sendMail } from '../../test/smtp.ts';
import { tempDir } from '../../test/tempdir.ts';

describe('rules by signature', () => {
  it('refuse what they match, and stay as they are where the file is spoilt', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'signatures');
    await writeFile(file, '# This week\ninvoice-7 text (?i)your invoice \\d{6} is overdue\n');
    const gate = await startGate(t, {
      dir,
      backend: `maildir:${join(dir, 'mail')}`,
      dns: await startDns(t),
      top: 'signature_files = ["signatures"]',
    });
    const send = async (text: string): Promise<string> => {
      const peer = await connectSmtp({ host: gate.host, port: gate.port }, t);
      const header = 'From: a@example.net\r\nDate: Sat, 21 Nov 2026 09:00:00 +0100\r\n\r\n';
      const { heard } = await sendMail(peer, {
        from: 'a@example.net',
        to: 'b@example.org',
        message: `${header}${text}\r\n`,
      });
      return heard.lines.join(' ');
    };
    const reloaded = async (rules: string, said: RegExp): Promise<void> => {
      await writeFile(file, rules);
      process.kill(gate.pid, 'SIGHUP');
      await gate.process.line(said);
    };
    const overdue = 'Your Invoice 123456 is overdue';
    assert.match(
      await send(overdue),
      /^550 5\.7\.1 Refused: the message matches the rule "invoice-7" \(attachments\)/,
    );
    assert.match(await send('Dear Ann'), /^250 /);
    await reloaded('invoice-7 text (never closed\n', /signatures:1: the pattern .*never closed/);
    assert.match(await send(overdue), /^550 /);
    await reloaded('ann text Dear Ann\n', /"msg":"reloaded"/);
    assert.match(await send(overdue), /^250 /);
    assert.match(await send('Dear Ann'), /^550 5\.7\.1 Refused: the message matches the rule "ann"/);
    assert.equal(await gate.stop(), 0);
  });
});
