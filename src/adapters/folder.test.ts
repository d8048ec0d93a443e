import assert from 'node:assert/strict';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tempDir } from '../../test/tempdir.ts';
import { makeFolder } from './folder.ts';

describe('making a folder', () => {
  it('makes all above it, and leaves what is there', async (t) => {
    const folder = join(await tempDir(t), 'a', 'b', 'c');
    for (let i = 0; i < 2; i++) makeFolder(folder, 0o750);
    assert.ok(statSync(folder).isDirectory());
    makeFolder('/', 0o750);
  });

  it('says what is in its way', async (t) => {
    const file = join(await tempDir(t), 'file');
    writeFileSync(file, '');
    assert.throws(() => makeFolder(file, 0o750), { code: 'EEXIST' });
    assert.throws(() => makeFolder(join(file, 'a', 'b'), 0o750), { code: 'ENOTDIR' });
  });

  it('comes to an end where nothing can be made', { skip: !existsSync('/proc/self') }, () => {
    assert.throws(() => makeFolder('/proc/nowhere/a', 0o750), /ENOENT|EACCES|EPERM/);
  });
});
