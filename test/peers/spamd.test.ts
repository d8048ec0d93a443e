import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Spamd } from '../../src/adapters/scanners/spamd.ts';
import type { ScannerAddress } from '../../src/core/scanners.ts';
import { question } from '../fakes/scanner.ts';
import { freePort } from '../freeport.ts';
import { startProgram } from '../program.ts';
import { tempDir } from '../tempdir.ts';
import { startGuardedGate } from './guarded-gate.ts';
import { need } from './peer.ts';

const NEVER = new AbortController().signal;
// In two halves: filters that look at this file shall not find it.
const GTUBE = ['XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE', '-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'].join('');
const HEADER = `From: Anna <anna@example.net>
To: bob@example.org
Subject: The minutes of Tuesday
Date: ${new Date().toUTCString().replace('GMT', '+0000')}
Message-ID: <1@example.net>
`.replaceAll('\n', '\r\n');
const HAM = `${HEADER}\r\nHello Bob,\r\n\r\nhere are the minutes of Tuesday, as you asked.\r\n\r\nAnna\r\n`;
const SPAM = `${HEADER}\r\n${GTUBE}\r\n`;

interface Started {
  readonly tcp: ScannerAddress & { kind: 'tcp' };
  readonly unix: ScannerAddress & { kind: 'unix' };
}

/** With the rules that it was installed with, and no question to the network. */
async function startSpamd(t: TestContext): Promise<Started | undefined> {
  const spamd = need(t, 'spamd');
  if (spamd === undefined) return undefined;
  const dir = await tempDir(t);
  await mkdir(join(dir, 'home'));
  const port = await freePort();
  const path = join(dir, 'spamd.sock');
  const program = startProgram(t, spamd, [
    '--local',
    '--nouser-config',
    `--helper-home-dir=${join(dir, 'home')}`,
    '--syslog=stderr',
    '--max-children=2',
    '--min-children=2',
    `--socketpath=${path}`,
    '--listen=127.0.0.1',
    `--port=${port}`,
  ]);
  await program.line(/server started/);
  return { tcp: { kind: 'tcp', host: '127.0.0.1', port }, unix: { kind: 'unix', path } };
}

const settings = { atOnce: 2, maxWaiting: 100, waitMs: 30_000, timeoutMs: 30_000 };

describe('SpamAssassin', () => {
  for (const where of ['tcp', 'unix'] as const) {
    it(`scores messages over ${where}`, async (t) => {
      const started = await startSpamd(t);
      if (started === undefined) return;
      const scanner = new Spamd({ ...settings, address: started[where] });
      assert.equal(await scanner.probe(NEVER), undefined);
      const [ham, spam, empty] = await Promise.all(
        [HAM, SPAM, ''].map((message) => scanner.scan(question(message, 10), NEVER)),
      );
      assert.ok(ham?.kind === 'scored' && !ham.spam && ham.score < ham.required, JSON.stringify(ham));
      assert.ok(spam?.kind === 'scored' && spam.spam && spam.score > 900, JSON.stringify(spam));
      assert.ok(spam.tests.includes('GTUBE'));
      assert.equal(empty?.kind, 'scored');
      // It sees the client by the field on top.
      assert.ok(!ham.tests.includes('NO_RECEIVED') && !ham.tests.includes('NO_RELAYS'), ham.tests.join());
    });
  }

  it('guards the gate: certain spam is refused, the rest is tagged for mail filters', async (t) => {
    const started = await startSpamd(t);
    if (started === undefined) return;
    const { send, delivered } = await startGuardedGate(
      t,
      `[[list_host]]
client = "127.31.7.9"
[checks.spamassassin]
address = "127.0.0.1:${started.tcp.port}"
`,
    );
    const spam = await send(SPAM, '127.31.7.7');
    assert.deepEqual([spam.step, spam.heard.code], ['message', 554], spam.heard.lines.join());
    assert.match(
      spam.heard.lines[0] ?? '',
      /5\.7\.1 Refused: the message is spam: SpamAssassin scores it \d/,
    );
    const forged = 'X-Spam-Flag: NO\r\nX-Spam-Status: No, score=-99.0 required=5.0\r\n';
    const ham = await send(`${forged}${HAM}`, '127.31.7.8');
    assert.deepEqual([ham.step, ham.heard.code], ['message', 250], ham.heard.lines.join());
    const list = await send(`${forged}${SPAM}`, '127.31.7.9');
    assert.deepEqual([list.step, list.heard.code], ['message', 250], list.heard.lines.join());
    const messages = await delivered();
    assert.equal(messages.length, 2);
    assert.ok(messages.every((text) => !text.includes('-99.0') && !text.includes('X-Spam-Flag: NO')));
    assert.ok(messages.every((text) => text.includes('\nSubject: The minutes of Tuesday')));
    const [tagged, ...others] = messages.filter((text) => /^X-Spam-Flag: YES\r?$/m.test(text));
    assert.equal(others.length, 0);
    assert.match(tagged ?? '', /^X-Spam-Status: Yes, score=\d+\.\d required=\d+\.\d\r?\n\ttests=\S*GTUBE/m);
    const untagged = messages.find((text) => text !== tagged) ?? '';
    assert.match(untagged, /^X-Spam-Status: No, score=-?\d+\.\d required=\d+\.\d\r?\n\ttests=/m);
  });
});
