import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { site } from '../../test/fakes/ask.ts';
import { startGate } from '../../test/gate.ts';
import { Mta } from '../../test/milter.ts';
import { onEnd, type Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { openJournal } from '../adapters/journal/sqlite.ts';
import { envelopeList } from '../checks/envelope-list.ts';
import { openStore } from '../adapters/store/sqlite.ts';
import { LADDER } from '../checks/ladder.ts';
import { load } from '../config/load.ts';
import { replay } from '../engine/replay.ts';
import { CommandError } from './exit.ts';
import { policyOf } from './in-force.ts';
import { listAddCommand, listRemoveCommand, listShowCommand, type ListAddOptions } from './list.ts';

const MAIN = join(import.meta.dirname, 'main.ts');
const HOUR = 3_600_000;

async function store(cleanup: Cleanup) {
  const dataDir = await tempDir(cleanup);
  const state = openStore(join(dataDir, 'store.sqlite'));
  onEnd(cleanup, () => state.close());
  const { listed } = state;
  const out: string[] = [];
  const write = (text: string) => void out.push(text);
  return { where: { dataDir, site }, listed, write, said: () => out.splice(0).join('') };
}

describe('postern list', () => {
  it('names what wins over a block', async (t) => {
    const { where, listed, write, said } = await store(t);
    const add = async (kind: string, options: ListAddOptions) => {
      await listAddCommand(where, kind, options, write);
      return said().split('\n').slice(1).join('\n');
    };
    const client = '192.0.2.7';
    await add('allow', { client: '192.0.2.0/24', reason: 'our printer' });
    await add('allow', { client, lifts: ['dnsbl'], reason: 'lifts another check' });
    const [, first] = listed.list();
    const note = await add('block', { client, reason: 'x' });
    assert.match(
      note,
      /^Note: An allow entry lets this in all the same: listed by \S+, \d{4}-\d\d-\d\d \(our printer\); /,
    );
    assert.ok(note.endsWith(`remove entry ${first!.id}.\n`), note);
    assert.equal(await add('block', { client: '198.51.100.7', reason: 'x' }), '');
    assert.equal(await add('block', { sender: 'example.net', reason: 'x' }), '');
    const off = { ...envelopeList.defaults, on_fail: 'off' as const, actions: {} };
    const checks = [{ check: envelopeList, settings: off }];
    await listAddCommand({ ...where, checks }, 'block', { sender: 'example.com', reason: 'x' }, write);
    assert.match(said(), /Note: The check envelope-list is off/);
    // A host is blocked by a check of its own.
    await add('allow', { host: '.a.example', lifts: ['client-list'], reason: 'x' });
    assert.equal(await add('block', { host: 'mail.a.example', reason: 'x' }), '');
    await add('allow', { host: '.b.example', lifts: ['client-name-list'], reason: 'x' });
    assert.match(await add('block', { host: 'mail.b.example', reason: 'x' }), /^Note: An allow entry/);
    const inFile = {
      ...where,
      listEntries: [{ kind: 'list-host' as const, client: '203.0.113.1', source: 'postern.toml:9' }],
    };
    await listAddCommand(
      { ...inFile, listEntries: Object.assign(inFile.listEntries, {}) },
      'block',
      { client: '203.0.113.1', reason: 'x' },
      write,
    );
    assert.match(
      said(),
      /Note: A list-host entry lets this in all the same: postern\.toml:9; take it out there\.\n$/,
    );
  });

  it('takes no address that can match nothing', async (t) => {
    const { where, listed, write } = await store(t);
    for (const options of [{ sender: 'a@@b' }, { recipient: 'x@y@z' }])
      await assert.rejects(
        listAddCommand(where, 'allow', { ...options, reason: 'x' }, write),
        /is no (sender|recipient) such as/,
      );
    assert.equal(listed.list().length, 0);
  });

  it('adds, shows and removes while the gate runs', async (t) => {
    const { where, listed, write, said } = await store(t);
    assert.equal(await listShowCommand(where, {}, write), 1);
    assert.equal(said(), 'Nothing is listed.\n');
    const options = { client: '192.0.2.0/24', recipient: 'ann@example.org', reason: 'she asked' };
    assert.equal(await listAddCommand(where, 'allow', { ...options, lifts: ['dnsbl'], for: '2h' }, write), 0);
    const [, id] =
      /^(\d+): allow network 192\.0\.2\.0\/24 to ann@example\.org, until \d{4}-\S+ \S+\n$/.exec(said()) ?? [];
    const [entry] = listed.list();
    assert.equal(String(entry!.id), id);
    assert.deepEqual([entry!.lifts, entry!.reason], [['dnsbl'], 'she asked']);
    assert.ok(Math.abs(entry!.endsMs! - entry!.sinceMs - 2 * HOUR) < 1000);
    assert.equal(
      await listAddCommand(
        where,
        'block',
        { sender: '<>', reason: 'x', decision: 'K7Q2MX4D', really: true },
        write,
      ),
      0,
    );
    assert.match(said(), /^\d+: block bounces, for good\n$/);

    assert.equal(await listShowCommand(where, {}, write), 0);
    const [title, ...rows] = said().trimEnd().split('\n');
    assert.match(title!, /^id +list +about +lifts +until +by +since +decision +reason$/);
    assert.match(rows[0]!, /block +bounces +- +for good +\S+ +\d{4}-\S+ \S+ +K7Q2MX4D +x$/);
    assert.match(rows[1]!, /allow +network 192\.0\.2\.0\/24 to ann@example\.org +dnsbl +\d{4}-/);
    assert.equal(await listShowCommand(where, { text: 'ANN@', json: true }, write), 0);
    assert.equal(String((JSON.parse(said()) as { id: number }).id), id);
    assert.equal(await listShowCommand(where, { kind: 'list-host' }, write), 1);
    said();

    assert.equal(await listRemoveCommand(where, id!, write), 0);
    assert.equal(await listRemoveCommand(where, id!, write), 1);
    assert.equal(said(), `${id} is no longer listed\nThere is no entry ${id}\n`);
    assert.deepEqual(
      listed.list().map(({ kind }) => kind),
      ['block'],
    );
  });

  it('says that our own networks are not refused', async (t) => {
    const { where, write, said } = await store(t);
    await listAddCommand(where, 'block', { client: '10.1.2.3', reason: 'x' }, write);
    assert.match(said(), /\nNote: It is of our own `networks` or `relays`/);
    await listAddCommand(where, 'allow', { client: '10.1.2.3', reason: 'x' }, write);
    assert.doesNotMatch(said(), /Note/);
  });

  const wrong: [what: string, kind: string, options: Partial<ListAddOptions>, message: RegExp][] = [
    ['no such list', 'white', {}, /no list "white"; there are allow, block, list-host/],
    ['no reason', 'block', { reason: ' ' }, /--reason is missing/],
    ['a reason too long', 'block', { reason: 'x'.repeat(201) }, /longer than 200/],
    ['no network', 'block', { client: '192.0.2' }, /^--client: /],
    ['no sender', 'block', { sender: 'a b' }, /"a b" is no sender/],
    ['a block that lifts', 'block', { lifts: ['spf'] }, /--lifts goes with allow/],
    ['no such check', 'allow', { lifts: ['spv'] }, /--lifts "spv": there is no such check/],
    [
      'a block of half the world',
      'block',
      { client: '0.0.0.0/0' },
      /0\.0\.0\.0\/0 is too wide.*\n.*--really/,
    ],
    ['a pass for half the world', 'allow', { client: '::/0' }, /::\/0 is too wide.*\n.*--really/],
    ['no time', 'allow', { for: 'ever' }, /^--for "ever" is no time/],
  ];
  for (const [what, kind, options, message] of wrong)
    it(`adds nothing for ${what}`, async (t) => {
      const { where, listed, write } = await store(t);
      const given = { client: '192.0.2.7', reason: 'x', ...options };
      await assert.rejects(listAddCommand(where, kind, given, write), (error) => {
        assert.ok(error instanceof CommandError);
        assert.equal(error.exitCode, 64);
        assert.match(error.message, message);
        return true;
      });
      assert.deepEqual(listed.list(), []);
    });

  it('blocks all mail to us when it is asked twice, and not before', async (t) => {
    const { where, listed, write } = await store(t);
    for (const about of [{ recipient: 'example.org' }, { sender: '<>' }, { client: '0.0.0.0/0' }]) {
      const options = { ...about, reason: 'x' };
      await assert.rejects(listAddCommand(where, 'block', options, write), /with --really/);
      assert.equal(await listAddCommand(where, 'block', { ...options, really: true }, write), 0);
    }
    assert.equal(listed.list().length, 3);
  });

  it('wants to know whom it is about, and which entry', async (t) => {
    const { where } = await store(t);
    await assert.rejects(listAddCommand(where, 'block', { reason: 'x' }), /at least one of --client/);
    for (const id of ['', '0', '-1', '1.5', 'x', '9'.repeat(16)])
      await assert.rejects(listRemoveCommand(where, id), /is no number of an entry/);
    for (const limit of ['0', 'x', '100001'])
      await assert.rejects(listShowCommand(where, { limit }), /--limit/);
    const nowhere = { dataDir: await tempDir(t), site };
    await assert.rejects(listShowCommand(nowhere, {}), /there is no store yet/);
  });

  it('is what a running gate goes by a moment later, and what it decided can be judged again', async (t) => {
    const dir = await tempDir(t);
    const gate = await startGate(t, { dir, dns: undefined, door: 'milter' });
    const postern = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', MAIN, 'list', ...args, '-c', gate.configFile],
        { encoding: 'utf8' },
      );
      assert.equal(stderr, '');
      return [status, stdout] as const;
    };
    const mta = await Mta.connect({ at: { port: gate.port } }, t);
    let first = true;
    const rcpt = async () => {
      if (!first) mta.send('K');
      first = false;
      await mta.from('192.0.2.7');
      await mta.helo('client.example.net');
      await mta.mail('bob@example.net');
      return (await mta.rcpt('user@example.org')).text;
    };
    const until = async (fits: (text: string) => boolean) => {
      let said = await rcpt();
      for (let tries = 0; !fits(said) && tries < 100; tries++) said = await rcpt();
      assert.ok(fits(said), said);
      return said;
    };
    assert.doesNotMatch(await rcpt(), /envelope-list/);
    const [status, added] = postern(
      'add',
      'block',
      '--sender',
      'bob@example.net',
      '--reason',
      'nothing but spam',
    );
    assert.equal(status, 0);
    const said = await until((text) => /envelope-list/.test(text));
    assert.match(
      said,
      /^550 5\.7\.1 Refused: sender <bob@example\.net> is on our block list: nothing but spam \(/,
    );
    assert.equal(postern('add', 'allow', '--client', '192.0.2.7', '--reason', 'ours')[0], 0);
    await until((text) => !/envelope-list/.test(text));
    assert.match(postern('show')[1], /allow +client 192\.0\.2\.7/);
    assert.equal(postern('remove', /^\d+/.exec(added)![0])[0], 0);
    assert.equal(await gate.stop(), 0);
    await mta.closed;

    const journal = openJournal(join(dir, 'data', 'journal.sqlite'));
    onEnd(t, () => journal.close());
    const loaded = load(gate.configFile, LADDER);
    if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
    const policy = policyOf(loaded.config, 'milter');
    const verdicts = new Set<string>();
    for (const decision of await journal.find({ sender: 'bob@example.net' })) {
      const { recipients } = await replay(decision, policy);
      const again = recipients[0]?.kind === 'refuse' ? recipients[0].reply : undefined;
      const then = decision.recipients[0]?.reply;
      verdicts.add(`${then?.code} ${again?.code}`);
      if (again !== undefined) assert.deepEqual(again, then);
    }
    // Neither the entry that blocked nor the one that let in stands in the configuration.
    assert.deepEqual([...verdicts].sort(), ['250 undefined', '550 550']);
  });
});
