import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { onEnd } from '../../test/program.ts';
import { openDesk } from '../adapters/desk/sqlite.ts';
import { Access } from './access.ts';
import type { AdminWorld } from './world.ts';

describe('a login that waited for its turn', () => {
  it('is over before it begins where the password has changed meanwhile', async (t) => {
    const desk = openDesk(':memory:');
    onEnd(t, () => desk.close());
    const users = new Map([['ann', 'of the old one']]);
    const world = {
      config: () => ({
        site: { clientPrefix: { v4: 24, v6: 64 } },
        admin: { dashboard: { userHeaderFrom: { has: () => false }, sessionTimeMs: 60_000 } },
      }),
      desk,
      nowMs: Date.now,
      users: () => users,
      trouble: () => undefined,
      async verifyPassword() {
        const fingerprint = users.get('ann');
        // It takes a while, and more than one may wait.
        await Promise.resolve();
        if (isChanging) users.set('ann', 'of the new one');
        return { fingerprint };
      },
    } as unknown as AdminWorld;
    let isChanging = false;
    const access = new Access(world);
    const request = { headers: {}, socket: { remoteAddress: '192.0.2.1' } } as unknown as IncomingMessage;
    const enter = async () => (await access.login(request, { user: 'ann', password: 'x' })).token;
    const userOf = (token: string) => access.userOf(request, { postern: token })?.name;
    const early = await enter();
    assert.equal(userOf(early), 'ann');
    isChanging = true;
    const late = await enter();
    assert.equal(userOf(late), undefined);
    assert.equal(userOf(early), undefined);
    // Over is over, whatever the file says afterwards.
    users.set('ann', 'of the old one');
    assert.deepEqual([userOf(early), userOf(late)], [undefined, undefined]);
    const next = await enter();
    users.delete('ann');
    assert.equal(userOf(next), undefined);
  });
});
