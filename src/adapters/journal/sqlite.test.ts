import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { decision, journalContract, RUNGS } from '../../../test/contracts/journal.ts';
import { onEnd } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { Kysely } from 'kysely';
import type { JournalQuery } from '../../core/decision.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import { reply } from '../../mail/reply.ts';
import { openDatabase } from '../sqlite.ts';
import { CHUNK, packed, unpacked } from './chunk.ts';
import { SQLITE_MIGRATIONS, type Tables } from './schema.ts';
import { findPage } from './search.ts';
import { SEGMENT } from './segments.ts';
import { addToSketch, emptySketch, mergeSketch, SKETCH_OCTETS, sketchedCount } from './sketch.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import { openJournal, pauseMs } from './sqlite.ts';

describe('the journal in SQLite', () => {
  journalContract(async (cleanup) => {
    let now = 0;
    const journal = openJournal(join(await tempDir(cleanup), 'journal.sqlite'), {
      nowMs: () => now,
      rungOf: (check) => RUNGS[check],
    });
    return { journal, nowMs: (ms) => (now = ms) };
  });

  it('writes what is queued when it closes, and another finds it', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const journal = openJournal(file);
    for (let i = 0; i < 1000; i++) journal.record(decision({ id: `x${i}` }));
    await journal.close();
    assert.deepEqual(journal.counts, { recorded: 1000, dropped: 0 });
    const again = openJournal(file);
    onEnd(t, () => again.close());
    assert.equal((await again.summary({})).received, 1000);
  });

  it('drops and counts what comes beyond its bound', async (t) => {
    const journal = openJournal(join(await tempDir(t), 'journal.sqlite'), { maxQueued: 10 });
    for (let i = 0; i < 11; i++) journal.record(decision({ id: `x${i}` }));
    assert.equal(journal.counts.dropped, 1);
    await journal.close();
    assert.deepEqual(journal.counts, { recorded: 10, dropped: 1 });
    journal.record(decision({ id: 'late' }));
    assert.equal(journal.counts.dropped, 2);
    await assert.rejects(journal.find({}), /closed/);
    await journal.close();
  });

  it('reports what could not be written, and goes on when it can be again', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const troubles: [string, number][] = [];
    const journal = openJournal(file, { onTrouble: (reason, lost) => troubles.push([reason, lost]) });
    onEnd(t, () => journal.close());
    const other = new DatabaseSync(file);
    other.exec('ALTER TABLE decisions RENAME TO elsewhere');
    journal.record(decision({ id: 'lost' }));
    await assert.rejects(journal.newest(), /no such table/);
    assert.equal(troubles.length, 1);
    assert.match(troubles[0]?.[0] ?? '', /no such table/);
    assert.deepEqual(journal.counts, { recorded: 0, dropped: 1 });
    other.exec('ALTER TABLE elsewhere RENAME TO decisions');
    other.close();
    journal.record(decision({ id: 'kept' }));
    assert.equal((await journal.find({})).length, 1);
  });

  it('starts its thread again when it died, and counts what was lost', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const threads: Worker[] = [];
    const deaths: number[] = [];
    const troubles: [string, number][] = [];
    let started = Promise.withResolvers<undefined>();
    const journal = openJournal(file, {
      onTrouble: (reason, lost) => troubles.push([reason, lost]),
      pauseMs: (n) => (deaths.push(n), 1),
      onThread(thread) {
        threads.push(thread);
        started.resolve(undefined);
      },
    });
    onEnd(t, () => journal.close());
    await started.promise;
    const dies = async () => {
      started = Promise.withResolvers();
      // Nothing else keeps this program up during the pause.
      const up = setInterval(() => undefined, 1000);
      await threads.at(-1)?.terminate();
      await started.promise;
      clearInterval(up);
    };
    journal.record(decision({ id: 'lost' }));
    const unanswered = assert.rejects(journal.find({}), /thread/);
    await dies();
    await unanswered;
    await dies();
    assert.deepEqual(deaths, [1, 2]);
    assert.deepEqual(troubles.map(([, lost]) => lost).sort(), [0, 0, 1]);
    assert.deepEqual(journal.counts, { recorded: 0, dropped: 1 });
    journal.record(decision({ id: 'kept' }));
    assert.deepEqual(
      (await journal.find({})).map((d) => d.id),
      ['kept'],
    );
    await dies();
    assert.deepEqual(deaths, [1, 2, 1]);
  });

  it('writes what waited for its dead thread when it closes', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const threads: Worker[] = [];
    const journal = openJournal(file, { pauseMs: () => 1e8, onThread: (thread) => threads.push(thread) });
    await threads[0]?.terminate();
    journal.record(decision({ id: 'waited' }));
    await assert.rejects(journal.find({}), /thread/);
    await journal.close();
    assert.deepEqual(journal.counts, { recorded: 1, dropped: 0 });
  });

  it('rests longer each time, up to a minute', () => {
    assert.deepEqual([1, 2, 3, 7, 1000].map(pauseMs), [1000, 2000, 4000, 60_000, 60_000]);
  });

  it('says what is wrong with its file', async (t) => {
    const dir = await tempDir(t);
    const damaged = join(dir, 'damaged.sqlite');
    await writeFile(damaged, 'this is no database, and long enough to be looked at as one. '.repeat(20));
    assert.throws(() => openJournal(damaged), /damaged\.sqlite: is damaged or is no database .*move it away/);
    const newer = join(dir, 'newer.sqlite');
    const db = new DatabaseSync(newer);
    db.exec('PRAGMA user_version = 99');
    db.close();
    assert.throws(() => openJournal(newer), /newer version/);
    assert.throws(() => openJournal(dir), /cannot be opened/);
  });

  it('brings a journal of an earlier version up to date, and its sums', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const old = new DatabaseSync(file);
    for (const step of SQLITE_MIGRATIONS.slice(0, 3)) old.exec(step);
    old.exec('PRAGMA user_version = 3');
    const row = old.prepare('INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    const name = old.prepare('INSERT INTO names VALUES (?, ?, ?)');
    const all = [
      decision({ id: 'A', atMs: 59_000 }),
      decision({ id: 'B', atMs: 61_000 }),
      decision({ id: 'C', atMs: 7_200_000, outcome: 'accepted', check: undefined, sizeOctets: 70 }),
    ];
    for (const [i, d] of all.entries()) {
      row.run(i + 1, d.atMs, '4c0000207', d.outcome, d.check ?? null, d.sizeOctets ?? 0, 0, 0, 0, 0);
      for (const [kind, text] of [
        [1, d.id],
        [1, d.sessionId],
        [2, d.id === 'A' ? '<>' : 'example.net@ann'],
        [3, 'example.org@bob'],
        [3, 'example.org@carl'],
      ] as const)
        name.run(kind, text, i + 1);
    }
    old.prepare('INSERT INTO bodies VALUES (1, ?)').run(packed(all.map((d) => JSON.stringify(d))));
    old.exec(`INSERT INTO counts VALUES (0, 'helo', 1, 1, 0, 1, 0, 2.5), (1, 'helo', 1, 1, 0, 1, 0, 2),
      (1, 'door:full', 0, 0, 0, 0, 4, 0)`);
    old.close();

    const journal = openJournal(file);
    onEnd(t, () => journal.close());
    const ids = async (query: JournalQuery) => (await journal.find(query)).map((d) => d.id).join('');
    assert.equal(await ids({ sender: 'example.net' }), 'CB');
    assert.equal(await ids({ sender: '<>' }), 'A');
    assert.equal(await ids({ id: 'B' }), 'B');
    assert.equal(await ids({ id: 'SB' }), 'B');
    assert.equal(await ids({ recipient: 'carl@example.org', client: '192.0.2.0/24' }), 'CBA');
    assert.equal(await ids({ untilMs: 61_000 }), 'A');
    assert.equal(await ids({ outcome: 'accepted' }), 'C');
    assert.equal(await ids({ recipient: 'example.org', outcome: 'refused' }), 'BA');
    assert.equal(await ids({ recipient: 'bob@example.org', check: 'helo' }), 'BA');
    const { received, rejected, deliveredOctets, clients, turnedAway } = await journal.summary({});
    assert.deepEqual([received, rejected, deliveredOctets, clients, turnedAway], [3, 2, 70, 1, { full: 4 }]);
    const points = await journal.traffic({ sinceMs: 0, untilMs: 3 * 3_600_000, stepMs: 3_600_000 });
    assert.deepEqual(
      points.map((p) => [p.outcomes.refused, p.outcomes.accepted, p.turnedAway]),
      [
        [2, 0, 4],
        [0, 0, 0],
        [0, 1, 0],
      ],
    );
    const [helo] = await journal.effect({ sinceMs: 0, untilMs: 3_600_000 });
    assert.deepEqual([helo?.asked, helo?.refused, helo?.tookMs, helo?.alone], [2, 2, 4.5, 0]);
    journal.record(decision({ id: 'D', atMs: 62_000 }));
    const [now] = await journal.effect({ sinceMs: 0, untilMs: 3_600_000 });
    assert.deepEqual([now?.asked, now?.alone], [3, 1]);
  });

  it('counts the clients of hours that an earlier version wrote one by one, and of later ones by sketches', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const old = new DatabaseSync(file);
    for (const step of SQLITE_MIGRATIONS.slice(0, 3)) old.exec(step);
    // 60 000 clients in the hour of the upgrade, before it.
    old.exec(`PRAGMA user_version = 3; BEGIN;
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
      INSERT INTO decisions SELECT i, 7200000 + i, 'old' || i, 'refused', 'helo', 0, 0, 0, 0, 0 FROM n;
      COMMIT`);
    old.close();
    const journal = openJournal(file);
    onEnd(t, () => journal.close());
    for (let i = 0; i < 10; i++)
      journal.record(decision({ id: `r${i}`, atMs: 7_300_000 + i, client: `192.0.2.${i}` }));
    const { received, clients, clientsEstimated } = await journal.summary({ sinceMs: 7_200_000 });
    assert.deepEqual([received, clients, clientsEstimated], [60_010, 60_010, undefined]);
    const sketch = () => {
      const db = new DatabaseSync(file, { readOnly: true });
      const rows = db.prepare('SELECT minute, length(sketch) AS n FROM hourly_clients').all();
      db.close();
      return rows.map((row) => [row['minute'], row['n']]);
    };
    assert.deepEqual(sketch(), [[120, 0]]);
    journal.record(decision({ id: 's', atMs: 10_800_000 }));
    await journal.newest();
    assert.deepEqual(sketch(), [
      [120, 0],
      [180, SKETCH_OCTETS],
    ]);
  });

  it('is only read by who reads, and an earlier version is left to the gate that writes it', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    assert.throws(() => openJournal(file, { readOnly: true }), /cannot be opened/);
    const gate = new DatabaseSync(file);
    gate.exec('PRAGMA journal_mode = WAL');
    for (const step of SQLITE_MIGRATIONS.slice(0, 3)) gate.exec(step);
    gate.exec('PRAGMA user_version = 3');
    const row = gate.prepare('INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    const counts = gate.prepare('INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    assert.throws(
      () => openJournal(file, { readOnly: true }),
      /journal\.sqlite: was written by an older version .*restart the gate first/,
    );
    row.run(1, 1, 'x', 'refused', null, 0, 0, 0, 0, 0);
    counts.run(0, 'helo', 1, 1, 0, 1, 0, 2);
    gate.close();
    await openJournal(file).close();
    const read = openJournal(file, { readOnly: true, onTrouble: () => undefined });
    onEnd(t, () => read.close());
    assert.equal((await read.summary({})).received, 1);
    read.record(decision({ id: 'no' }));
    assert.equal((await read.summary({})).received, 1);
    assert.deepEqual(read.counts, { recorded: 0, dropped: 1 });
    const newer = new DatabaseSync(file);
    newer.exec('PRAGMA user_version = 99');
    newer.close();
    assert.throws(() => openJournal(file, { readOnly: true }), /newer version/);
  });

  it('is written while a later version has given its tables more columns', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const journal = openJournal(file);
    onEnd(t, () => journal.close());
    const later = new DatabaseSync(file);
    for (const { name } of later.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all())
      later.exec(`ALTER TABLE ${String(name)} ADD COLUMN more INTEGER NOT NULL DEFAULT 0`);
    later.close();
    journal.record(decision({ id: 'one' }));
    assert.equal((await journal.find({})).length, 1);
    assert.deepEqual(journal.counts, { recorded: 1, dropped: 0 });
  });

  it('is read by another while it is written, and neither waits', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const written = openJournal(file);
    onEnd(t, () => written.close());
    const read = openJournal(file);
    onEnd(t, () => read.close());
    written.record(decision({ id: 'one' }));
    await written.newest();
    const writer = new DatabaseSync(file);
    writer.exec('BEGIN IMMEDIATE; DELETE FROM decisions');
    assert.equal((await read.findPage({})).decisions.length, 1);
    assert.equal((await read.summary({})).received, 1);
    writer.exec('ROLLBACK');
    writer.close();
  });
});

