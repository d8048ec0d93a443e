import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readingList } from '../config/list-file.ts';
import { buildingLists } from '../core/lists.ts';
import { atOnce, type Slices } from '../core/slices.ts';
import { inSlices } from './in-slices.ts';

const ENTRIES = 50_000;
const text = Array.from({ length: ENTRIES }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}\n`).join(
  '',
);

describe('long work in slices', () => {
  it('lets others have their turn, and comes to the same', async () => {
    let turns = 0;
    let isOver = false;
    const others = () => {
      turns += 1;
      if (!isOver) setImmediate(others);
    };
    setImmediate(others);
    const { entries } = await inSlices(readingList(text, 'block', 'block.txt'));
    assert.ok(turns >= 10, `${turns} turns while the list was read`);
    turns = 0;
    const lists = await inSlices(buildingLists(entries));
    isOver = true;
    assert.ok(turns >= 10, `${turns} turns while the lists were made`);
    assert.equal(lists.size, ENTRIES);
    const client = '10.0.1.2';
    assert.deepEqual(lists.find({ client }), [{ kind: 'block', client, source: 'block.txt:259' }]);
    assert.deepEqual(lists.find({ client }), atOnce(buildingLists(entries)).find({ client }));
  });

  it('passes on what is thrown', async () => {
    const work = function* (): Slices<number> {
      yield;
      throw new Error('in the second slice');
    };
    await assert.rejects(inSlices(work()), /second slice/);
    assert.throws(() => atOnce(work()), /second slice/);
  });

  it('is given up before a slice, when nobody waits for it any more', async () => {
    let slices = 0;
    const work = function* (): Slices<number> {
      for (;;) {
        slices += 1;
        yield;
      }
    };
    const before = () => {
      if (slices === 3) throw new Error('nobody waits');
    };
    await assert.rejects(inSlices(work(), before), /nobody waits/);
    assert.equal(slices, 3);
  });
});
