import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { onEnd, type Cleanup } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import type { NewListed } from '../../core/listed.ts';
import { atOnce } from '../../core/slices.ts';
import { listedIn } from './listed-in.ts';
import { openStore, type StoreOptions } from './sqlite.ts';

const BEGIN_MS = 1_700_000_000_000;
const HOUR = 3_600_000;

function opened(cleanup: Cleanup, options: StoreOptions & { readonly file?: string } = {}) {
  const { file = ':memory:', ...rest } = options;
  const clock = { ms: BEGIN_MS };
  const state = openStore(file, { nowMs: () => clock.ms, ...rest });
  onEnd(cleanup, () => state.close());
  return { state, listed: state.listed, at: (ms: number) => void (clock.ms = BEGIN_MS + ms) };
}

const block = (over: Partial<NewListed> = {}): NewListed => ({
  kind: 'block',
  client: '192.0.2.7',
  reason: 'spam',
  by: 'ann',
  ...over,
});
const sender = (text: string): NewListed => ({ kind: 'block', sender: text, by: 'ann' });

describe('the lists in the store', () => {
  it('keep all that an entry says, newest first', (t) => {
    const { listed } = opened(t);
    const first = listed.add({
      kind: 'allow',
      client: '192.0.2.0/24',
      host: '.example.net',
      sender: 'Joe@example.net',
      recipient: 'ann@example.org',
      lifts: ['dnsbl', 'spf'],
      reason: ' our printer ',
      by: 'ann',
      endsMs: BEGIN_MS + HOUR,
      decision: 'K7Q2MX4D',
    });
    const second = listed.add(block({ client: '2001:DB8::7/128' }));
    assert.deepEqual(listed.list(), [second, first]);
    assert.equal(second.client, '2001:db8::7');
    assert.match(first.source, /^listed by ann, 2023-11-1[45]$/);
    const { id, sinceMs, source, ...said } = first;
    assert.ok(id > 0 && sinceMs === BEGIN_MS && source !== '');
    assert.deepEqual(said, {
      kind: 'allow',
      client: '192.0.2.0/24',
      host: '.example.net',
      sender: 'Joe@example.net',
      recipient: 'ann@example.org',
      lifts: ['dnsbl', 'spf'],
      reason: 'our printer',
      by: 'ann',
      endsMs: BEGIN_MS + HOUR,
      decision: 'K7Q2MX4D',
    });
    // What the gate goes by says no more than an entry of the file, and until when.
    assert.deepEqual(atOnce(listed.reading())[0], {
      kind: 'block',
      client: '2001:db8::7',
      reason: 'spam',
      source: second.source,
    });
  });

  it('are searched by what stands in them', (t) => {
    const { listed } = opened(t);
    listed.add(block({ reason: 'Floods us' }));
    listed.add({ kind: 'allow', sender: 'bob@example.net', by: 'carl', decision: 'K7Q2MX4D' });
    const found = (query: Parameters<typeof listed.list>[0]) => listed.list(query).map(({ kind }) => kind);
    for (const text of ['192.0.2', 'floods', 'ann']) assert.deepEqual(found({ text }), ['block'], text);
    for (const text of ['EXAMPLE', 'carl', 'k7q2']) assert.deepEqual(found({ text }), ['allow'], text);
    assert.deepEqual(found({ text: '%' }), []);
    assert.deepEqual(found({ kind: 'allow' }), ['allow']);
    assert.deepEqual(found({ kind: 'block', text: 'carl' }), []);
    assert.deepEqual(found({ limit: 1 }), ['allow']);
  });

  it('tell what sort of entries there are by one of each, the newest in force', (t) => {
    const { listed, at } = opened(t);
    for (const client of ['192.0.2.7', '192.0.2.8']) listed.add(block({ client }));
    const newest = listed.add(block({ client: '192.0.2.9' }));
    listed.add(block({ client: '192.0.2.10', endsMs: BEGIN_MS + HOUR }));
    listed.add(sender('joe@example.net'));
    const other = listed.add(sender('example.net'));
    const both = listed.add(block({ recipient: 'ann@example.org' }));
    listed.add({ kind: 'allow', host: '.example.net', by: 'ann' });
    at(HOUR);
    assert.deepEqual(listed.shapes('block'), [both, other, newest]);
    assert.deepEqual(listed.shapes('list-host'), []);
  });

  it('have one entry of a kind for the same conditions, the last one', (t) => {
    const { listed } = opened(t);
    const old = listed.add({ ...sender('Joe@Example.NET.'), reason: 'old' });
    const now = listed.add({ ...sender('joe@example.net'), reason: 'new' });
    assert.deepEqual(
      listed.list().map(({ reason }) => reason),
      ['new'],
    );
    assert.notEqual(old.id, now.id);
    assert.equal(listed.remove(old.id), false, 'its number is never given again');
    listed.add({ ...sender('joe@example.net'), kind: 'allow' });
    listed.add({ ...sender('joe@example.net'), recipient: 'ann@example.org' });
    assert.equal(listed.list().length, 3);
  });

  const wrong: [what: string, entry: Partial<NewListed>, problem: RegExp][] = [
    ['no conditions', { client: undefined } as never, /match everything/],
    ['no network', { client: '192.0.2' }, /^"?192\.0\.2/],
    ['bits behind the prefix', { client: '192.0.2.7/24' }, /the network is 192\.0\.2\.0\/24/],
    ['no host', { host: 'a b' }, /^"a b" is no host name/],
    ['no sender', { sender: '@example.net' }, /is no sender/],
    ['a null recipient', { recipient: '<>' }, /is no recipient/],
    ['a long sender', { sender: `${'x'.repeat(320)}@example.net` }, /sender is longer than 320/],
    ['a control character', { sender: 'a\u001b[2J@example.net' }, /sender holds characters/],
    ['a line in the reason', { reason: 'a\r\nb' }, /reason holds characters/],
    ['a reason too long', { reason: 'x'.repeat(201) }, /longer than 200/],
    ['nobody', { by: ' ' }, /no name/],
    ['somebody with a long name', { by: 'x'.repeat(101) }, /no name/],
    ['a name that turns text round', { by: 'ann\u202e' }, /no name/],
    ['a block that lifts', { lifts: ['spf'] }, /only an allow entry/],
    ['nonsense lifted', { kind: 'allow', lifts: ['a b'] }, /no list of checks/],
    ['an end that is over', { endsMs: BEGIN_MS }, /have ended already/],
    ['an end that is no number', { endsMs: NaN }, /have ended already/],
    ['no id', { decision: "x' OR 1" }, /no id of a decision/],
    ['a mailbox', { kind: 'mailbox' as never }, /no list "mailbox"/],
  ];
  for (const [what, over, problem] of wrong)
    it(`take no ${what}`, (t) => {
      const { listed } = opened(t);
      assert.throws(
        () => listed.add(block(over)),
        (error: Error) => {
          assert.match(error.message, problem);
          return true;
        },
      );
      assert.deepEqual([listed.list(), listed.version()], [[], 0]);
    });

  it('take what is just within the bounds', (t) => {
    const { listed } = opened(t, { maxListed: 2 });
    listed.add(block({ reason: 'x'.repeat(200), by: 'x'.repeat(100), endsMs: BEGIN_MS + 1 }));
    const second = listed.add(sender('a.example'));
    assert.throws(() => listed.add(sender('b.example')), /the lists are full: 2 entries/);
    listed.add(sender('a.example'));
    assert.equal(listed.remove(second.id), false);
    assert.equal(listed.list().length, 2);
  });

  it('count every change, and the end of entries', (t) => {
    const { listed, state, at } = opened(t);
    const seen = new Set([listed.version()]);
    const grows = (what: string, isChange: boolean, change: () => void) => {
      const [version, changes] = [listed.version(), listed.changes()];
      change();
      assert.ok(listed.version() > version, what);
      assert.equal(listed.changes() > changes, isChange, what);
      assert.ok(!seen.has(listed.version()));
      seen.add(listed.version());
    };
    grows('an entry', true, () => listed.add(block({ endsMs: BEGIN_MS + HOUR })));
    grows('a second', true, () => listed.add(sender('a.example')));
    grows('one for the same', true, () => listed.add(sender('a.example')));
    grows('an end', false, () => at(HOUR));
    const ended = listed.version();
    assert.deepEqual([listed.list().length, atOnce(listed.reading()).length], [1, 1]);
    state.collect();
    assert.equal(listed.version(), ended);
    assert.equal(listed.dropEnded(10), 0);
    grows('a removal', true, () => assert.ok(listed.remove(listed.list()[0]!.id)));
    const { length } = [...seen];
    assert.equal(listed.remove(99), false);
    assert.equal(listed.remove(0.5), false);
    assert.equal(length, seen.size);
  });

  it('cannot remove what has ended', (t) => {
    const { listed, at } = opened(t);
    const { id } = listed.add(block({ endsMs: BEGIN_MS + HOUR }));
    at(HOUR);
    assert.equal(listed.remove(id), false);
    at(HOUR - 1);
    assert.equal(listed.remove(id), true);
  });

  it('tell their own program at once, and others when they look', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const gate = opened(t, { file });
    const desk = opened(t, { file });
    let told = 0;
    gate.listed.onChange = () => {
      told++;
    };
    const { id } = gate.listed.add(block());
    assert.equal(told, 1);
    assert.equal(desk.listed.version(), 1);
    assert.deepEqual(desk.listed.list(), gate.listed.list());
    assert.ok(desk.listed.remove(id));
    assert.equal(gate.listed.version(), 2);
    assert.equal(told, 1);
    gate.listed.remove(id);
    assert.equal(told, 1, 'there was nothing to remove');
  });

  it('are read in slices, all of them and each once', (t) => {
    const { listed } = opened(t);
    const many = 4500;
    for (let i = 0; i < many; i++) listed.add(sender(`d${i}.example`));
    const work = listed.reading();
    let slices = 1;
    let step = work.next();
    for (; step.done !== true; step = work.next()) slices++;
    assert.equal(slices, 3);
    assert.deepEqual(
      step.value.map((e) => e.sender),
      Array.from({ length: many }, (_, i) => `d${many - 1 - i}.example`),
    );
  });

  const bad: [what: string, set: string, problem: RegExp][] = [
    ['lifts that are no JSON', "kind = 'allow', lifts = 'dnsbl'", /not valid JSON/],
    ['lifts that are no list', `kind = 'allow', lifts = '"dnsbl"'`, /no list of checks/],
    ['lifts that are no names', "kind = 'allow', lifts = '[1]'", /no list of checks/],
    ['a client that is none', "client = '192.0.2'", /192\.0\.2/],
    ['a client in octets', "client = x'c0000207', sender = 'example.net'", /its client is no text/],
    ['a sender that is none', "sender = 'a b'", /"a b" is no sender/],
    ['nothing that it is about', 'client = NULL', /would match everything/],
    ['a list of another version', "kind = 'grey'", /there is no list "grey"/],
  ];
  for (const [what, set, problem] of bad)
    it(`one with ${what} is left out and told, and the others stay`, async (t) => {
      const file = join(await tempDir(t), 'store.sqlite');
      const { listed } = opened(t, { file });
      const { id } = listed.add(block());
      listed.add(sender('example.com'));
      const db = new DatabaseSync(file);
      db.exec(`UPDATE listed SET ${set} WHERE id = ${id}`);
      db.close();
      const told: string[] = [];
      const read = atOnce(listed.reading((problem) => void told.push(problem)));
      assert.deepEqual(
        read.map((entry) => entry.sender),
        ['example.com'],
      );
      assert.equal(told.length, 1);
      assert.match(told[0]!, new RegExp(`^entry ${id}: .*${problem.source}`));
      assert.deepEqual(
        [listed.list(), listedIn(file, BEGIN_MS)].map((entries) => entries.length),
        [1, 1],
      );
      assert.ok(listed.remove(id));
    });

  it('an end beyond all numbers is none', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    const { listed } = opened(t, { file });
    const { id } = listed.add(block());
    const db = new DatabaseSync(file);
    db.exec(`UPDATE listed SET ends_ms = 9223372036854775807 WHERE id = ${id}`);
    db.close();
    assert.equal(atOnce(listed.reading()).length, 1);
    assert.deepEqual([listed.list().length, listedIn(file, BEGIN_MS).length], [1, 1]);
  });

  it('are read beside the program, and nothing is made', async (t) => {
    const file = join(await tempDir(t), 'store.sqlite');
    assert.deepEqual(listedIn(file), []);
    const state = openStore(file);
    state.listed.add({ ...block(), endsMs: Date.now() + HOUR });
    assert.equal(listedIn(file).length, 1);
    assert.equal(listedIn(file, Date.now() + 2 * HOUR).length, 0);
    state.close();
    assert.equal(listedIn(file).length, 1);
    const old = join(await tempDir(t), 'old.sqlite');
    new DatabaseSync(old).close();
    assert.deepEqual(listedIn(old), [], 'no such table yet');
  });
});
