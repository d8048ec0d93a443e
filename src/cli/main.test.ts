/** The program as it is called: exit codes, and on which stream it says what. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tempDir } from '../../test/tempdir.ts';

function postern(args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'main.ts'), ...args],
    { input, encoding: 'utf8', timeout: 60_000 },
  );
  return { status, stdout, stderr };
}

describe('the program', () => {
  const cases: [args: readonly string[], exit: number, stdout: RegExp, stderr: RegExp][] = [
    [['--version'], 0, /^\d+\.\d+\.\d+\n$/, /^$/],
    [[], 64, /^$/, /^Usage: postern /],
    [['nope'], 64, /^$/, /unknown command 'nope'/],
    [['try', '--client', '192.0.2.7'], 64, /^$/, /required option '--helo <name>'/],
    [['check-config', '/none/postern.toml'], 78, /^$/, /there is no such file/],
    [['run', '-c', '/none/postern.toml'], 78, /^$/, /there is no such file/],
    [['hash-password', 'a b'], 64, /^$/, /^postern: a user name has no colon, space or #\n$/],
  ];
  for (const [args, exit, stdout, stderr] of cases) {
    it(`postern ${args.join(' ')}: ${exit}`, () => {
      const said = postern(args);
      assert.match(said.stderr, stderr);
      assert.match(said.stdout, stdout);
      assert.equal(said.status, exit);
    });
  }

  it('says what is wrong with options in a line, and ends with 64', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'postern.toml');
    await writeFile(
      file,
      'host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "data"\n[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "maildir:mail"\n',
    );
    const limit = postern(['log', '-c', file, '--limit', 'x']);
    assert.deepEqual([limit.status, limit.stderr.split('\n').length], [64, 2]);
    const none = postern(['stats', '-c', file]);
    assert.match(none.stderr, /there is no journal yet/);
    assert.equal(none.status, 66);
  });

  it('takes a password from a pipe', () => {
    const { status, stdout, stderr } = postern(['hash-password', 'ann'], 'secret\n');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^ann:\$scrypt\$.+\n$/);
  });
});
