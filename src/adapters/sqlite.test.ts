import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tempDir } from '../../test/tempdir.ts';
import { openDatabase } from './sqlite.ts';

const TABLES = ['CREATE TABLE t (a)'];
const mode = (file: string) => (statSync(file).mode & 0o777).toString(8);

describe('a database of ours', () => {
  it('is not for everybody to read, nor what SQLite puts beside it', async (t) => {
    const file = join(await tempDir(t), 'a.sqlite');
    const db = openDatabase(file, TABLES);
    db.exec('INSERT INTO t VALUES (1)');
    for (const suffix of ['', '-wal', '-shm']) assert.match(mode(file + suffix), /^6[04]0$/, suffix);
    db.close();
  });

  it('keeps the mode that somebody has given it', async (t) => {
    const file = join(await tempDir(t), 'a.sqlite');
    writeFileSync(file, '', { mode: 0o600 });
    openDatabase(file, TABLES).close();
    assert.equal(mode(file), '600');
  });
});
