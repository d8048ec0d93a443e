import assert from 'node:assert/strict';
import { existsSync, linkSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { tempDir } from '../../test/tempdir.ts';
import { hashPassword } from '../adapters/credentials.ts';
import { openDesk } from '../adapters/desk/sqlite.ts';
import type { Config } from '../config/config.ts';
import { AdminUsers, setPassword } from './admin-users.ts';
import { asOwnerOf } from './as-owner.ts';
import { CommandError } from './exit.ts';
import { openStore } from './learn.ts';

const NOBODY = 65_534;
const AS_ROOT = { skip: process.getuid?.() !== 0 && 'only root can be asked to work for others' };
const PASSWORD = 'correct horse battery';

/** A folder that the gate's user owns, in one that is root's. */
async function site(
  t: TestContext,
  { owner = process.getuid?.() ?? 0, usersFile = 'data/admin-users' } = {},
) {
  const dir = await tempDir(t);
  await chmod(dir, 0o711);
  const dataDir = join(dir, 'data');
  await mkdir(dataDir);
  if (owner !== process.getuid?.()) await chown(dataDir, owner, owner);
  const file = join(dir, usersFile);
  const config = { file: 'postern.toml', dataDir, admin: { dashboard: { usersFile: file } } };
  const set = (user = 'admin') => setPassword(config as unknown as Config, { user, password: PASSWORD });
  return { dir, dataDir, file, set };
}

const linesOf = (file: string) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(':')[0]);

const secretIn = async (dir: string) => {
  const secret = join(dir, 'shadow');
  await writeFile(secret, 'root:secret\n', { mode: 0o600 });
  return secret;
};

describe('the file of users', () => {
  it('is never another one than it is called', async (t) => {
    for (const [put, why] of [
      [symlinkSync, /it is a link/],
      [linkSync, /second name/],
      [(_: string, file: string) => mkdirSync(file), /no plain file/],
    ] as const) {
      const { dir, dataDir, file, set } = await site(t);
      put(await secretIn(dir), file);
      await assert.rejects(set(), (error) => error instanceof CommandError && why.test(error.message));
      assert.deepEqual(await readdir(dataDir), ['admin-users']);
      assert.equal(readFileSync(join(dir, 'shadow'), 'utf8'), 'root:secret\n');
    }
  });

  it('is nobody else’s', AS_ROOT, async (t) => {
    const { file, set } = await site(t);
    writeFileSync(file, 'mallory:$scrypt$\n');
    await chown(file, NOBODY, NOBODY);
    await assert.rejects(set(), /belongs neither to root nor to the owner of data_dir/);
  });

  it('keeps the other lines, and leaves nothing beside it', async (t) => {
    const { dataDir, file, set } = await site(t);
    assert.match(await set('ann'), /^ann can log in now/);
    assert.match(await set('bob'), /^bob can log in now/);
    assert.match(await set('ann'), /^ann has a new password/);
    assert.deepEqual(linesOf(file), ['ann', 'bob']);
    assert.deepEqual(await readdir(dataDir), ['admin-users']);
  });

  it('is written by root with the rights of the gate’s user', AS_ROOT, async (t) => {
    const { dir, dataDir, file, set } = await site(t, { owner: NOBODY });
    await set();
    const { uid, gid, mode } = statSync(file);
    assert.deepEqual([uid, gid, mode & 0o777], [NOBODY, NOBODY, 0o600]);
    // What root alone may read is not read for it, by whatever name.
    const other = join(dir, 'other.sqlite');
    const desk = openDesk(other);
    desk.logins.begin('h1', { user: 'ann', endsMs: Date.now() + 60_000, csrf: 'c', fingerprint: 'f' });
    await chmod(other, 0o600);
    symlinkSync(other, join(dataDir, 'desk.sqlite'));
    await assert.rejects(set('ann'), CommandError);
    assert.equal(desk.logins.find('h1')?.user, 'ann');
    desk.close();
    assert.deepEqual([process.geteuid?.(), process.getegid?.()], [0, process.getgid?.()]);
  });

  it('ends the sessions of its user with those rights too', AS_ROOT, async (t) => {
    const { dataDir, set } = await site(t, { owner: NOBODY });
    const desk = asOwnerOf(dataDir, () => openDesk(join(dataDir, 'desk.sqlite')));
    const login = { endsMs: Date.now() + 60_000, csrf: 'c', fingerprint: 'f' };
    desk.logins.begin('h1', { user: 'admin', ...login });
    desk.logins.begin('h2', { user: 'ann', ...login });
    await set();
    assert.deepEqual([desk.logins.find('h1'), desk.logins.find('h2')?.user], [undefined, 'ann']);
    desk.close();
  });

  it('may lie in a folder of root’s, for the gate’s user to read', AS_ROOT, async (t) => {
    const { dir, file, set } = await site(t, { owner: NOBODY, usersFile: 'etc/users' });
    await mkdir(join(dir, 'etc'));
    await set();
    await set('ann');
    const { uid, mode } = statSync(file);
    assert.deepEqual([uid, mode & 0o777, linesOf(file)], [NOBODY, 0o600, ['admin', 'ann']]);
    await chown(join(dir, 'etc'), 12_345, 12_345);
    await assert.rejects(set(), /belongs neither to root/);
  });

  it(
    'within data_dir is worked on as its owner, whatever the folder between has become',
    AS_ROOT,
    async (t) => {
      const { dir, dataDir, set } = await site(t, { owner: NOBODY, usersFile: 'data/sub/users' });
      await mkdir(join(dir, 'etc'));
      symlinkSync(join(dir, 'etc'), join(dataDir, 'sub'));
      await assert.rejects(set(), CommandError);
      assert.deepEqual(await readdir(join(dir, 'etc')), []);
    },
  );
});

