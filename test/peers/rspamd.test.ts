import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Rspamd } from '../../src/adapters/scanners/rspamd.ts';
import { question } from '../fakes/scanner.ts';
import { freePort } from '../freeport.ts';
import { onEnd, startProgram } from '../program.ts';
import { tempDir } from '../tempdir.ts';
import { startGuardedGate } from './guarded-gate.ts';
import { need } from './peer.ts';

const NEVER = new AbortController().signal;
// rspamd has a test string for each of its actions. In two halves: filters that look at this file shall not find them.
const STRING = ['JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE', '-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'].join('');
const of = (body: string) => `From: anna@example.net\r\nSubject: The minutes of Tuesday\r\n\r\n${body}\r\n`;
const HAM = of('Hello');
const REJECTED = of(`X${STRING}`);
const SPAM = of(`Y${STRING}`);
const SUBJECT = of(`Z${STRING}`);

/** Without modules, lists and a resolver; and without Hyperscan, which would be compiling for half a minute. */
async function startRspamd(t: TestContext): Promise<number | undefined> {
  const rspamd = need(t, 'rspamd');
  if (rspamd === undefined) return undefined;
  const dir = await tempDir(t);
  const port = await freePort();
  const config = join(dir, 'rspamd.conf');
  await writeFile(join(dir, 'suffixes'), 'com\nnet\norg\n');
  await writeFile(
    config,
    `lua_path = "/usr/share/rspamd/lualib/?.lua;/usr/share/rspamd/lualib/?/init.lua";
options {
  pidfile = "${dir}/pid"; cache_file = "${dir}/cache"; hs_cache_dir = "${dir}"; tempdir = "${dir}";
  rrd = ""; filters = ""; enable_test_patterns = true; disable_hyperscan = true; url_tld = "${dir}/suffixes";
  control_socket = "${dir}/control mode=0600";
  dns { nameserver = "127.0.0.1:1"; timeout = 0.1s; retransmits = 1; }
}
logging { type = "console"; level = "warning"; }
actions { reject = 15; rewrite_subject = 8; add_header = 6; greylist = 4; }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; }
`,
  );
  const root = process.getuid?.() === 0 ? ['-i', '-u', 'root', '-g', 'root'] : [];
  // Its workers would outlive it.
  startProgram(t, rspamd, ['-f', ...root, '-c', config], { detached: true });
  const scanner = scannerAt(t, port);
  for (let tries = 0; (await scanner.probe(NEVER)) !== undefined; tries++) {
    if (tries === 600) throw new Error('rspamd does not answer');
    await sleep(50);
  }
  return port;
}

function scannerAt(t: TestContext, port: number): Rspamd {
  const address = { kind: 'tcp', host: '127.0.0.1', port } as const;
  const scanner = new Rspamd({ address, atOnce: 2, maxWaiting: 100, waitMs: 30_000, timeoutMs: 30_000 });
  onEnd(t, () => scanner.close());
  return scanner;
}

describe('rspamd', () => {
  it('says what it would do', async (t) => {
    const port = await startRspamd(t);
    if (port === undefined) return;
    const scanner = scannerAt(t, port);
    const answers = await Promise.all(
      [HAM, REJECTED, SPAM, SUBJECT].map((message) => scanner.scan(question(message, 10), NEVER)),
    );
    assert.deepEqual(
      answers.map((answer) => (answer.kind === 'scored' ? answer.action : answer)),
      ['no action', 'reject', 'add header', 'rewrite subject'],
    );
  });

  it('guards the gate: what it rejects is refused, spam is tagged, and the subject stays', async (t) => {
    const port = await startRspamd(t);
    if (port === undefined) return;
    const { send, delivered } = await startGuardedGate(t, `[checks.rspamd]\naddress = "127.0.0.1:${port}"\n`);
    const rejected = await send(REJECTED, '127.31.7.7');
    assert.deepEqual([rejected.step, rejected.heard.code], ['message', 554], rejected.heard.lines.join());
    assert.match(rejected.heard.lines[0] ?? '', /5\.7\.1 Refused: rspamd scores it 15 .*\(rspamd\)/);
    for (const message of [HAM, SUBJECT]) {
      const { step, heard } = await send(message, '127.31.7.8');
      assert.deepEqual([step, heard.code], ['message', 250], heard.lines.join());
    }
    const messages = await delivered();
    assert.equal(messages.filter((text) => /^X-Spam-Flag: YES\r?$/m.test(text)).length, 1);
    assert.equal(messages.filter((text) => /^X-Spam-Status: (?:Yes|No), score=/m.test(text)).length, 2);
    assert.ok(messages.every((text) => /^Subject: The minutes of Tuesday\r?$/m.test(text)));
  });
});
