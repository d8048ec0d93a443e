import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Disk, DiskHangs } from './disk.ts';

const MESSAGE = 'the disk did not answer in time';
const answer = (work: Promise<unknown>) =>
  work.then(
    (value) => value,
    (error: unknown) => (error instanceof Error ? error.message : error),
  );

const isHanging = (disk: Disk): boolean => disk.hangs;

describe('a disk', () => {
  it('gives what the work gives, whatever that is, and is never late for it', async () => {
    const disk = new Disk(20);
    let late: AbortSignal | undefined;
    const done = disk.within(async (signal) => {
      late = signal;
      return 5;
    });
    assert.equal(await done, 5);
    assert.equal(await answer(disk.within(() => Promise.reject(new Error('EIO')))), 'EIO');
    const throws = disk.within(() => {
      throw new Error('EBADF');
    });
    assert.equal(await answer(throws), 'EBADF');
    await new Promise((resolve) => setTimeout(resolve, 40));
    assert.equal(late?.aborted, false);
    assert.equal(disk.hangs, false);
  });

  it('begins nothing while two pieces of work are overdue, and goes on when one has ended', async () => {
    const disk = new Disk(20);
    const ends: (() => void)[] = [];
    const lates: AbortSignal[] = [];
    const stuck = () =>
      disk.within((late) => {
        lates.push(late);
        return new Promise<void>((resolve) => ends.push(resolve));
      });
    const first = stuck();
    await assert.rejects(first, DiskHangs);
    assert.equal(disk.hangs, false);
    assert.equal(await disk.within(async () => 'one is no reason'), 'one is no reason');
    await assert.rejects(stuck(), DiskHangs);
    assert.equal(disk.hangs, true);
    assert.deepEqual(
      lates.map(({ aborted }) => aborted),
      [true, true],
    );
    let begun = false;
    const refused = disk.within(async () => void (begun = true));
    assert.equal(await answer(refused), MESSAGE);
    assert.equal(begun, false);
    ends[0]!();
    while (isHanging(disk)) await new Promise(setImmediate);
    assert.equal(await disk.within(async () => 'well again'), 'well again');
    ends[1]!();
  });

  it('lets go of whoever is gone, and counts the work all the same', async () => {
    const disk = new Disk(20);
    const gone = new AbortController();
    let end = (): void => undefined;
    const wait = disk.within(() => new Promise<void>((resolve) => (end = resolve)), gone.signal);
    gone.abort(new Error('the client is gone'));
    assert.equal(await answer(wait), 'the client is gone');
    assert.equal(await answer(disk.within(async () => 5, gone.signal)), 'the client is gone');
    await assert.rejects(
      disk.within(() => new Promise<void>(() => undefined)),
      DiskHangs,
    );
    assert.equal(disk.hangs, true);
    end();
    while (isHanging(disk)) await new Promise(setImmediate);
  });
});
