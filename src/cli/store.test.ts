import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openAdmin } from '../../test/admin.ts';
import { onEnd } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { openStore } from '../adapters/store/sqlite.ts';
import { LADDER } from '../checks/ladder.ts';
import { load } from '../config/load.ts';
import { startAdmin } from './admin.ts';
import { withStore } from './store.ts';

const DAY = 86_400_000;

describe('whoever opens the store of a gate', () => {
  it('as a command does holds no lock between two writes', async (t) => {
    const dataDir = await tempDir(t);
    const file = join(dataDir, 'store.sqlite');
    const gate = openStore(file);
    onEnd(t, () => gate.close());
    const other = new DatabaseSync(file, { timeout: 0 });
    onEnd(t, () => other.close());
    withStore({ dataDir }, 'write', (store) => {
      for (const key of ['a', 'b']) {
        store.store.remember('s', key, 1, DAY);
        other.exec('BEGIN IMMEDIATE; ROLLBACK');
      }
    });
    assert.equal(gate.store.recall('s', 'b'), 1);
  });

  it('as the dashboard does drops nothing of it', async (t) => {
    const { dir, store } = await openAdmin(t);
    store.store.remember('s', 'key', 1, DAY / 2);
    store.commit();
    const loaded = load(join(dir, 'postern.toml'), LADDER);
    if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
    const silent = () => undefined;
    const second = await startAdmin(
      loaded.config,
      { listening: silent, closed: silent, warned: silent, trouble: silent },
      { nowMs: () => Date.now() + DAY, webFolder: join(dir, 'web') },
    );
    onEnd(t, () => second.stop());
    // A collector would have had two turns.
    await sleep(250);
    assert.equal(store.store.recall('s', 'key'), 1);
  });
});
