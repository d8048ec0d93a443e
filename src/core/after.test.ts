import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { after } from './after.ts';

describe('going on', () => {
  it('happens at once where the value is there', () =>
    assert.equal(
      after(1, (n) => n + 1),
      2,
    ));
  it('waits where it is not', async () => {
    const later = after(Promise.resolve(1), (n) => n + 1);
    assert.ok(later instanceof Promise);
    assert.equal(await later, 2);
  });
  it('carries a failure on', async () => {
    const failed = after(Promise.reject<number>(new Error('no')), (n) => n + 1);
    await assert.rejects(Promise.resolve(failed), { message: 'no' });
  });
});
