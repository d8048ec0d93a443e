import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Resolver } from 'node:dns/promises';
import { startDns } from '../dns.ts';
import { freePort } from '../freeport.ts';
import { startGate } from '../gate.ts';
import { startProgram } from '../program.ts';
import { connectSmtp, sendMail } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';
import { need } from './peer.ts';

const LIST = `$SOA 3600 ns.bl.example hostmaster.bl.example 0 600 300 86400 300
$NS 3600 ns.bl.example
:127.0.0.2:listed, see https://bl.example/$
127.0.0.2
127.31.0.0/16
:127.0.0.10:dynamic, see https://bl.example/$
127.32.0.0/16
`;

/** Its port; undefined when the test was skipped. */
async function startList(t: TestContext): Promise<number | undefined> {
  const rbldnsd = need(t, 'rbldnsd');
  if (rbldnsd === undefined) return undefined;
  const dir = await tempDir(t);
  await writeFile(join(dir, 'list'), LIST);
  const port = await freePort();
  // As root it wants to be told whom to become.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody:nogroup'] : [];
  startProgram(t, rbldnsd, [
    '-n',
    '-4',
    ...user,
    '-w',
    dir,
    '-b',
    `127.0.0.1/${port}`,
    'bl.example:ip4set:list',
  ]);
  const resolver = new Resolver({ timeout: 200, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  for (let tries = 0; ; tries++) {
    const found = await resolver.resolve4('2.0.0.127.bl.example').catch(() => []);
    if (found.length > 0) return port;
    if (tries === 50) throw new Error('rbldnsd does not answer');
    await sleep(50);
  }
}

describe('a DNS block list served by rbldnsd', () => {
  it('refuses the listed, lets in others, and heeds answer codes', async (t) => {
    const list = await startList(t);
    if (list === undefined) return;
    const dir = await tempDir(t);
    const gate = await startGate(t, {
      dir,
      backend: `maildir:${join(dir, 'box')}`,
      dns: await startDns(t, { 'bl.example': list }),
      tables:
        '[checks.dnsbl]\non_fail = "refuse"\n[[checks.dnsbl.zones]]\nzone = "bl.example"\nweight = 8\ncodes = ["127.0.0.2-9"]\n',
    });
    const from = async (localAddress: string) => {
      const peer = await connectSmtp({ port: gate.port, localAddress }, t);
      return sendMail(peer, {
        from: 'sender@example.net',
        to: 'user@example.org',
        message: 'Subject: x\r\n\r\nx\r\n',
      });
    };
    const listed = await from('127.31.7.7');
    assert.equal(listed.step, 'rcpt');
    assert.match(
      listed.heard.lines[0] ?? '',
      /^55\d 5\.7\.1 Refused: 127\.31\.7\.7 .*bl\.example.*\(dnsbl\)/,
    );
    const other = await from('127.33.7.7');
    assert.deepEqual([other.step, other.heard.code], ['message', 250], other.heard.lines.join());
    const codeNotAskedFor = await from('127.32.7.7');
    assert.deepEqual(
      [codeNotAskedFor.step, codeNotAskedFor.heard.code],
      ['message', 250],
      codeNotAskedFor.heard.lines.join(),
    );
  });
});