describe('the classifier’s file', () => {
  it('that root makes is the gate’s user’s, and no link is followed', AS_ROOT, async (t) => {
    const { dir, dataDir } = await site(t, { owner: NOBODY });
    const file = join(dataDir, 'classifier.sqlite');
    symlinkSync(join(dir, 'made-by-root'), file);
    assert.throws(() => openStore({ dataDir }, 'make'), CommandError);
    assert.equal(existsSync(join(dir, 'made-by-root')), false);
    const { dataDir: other } = await site(t, { owner: NOBODY });
    const store = openStore({ dataDir: other }, 'make');
    for (const name of await readdir(other)) assert.equal(statSync(join(other, name)).uid, NOBODY, name);
    assert.equal(store.trained.ham, 0);
    store.close();
    assert.equal(process.geteuid?.(), 0);
  });
});

describe('users of the dashboard', () => {
  it('have the fingerprint of the password that was looked at, and not of what it is by then', async (t) => {
    const file = join(await tempDir(t), 'admin-users');
    const write = async (password: string) => writeFile(file, `ann:${await hashPassword(password)}\n`);
    await write(PASSWORD);
    const clock = { ms: 0 };
    const changed: string[] = [];
    const users = new AdminUsers(
      () => file,
      { trouble: (error) => assert.fail(String(error)), changed: (user) => void changed.push(user) },
      () => clock.ms,
    );
    const before = users.fingerprints().get('ann');
    assert.ok(before !== undefined && before.length > 20);
    const next = await hashPassword('another password');
    const looking = users.verify('ann', PASSWORD, '192.0.2.0/24');
    writeFileSync(file, `ann:${next} \n`);
    clock.ms += 10_000;
    assert.notEqual(users.fingerprints().get('ann'), before);
    assert.deepEqual(changed, ['ann']);
    assert.deepEqual(await looking, { fingerprint: before });
    assert.equal(await users.verify('ann', PASSWORD, '192.0.2.0/24'), 'wrong');
    assert.equal(await users.verify('eve', PASSWORD, '192.0.2.0/24'), 'wrong');
  });
});