describe('what is dropped', () => {
  it('leaves no text behind, though another of its chunk is kept', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    let now = 0;
    const journal = openJournal(file, { nowMs: () => now });
    onEnd(t, () => journal.close());
    for (let i = 0; i < CHUNK; i++)
      journal.record(decision({ id: `x${i}`, atMs: i === 7 ? 9e12 : 1000 + i }));
    await journal.newest();
    now = 1e9;
    assert.equal(await journal.expire(0), CHUNK - 1);
    assert.deepEqual(
      (await journal.find({})).map(({ id }) => id),
      ['x7'],
    );
    const db = new DatabaseSync(file, { readOnly: true });
    const bodies = db.prepare('SELECT body FROM bodies').all();
    db.close();
    const lines = bodies.flatMap(({ body }) => unpacked(body as Uint8Array));
    assert.equal(lines.filter((line) => line !== '').length, 1);
  });
});

describe('the search of a large journal', () => {
  it('ends a page when its time is over, and the next goes on from there', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const journal = openJournal(file, { maxQueued: Infinity });
    // One that is found, below segments of others.
    journal.record(decision({ id: 'old', recipients: [], atMs: 1 }));
    for (let i = 0; i < 2 * SEGMENT; i++)
      journal.record(decision({ id: `x${i}`, check: 'spf', atMs: 1000 + i, steps: [] }));
    await journal.close();
    const db = openDatabase(file, SQLITE_MIGRATIONS);
    const kysely = new Kysely<Tables>({ dialect: sqliteDialect(db) });
    onEnd(t, () => kysely.destroy());
    const all = async (query: JournalQuery) => {
      const seen: string[] = [];
      let before: string | undefined;
      let pages = 0;
      do {
        const page = await findPage(kysely, { ...query, ...(before !== undefined && { before }) }, 0);
        seen.push(...page.decisions.map(({ id }) => id));
        ({ before } = page);
        pages++;
      } while (before !== undefined);
      return [seen, pages] as const;
    };
    // One segment a page, each of which has the network and the sender's domain, but for the segments that no decision of the check is in.
    assert.deepEqual(await all({ client: '192.0.2.0/24', sender: 'nobody@example.net' }), [[], 3]);
    assert.deepEqual(await all({ client: '192.0.2.0/24', sender: 'example.net', untilMs: 2 }), [['old'], 1]);
    assert.deepEqual(await all({ check: 'helo' }), [['old'], 1]);
    assert.deepEqual(await all({ check: 'helo', outcome: 'accepted' }), [[], 1]);
    const everything = await findPage(kysely, { client: '0.0.0.0/0', sender: 'example.net', check: 'helo' });
    assert.deepEqual(
      everything.decisions.map(({ id }) => id),
      ['old'],
    );
  });

  it('finds the same, whichever index it goes by', async (t) => {
    const file = join(await tempDir(t), 'journal.sqlite');
    const journal = openJournal(file, { maxQueued: Infinity });
    // In four segments; some of each kind are rare, and some in one segment alone.
    const some = Array.from({ length: 3 * SEGMENT + 100 }, (_, i) => {
      const recipients = [i % 3, i % 1000, i % 7].slice(0, 1 + (i % 3)).map((n) => ({
        mailbox: { local: `r${n}`, domain: n % 2 === 0 ? 'example.org' : 'example.com' },
        outcome: 'refused' as const,
        reply: reply(550, '5.7.1', 'no'),
      }));
      return decision({
        id: `d${i}`,
        sessionId: `s${i - (i % 4)}`,
        // Not quite in the order of recording.
        atMs: 1000 + i - (i % 50),
        client: `192.0.${i % 5}.${i % 251}`,
        transaction: {
          reversePath: i % 4000 === 9 ? null : { local: `u${i % 9}`, domain: `d${i % 601}.example` },
          parameters: {},
        },
        recipients,
        steps: [],
        outcome: i % 2000 === 77 ? 'accepted' : i % 3 === 0 ? 'deferred' : 'refused',
        check: i > 2 * SEGMENT && i % 900 === 3 ? 'spf' : 'helo',
      });
    });
    for (const d of some) journal.record(d);
    onEnd(t, () => journal.close());
    const has = ({ local, domain }: Mailbox, text: string) =>
      text.includes('@') ? `${local}@${domain}` === text : domain === text;
    const wanted = (q: JournalQuery) =>
      some.filter(
        (d) =>
          (q.id === undefined || d.id === q.id || d.sessionId === q.id) &&
          (q.client === undefined || d.session.client.address.startsWith(q.client.replace(/0\/24$/, ''))) &&
          (q.sender === undefined ||
            (q.sender === '<>'
              ? d.transaction?.reversePath === null
              : d.transaction?.reversePath != null && has(d.transaction.reversePath, q.sender))) &&
          (q.recipient === undefined ||
            d.recipients.some(({ mailbox }) => has(mailbox, q.recipient ?? ''))) &&
          (q.check === undefined || d.check === q.check) &&
          (q.outcome === undefined || d.outcome === q.outcome) &&
          (q.sinceMs === undefined || d.atMs >= q.sinceMs) &&
          (q.untilMs === undefined || d.atMs < q.untilMs),
      );
    const parts: readonly JournalQuery[] = [
      {},
      { id: 's12000' },
      { client: '192.0.3.0/24' },
      { client: '192.0.4.39' },
      { sender: '<>' },
      { sender: 'd7.example' },
      { sender: 'u3@d30.example' },
      { recipient: 'example.org' },
      { recipient: 'r999@example.com' },
      { recipient: 'r1@example.com' },
      { check: 'spf' },
      { outcome: 'accepted' },
      { sinceMs: 9000, untilMs: 9100 },
    ];
    for (const one of parts)
      for (const other of parts) {
        const query = { ...one, ...other };
        const expected = wanted(query).toReversed();
        for (const limit of [3, 120]) {
          const found = await journal.find({ ...query, limit });
          assert.deepEqual(
            found.map(({ id }) => id),
            expected.slice(0, limit).map(({ id }) => id),
            JSON.stringify({ ...query, limit }),
          );
        }
      }
  });
});

describe('a sketch of clients', () => {
  it('is off by few per cent, and puts hours together', () => {
    for (const n of [0, 1, 10, 1000, 20_000, 200_000]) {
      const [odd, even] = [emptySketch(), emptySketch()];
      for (let i = 0; i < n; i++)
        addToSketch(i % 2 === 0 ? even : odd, `4${i.toString(16).padStart(8, '0')}`);
      // Those that come in both count once.
      for (let i = 0; i < n; i += 7) addToSketch(odd, `4${i.toString(16).padStart(8, '0')}`);
      mergeSketch(odd, even);
      const off = Math.abs(sketchedCount(odd) - n);
      assert.ok(off <= 0.06 * n, `${n}: ${sketchedCount(odd)}`);
    }
  });
});
