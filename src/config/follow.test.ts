import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { LADDER } from '../checks/ladder.ts';
import { load } from './load.ts';

const BASE =
  'host_name = "mx.example.org"\ndomains = ["example.org"]\n[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "maildir:mail"\n';

async function loaded(cleanup: Cleanup, tables: string) {
  const file = join(await tempDir(cleanup), 'postern.toml');
  await writeFile(file, BASE + tables);
  return load(file, LADDER);
}

async function settingsOf(cleanup: Cleanup, name: string, tables: string) {
  const result = await loaded(cleanup, tables);
  if ('problems' in result) assert.fail(JSON.stringify(result.problems));
  const found = result.config.checks.find(({ check }) => check.name === name);
  assert.ok(found, name);
  return found;
}

describe('a check that follows another', () => {
  const cases: [what: string, tables: string, settings: Record<string, unknown>][] = [
    ['neither table', '', { mode: 'suspicion', delay: 180_000, on_fail: 'defer', actions: {} }],
    [
      'the other one',
      '[checks.greylist]\nmode = "classic"\non_fail = "observe"',
      { mode: 'classic', on_fail: 'observe' },
    ],
    [
      'both',
      '[checks.greylist]\nmode = "classic"\ndelay = "10m"\n[checks.greylist-null]\nmode = "seed-only"',
      { mode: 'seed-only', delay: 600_000 },
    ],
    ['its own', '[checks.greylist-null]\non_fail = "off"', { mode: 'suspicion', on_fail: 'off' }],
    [
      'actions, of the findings that it has',
      '[checks.greylist.actions]\nnew = "tag"\nearly = "tag"\nnull-sender = "tag"\n[checks.greylist-null.actions]\nearly = "off"',
      { actions: { new: 'tag', early: 'off' } },
    ],
  ];
  for (const [what, tables, expected] of cases) {
    it(`has what the file says of ${what}`, async (t) => {
      const { settings } = await settingsOf(t, 'greylist-null', tables);
      for (const [key, value] of Object.entries(expected)) assert.deepEqual(settings[key], value, key);
    });
  }

  it('leaves the other as it is', async (t) => {
    const { settings } = await settingsOf(t, 'greylist', '[checks.greylist-null]\nmode = "classic"');
    assert.equal(settings['mode'], 'suspicion');
  });

  it('says where its settings come from', async (t) => {
    const tables = '[checks.greylist]\non_fail = "observe"\nweight = 3\n[checks.greylist-null]\nweight = 4';
    const { origins } = await settingsOf(t, 'greylist-null', tables);
    assert.deepEqual([origins.on_fail, origins.weight], ['postern.toml:8', 'postern.toml:11']);
  });

  it('is not blamed for a mistake in the other', async (t) => {
    const result = await loaded(t, '[checks.greylist]\ndelay = "1s"');
    assert.ok('problems' in result);
    assert.deepEqual(
      result.problems.map(({ key, line }) => [key, line]),
      [['checks.greylist.delay', 8]],
    );
  });
});
