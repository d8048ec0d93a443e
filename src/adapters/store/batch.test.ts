import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Batch } from './batch.ts';

function open(t: TestContext, trial = false, eachAtOnce = false) {
  const db = new DatabaseSync(':memory:');
  t.after(() => db.close());
  db.exec('CREATE TABLE numbers (n INTEGER PRIMARY KEY)');
  const told: string[] = [];
  const commits: number[] = [];
  const batch = new Batch(db, {
    trial,
    eachAtOnce,
    waitMs: 10,
    onTrouble: (error) => told.push(String(error)),
    onCommit: (rows) => commits.push(rows),
  });
  let fails = false;
  let undone = 0;
  batch.watch({
    beforeCommit() {
      if (fails) throw new Error('the disk is gone');
    },
    reread: () => undone++,
  });
  const insert = db.prepare('INSERT INTO numbers VALUES (?)');
  const count = db.prepare('SELECT count(*) AS n FROM numbers');
  return {
    batch,
    told,
    commits,
    undone: () => undone,
    isOpen: () => db.isTransaction,
    failing: (now: boolean) => void (fails = now),
    add: (n: number) => {
      batch.write(() => void insert.run(n));
    },
    count: () => Number(count.get()?.['n']),
  };
}

describe('a batch of writes', () => {
  it('is committed when asked, and by itself after a moment', async (t) => {
    const { batch, add, commits, isOpen } = open(t);
    batch.commit();
    add(1);
    add(2);
    assert.ok(isOpen());
    batch.commit();
    assert.deepEqual(commits, [2]);
    // Writes soon after a batch are on their own; a later one begins the next.
    do add(commits.length + 10);
    while (!isOpen());
    while (isOpen()) await sleep(1);
    assert.ok(commits.length >= 2);
  });

  it('that cannot be committed is undone; those after it are on their own, and told', (t) => {
    const { batch, add, failing, undone, count, isOpen, commits } = open(t);
    add(1);
    add(2);
    failing(true);
    assert.throws(() => batch.commit(), /disk is gone/);
    assert.deepEqual([count(), undone(), isOpen()], [0, 1, false]);
    assert.throws(() => add(3), /disk is gone/);
    assert.deepEqual([count(), undone(), isOpen()], [0, 2, false]);
    failing(false);
    for (let n = 0; n < 1000; n++) add(n);
    assert.deepEqual([count(), undone()], [1000, 2]);
    assert.deepEqual(new Set(commits), new Set([1]));
    assert.equal(isOpen(), false);
    add(1000);
    assert.ok(isOpen(), 'all is well again');
  });

  it('keeps what was written before a write that failed', (t) => {
    const { batch, add, count, isOpen } = open(t);
    add(1);
    assert.throws(() => add(1), /UNIQUE/);
    assert.ok(isOpen());
    batch.commit();
    assert.equal(count(), 1);
  });

  it('trouble that meets nobody is told once', async (t) => {
    const { add, failing, told, batch, count } = open(t);
    failing(true);
    add(1);
    while (told.length === 0) await sleep(1);
    assert.match(told[0]!, /disk is gone/);
    assert.equal(
      batch.quietly(() => add(2)),
      false,
    );
    assert.equal(told.length, 1);
    failing(false);
    assert.equal(
      batch.quietly(() => add(3)),
      true,
    );
    assert.equal(count(), 1);
  });

  it('of one write each holds nothing when it returns or throws', (t) => {
    const { add, failing, undone, count, isOpen, commits } = open(t, false, true);
    add(1);
    assert.equal(isOpen(), false);
    add(2);
    assert.deepEqual(commits, [1, 1]);
    assert.throws(() => add(1), /UNIQUE/);
    assert.equal(isOpen(), false);
    failing(true);
    assert.throws(() => add(3), /disk is gone/);
    assert.deepEqual([isOpen(), undone(), count()], [false, 2, 2]);
    failing(false);
    add(3);
    assert.equal(count(), 3);
  });

  it('of a trial is not written', (t) => {
    const { add, count, isOpen } = open(t, true);
    add(1);
    assert.deepEqual([count(), isOpen()], [0, false]);
  });
});
