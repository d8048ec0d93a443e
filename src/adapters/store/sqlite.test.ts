import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BEGIN_MS, DAY, HOUR } from '../../../test/contracts/store-opened.ts';
import { storeContract } from '../../../test/contracts/store.ts';
import { onEnd, runProgram, type Cleanup } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { BOUNCED_GUESSES, GUESSES, REACHED, STRIKES } from '../../core/charges.ts';
import type { Conviction, GreylistAttempt } from '../../core/ports.ts';
import { canonicalAddress, contains, formatNetwork, networkAround, parseIp } from '../../mail/ip.ts';
import { ENTRIES } from './entries.ts';
import { openStore, type StoreOptions } from './sqlite.ts';

function opened(cleanup: Cleanup, file = ':memory:', options: StoreOptions = {}) {
  const clock = { ms: BEGIN_MS };
  const state = openStore(file, { nowMs: () => clock.ms, ...options });
  let open = true;
  const close = () => {
    if (open) state.close();
    open = false;
  };
  onEnd(cleanup, close);
  return { state, close, at: (ms: number) => void (clock.ms = BEGIN_MS + ms) };
}

const attempt = (recipient: string, over: Partial<GreylistAttempt> = {}): GreylistAttempt => ({
  client: '192.0.2.0/24',
  sender: 'ann@example.net',
  recipient,
  delayMs: 180_000,
  retryWindowMs: 2 * DAY,
  keptMs: 36 * DAY,
  clientPasses: 5,
  seedOnly: false,
  sessionSinceMs: Infinity,
  ...over,
});

const conviction = (network: string): Conviction => ({
  network,
  reason: 'a trap',
  evidence: 'ID',
  by: 'spam-trap',
  firstMs: HOUR,
  factor: 2,
  longestMs: DAY,
  forgottenMs: DAY,
});

const contents = async (dir: string) =>
  Object.fromEntries(
    await Promise.all(
      (await readdir(dir)).toSorted().map(async (name) => [name, await readFile(join(dir, name), 'latin1')]),
    ),
  ) as Record<string, string>;

