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

  const gateway = (address: string) => `[[listen]]\naddress = "${address}"\n`;
  const admin = (address: string) => `[admin]\nlisten = "${address}"\n`;
  for (const [what, tables, expected] of [
    ['IPv4 before one of it', gateway('0.0.0.0:25') + gateway('127.0.0.1:25'), /^listen\[1\] takes port 25 /],
    [
      'one before all IPv4',
      gateway('127.0.0.1:25') + gateway('0.0.0.0:25'),
      /, also 127\.0\.0\.1:25 of listen/,
    ],
    ['IPv6 and one of it', gateway('[::]:25') + gateway('[::1]:25'), /^listen\[1\] takes .* \(\[::\]:25\)/],
    [
      'one written two ways',
      gateway('[::1]:25') + gateway('[0:0::1]:25'),
      /^the same address as listen\[1\]/,
    ],
    // A door at `::` takes IPv6 alone.
    [
      'an address, and the same mapped into IPv6',
      gateway('127.0.0.1:25') + gateway('[::ffff:127.0.0.1]:25'),
      /^the same address as listen\[1\]/,
    ],
    ['IPv6 and IPv4', gateway('[::]:25') + gateway('0.0.0.0:25') + gateway('0.0.0.0:26'), undefined],
    ['IPv6 and one of IPv4', gateway('127.0.0.1:25') + gateway('[::]:25'), undefined],
    ['IPv4 and one of IPv6', gateway('0.0.0.0:25') + gateway('[::1]:25'), undefined],
    ['ports', gateway('0.0.0.0:25') + gateway('127.0.0.1:587') + gateway('127.0.0.1:465'), undefined],
    ['free ports', gateway('0.0.0.0:0') + gateway('127.0.0.1:0') + admin('127.0.0.1:0'), undefined],
    ['two of IPv4', gateway('127.0.0.1:25') + gateway('127.0.0.2:25'), undefined],
    [
      'the dashboard in all IPv4',
      gateway('0.0.0.0:25') + admin('127.0.0.1:25'),
      /^listen\[1\] takes port 25 /,
    ],
    // The dashboard at `::` takes IPv4 as well.
    [
      'the dashboard at both',
      gateway('127.0.0.1:25') + admin('[::]:25'),
      /^takes port 25 .*; give one of them/,
    ],
    [
      'the dashboard at both, all IPv4',
      gateway('0.0.0.0:25') + admin('[::]:25'),
      /\(0\.0\.0\.0:25\), of this/,
    ],
    ['the dashboard beside IPv6', gateway('[::1]:25') + admin('0.0.0.0:25'), undefined],
  ] as const) {
    it(`${expected === undefined ? 'may be side by side' : 'clash'}: ${what}`, async (t) => {
      const { result } = await loaded(t, `${tables}[backend]\nurl = "maildir:mail"\n`);
      const said = 'problems' in result ? result.problems.map(({ message }) => message) : [];
      if (expected === undefined) assert.deepEqual(said, []);
      else {
        assert.equal(said.length, 1, said.join('\n'));
        assert.match(said[0] ?? '', expected);
      }
    });
  }

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
