import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freePort } from '../../../test/freeport.ts';
import { onEnd, type Cleanup } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { writeFile } from 'node:fs/promises';
import { LADDER } from '../../checks/ladder.ts';
import { load } from '../../config/load.ts';
import { tellScanners } from './scanners.ts';

async function listen(cleanup: Cleanup, path: string, hears: (socket: Socket) => void): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    hears(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onEnd(cleanup, () => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
}

async function tell(dir: string, tables: string, timeoutMs?: number) {
  const file = join(dir, 'postern.toml');
  const top = 'host_name = "mx.example.org"\ndomains = ["example.org"]\n';
  await writeFile(
    file,
    `${top}[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "maildir:mail"\n${tables}`,
  );
  const loaded = load(file, LADDER);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  return tellScanners(loaded.config.checks, timeoutMs);
}

describe('a scanner', () => {
  it('answers', async (t) => {
    const dir = await tempDir(t);
    const once = (text: string) => (socket: Socket) => void socket.once('data', () => socket.end(text));
    await listen(t, join(dir, 'clamd'), once('1: PONG\0'));
    await listen(t, join(dir, 'spamd'), once('SPAMD/1.5 0 PONG\r\n'));
    await listen(t, join(dir, 'rspamd'), once('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong'));
    const told = await tell(
      dir,
      ['clamav clamd', 'spamassassin spamd', 'rspamd rspamd']
        .map((pair) => pair.split(' '))
        .map(([check, socket]) => `[checks.${check}]\naddress = "${dir}/${socket}"\n`)
        .join(''),
    );
    assert.deepEqual(
      told.map(({ about, state, code, text }) => [about.replace(dir, ''), state, code, text]).toSorted(),
      [
        ['scanner clamav /clamd', 'well', 'scanner-answers', 'Answers.'],
        ['scanner rspamd /rspamd', 'well', 'scanner-answers', 'Answers.'],
        ['scanner spamassassin /spamd', 'well', 'scanner-answers', 'Answers.'],
      ],
    );
  });

  it('is not there', async (t) => {
    const dir = await tempDir(t);
    const port = await freePort();
    const told = await tell(
      dir,
      `[checks.clamav]\naddress = "${dir}/none"\n[checks.rspamd]\naddress = "127.0.0.1:${port}"\non_temperror = "go-on"\n`,
    );
    assert.deepEqual(told.map(({ about, state, code }) => [about.split(' ')[1], state, code]).toSorted(), [
      ['clamav', 'wrong', 'scanner-silent'],
      ['rspamd', 'wrong', 'scanner-silent'],
    ]);
    const [clamav, rspamd] = told.toSorted((a, b) => a.about.localeCompare(b.about));
    assert.match(clamav?.text ?? '', /^Gives no answer, so mail is deferred: ".*ENOENT/);
    assert.match(
      clamav?.remedy ?? '',
      /^start clamd and give it a minute or two, or mend address in \[checks\.clamav\]/,
    );
    assert.match(rspamd?.text ?? '', /mail goes on without its verdict: ".*ECONNREFUSED/);
    assert.match(rspamd?.remedy ?? '', /^start rspamd, or mend /);
  });

  it('never answers', async (t) => {
    const dir = await tempDir(t);
    await listen(t, join(dir, 'clamd'), (socket) => void socket.resume());
    const [one] = await tell(dir, `[checks.clamav]\naddress = "${dir}/clamd"\n`, 50);
    assert.match(one?.text ?? '', /"no answer in time"/);
  });

  it('that nobody named, or asks, is not told of', async (t) => {
    const dir = await tempDir(t);
    assert.deepEqual(
      await tell(
        dir,
        `[checks.clamav]\naddress = "${dir}/none"\non_fail = "off"\nactions = { too-large = "off" }\n`,
      ),
      [],
    );
    assert.deepEqual(await tell(dir, ''), []);
  });
});
