import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decision } from '../../test/contracts/journal.ts';
import { Differences, pagesOf, type Difference } from './differences.ts';

const difference = (id: string, atMs: number, over: Partial<Difference> = {}): Difference => ({
  kind: 'newly-refused',
  before: 'accepted',
  after: 'refused by x:y',
  decision: decision({ id, atMs }),
  reported: false,
  ...over,
});
const ids = (differences: Differences) => differences.list('newly-refused').map((d) => d.decision.id);

describe('differences', () => {
  it('keeps the newest, and all that people spoke of before them', () => {
    const differences = new Differences(3);
    differences.add(difference('M', 1, { mark: 'unwanted' }));
    for (let i = 0; i < 50; i++) differences.add(difference(`D${i}`, 100 + ((i * 7) % 50)));
    assert.deepEqual(ids(differences), ['M', 'D7', 'D14']);
    differences.add(difference('R', 0, { reported: true }));
    assert.deepEqual(ids(differences), ['M', 'R', 'D7']);
    assert.deepEqual(differences.counts, { same: 0, 'newly-refused': 52, 'newly-accepted': 0, unknown: 0 });
  });

  it('counts what is the same, and keeps nothing of it', () => {
    const differences = new Differences(3);
    differences.add(difference('A', 1, { kind: 'same' }));
    assert.equal(differences.counts.same, 1);
    assert.deepEqual(ids(differences), []);
  });
});

describe('pages of decisions', () => {
  const read = async (all: number, given: (after: number) => { n: number; last: number }) => {
    const asked: number[] = [];
    let seen = 0;
    const journal = {
      newest: async () => all,
      page: async ({ after }: { after: number }) => {
        asked.push(after);
        const { n, last } = given(after);
        return { decisions: Array.from({ length: n }, (_, i) => decision({ id: `${after}-${i}` })), last };
      },
    };
    for await (const page of pagesOf(journal, {})) seen += page.length;
    return { asked, seen };
  };

  it('ends with what was there when it began, or where nothing is left', async () => {
    // More is recorded all the time: it is not chased after.
    assert.deepEqual(await read(25, (after) => ({ n: 10, last: after + 10 })), {
      asked: [0, 10, 20],
      seen: 30,
    });
    assert.deepEqual(await read(25, (after) => ({ n: after === 0 ? 10 : 0, last: 10 })), {
      asked: [0, 10],
      seen: 10,
    });
    assert.deepEqual(await read(0, () => ({ n: 9, last: 9 })), { asked: [], seen: 0 });
  });
});
