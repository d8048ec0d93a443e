/** Every script against the gate in front of a Maildir; those marked so against a bare Postfix, too: our expectations are true of it. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startDns } from '../dns.ts';
import { startGate } from '../gate.ts';
import { maildirMessages } from '../maildir.ts';
import { startPostfix } from '../peers/postfix.ts';
import { connectSmtp } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';
import { parseScript, type Script } from './script.ts';

const LIMITS = 'connections_per_client = 1000\nconnections_per_minute = 10000';
const scripts = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.dialog'))
  .sort()
  .map((name) => ({ name, script: parseScript(readFileSync(join(import.meta.dirname, name), 'utf8')) }));

async function play(t: TestContext, port: number, script: Script): Promise<void> {
  const localAddress = script.options['from'] ?? '127.0.0.1';
  const connect = () => connectSmtp({ port, localAddress, timeoutMs: 8000 }, t);
  let peer = await connect();
  for (const step of script.steps) {
    const at = `line ${step.line}`;
    switch (step.kind) {
      case 'send':
        await peer.write(step.bytes);
        break;
      case 'begins': {
        const { lines } = await peer.reply();
        assert.ok(
          lines.at(-1)?.startsWith(step.text),
          `${at}: wanted ${step.text}, heard:\n${lines.join('\n')}`,
        );
        break;
      }
      case 'fits': {
        const { lines } = await peer.reply();
        assert.match(lines.join('\n'), step.regex, at);
        break;
      }
      case 'closed':
        await peer.closed;
        break;
      case 'again':
        peer.close();
        peer = await connect();
        break;
      default:
        step satisfies never;
    }
  }
  peer.close();
}

describe('dialogs with the gate', () => {
  for (const { name, script } of scripts) {
    it(`${name}: ${script.options['about'] ?? ''}`, async (t) => {
      const dir = await tempDir(t);
      const box = join(dir, 'box');
      const known = script.options['recipients'];
      if (known !== undefined) await writeFile(join(dir, 'recipients.txt'), known);
      const gate = await startGate(t, {
        dir,
        top: known === undefined ? '' : 'recipient_files = ["recipients.txt"]',
        listener: script.options['listener'] ?? '',
        backend: `maildir:${box}`,
        dns: await startDns(t),
        limits: `${LIMITS}\n${script.options['limits'] ?? ''}`,
        tables: script.options['tables'] ?? '',
      });
      const until = script.options['until'];
      if (until !== undefined) await gate.process.line(new RegExp(until));
      await play(t, gate.port, script);
      const delivered = await maildirMessages(box);
      assert.equal(delivered.length, Number(script.options['delivered'] ?? 0), 'messages delivered');
      assert.equal(await gate.stop(), 0, 'the gate ended in order');
    });
  }
});

describe('the same dialogs with a bare Postfix', { concurrency: false }, () => {
  it('agrees', async (t) => {
    const postfix = await startPostfix(t, {
      deliver: 'discard',
      settings: [
        'strict_rfc821_envelopes = yes',
        'smtpd_helo_required = yes',
        'mynetworks = 127.0.0.5/32',
        'smtpd_discard_ehlo_keywords = pipelining, chunking, dsn, etrn',
        'message_size_limit = 70000',
      ],
    });
    if (postfix === undefined) return;
    const marked = scripts.filter(({ script }) => script.options['postfix'] === 'yes');
    assert.ok(marked.length >= 5);
    for (const { name, script } of marked) await t.test(name, (sub) => play(sub, postfix.port, script));
  });
});
