import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { decision, journalContract } from '../../../test/contracts/journal.ts';
import { onEnd } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { openJournal, pauseMs } from './sqlite.ts';

describe('the journal in SQLite', () => {
  journalContract(async (cleanup) => {
    let now = 0;
    const journal = openJournal(join(await tempDir(cleanup), 'journal.sqlite'), { nowMs: () => now });
    return { journal, nowMs: (ms) => (now = ms) };
  });

  it('writes what is queued when it closes, and another finds it', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const journal = openJournal(file);
    for (let i = 0; i < 1000; i++) journal.record(decision({ id: `x${i}` }));
    await journal.close();
    assert.deepEqual(journal.counts, { recorded: 1000, dropped: 0 });
    const again = openJournal(file);
    onEnd(t, () => again.close());
    assert.equal((await again.summary({})).received, 1000);
  });

  it('drops and counts what comes beyond its bound', async (t) => {
    const journal = openJournal(join(await tempDir(t), 'journal.sqlite'), { maxQueued: 10 });
    for (let i = 0; i < 11; i++) journal.record(decision({ id: `x${i}` }));
    assert.equal(journal.counts.dropped, 1);
    await journal.close();
    assert.deepEqual(journal.counts, { recorded: 10, dropped: 1 });
    journal.record(decision({ id: 'late' }));
    assert.equal(journal.counts.dropped, 2);
    await assert.rejects(journal.find({}), /closed/);
    await journal.close();
  });

  it('reports what could not be written, and goes on when it can be again', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const troubles: [string, number][] = [];
    const journal = openJournal(file, { onTrouble: (reason, lost) => troubles.push([reason, lost]) });
    onEnd(t, () => journal.close());
    const other = new DatabaseSync(file);
    other.exec('ALTER TABLE decisions RENAME TO elsewhere');
    journal.record(decision({ id: 'lost' }));
    await assert.rejects(journal.find({}), /no such table/);
    assert.equal(troubles.length, 1);
    assert.match(troubles[0]?.[0] ?? '', /no such table/);
    assert.deepEqual(journal.counts, { recorded: 0, dropped: 1 });
    other.exec('ALTER TABLE elsewhere RENAME TO decisions');
    other.close();
    journal.record(decision({ id: 'kept' }));
    assert.equal((await journal.find({})).length, 1);
  });

  it('starts its thread again when it died, and counts what was lost', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const threads: Worker[] = [];
    const deaths: number[] = [];
    const troubles: [string, number][] = [];
    let started = Promise.withResolvers<undefined>();
    const journal = openJournal(file, {
      onTrouble: (reason, lost) => troubles.push([reason, lost]),
      pauseMs: (n) => (deaths.push(n), 1),
      onThread(thread) {
        threads.push(thread);
        started.resolve(undefined);
      },
    });
    onEnd(t, () => journal.close());
    await started.promise;
    const dies = async () => {
      started = Promise.withResolvers();
      // Nothing else keeps this program up during the pause.
      const up = setInterval(() => undefined, 1000);
      await threads.at(-1)?.terminate();
      await started.promise;
      clearInterval(up);
    };
    journal.record(decision({ id: 'lost' }));
    const unanswered = assert.rejects(journal.find({}), /thread/);
    await dies();
    await unanswered;
    await dies();
    assert.deepEqual(deaths, [1, 2]);
    assert.deepEqual(troubles.map(([, lost]) => lost).sort(), [0, 0, 1]);
    assert.deepEqual(journal.counts, { recorded: 0, dropped: 1 });
    journal.record(decision({ id: 'kept' }));
    assert.deepEqual(
      (await journal.find({})).map((d) => d.id),
      ['kept'],
    );
    await dies();
    assert.deepEqual(deaths, [1, 2, 1]);
  });

  it('writes what waited for its dead thread when it closes', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const threads: Worker[] = [];
    const journal = openJournal(file, { pauseMs: () => 1e8, onThread: (thread) => threads.push(thread) });
    await threads[0]?.terminate();
    journal.record(decision({ id: 'waited' }));
    await assert.rejects(journal.find({}), /thread/);
    await journal.close();
    assert.deepEqual(journal.counts, { recorded: 1, dropped: 0 });
  });

  it('rests longer each time, up to a minute', () => {
    assert.deepEqual([1, 2, 3, 7, 1000].map(pauseMs), [1000, 2000, 4000, 60_000, 60_000]);
  });

  it('says what is wrong with its file', async (t) => {
    const dir = await tempDir(t);
    const damaged = join(dir, 'damaged.sqlite');
    await writeFile(damaged, 'this is no database, and long enough to be looked at as one. '.repeat(20));
    assert.throws(() => openJournal(damaged), /damaged\.sqlite: is damaged or is no database .*move it away/);
    const newer = join(dir, 'newer.sqlite');
    const db = new DatabaseSync(newer);
    db.exec('PRAGMA user_version = 99');
    db.close();
    assert.throws(() => openJournal(newer), /newer version/);
    assert.throws(() => openJournal(dir), /cannot be opened/);
  });
});
