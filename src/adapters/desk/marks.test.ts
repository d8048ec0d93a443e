import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onEnd, type Cleanup } from '../../../test/program.ts';
import { openDatabase } from '../sqlite.ts';
import { Marks, MARKS } from './marks.ts';

function opened(cleanup: Cleanup, max?: number) {
  const clock = { ms: 1_000_000 };
  const db = openDatabase(':memory:', [MARKS]);
  onEnd(cleanup, () => db.close());
  const marks = new Marks(db, () => clock.ms, 1000, max);
  return { marks, later: (ms: number) => void (clock.ms += ms) };
}

describe('marks', () => {
  it('are set, changed and taken away', (t) => {
    const { marks } = opened(t);
    marks.set('A1', 'wanted', 'eve');
    marks.set('A2', 'unwanted', 'eve');
    assert.deepEqual(
      [...marks.of(['A1', 'A2', 'A3'])],
      [
        ['A1', 'wanted'],
        ['A2', 'unwanted'],
      ],
    );
    marks.set('A1', 'unwanted', 'ann');
    marks.set('A2', undefined, 'ann');
    marks.set('A3', undefined, 'ann');
    assert.deepEqual([...marks.of(['A1', 'A2', 'A3'])], [['A1', 'unwanted']]);
  });

  it('are listed newest first, and go when they are old', (t) => {
    const { marks, later } = opened(t);
    marks.set('A1', 'wanted', 'eve');
    later(500);
    marks.set('A2', 'unwanted', 'eve');
    later(500);
    marks.set('A3', 'wanted', 'eve');
    assert.deepEqual([...marks.list(0).keys()], ['A3', 'A2', 'A1']);
    assert.deepEqual([...marks.list(1_000_500).keys()], ['A3', 'A2']);
    marks.expire();
    assert.equal(marks.list(0).size, 3);
    later(1);
    marks.expire();
    assert.deepEqual([...marks.list(0).keys()], ['A3', 'A2']);
  });

  it('are bounded: the oldest make room', (t) => {
    const { marks, later } = opened(t, 2);
    for (const id of ['A1', 'A2', 'A3']) {
      marks.set(id, 'wanted', 'eve');
      later(1);
    }
    assert.deepEqual([...marks.list(0).keys()], ['A3', 'A2']);
  });
});
