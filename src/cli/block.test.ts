import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { site } from '../../test/fakes/ask.ts';
import { onEnd, type Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { openStore } from '../adapters/store/sqlite.ts';
import { BOUNCED_GUESSES, GUESSES, REACHED, STRIKES } from '../core/charges.ts';
import { blockAddCommand, blockListCommand, blockRemoveCommand, blockShowCommand } from './block.ts';
import { CommandError } from './exit.ts';

const MAIN = join(import.meta.dirname, 'main.ts');
const HOUR = 3_600_000;
const TIMES = { firstMs: HOUR, factor: 4, longestMs: 7 * 24 * HOUR, forgottenMs: 30 * 24 * HOUR };

/** The store of a gate that runs, and what a command says beside it. */
async function gate(cleanup: Cleanup) {
  const dataDir = await tempDir(cleanup);
  const { blocks, rates, standing, ...store } = await running(cleanup, dataDir);
  const out: string[] = [];
  const write = (text: string) => void out.push(text);
  const said = () => out.splice(0).join('');
  return { where: { dataDir, site }, blocks, rates, standing, commit: store.commit, write, said };
}

async function running(cleanup: Cleanup, dataDir: string) {
  const store = openStore(join(dataDir, 'store.sqlite'));
  onEnd(cleanup, () => store.close());
  const { blocks, rates, standing } = store;
  return { blocks, rates, standing, commit: () => store.commit() };
}

const convicted = (network: string, reason = `${network} did it`) => ({
  ...TIMES,
  network,
  reason,
  evidence: 'K7Q2MX4D',
  by: 'spam-trap',
});

describe('postern block', () => {
  it('lists what the gate put there, and why', async (t) => {
    const { where, blocks, commit, write, said } = await gate(t);
    blocks.convict(convicted('192.0.2.7'));
    blocks.convict(convicted('2001:db8:1:2::/64'));
    commit();
    assert.equal(await blockListCommand(where, {}, write), 0);
    const [title, ...rows] = said().trimEnd().split('\n');
    assert.match(title!, /^network +until +by +id +convictions +since +reason$/);
    assert.equal(rows.length, 2);
    assert.match(
      rows.find((row) => row.startsWith('192.0.2.7'))!,
      /^192\.0\.2\.7 +\d{4}-\S+ \S+ +spam-trap +K7Q2MX4D +1 +\d{4}-\S+ \S+ +192\.0\.2\.7 did it$/,
    );

    assert.equal(await blockListCommand(where, { network: '2001:db8::/32', json: true }, write), 0);
    const { network, reason, convictions } = JSON.parse(said()) as Record<string, unknown>;
    assert.deepEqual([network, reason, convictions], ['2001:db8:1:2::/64', '2001:db8:1:2::/64 did it', 1]);
    assert.equal(await blockListCommand(where, { network: '198.51.100.1' }, write), 1);
    assert.equal(said(), 'Nothing is blocked.\n');
    assert.equal(await blockListCommand(where, { limit: '1' }, write), 0);
    assert.equal(said().split('\n').length, 3);
  });

  it('lists with --all what has ended and is remembered', async (t) => {
    const { where, blocks, commit, write, said } = await gate(t);
    blocks.convict({ ...convicted('192.0.2.7'), firstMs: -1 });
    commit();
    assert.equal(await blockListCommand(where, {}, write), 1);
    said();
    assert.equal(await blockListCommand(where, { all: true }, write), 0);
    assert.match(said(), /^192\.0\.2\.7 +ended \d{4}-/m);
  });

  it('keeps what clients sent from the terminal', async (t) => {
    const { where, blocks, commit, write, said } = await gate(t);
    blocks.convict(convicted('192.0.2.7', '<\u001b[2J\r\n\u202egro.elpmaxe@x> is no mailbox here'));
    commit();
    await blockListCommand(where, {}, write);
    const text = said();
    assert.doesNotMatch(text, /[\u001b\r\u202e]/);
    assert.equal(text.split('\n').length, 3);
  });

  it('adds an entry that the running gate sees', async (t) => {
    const { where, blocks, write, said } = await gate(t);
    assert.equal(blocks.covering('192.0.2.99'), undefined);
    const options = { network: '192.0.2.0/24', for: '2h', reason: 'floods us' };
    assert.equal(await blockAddCommand(where, options, write), 0);
    assert.match(said(), /^192\.0\.2\.0\/24 is blocked until \d{4}-\S+ \S+\n$/);
    // It looks for what other programs wrote every now and then.
    let block = blocks.covering('192.0.2.99');
    for (let tries = 0; block === undefined && tries < 50; tries++) {
      await sleep(20);
      block = blocks.covering('192.0.2.99');
    }
    assert.ok(block);
    assert.deepEqual(
      [block.network, block.reason, block.by, block.evidence, block.convictions],
      ['192.0.2.0/24', 'floods us', 'operator', '', 0],
    );
    assert.ok(Math.abs(block.endsMs - block.sinceMs - 2 * HOUR) < 1000);
    assert.equal(blocks.covering('192.0.3.1'), undefined);
  });

  it('says that our own networks are not refused', async (t) => {
    const { where, write, said } = await gate(t);
    await blockAddCommand(where, { network: '10.1.2.3', for: '1d', reason: 'x' }, write);
    assert.match(said(), /\nNote: It is of our own `networks` or `relays`/);
  });

  it('forgives a client what its network is remembered for, and shows it before', async (t) => {
    const { where, rates, standing, commit, write, said } = await gate(t);
    const wide = { ...where, site: { ...site, clientPrefix: { v4: 24, v6: 56 } } };
    rates.add(STRIKES, '192.0.2.7', HOUR);
    for (const key of ['192.0.2.7', '192.0.2.0/24', '2001:db8:1:2::/64', '2001:db8:1::/56'])
      rates.add(GUESSES, key, HOUR);
    rates.add(REACHED, '192.0.2.0/24', HOUR);
    rates.add(BOUNCED_GUESSES, '192.0.2.0/24', HOUR);
    standing.note('192.0.2.0/24', 'bad');
    commit();
    assert.equal(await blockShowCommand(wide, '192.0.2.7', write), 0);
    assert.deepEqual(said().trimEnd().split('\n'), [
      '192.0.2.7 is not blocked',
      '  standing   bad: 0.0 good deliveries, 1.0 charges (192.0.2.0/24)',
      '  strikes    1 (192.0.2.7)',
      '  guesses    1 recipients lately that do not exist (192.0.2.7)',
      '  guesses    1 recipients lately that do not exist (192.0.2.0/24)',
      '             1 recipients got their mail meanwhile (192.0.2.0/24)',
      '  bounces    to 1 recipients lately that do not exist (192.0.2.0/24)',
    ]);
    for (const address of ['192.0.2.7', '2001:db8:1:2::5']) {
      assert.equal(await blockRemoveCommand(wide, address, write), 0);
      assert.equal(await blockRemoveCommand(wide, address, write), 1);
      said();
      assert.equal(await blockShowCommand(wide, address, write), 1);
      assert.equal(said(), `${address} is not blocked\n`);
    }
  });

  it('removes an entry, and names those that cover it still', async (t) => {
    const { where, blocks, rates, commit, write, said } = await gate(t);
    blocks.convict(convicted('192.0.2.7'));
    commit();
    assert.equal(await blockRemoveCommand(where, '192.0.2.7/32', write), 0);
    assert.equal(said(), '192.0.2.7 is no longer blocked, and all that was held against it is forgotten\n');
    assert.equal(blocks.covering('192.0.2.7'), undefined);
    assert.equal(await blockRemoveCommand(where, '192.0.2.7', write), 1);
    assert.equal(said(), 'There is no entry for 192.0.2.7, and nothing is held against it\n');
    rates.add(GUESSES, '192.0.2.70', HOUR);
    commit();
    assert.equal(await blockRemoveCommand(where, '192.0.2.0/24', write), 0);
    assert.equal(said(), 'There is no entry for 192.0.2.0/24; what was held against it is forgotten\n');
    assert.equal(rates.count(GUESSES, '192.0.2.70'), 0);
    await blockAddCommand(where, { network: '192.0.2.0/24', for: '1d', reason: 'all of it' }, write);
    said();
    assert.equal(await blockRemoveCommand(where, '192.0.2.7', write), 1);
    assert.match(said(), /overlap it:\n[^\n]+\n192\.0\.2\.0\/24 /);
  });

  const add = { network: '192.0.2.7', for: '1d', reason: 'x' };
  const wrong: [what: string, options: Partial<typeof add>, message: RegExp][] = [
    ['no network', { network: '192.0.2' }, /NETWORK is an address or CIDR such as/],
    ['a prefix too long', { network: '192.0.2.0/33' }, /NETWORK is/],
    ['bits behind the prefix', { network: '192.0.2.7/24' }, /the network is 192\.0\.2\.0\/24/],
    ['half the world', { network: '0.0.0.0/0' }, /^0\.0\.0\.0\/0 is too wide; nothing wider than \/8 /],
    ['one bit too wide', { network: '8.0.0.0/7' }, /too wide/],
    ['one bit too wide of IPv6', { network: '2000::/15' }, /nothing wider than \/16/],
    ['no reason', { reason: ' ' }, /--reason is missing/],
    ['a reason too long', { reason: 'x'.repeat(201) }, /longer than 200/],
    ...['', '1', 'd', '0d', '-1d', '1y', '3651d', '1.5h', '1d2h'].map(
      (text): [string, Partial<typeof add>, RegExp] => [
        `--for "${text}"`,
        { for: text },
        /^--for ".*" is no time/,
      ],
    ),
  ];
  for (const [what, options, message] of wrong)
    it(`adds nothing for ${what}`, async (t) => {
      const { where, blocks, write } = await gate(t);
      await assert.rejects(blockAddCommand(where, { ...add, ...options }, write), (error) => {
        assert.ok(error instanceof CommandError);
        assert.equal(error.exitCode, 64);
        assert.match(error.message, message);
        return true;
      });
      assert.deepEqual(blocks.list({ ended: true }), []);
    });

  it('takes networks up to the widest, and reasons up to the longest', async (t) => {
    const { where, write } = await gate(t);
    for (const network of ['8.0.0.0/8', '2001::/16'])
      assert.equal(await blockAddCommand(where, { ...add, network, for: '3650d' }, write), 0);
    assert.equal(await blockAddCommand(where, { ...add, reason: 'x'.repeat(200) }, write), 0);
  });

  it('makes no store where no gate has run', async (t) => {
    const where = { dataDir: await tempDir(t), site };
    for (const command of [
      blockListCommand(where, {}),
      blockAddCommand(where, add),
      blockRemoveCommand(where, '192.0.2.7'),
    ])
      await assert.rejects(command, /there is no store yet; has the gate run with this data_dir\?/);
  });

  it('is a command, with its exit codes', async (t) => {
    const dataDir = await tempDir(t);
    const file = join(dataDir, 'postern.toml');
    writeFileSync(
      file,
      'host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "."\n[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "maildir:m"\n',
    );
    await running(t, dataDir);
    const postern = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', MAIN, 'block', ...args],
        { encoding: 'utf8' },
      );
      return [status, stdout, stderr] as const;
    };
    assert.match(
      postern('add', '192.0.2.7', '--reason', 'x', '-c', file)[1],
      /^192\.0\.2\.7 is blocked until/,
    );
    const [status, stdout, stderr] = postern('list', '-c', file, '--json');
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal((JSON.parse(stdout) as { network: string }).network, '192.0.2.7');
    assert.equal(postern('add', '192.0.2.7', '-c', file)[0], 64);
    writeFileSync(file, 'nonsense');
    assert.equal(postern('list', '-c', file)[0], 78);
  });
});
