import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { load } from './load.ts';
import { formatProblem } from './problems.ts';

const TOP = 'host_name = "mx.example.org"\ndomains = ["example.org"]\n';

async function loaded(t: Cleanup, tables: string) {
  const dir = await tempDir(t);
  const file = join(dir, 'postern.toml');
  await writeFile(file, TOP + tables);
  return { dir, result: load(file, []) };
}

async function services(t: Cleanup, tables: string) {
  const { dir, result } = await loaded(t, tables);
  if ('problems' in result) assert.fail(result.problems.map(formatProblem).join('\n'));
  return { dir, config: result.config };
}

describe('listeners', () => {
  it('of a milter and a policy service need no backend, and are none of the addresses that are ours', async (t) => {
    const { dir, config } = await services(
      t,
      '[[listen]]\ndoor = "milter"\naddress = "127.0.0.1:8891"\n' +
        '[[listen]]\ndoor = "policy"\naddress = "unix:policy.sock"\n' +
        '[[listen]]\ndoor = "policy"\naddress = "unix:/run/p.sock"\nmode = "666"\ngroup = "root"\n',
    );
    assert.deepEqual(config.services, [
      { index: 0, door: 'milter', at: { address: '127.0.0.1', port: 8891 } },
      { index: 1, door: 'policy', at: { path: join(dir, 'policy.sock'), mode: 0o660 } },
      { index: 2, door: 'policy', at: { path: '/run/p.sock', mode: 0o666, groupId: 0 } },
    ]);
    assert.deepEqual([config.listen, config.backend, config.site.addresses], [[], undefined, []]);
  });

  it('of all doors stand in one file, and know their places in it', async (t) => {
    const { config } = await services(
      t,
      '[[listen]]\ndoor = "milter"\naddress = "127.0.0.1:8891"\n[[listen]]\naddress = "192.0.2.25:25"\n' +
        '[backend]\nurl = "maildir:mail"\n',
    );
    assert.deepEqual(
      config.listen.map(({ index, address }) => [index, address]),
      [[1, '192.0.2.25']],
    );
    assert.deepEqual(
      config.services.map(({ index }) => index),
      [0],
    );
    assert.deepEqual(config.site.addresses, ['192.0.2.25']);
  });

  it('may be any number of free ports, and one place once', async (t) => {
    const free = '[[listen]]\ndoor = "milter"\naddress = "127.0.0.1:0"\n';
    assert.equal((await services(t, free + free)).config.services.length, 2);
    const { result } = await loaded(t, (free + free).replaceAll(':0', ':8891'));
    assert.ok(
      'problems' in result && /the same address as listen\[1\]/.test(result.problems[0]?.message ?? ''),
    );
  });

  it('of a gateway need a backend, also where something else is wrong', async (t) => {
    const { result } = await loaded(t, '[[listen]]\naddress = "127.0.0.1"\n');
    assert.ok('problems' in result);
    assert.deepEqual(
      result.problems.map(({ key }) => key),
      ['backend', 'listen[1].address'],
    );
  });

  for (const [address, path] of [
    [`unix:/${'a'.repeat(106)}`, true],
    [`unix:/${'a'.repeat(107)}`, false],
    ['unix:', false],
    ['[::1]:8891', true],
    ['8891', false],
    ['inet:8891@localhost', false],
  ] as const) {
    it(`"${address.slice(0, 20)}" is ${path ? '' : 'no '}place to listen`, async (t) => {
      const { result } = await loaded(t, `[[listen]]\ndoor = "milter"\naddress = "${address}"\n`);
      assert.equal('config' in result, path);
    });
  }

  for (const [mode, bits] of [
    ['0660', 0o660],
    ['600', 0o600],
    ['0777', 0o777],
    ['0888', undefined],
    ['01777', undefined],
    ['66', undefined],
  ] as const) {
    it(`mode "${mode}" is ${bits === undefined ? 'none' : bits.toString(8)}`, async (t) => {
      const { result } = await loaded(
        t,
        `[[listen]]\ndoor = "milter"\naddress = "unix:a"\nmode = "${mode}"\n`,
      );
      if (bits === undefined) assert.ok('problems' in result);
      else
        assert.ok(
          'config' in result && result.config.services.some(({ at }) => 'mode' in at && at.mode === bits),
        );
    });
  }
});