describe('the store in SQLite', () => {
  storeContract(async (cleanup) => opened(cleanup));

  it('keeps all but the rates over a restart, and of those what is held against a client', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const before = opened(t, file);
    before.state.store.remember('a', 'key', { n: 1 }, DAY);
    before.state.greylist.attempt(attempt('bob'));
    before.state.standing.note('net', 'bad');
    const block = before.state.blocks.convict(conviction('192.0.2.7'));
    before.state.rates.add('s', 'k', DAY);
    for (const space of [GUESSES, STRIKES]) before.state.rates.add(space, '192.0.2.7', DAY);
    before.close();
    const { state, at } = opened(t, file);
    assert.deepEqual(state.store.recall('a', 'key'), { n: 1 });
    assert.equal(state.store.rows.n, 1);
    assert.deepEqual(state.standing.of('net'), { good: 0, bad: 1 });
    assert.deepEqual(state.blocks.covering('192.0.2.7'), block);
    assert.equal(state.rates.count('s', 'k'), 0);
    assert.deepEqual(
      [GUESSES, STRIKES].map((space) => state.rates.count(space, '192.0.2.7')),
      [1, 1],
    );
    at(HOUR);
    assert.equal(state.greylist.attempt(attempt('bob')).kind, 'passed');
    assert.equal(state.greylist.triplets.n, 1);
    assert.equal(state.greylist.clients.n, 1);
  });

  it('takes a store of the first version over', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const old = new DatabaseSync(file);
    old.exec(
      `${ENTRIES} PRAGMA user_version = 1; INSERT INTO entries VALUES ('a', 'key', '7', ${BEGIN_MS + 1000})`,
    );
    old.close();
    const trial = opened(t, file, { readOnly: true });
    assert.equal(
      trial.state.greylist.attempt(attempt('bob')).kind,
      'new',
      'an empty one, before its first start',
    );
    trial.close();
    const { state, at } = opened(t, file);
    assert.equal(state.store.recall('a', 'key'), 7);
    assert.equal(state.store.rows.n, 1);
    assert.equal(state.greylist.attempt(attempt('bob')).kind, 'new');
    at(1000);
    state.collect();
    assert.equal(state.store.rows.n, 0);
  });

  it('is written while a later version has given its tables more columns', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const { state, close } = opened(t, file);
    const later = new DatabaseSync(file);
    onEnd(t, () => later.close());
    const tables = later
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
      .all()
      .map(({ name }) => String(name));
    for (const table of tables) later.exec(`ALTER TABLE ${table} ADD COLUMN more INTEGER NOT NULL DEFAULT 0`);
    state.store.remember('a', 'key', 1, DAY);
    state.greylist.attempt(attempt('bob', { seedOnly: true }));
    state.standing.note('net', 'bad');
    state.blocks.convict(conviction('192.0.2.7'));
    state.listed.add({ kind: 'block', client: '192.0.2.7', by: 'ann' });
    for (const space of [BOUNCED_GUESSES, GUESSES, REACHED, STRIKES])
      state.rates.add(space, '192.0.2.7', DAY);
    close();
    const rowsOf = (table: string) => later.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'];
    const written = tables.filter((table) => table !== 'counts');
    assert.deepEqual(
      written.map((table) => [table, rowsOf(table)]),
      written.map((table) => [table, 1]),
    );
    assert.equal(opened(t, file).state.greylist.triplets.n, 1, 'counts');
  });

  it('shows another program what it wrote after a moment, without being asked', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const { state } = opened(t, file);
    const other = opened(t, file);
    state.store.remember('a', 'first', 1, DAY);
    state.store.remember('a', 'second', 1, DAY);
    assert.equal(state.store.recall('a', 'second'), 1);
    assert.equal(other.state.store.recall('a', 'second'), undefined);
    while (other.state.store.recall('a', 'second') === undefined)
      await new Promise((resolve) => setTimeout(resolve, 1));
  });

  it('ends a batch at its bound', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const { state } = opened(t, file);
    const other = opened(t, file);
    for (let i = 1; i < 100; i++) state.store.remember('a', String(i), i, DAY);
    assert.equal(other.state.store.recall('a', '1'), undefined);
    state.store.remember('a', '100', 100, DAY);
    assert.equal(other.state.store.recall('a', '1'), 1);
  });

  it('carries its log into the file while it runs, on a thread of its own', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const { state } = opened(t, file);
    const size = (await stat(file)).size;
    for (let i = 0; i < 3000; i++) state.store.remember('a', String(i), i, DAY);
    state.commit();
    // The writer itself would do it from 8000 pages on.
    assert.ok((await stat(`${file}-wal`)).size < 8000 * 4096);
    while ((await stat(file)).size === size) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('says what is wrong with its file', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    await writeFile(file, 'x'.repeat(4096));
    assert.throws(() => openStore(file), /store\.sqlite: is damaged or is no database/);
    assert.throws(() => openStore(file, { readOnly: true }), /store\.sqlite: cannot be read/);
    const later = join(await tempDir(t), 'store.sqlite');
    openStore(later).close();
    const db = new DatabaseSync(later);
    db.exec('PRAGMA user_version = 99');
    db.close();
    for (const readOnly of [true, false])
      assert.throws(() => openStore(later, { readOnly }), /written by a newer version/);
  });

  it('finds the block that covers an address, whatever networks there are', (t) => {
    const octet = fc.constantFrom(0, 1, 2, 127, 128, 254, 255);
    const v4 = fc.tuple(octet, octet, octet, octet).map((o) => o.join('.'));
    const v6 = fc
      .tuple(octet, octet, octet)
      .map(([a, b, c]) =>
        canonicalAddress(`2001:db8:${a.toString(16)}::${b.toString(16)}:${c.toString(16)}`)!,
      );
    const address = fc.oneof(v4, v6);
    const network = fc.tuple(address, fc.nat({ max: 128 })).map(([text, n]) => {
      const ip = parseIp(text)!;
      return networkAround(ip, ip.family === 4 ? n % 33 : n);
    });
    fc.assert(
      fc.property(
        fc.array(network, { maxLength: 12 }),
        fc.array(address, { maxLength: 12 }),
        (nets, asked) => {
          const { blocks } = opened(t).state;
          for (const [i, net] of nets.entries())
            blocks.add({ network: formatNetwork(net), reason: '', endsMs: BEGIN_MS + i + 1, by: 'operator' });
          for (const text of asked) {
            const last = nets.findLastIndex((net) => contains(net, parseIp(text)!));
            assert.equal(blocks.covering(text)?.endsMs, last < 0 ? undefined : BEGIN_MS + last + 1, text);
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('collection', () => {
  it('drops what has ended, in small steps', (t) => {
    const { state, at } = opened(t);
    for (let i = 0; i < 130; i++) state.store.remember('a', String(i), i, i < 120 ? 10 : 1000);
    assert.equal(state.collect(0), false);
    assert.equal(state.store.rows.n, 130);
    at(10);
    assert.deepEqual([state.collect(0), state.collect(0), state.collect(0)], [true, true, false]);
    assert.equal(state.store.rows.n, 10);
    assert.equal(state.store.recall('a', '125'), 125);
  });

  it('drops all kinds of rows, each in its time', (t) => {
    const { state, at } = opened(t);
    const counts = () => [
      state.greylist.triplets.n,
      state.greylist.clients.n,
      state.standing.rows.n,
      state.blocks.rows.n,
      state.rates.windows,
    ];
    const collected = (ms: number) => {
      at(ms);
      while (state.collect());
      return counts();
    };
    state.greylist.attempt(attempt('bob', { seedOnly: true }));
    state.greylist.attempt(attempt('carl'));
    state.standing.note('net', 'bad');
    state.blocks.convict(conviction('192.0.2.7'));
    state.rates.add('s', 'k', 1000);
    assert.deepEqual(collected(999), [2, 1, 1, 1, 1]);
    assert.deepEqual(collected(1000), [2, 1, 1, 1, 0]);
    assert.deepEqual(collected(HOUR + DAY - 1), [2, 1, 1, 1, 0], 'blocks are remembered for the next');
    assert.deepEqual(collected(HOUR + DAY), [2, 1, 1, 0, 0]);
    assert.deepEqual(collected(2 * DAY - 1), [2, 1, 1, 0, 0]);
    assert.deepEqual(collected(2 * DAY + 1000), [1, 1, 1, 0, 0], 'nobody came back within the window');
    assert.deepEqual(collected(36 * DAY - 1), [1, 1, 1, 0, 0]);
    assert.deepEqual(collected(36 * DAY + 1000), [0, 0, 1, 0, 0]);
    assert.deepEqual(collected(60 * DAY), [0, 0, 1, 0, 0], '0.051 of a charge is left');
    assert.deepEqual(collected(61 * DAY), [0, 0, 0, 0, 0]);
  });

  it('goes by the last use', (t) => {
    const { state, at } = opened(t);
    state.greylist.attempt(attempt('bob', { seedOnly: true }));
    at(30 * DAY);
    assert.equal(state.greylist.attempt(attempt('bob')).kind, 'known');
    at(65 * DAY);
    while (state.collect());
    assert.equal(state.greylist.triplets.n, 1);
    assert.equal(
      state.greylist.clients.n,
      0,
      'its triplet’s use is none of the client’s as long as it is not known',
    );
  });
});

describe('at its bounds the store makes room', () => {
  it('entries: by what ends first', (t) => {
    const { state } = opened(t, ':memory:', { maxEntries: 3 });
    const { store } = state;
    for (const [key, ms] of [
      ['a', 30],
      ['b', 10],
      ['c', 20],
    ] as const)
      store.remember('s', key, key, ms);
    store.remember('s', 'a', 'again', 30);
    assert.equal(store.rows.n, 3);
    store.remember('s', 'd', 'd', 40);
    assert.equal(store.rows.n, 3);
    assert.equal(store.recall('s', 'b'), undefined);
    assert.equal(store.recall('s', 'a'), 'again');
    store.forget('s', 'a');
    assert.equal(store.rows.n, 2);
  });

  it('greylist: by the oldest that did not come back, then by the others', (t) => {
    const { state, at } = opened(t, ':memory:', { maxTriplets: 3, maxClients: 1 });
    const kinds = (...recipients: string[]) =>
      recipients.map((r) => state.greylist.attempt(attempt(r)).kind).join(' ');
    state.greylist.attempt(attempt('known', { seedOnly: true }));
    at(1000);
    kinds('first');
    at(2000);
    kinds('second');
    assert.equal(state.greylist.triplets.n, 3);
    at(3000);
    kinds('third');
    assert.equal(state.greylist.triplets.n, 3);
    assert.equal(kinds('known', 'second', 'third'), 'known early early');
    for (const recipient of ['x', 'y', 'z']) {
      at(4000);
      state.greylist.attempt(attempt(recipient, { seedOnly: true, client: recipient }));
    }
    assert.equal(state.greylist.triplets.n, 3);
    assert.equal(state.greylist.clients.n, 1);
    assert.equal(state.greylist.attempt(attempt('z', { client: 'z' })).kind, 'known');
    assert.equal(kinds('known'), 'new');
  });

  it('standing, blocks, rates', (t) => {
    const { state, at } = opened(t, ':memory:', { maxStandings: 2, maxBlocks: 2, maxRates: 2 });
    for (const [i, name] of ['192.0.2.1', '192.0.2.2', '192.0.2.3'].entries()) {
      at(i * 1000);
      state.standing.note(name, 'bad');
      state.blocks.convict(conviction(name));
      state.rates.add('s', name, DAY);
    }
    assert.deepEqual([state.standing.rows.n, state.blocks.rows.n, state.rates.windows], [2, 2, 2]);
    assert.equal(state.standing.of('192.0.2.1').bad, 0);
    assert.equal(state.blocks.covering('192.0.2.1'), undefined);
    assert.equal(state.rates.count('s', '192.0.2.1'), 0);
    assert.equal(state.rates.count('s', '192.0.2.2'), 1);
    assert.equal(state.blocks.covering('192.0.2.3')?.convictions, 1);
  });

  it('blocks: convictions crowd out each other, and never what an operator added', (t) => {
    const { state, at } = opened(t, ':memory:', { maxBlocks: 3 });
    const { blocks } = state;
    const listed = () => blocks.list({ ended: true }).map(({ network }) => network.slice('192.0.2.'.length));
    const add = (last: number) =>
      blocks.add({ network: `192.0.2.${last}`, reason: 'r', endsMs: BEGIN_MS + last * 10, by: 'operator' });
    const convict = (last: number) => {
      at(last * 1000);
      return blocks.convict(conviction(`192.0.2.${last}`));
    };
    // It ends long before any of the others.
    add(1);
    for (const last of [2, 3, 4]) convict(last);
    assert.deepEqual(listed(), ['4', '3', '1']);
    add(5);
    add(6);
    assert.deepEqual(listed().toSorted(), ['1', '5', '6']);
    // The client was convicted all the same; there is no room to keep it.
    assert.equal(convict(7).convictions, 1);
    assert.deepEqual([listed().toSorted(), blocks.rows.n], [['1', '5', '6'], 3]);
    assert.throws(() => add(8), /the list is full: 3 networks were added by hand/);
    assert.equal(add(5).network, '192.0.2.5');
    assert.ok(blocks.remove('192.0.2.6'));
    add(8);
    assert.deepEqual(listed().toSorted(), ['1', '5', '8']);
    at(100_000);
    state.collect();
    assert.deepEqual([listed(), blocks.rows.n], [[], 0]);
  });

  it('blocks: makes room by the index, however many there are', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    opened(t, file).close();
    const db = new DatabaseSync(file);
    onEnd(t, () => db.close());
    for (const part of [0, 1]) {
      const query = `EXPLAIN QUERY PLAN SELECT network FROM blocks WHERE (substr(by, 1, 8) = 'operator') = ${part} ORDER BY kept_ms LIMIT 1`;
      const plan = db
        .prepare(query)
        .all()
        .map((row) => String(row['detail']));
      assert.deepEqual(plan, ['SEARCH blocks USING COVERING INDEX blocks_by_operators (<expr>=?)']);
    }
  });

  it('rates: strangers crowd out nothing of another kind', (t) => {
    const { state, at } = opened(t, ':memory:', { maxRates: 3 });
    state.rates.add('strikes', '192.0.2.1', DAY);
    for (let i = 0; i < 10; i++) {
      at(i * HOUR);
      state.rates.add('guesses', `2001:db8:${i}::/64`, HOUR);
      // What is over goes, although what began before it is not.
      state.collect();
      assert.equal(state.rates.windows, 2);
    }
    for (let i = 0; i < 10; i++) state.rates.add('guesses', `2001:db8:f${i}::/64`, HOUR);
    assert.equal(state.rates.windows, 4);
    assert.equal(state.rates.count('strikes', '192.0.2.1'), 1);
  });
});

describe('a trial', () => {
  it('answers what would be answered and changes nothing', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'store.sqlite');
    const gate = opened(t, file);
    gate.state.greylist.attempt(attempt('bob'));
    gate.state.standing.note('net', 'bad');
    gate.state.blocks.convict(conviction('192.0.2.7'));
    gate.state.store.remember('a', 'key', 1, DAY);
    gate.state.rates.add(GUESSES, '192.0.2.7', DAY);
    gate.close();
    const before = await contents(dir);
    const { state, at, close } = opened(t, file, { readOnly: true });
    at(HOUR);
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(state.greylist.attempt(attempt('bob')), { kind: 'passed', sinceFirstMs: HOUR });
      assert.equal(state.greylist.attempt(attempt('carl')).kind, 'new');
      assert.equal(state.blocks.convict(conviction('192.0.2.7')).convictions, 2);
      state.standing.note('net', 'bad');
      assert.ok(state.standing.of('net').bad <= 1);
      state.store.forget('a', 'key');
      state.store.remember('a', 'other', 1, DAY);
      assert.equal(state.store.recall('a', 'key'), 1);
      assert.equal(state.store.recall('a', 'other'), undefined);
      assert.equal(state.blocks.remove('192.0.2.7'), true);
      assert.equal(state.rates.add(GUESSES, '192.0.2.7', DAY), 2);
    }
    at(300 * DAY);
    assert.equal(state.collect(), false);
    close();
    const after = await contents(dir);
    assert.equal(after['store.sqlite'], before['store.sqlite']);
  });

  it('runs beside the gate and sees what it did', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const gate = opened(t, file);
    const { state } = opened(t, file, { readOnly: true });
    gate.state.greylist.attempt(attempt('bob', { seedOnly: true }));
    gate.state.commit();
    assert.equal(state.greylist.attempt(attempt('bob')).kind, 'known');
    gate.state.greylist.attempt(attempt('carl', { seedOnly: true }));
    gate.state.commit();
    assert.equal(state.greylist.attempt(attempt('carl')).kind, 'known');
  });

  it('answers as an empty store where there is none, and makes none', async (t) => {
    const dir = join(await tempDir(t), 'not', 'there');
    const { state } = opened(t, join(dir, 'store.sqlite'), { readOnly: true });
    assert.equal(state.greylist.attempt(attempt('bob')).kind, 'new');
    assert.equal(state.greylist.attempt(attempt('bob')).kind, 'new');
    assert.equal(state.blocks.covering('192.0.2.7'), undefined);
    assert.equal(existsSync(dir), false);
  });
});

describe('trouble', () => {
  it('a full disk is told to whoever writes, and the next write works when there is room', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const { state, close } = opened(t, file, { maxPages: 60 });
    const text = 'x'.repeat(1000);
    let kept = 0;
    const fill = () => {
      for (; kept < 1000; kept++) state.store.remember('a', String(kept), text, DAY);
    };
    assert.throws(fill, /full/);
    const lost = kept;
    assert.equal(state.store.rows.n, 0, 'it took its batch with it');
    assert.throws(fill, /full/);
    assert.ok(kept > lost + 20, `${lost} ${kept}`);
    assert.throws(fill, /full/, 'again, for nothing has changed');
    assert.throws(() => {
      for (let i = 0; i < 1000; i++) state.greylist.attempt(attempt(`r${i}`));
    }, /full/);
    const rows = state.store.rows.n;
    assert.equal(rows, kept - lost, 'nothing more was lost');
    for (let i = 0; i < 10; i++) state.store.forget('a', String(lost + i));
    state.store.remember('a', 'new', text, DAY);
    assert.equal(state.store.recall('a', 'new'), text);
    assert.equal(state.greylist.attempt(attempt('bob')).kind, 'new');
    assert.equal(state.greylist.attempt(attempt('bob')).kind, 'early');
    close();
    const after = opened(t, file);
    assert.equal(after.state.store.recall('a', 'new'), text);
    assert.equal(after.state.store.rows.n, rows - 9);
    const db = new DatabaseSync(file, { readOnly: true });
    onEnd(t, () => db.close());
    assert.equal(db.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok');
    assert.equal(db.prepare('SELECT count(*) AS n FROM entries').get()?.['n'], rows - 9);
  });

  it('a file that another program holds is told to whoever writes; reads go on', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const told: unknown[] = [];
    const { state, at } = opened(t, file, { waitMs: 10, onTrouble: (error) => told.push(error) });
    state.store.remember('a', 'key', 1, 1000);
    state.commit();
    const other = new DatabaseSync(file);
    onEnd(t, () => other.close());
    other.exec('BEGIN IMMEDIATE');
    assert.throws(() => state.store.remember('a', 'other', 1, 1000), /locked/);
    assert.throws(() => state.greylist.attempt(attempt('bob')), /locked/);
    assert.equal(state.store.recall('a', 'key'), 1);
    assert.equal(state.store.rows.n, 1);
    at(1000);
    // The collection's timer meets it as well, and tells it once.
    while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 250));
    assert.equal(told.length, 1);
    other.exec('ROLLBACK');
    assert.equal(state.greylist.attempt(attempt('bob')).kind, 'new');
    state.store.remember('a', 'other', 2, 1000);
    assert.equal(state.store.recall('a', 'other'), 2);
  });

  it('an entry that another process adds or removes is seen, also while writes go on here', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    let aheadMs = 0;
    const { state } = opened(t, file, { nowMs: () => Date.now() + aheadMs });
    assert.equal(state.blocks.covering('198.51.100.9'), undefined);
    let n = 0;
    const writes = setInterval(() => {
      for (let i = 0; i < 20; i++) state.store.remember('a', String(n++), n, DAY);
    }, 1);
    onEnd(t, () => clearInterval(writes));
    const command = async (text: string) => {
      const { exit, output } = await runProgram(t, process.execPath, [
        '--disable-warning=ExperimentalWarning',
        '--input-type=module',
        '--eval',
        `const { openStore } = await import(${JSON.stringify(new URL('./sqlite.ts', import.meta.url).href)});
         const state = openStore(${JSON.stringify(file)}, { waitMs: 10000 });
         ${text};
         state.close();`,
      ]);
      assert.equal(exit, 0, output);
      aheadMs += 500; // it looks again every now and then
    };
    await command(
      `state.blocks.add({ network: '198.51.100.0/25', reason: 'r', endsMs: Date.now() + 3600000, by: 'operator' })`,
    );
    assert.equal(state.blocks.covering('198.51.100.9')?.network, '198.51.100.0/25');
    await command(`state.blocks.remove('198.51.100.0/25')`);
    assert.equal(state.blocks.covering('198.51.100.9'), undefined);
    assert.ok(n > 0);
  });
});
