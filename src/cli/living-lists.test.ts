import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { onEnd, type Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { openStore } from '../adapters/store/sqlite.ts';
import { buildLists, joinedLists } from '../core/lists.ts';
import { LivingLists, type ListedSource } from './living-lists.ts';

const BEGIN_MS = 1_700_000_000_000;
const QUESTION = { client: '192.0.2.7' };
const ENTRY = { kind: 'block', client: '192.0.2.7', by: 'ann' } as const;

async function gate(cleanup: Cleanup, lookEveryMs = 5) {
  const file = join(await tempDir(cleanup), 'store.sqlite');
  const clock = { ms: BEGIN_MS };
  const opened = () => {
    const state = openStore(file, { nowMs: () => clock.ms });
    onEnd(cleanup, () => state.close());
    return state.listed;
  };
  const [listed, elsewhere] = [opened(), opened()];
  const troubles: unknown[] = [];
  const living = new LivingLists(
    listed,
    () => clock.ms,
    (error) => void troubles.push(error),
    lookEveryMs,
  );
  onEnd(cleanup, () => living.stop());
  return { file, clock, listed, elsewhere, living, troubles };
}

async function until(is: () => boolean): Promise<void> {
  for (let tries = 0; !is() && tries < 400; tries++) await sleep(5);
  assert.ok(is());
}

describe('living lists', () => {
  it('hold at once what the same program lists, and no longer what it removes', async (t) => {
    const { listed, living } = await gate(t, 1e6);
    assert.deepEqual([living.find(QUESTION), living.size], [[], 0]);
    const { id, source } = listed.add(ENTRY);
    assert.deepEqual(living.find(QUESTION), [{ kind: 'block', client: '192.0.2.7', source }]);
    assert.equal(living.namesHosts, false);
    const host = listed.add({ kind: 'allow', host: 'a.example', by: 'ann' });
    assert.equal(living.namesHosts, true);
    listed.remove(host.id);
    listed.remove(id);
    assert.deepEqual([living.find(QUESTION), living.namesHosts], [[], false]);
  });

  it('hold a moment later what another program lists', async (t) => {
    const { elsewhere, living } = await gate(t);
    const { id } = elsewhere.add(ENTRY);
    await until(() => living.find(QUESTION).length === 1);
    elsewhere.remove(id);
    await until(() => living.find(QUESTION).length === 0);
  });

  it('hold an entry up to its end, without another look', async (t) => {
    const { clock, listed, living } = await gate(t, 1e6);
    listed.add({ ...ENTRY, endsMs: BEGIN_MS + 10 });
    clock.ms = BEGIN_MS + 9;
    assert.equal(living.find(QUESTION).length, 1);
    clock.ms = BEGIN_MS + 10;
    assert.equal(living.find(QUESTION).length, 0);
  });

  it('stay as they were while the store cannot be read, and tell it once', async (t) => {
    const { listed, living: first } = await gate(t, 1e6);
    listed.add(ENTRY);
    first.stop();
    let broken = false;
    let version = 1;
    const source: ListedSource = {
      reading: () => listed.reading(),
      changes() {
        if (broken) throw new Error('disk I/O error');
        return version;
      },
      version: () => version,
      onChange: undefined,
    };
    const troubles: unknown[] = [];
    const living = new LivingLists(source, Date.now, (error) => void troubles.push(error), 1e6);
    t.after(() => living.stop());
    broken = true;
    for (let i = 0; i < 3; i++) await living.look();
    assert.equal(living.find(QUESTION).length, 1);
    assert.equal(troubles.length, 1);
    broken = false;
    version = 2;
    await living.look();
    broken = true;
    await living.look();
    assert.equal(troubles.length, 2, 'it had worked in between');
  });

  it('leave out an entry that cannot be read, name it once, and follow the others', async (t) => {
    const { file, listed, living, troubles } = await gate(t, 1e6);
    const { id } = listed.add({ kind: 'allow', client: '198.51.100.7', lifts: ['dnsbl'], by: 'ann' });
    const other = new DatabaseSync(file);
    other.exec(`UPDATE listed SET lifts = '{' WHERE id = ${id}`);
    other.close();
    listed.add(ENTRY);
    assert.deepEqual([living.size, living.find(QUESTION).length], [1, 1]);
    listed.add({ ...ENTRY, client: '192.0.2.8' });
    assert.deepEqual([living.size, troubles.length], [2, 1]);
    assert.match(String(troubles[0]), new RegExp(`left out, .postern list remove. .*: entry ${id}: `));
    const again: unknown[] = [];
    const started = new LivingLists(
      listed,
      () => BEGIN_MS,
      (error) => void again.push(error),
    );
    t.after(() => started.stop());
    assert.deepEqual([started.size, again.length], [2, 1]);
    listed.remove(id);
    assert.deepEqual([started.size, again.length], [2, 1]);
  });

  it('begin empty where the store cannot be read', () => {
    const troubles: unknown[] = [];
    const source = {
      changes(): number {
        throw new Error('file is not a database');
      },
      version: () => 0,
      reading: () => assert.fail(),
      onChange: undefined,
    };
    const living = new LivingLists(source, Date.now, (error) => void troubles.push(error));
    assert.deepEqual([living.find(QUESTION), living.size, troubles.length], [[], 0, 1]);
    living.stop();
  });

  it('are made anew in slices, and see what was listed meanwhile', async (t) => {
    const { listed, living } = await gate(t, 1e6);
    for (let i = 0; i < 9000; i++) {
      listed.onChange = undefined;
      listed.add({ kind: 'block', sender: `d${i}.example`, by: 'ann' });
    }
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    const looking = living.look();
    assert.equal(living.size, 0, 'the old ones hold until the new ones are there');
    listed.add(ENTRY);
    await looking;
    clearInterval(counting);
    assert.equal(living.size, 9001);
    assert.ok(turns > 0);
  });

  it('stand behind those of the file', async (t) => {
    const { listed, living } = await gate(t, 1e6);
    const file = buildLists([{ kind: 'block', client: '192.0.2.0/24', source: 'postern.toml:1' }]);
    const all = joinedLists([file, living]);
    const sources = () => all.find(QUESTION).map(({ source }) => source);
    assert.deepEqual(sources(), ['postern.toml:1']);
    const { source } = listed.add({ ...ENTRY, host: '.example' });
    assert.deepEqual([all.size, all.namesHosts], [2, true]);
    assert.deepEqual(
      all.find({ ...QUESTION, hosts: ['a.example'] }).map((e) => e.source),
      ['postern.toml:1', source],
    );
    assert.deepEqual(sources(), ['postern.toml:1']);
    assert.deepEqual(joinedLists([buildLists([]), living]).find({ client: '198.51.100.1' }), []);
  });
});
