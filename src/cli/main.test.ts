/** The program as it is called: exit codes, and on which stream it says what. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { onEnd, startProgram } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';

function postern(args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'main.ts'), ...args],
    { input, encoding: 'utf8', timeout: 60_000 },
  );
  return { status, stdout, stderr };
}

const npm = spawnSync('npm', ['--version']);

describe('the program', () => {
  const cases: [args: readonly string[], exit: number, stdout: RegExp, stderr: RegExp][] = [
    [['--version'], 0, /^\d+\.\d+\.\d+\n$/, /^$/],
    [[], 64, /^$/, /^Usage: postern /],
    [['nope'], 64, /^$/, /unknown command 'nope'/],
    [['try', '--client', '192.0.2.7'], 64, /^$/, /required option '--helo <name>'/],
    [['check-config', '/none/postern.toml'], 78, /^$/, /there is no such file/],
    [['run', '-c', '/none/postern.toml'], 78, /^$/, /there is no such file/],
    [['run', '--port', '25'], 64, /^$/, /unknown option '--port'/],
    [['check-config', 'a.toml', 'b.toml'], 64, /^$/, /too many arguments/],
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

  it('tries a message from standard input', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'postern.toml');
    await writeFile(
      file,
      'profile = "watch"\nhost_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "data"\n[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "maildir:mail"\n[dns]\nservers = ["127.0.0.1:1"]\ntimeout = "500ms"\n',
    );
    const who = ['--client', '192.0.2.7', '--helo', 'a.example', '--sender', '<>'];
    const args = ['try', '-c', file, ...who, '--recipient', 'b@example.org', '--message', '-'];
    const { stdout, stderr } = postern(args, 'Subject: x\n\nbody\n');
    assert.match(stdout, /the header has no From field/, stderr);
  });

  it('does not start where data_dir cannot be made, and check-config knows it', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'postern.toml');
    await writeFile(
      file,
      'host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "postern.toml/data"\n[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "maildir:mail"\n',
    );
    const run = postern(['run', '-c', file]);
    assert.match(
      run.stderr,
      /^postern cannot start: .*postern\.toml\/data: what stands before the last \/ is no folder\n$/,
    );
    assert.equal(run.status, 71);
    const check = postern(['check-config', file]);
    assert.match(
      check.stdout,
      /note: postern\.toml:3: data_dir .*: it cannot be made: .*postern\.toml is no folder/,
    );
    assert.equal(check.status, 0);
  });

  it('names a file that is not there as it looked for it', () => {
    const { status, stderr } = postern(['check-config', 'none-of-that-name.toml']);
    assert.equal(status, 78);
    const whole = join(process.cwd(), 'none-of-that-name.toml');
    assert.equal(stderr, `${whole}:1: cannot be read: there is no such file\n`);
  });

  it('says who is in the way of an address', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'postern.toml');
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onEnd(t, () => void other.close());
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    await writeFile(
      file,
      `host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "data"\n[[listen]]\naddress = "127.0.0.1:${address.port}"\n[backend]\nurl = "maildir:mail"\n`,
    );
    const run = postern(['run', '-c', file]);
    assert.equal(run.status, 71);
    assert.match(run.stderr, /^postern cannot start: 127\.0\.0\.1:\d+: another program listens there; .*\n$/);
  });

  it('hears SIGTERM also where npm has started it', { skip: npm.status !== 0 && 'no npm' }, async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'postern.toml');
    await writeFile(
      file,
      'host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "data"\n[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "maildir:mail"\n',
    );
    const program = startProgram(t, 'npm', ['run', '-s', 'postern', '--', 'run', '-c', file], {
      cwd: join(import.meta.dirname, '../..'),
    });
    await program.line(/"msg":"listening"/);
    process.kill(program.pid, 'SIGTERM');
    await program.line(/"msg":"stopped"/);
    assert.equal(await program.ended, 0);
  });

  it('takes a password from a pipe', () => {
    const { status, stdout, stderr } = postern(['hash-password', 'ann'], 'secret\n');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^ann:\$scrypt\$.+\n$/);
  });
});
