import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { site } from '../../test/fakes/ask.ts';
import { onEnd, type Cleanup } from '../../test/program.ts';
import { openStore, type StoreOptions } from '../adapters/store/sqlite.ts';
import { GUESSES } from '../core/charges.ts';
import type { GreylistAttempt } from '../core/ports.ts';
import { blocksDesk, greylistDesk, listedDesk } from './desks.ts';

const BEGIN_MS = 1_700_000_000_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function opened(cleanup: Cleanup, options: StoreOptions = {}) {
  const clock = { ms: BEGIN_MS };
  const nowMs = () => clock.ms;
  const store = openStore(':memory:', { nowMs, ...options });
  onEnd(cleanup, () => store.close());
  return {
    store,
    clock,
    blocks: blocksDesk(store, () => site, nowMs),
    greylist: greylistDesk(store, () => 2),
  };
}

describe('the desk of the lists', () => {
  it('adds and removes, and not what would shut out nearly everybody', async (t) => {
    const { store } = opened(t);
    const desk = listedDesk(store.listed, () => site);
    const { id } = await desk.add({ kind: 'block', client: '192.0.2.0/24', by: 'ann' });
    for (const about of [{ client: '0.0.0.0/0' }, { recipient: 'example.org' }, { sender: '<>' }])
      assert.throws(() => desk.add({ kind: 'block', ...about, by: 'ann' }), /too wide|ours|bounce/);
    assert.equal((await desk.list()).length, 1);
    assert.equal(await desk.version(), 1);
    assert.equal(await desk.remove(id), true);
  });
});

describe('the desk of the block list', () => {
  const wanted = { network: '192.0.2.0/24', reason: 'floods us', lastsMs: HOUR, by: 'ann' };

  it('adds, lists and removes, and forgives what led to it', (t) => {
    const { store, blocks } = opened(t);
    const added = blocks.add(wanted);
    assert.deepEqual(added, {
      network: '192.0.2.0/24',
      reason: 'floods us',
      evidence: '',
      by: 'operator ann',
      convictions: 0,
      sinceMs: BEGIN_MS,
      endsMs: BEGIN_MS + HOUR,
    });
    assert.deepEqual(blocks.list(undefined), [added]);
    assert.deepEqual(blocks.list('192.0.2.7'), [added]);
    assert.deepEqual(blocks.list('198.51.100.0/24'), []);
    store.rates.add(GUESSES, '192.0.2.7', HOUR);
    assert.equal(blocks.remove('192.0.2.0/24'), true);
    assert.equal(store.rates.count(GUESSES, '192.0.2.7'), 0);
    assert.equal(blocks.remove('192.0.2.0/24'), false);
  });

  it('leaves a named operator the longer block, and his place at the bound', (t) => {
    const { store, blocks } = opened(t, { maxBlocks: 2 });
    const convict = (network: string) =>
      store.blocks.convict({
        network,
        reason: 'a trap',
        evidence: 'ID',
        by: 'spam-trap',
        firstMs: 2 * HOUR,
        factor: 2,
        longestMs: DAY,
        forgottenMs: DAY,
      });
    blocks.add({ ...wanted, lastsMs: 3 * HOUR });
    assert.equal(convict('192.0.2.0/24').by, 'operator ann');
    convict('198.51.100.1');
    convict('198.51.100.2');
    assert.deepEqual(
      blocks
        .list(undefined)
        .map(({ by }) => by)
        .sort(),
      ['operator ann', 'spam-trap'],
    );
  });

  const wrong: [what: string, over: Partial<typeof wanted>, problem: RegExp][] = [
    ['no network', { network: '192.0.2' }, /it wants an address, or a network such as/],
    ['half the world', { network: '0.0.0.0/0' }, /0\.0\.0\.0\/0 is too wide/],
    ['no reason', { reason: ' ' }, /^the reason is missing/],
    ['a long reason', { reason: 'x'.repeat(201) }, /^the reason is longer than 200/],
    ['no time', { lastsMs: 0 }, /at most 3650 days/],
    ['ever', { lastsMs: Infinity }, /at most 3650 days/],
    ['no number', { lastsMs: NaN }, /at most 3650 days/],
  ];
  for (const [what, over, problem] of wrong)
    it(`adds nothing for ${what}`, (t) => {
      const { blocks } = opened(t);
      assert.throws(
        () => blocks.add({ ...wanted, ...over }),
        (error: Error) => problem.test(error.message),
      );
      assert.deepEqual(blocks.list(undefined), []);
    });
});

