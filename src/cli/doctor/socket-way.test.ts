import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { onEnd, type Cleanup } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { wayTo, type User } from './socket-way.ts';

const ME = { name: 'me', uid: process.getuid?.() ?? 0, gids: [process.getgid?.() ?? 0] };
// Not the owner's number, and no group that exists.
const STRANGER: User = { name: 'stranger', uid: 4_000_000, gids: [4_000_001] };
const GROUP: User = { ...STRANGER, name: 'group', gids: ME.gids };

async function socketIn(cleanup: Cleanup, folderMode: number, socketMode: number) {
  const dir = await tempDir(cleanup);
  const folder = join(dir, 'postern');
  await mkdir(folder);
  const path = join(folder, 'milter');
  const server = createServer().listen(path);
  await once(server, 'listening');
  onEnd(cleanup, () => new Promise((resolve) => server.close(() => resolve())));
  await chmod(path, socketMode);
  await chmod(folder, folderMode);
  return { dir, folder, path };
}

describe('the way to a socket', () => {
  const cases: [number, number, User, 'open' | 'folder' | 'socket'][] = [
    [0o755, 0o666, STRANGER, 'open'],
    [0o755, 0o660, STRANGER, 'socket'],
    [0o755, 0o660, GROUP, 'open'],
    [0o755, 0o606, GROUP, 'socket'],
    [0o750, 0o666, STRANGER, 'folder'],
    [0o750, 0o660, GROUP, 'open'],
    [0o700, 0o600, { ...STRANGER, uid: 0 }, 'open'],
  ];
  for (const [folderMode, socketMode, user, expected] of cases)
    it(`folder ${folderMode.toString(8)}, socket ${socketMode.toString(8)}, ${user.name}: ${expected}`, async (t) => {
      const { dir, folder, path } = await socketIn(t, folderMode, socketMode);
      const way = wayTo(path, user, dir);
      assert.equal(way.kind === 'closed' ? way.what : way.kind, expected);
      if (way.kind === 'closed') assert.equal(way.path, expected === 'folder' ? folder : path);
    });

  it('says what is missing, and what is no socket', async (t) => {
    const dir = await tempDir(t);
    await writeFile(join(dir, 'file'), '');
    assert.deepEqual(wayTo(join(dir, 'a/b'), STRANGER, dir), { kind: 'missing', path: join(dir, 'a') });
    assert.deepEqual(wayTo(join(dir, 'file'), STRANGER, dir), { kind: 'no-socket', path: join(dir, 'file') });
  });

  it('begins at the root when the socket is not below where the user stands', async (t) => {
    const { path } = await socketIn(t, 0o755, 0o666);
    assert.equal(wayTo(path, STRANGER, '/var/spool/postfix').kind, 'open');
  });
});
