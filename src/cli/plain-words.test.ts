import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { onEnd } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { inPlainWords } from './plain-words.ts';

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => assert.fail('it did not fail'),
    (error: unknown) => error,
  );

const listening = (host: string, port: number) =>
  new Promise<unknown>((resolve) => {
    const server = createServer().once('error', resolve);
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });

describe('what the system says', () => {
  it('of files, by their names', async (t) => {
    const dir = await tempDir(t);
    const none = join(dir, 'none');
    assert.equal(inPlainWords(await failure(readFile(none))), `${none}: there is no such file or folder`);
    const folder = await failure(readFile(dir));
    assert.equal(inPlainWords(folder, 'mail'), 'mail: it is a folder, not a file');
  });

  it('of an address that another program has', async (t) => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onEnd(t, () => void other.close());
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    const said = inPlainWords(await listening('127.0.0.1', address.port));
    assert.ok(said.startsWith(`127.0.0.1:${address.port}: another program listens there; stop it`), said);
    assert.match(said, /give \[\[listen\]\] another/);
    const error = await listening('127.0.0.1', address.port);
    assert.match(
      inPlainWords(error, undefined, '[admin] listen'),
      /, or give \[admin\] listen another address/,
    );
  });

  it('of an address that this machine does not have', async () => {
    assert.match(
      inPlainWords(await listening('192.0.2.1', 0)),
      /^192\.0\.2\.1: this machine has no such address/,
    );
  });

  it('of a port that this user may not have', () => {
    const error = { code: 'EACCES', syscall: 'listen', address: '::', port: 25 };
    const said = inPlainWords(Object.assign(new Error('listen EACCES'), error));
    assert.match(
      said,
      /^\[::\]:25: this user may not listen there; ports below 1024 want root or CAP_NET_BIND/,
    );
  });

  it('of anything else, as it is', () => {
    assert.equal(inPlainWords(new Error('the moon')), 'the moon');
    assert.equal(inPlainWords(Object.assign(new Error('odd'), { code: 'EODD', path: '/x' })), 'odd');
    assert.equal(inPlainWords('text'), 'text');
  });
});