describe('the desk of the greylist', () => {
  const attempt = (over: Partial<GreylistAttempt> = {}): GreylistAttempt => ({
    client: '192.0.2.0/24',
    sender: 'ann@example.net',
    recipient: 'bob@example.org',
    delayMs: 180_000,
    retryWindowMs: 2 * DAY,
    keptMs: 36 * DAY,
    clientPasses: 2,
    seedOnly: false,
    sessionSinceMs: Infinity,
    ...over,
  });

  it('finds who waits, who is known, and clients known for all', (t) => {
    const { store, clock, greylist } = opened(t);
    const states = (text: string) => greylist.search(text, 100).rows.map(({ state }) => state);
    const pass = (recipient: string) => {
      store.greylist.attempt(attempt({ recipient }));
      clock.ms += HOUR;
      store.greylist.attempt(attempt({ recipient }));
    };
    store.greylist.attempt(attempt({ client: 'example.com', sender: '', recipient: 'eve@example.org' }));
    pass('bob@example.org');
    assert.deepEqual(states(''), ['waiting', 'known'], 'one pass makes no client known');
    pass('carl@example.org');
    assert.deepEqual(states(''), ['waiting', 'client-known', 'known', 'known']);
    assert.deepEqual(states('EXAMPLE.COM'), ['waiting']);
    assert.deepEqual(states('bob@'), ['known']);
    assert.deepEqual(states('192.0.2.'), ['client-known', 'known', 'known']);
    assert.deepEqual(states('%'), []);
    assert.equal(greylist.search('', 2).rows.length, 2);
    assert.equal(greylistDesk(store, () => 0).search('192', 9).rows.length, 2, 'no client is known for all');
    store.commit();
    const [row] = greylist.search('carl', 1).rows;
    const { sinceMs, endsMs, ...texts } = row!;
    assert.deepEqual(texts, {
      client: '192.0.2.0/24',
      sender: 'ann@example.net',
      recipient: 'carl@example.org',
      state: 'known',
    });
    assert.ok(sinceMs === BEGIN_MS + HOUR && endsMs >= clock.ms + 36 * DAY);
    assert.equal(greylist.search('carl', 1).inAll, 3);
    clock.ms += 2 * DAY;
    assert.deepEqual(states(''), ['client-known', 'known', 'known'], 'who waited too long waits no more');
  });

  it('forgets a triplet, or a client', (t) => {
    const { store, greylist } = opened(t);
    for (const recipient of ['bob@example.org', 'carl@example.org']) {
      store.greylist.attempt(attempt({ recipient, seedOnly: true }));
      store.greylist.attempt(attempt({ recipient, client: '198.51.100.0/24', sender: '' }));
    }
    const bob = { client: '192.0.2.0/24', sender: 'ann@example.net', recipient: 'bob@example.org' };
    assert.equal(greylist.remove(bob), true);
    assert.equal(greylist.remove(bob), false);
    assert.equal(greylist.remove({ ...bob, recipient: 'Carl@example.org' }), false);
    assert.equal(
      greylist.remove({ client: '198.51.100.0/24', sender: '', recipient: 'bob@example.org' }),
      true,
    );
    assert.equal(greylist.search('', 9).inAll, 2);
    assert.equal(greylist.remove({ client: '192.0.2.0/24', sender: '', recipient: '' }), true);
    assert.equal(greylist.remove({ client: '192.0.2.0/24', sender: '', recipient: '' }), false);
    assert.deepEqual(store.greylist.attempt(attempt()), { kind: 'new', waitMs: 180_000 });
  });
});
