import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { openAdmin, openRequest, type TestAdmin } from '../../test/admin.ts';
import { decision } from '../../test/contracts/journal.ts';
import { onEnd, type Cleanup } from '../../test/program.ts';
import type { DecisionLine } from './api.ts';
import { Live, MAX_BEHIND, MAX_LINES, MAX_LISTENERS } from './live.ts';
import type { AdminWorld } from './world.ts';

async function listener(t: Cleanup, admin: TestAdmin, cookie: string) {
  const response = await openRequest(admin.port, 'GET', '/api/live', { cookie });
  onEnd(t, () => void response.destroy());
  let text = '';
  let isOver = false;
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of waiting) look();
  };
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    wake();
  });
  response.on('close', () => {
    isOver = true;
    wake();
  });
  const until = (is: () => boolean) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`not so after 10 s; heard ${text.slice(-500)}`)),
        10_000,
      );
      const look = () => {
        if (!is()) return;
        clearTimeout(timer);
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  const events = (kind: string) =>
    [...text.matchAll(/^event: (\w+)\ndata: (.*)\n\n/gm)]
      .filter(([, event]) => event === kind)
      .map(([, , data]) => JSON.parse(data ?? '') as unknown);
  return {
    response,
    events,
    until,
    ids: () => (events('decisions') as DecisionLine[][]).flat().map(({ id }) => id),
    isOver: () => isOver,
  };
}

describe('the live page', () => {
  it('shows what is decided from then on, to all who listen, and how the gate is', async (t) => {
    const admin = await openAdmin(t, { decisions: [decision({ id: 'BEFORE' })] });
    const { cookie } = await admin.login();
    const [one, two] = [await listener(t, admin, cookie), await listener(t, admin, cookie)];
    assert.match(one.response.headers['content-type'] ?? '', /^text\/event-stream/);
    assert.match(String(one.response.headers['content-security-policy']), /default-src 'none'/);
    assert.equal(one.response.headers['cache-control'], 'no-store');
    await one.until(() => one.events('gate').length >= 2);
    admin.journal.record(decision({ id: 'AFTER1', atMs: Date.now() }));
    admin.journal.record(decision({ id: 'AFTER2', atMs: Date.now() }));
    for (const heard of [one, two]) {
      await heard.until(() => heard.ids().length >= 2);
      assert.deepEqual(heard.ids().toSorted(), ['AFTER1', 'AFTER2']);
    }
  });

  it('shows the newest of a flood', async (t) => {
    const admin = await openAdmin(t);
    const { cookie } = await admin.login();
    const heard = await listener(t, admin, cookie);
    await heard.until(() => heard.events('gate').length >= 2);
    const ids = Array.from({ length: 5 * MAX_LINES }, (_, i) => `F${i}`);
    for (const id of ids) admin.journal.record(decision({ id, atMs: Date.now() }));
    await heard.until(() => heard.ids().includes(ids.at(-1) ?? ''));
    for (const lines of heard.events('decisions') as DecisionLine[][]) assert.ok(lines.length <= MAX_LINES);
  });

  it('ends with the login', async (t) => {
    const admin = await openAdmin(t);
    const session = await admin.login();
    const heard = await listener(t, admin, session.cookie);
    await admin.ask('POST', '/api/logout', { headers: session.headers });
    await heard.until(heard.isOver);
  });

  it('is for a bounded number', async (t) => {
    const admin = await openAdmin(t);
    const { cookie } = await admin.login();
    const all = await Promise.all(Array.from({ length: MAX_LISTENERS }, () => listener(t, admin, cookie)));
    assert.ok(all.every(({ response }) => response.statusCode === 200));
    const { status, headers } = await admin.ask('GET', '/api/live', { headers: { cookie } });
    assert.equal(status, 503);
    assert.equal(headers['retry-after'], '30');
  });
});

describe('a reader that does not read', () => {
  it('is cut off, and the others are not', async (t) => {
    const admin = await openAdmin(t);
    const world = { ...FAKE, journal: admin.journal } as unknown as AdminWorld;
    const live = new Live(world);
    t.after(() => live.close());
    const readers = [MAX_BEHIND, MAX_BEHIND + 1].map((writableLength) => {
      const reader = Object.assign(new EventEmitter(), {
        writableLength,
        heard: '',
        write: (text: string) => void (reader.heard += text),
        end: () => reader.emit('close'),
        destroy: () => reader.emit('close'),
      });
      live.listen(reader as unknown as ServerResponse, () => true);
      return reader;
    });
    while (live.listeners > 1) await new Promise((wake) => setTimeout(wake, 20));
    const [quick, slow] = readers;
    assert.ok((quick?.heard.match(/^event: gate$/gm)?.length ?? 0) >= 2);
    assert.equal(slow?.heard.match(/^event: gate$/gm)?.length, 1);
  });
});

const FAKE = {
  nowMs: () => 0,
  gates: () => [],
  desk: { reports: { open: () => 0 }, queue: { last: () => undefined } },
  trouble: (what: string, error: unknown) => assert.fail(`${what}: ${String(error)}`),
};
