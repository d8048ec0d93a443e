import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tempDir } from '../../test/tempdir.ts';
import { LADDER } from '../checks/ladder.ts';
import { atOnce } from '../core/slices.ts';
import { filesNamedIn, load, loadingText, type Loaded } from './load.ts';

const TOP = 'host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "data"\n';
const REST = '[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "smtp://127.0.0.1:2526"\n';

const loadText = (...args: Parameters<typeof loadingText>): Loaded => atOnce(loadingText(...args));

const problems = (loaded: Loaded): readonly string[] =>
  'problems' in loaded ? loaded.problems.map(({ key, message }) => `${key}: ${message}`) : [];

describe('a configuration from text', () => {
  it('is what it would be in the file', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'postern.toml');
    await writeFile(join(dir, 'block.txt'), '192.0.2.7\n');
    const text = `${TOP}block_files = ["block.txt"]\n${REST}`;
    await writeFile(file, text);
    const [read, asText] = [load(file, LADDER), loadText(text, file, LADDER)];
    assert.ok('config' in read && 'config' in asText);
    assert.equal(asText.config.policy, read.config.policy);
    assert.equal(asText.config.dataDir, join(dir, 'data'));
    assert.deepEqual(asText.config.listEntries.at(0), read.config.listEntries.at(0));
  });

  it('is not read from the file, and its problems name it', async (t) => {
    const file = join(await tempDir(t), 'not', 'there.toml');
    const loaded = loadText(`${TOP}profle = "watch"\n${REST}`, file, LADDER);
    assert.ok('problems' in loaded);
    assert.deepEqual(
      loaded.problems.map((p) => [p.file, p.line, p.key]),
      [[file, 4, 'profle']],
    );
    assert.match(problems(loadText('a = = 1', file, LADDER)).join(), /not valid TOML/);
  });

  it('opens only what the file in force names, under the same key', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'postern.toml');
    await mkdir(join(dir, 'lists'));
    const secret = 'hunter2 hunter2';
    for (const name of ['block.txt', 'users', 'lists/other.txt']) await writeFile(join(dir, name), secret);
    await writeFile(join(dir, 'block.txt'), '192.0.2.7\n');
    const inForce = `${TOP}block_files = ["block.txt"]\n${REST}[auth]\nusers_file = "users"\n`;
    const mayRead = filesNamedIn(inForce, file);
    const read = (lists: string) => loadText(`${TOP}${lists}\n${REST}`, file, LADDER, mayRead);
    assert.deepEqual(problems(read('block_files = ["lists/../block.txt"]')), []);
    for (const [lists, key] of [
      ['allow_files = ["block.txt"]', 'allow_files'],
      ['block_files = ["users"]', 'block_files'],
      ['block_files = ["lists/other.txt"]', 'block_files'],
      ['block_files = ["/etc/passwd"]', 'block_files'],
      ['recipient_files = ["/dev/zero"]', 'recipient_files'],
      ['signature_files = ["users"]', 'signature_files'],
    ] as const) {
      const found = problems(read(lists));
      assert.equal(found.length, 1, found.join());
      assert.match(
        found[0] ?? '',
        new RegExp(`is not read here: the file in force does not name it as ${key}$`),
      );
      assert.doesNotMatch(found.join(), /hunter2|root:/);
    }
    const tls = loadText(`${TOP}${REST}[tls]\ncertificate = "users"\nkey = "users"\n`, file, LADDER, mayRead);
    assert.deepEqual(
      problems(tls).map((text) => text.replace(/: .* is not read/, ' is not read').slice(0, 40)),
      ['tls.certificate is not read here: the fi', 'tls.key is not read here: the file in fo'],
    );
    // Without the guard its lines are told: that is what it is for.
    assert.match(
      problems(loadText(`${TOP}block_files = ["users"]\n${REST}`, file, LADDER)).join(),
      /hunter2/,
    );
  });

  it('opens nothing where the file in force cannot be understood', () => {
    assert.equal(filesNamedIn('block_files = ["x"', '/etc/postern.toml')('block_files', '/etc/x'), false);
    assert.equal(filesNamedIn('block_files = ["x"]', '/etc/postern.toml')('block_files', '/etc/x'), true);
  });
});
