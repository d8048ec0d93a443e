import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { tempDir } from '../../../test/tempdir.ts';
import type { Notice } from '../../core/notice.ts';
import { openDesk } from './sqlite.ts';

const notice = (state: 'firing' | 'cleared', atMs = 1): Notice => ({
  kind: 'alert',
  about: 'queue',
  state,
  atMs,
  subject: 's',
  text: 't',
});

it('a change is noted once, by whichever program', async (t) => {
  const file = join(await tempDir(t), 'desk.sqlite');
  const [one, two] = [openDesk(file, { nowMs: () => 7 }), openDesk(file, { nowMs: () => 8 })];
  assert.equal(one.notices.standing('queue'), undefined);
  assert.ok(one.notices.change('queue', 'firing', notice('firing')) !== undefined);
  assert.equal(two.notices.change('queue', 'firing', notice('firing')), undefined);
  assert.deepEqual(two.notices.standing('queue'), { state: 'firing', atMs: 7 });
  assert.ok(two.notices.change('other', 'firing') !== undefined);
  assert.ok(two.notices.change('queue', 'cleared', notice('cleared')) !== undefined);
  assert.ok(one.notices.change('queue', 'firing', notice('firing', 2)) !== undefined);
  one.close();
  two.close();
});

it('what waits is the last of each, until it is told', () => {
  const { notices, close } = opened(() => 1);
  notices.change('summary', '2026-11-20');
  notices.change('queue', 'firing', notice('firing'));
  assert.deepEqual(
    notices.waiting().map(({ state }) => state),
    ['firing'],
  );
  const id = notices.change('queue', 'cleared', notice('cleared', 5));
  assert.deepEqual(notices.waiting(), [{ id, state: 'cleared', notice: notice('cleared', 5) }]);
  notices.told(id ?? 0);
  assert.deepEqual(notices.waiting(), []);
  assert.equal(notices.since(0).length, 2);
  assert.equal(notices.since(2).length, 0);
  close();
});

it('what is old goes, but for the last word', () => {
  let now = 1000;
  const { notices, expire, close } = opened(() => now);
  notices.change('queue', 'firing', notice('firing'));
  notices.change('queue', 'cleared', notice('cleared'));
  now += 101;
  expire();
  assert.deepEqual(
    notices.since(0).map(({ state }) => state),
    ['cleared'],
  );
  assert.equal(notices.change('queue', 'cleared', notice('cleared')), undefined);
  close();
});

function opened(nowMs: () => number) {
  const desk = openDesk(':memory:', { nowMs, keptMs: 100 });
  return { notices: desk.notices, expire: () => desk.expire(), close: () => desk.close() };
}
