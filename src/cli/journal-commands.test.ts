import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { decision } from '../../test/contracts/journal.ts';
import type { Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { LADDER } from '../checks/ladder.ts';
import { load } from '../config/load.ts';
import { startAdmin } from './admin.ts';
import { openJournal } from '../adapters/journal/sqlite.ts';
import { replies } from '../core/replies.ts';
import { logCommand, queryOf } from './log.ts';
import { formatSummary, statsCommand } from './stats.ts';
import { readTime } from './times.ts';

async function written(cleanup: Cleanup) {
  const dataDir = await tempDir(cleanup);
  const journal = openJournal(join(dataDir, 'journal.sqlite'));
  journal.record(decision({ id: 'AAAA', atMs: 1000 }));
  const steps = [
    {
      stage: 'connect' as const,
      check: 'fcrdns',
      evidence: { names: ['x\x1b[2J'] },
      findings: [{ result: 'fail' as const, code: 'no-ptr', text: '192.0.2.7 has no reverse DNS' }],
      action: 'suspect' as const,
      tookMs: 4,
    },
  ];
  const [bob] = decision({ id: 'x' }).recipients;
  const recipients = [{ ...bob!, outcome: 'accepted' as const }];
  journal.record(
    decision({ id: 'BBBB', atMs: 2000, outcome: 'accepted', sizeOctets: 2048, recipients, steps }),
  );
  journal.turnedAway(1000, 'emergency', 14);
  await journal.close();
  const out: string[] = [];
  return { config: { dataDir }, out, write: (text: string) => void out.push(text) };
}

describe('commands that read the journal', () => {
  it('leave one of an earlier version as it is', async (t) => {
    const { config, out, write } = await written(t);
    const file = join(config.dataDir, 'journal.sqlite');
    const db = new DatabaseSync(file);
    db.exec('PRAGMA user_version = 3');
    for (const command of [logCommand, statsCommand])
      await assert.rejects(command(config, {}, write), /older version .*restart the gate first/);
    const toml = join(config.dataDir, 'postern.toml');
    await writeFile(
      toml,
      `host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "."\n[[listen]]\naddress = "127.0.0.1:0"
      [backend]\nurl = "maildir:./mail/{user}"\n[admin]\nlisten = "127.0.0.1:0"\n`,
    );
    const loaded = load(toml, LADDER);
    assert.ok('config' in loaded);
    const nothing = () => undefined;
    await assert.rejects(
      startAdmin(loaded.config, { listening: nothing, closed: nothing, warned: nothing, trouble: nothing }),
      { exitCode: 66, message: /older version .*restart the gate first/ },
    );
    assert.equal(db.prepare('PRAGMA user_version').get()?.['user_version'], 3);
    db.close();
    assert.deepEqual(out, []);
    assert.ok(
      !existsSync(join(config.dataDir, 'desk.sqlite')) && !existsSync(join(config.dataDir, 'store.sqlite')),
    );
  });

  it('say where checks are counted by the hour alone', async (t) => {
    const { config } = await written(t);
    const journal = openJournal(join(config.dataDir, 'journal.sqlite'));
    const summary = await journal.summary({});
    await journal.close();
    assert.doesNotMatch(formatSummary(summary), /whole hours/);
    assert.match(formatSummary({ ...summary, byWholeHours: true }), /^Checks by whole hours/m);
  });
});

describe('postern log', () => {
  it('prints a table, newest first', async (t) => {
    const { config, out, write } = await written(t);
    assert.equal(await logCommand(config, {}, write), 0);
    const lines = out.join('').trimEnd().split('\n');
    assert.equal(lines.length, 3);
    assert.match(lines[0] ?? '', /^time +id +client +from +to +outcome +decided by$/);
    assert.match(lines[1] ?? '', /BBBB +192\.0\.2\.7 +ann@example\.net +Bob@example\.org +accepted/);
    assert.match(lines[2] ?? '', /AAAA .* refused 550 +helo:no-fqdn$/);
  });

  it('keeps a decision to a line of the terminal', async (t) => {
    const { config, out, write } = await written(t);
    const journal = openJournal(join(config.dataDir, 'journal.sqlite'));
    const long = { local: 'x'.repeat(60), domain: `${'y'.repeat(60)}.example` };
    const [bob] = decision({ id: 'x' }).recipients;
    journal.record(
      decision({
        id: 'K7Q2MX4D',
        atMs: 3000,
        client: '2001:db8:1111:2222:3333:4444:5555:6666',
        transaction: { reversePath: long, parameters: {} },
        recipients: [{ ...bob!, mailbox: long }, bob!],
        check: 'recipient-list',
        code: 'unlisted-for-a-very-long-time',
      }),
    );
    await journal.close();
    for (const width of [90, 100, 140]) {
      out.length = 0;
      await logCommand(config, {}, write, width);
      const lines = out.join('').trimEnd().split('\n');
      assert.equal(lines.length, 4);
      for (const line of lines) assert.ok(line.length <= width, `${line.length} of ${width}: ${line}`);
      assert.match(lines[1] ?? '', /^\S+ \S+ {2}K7Q2MX4D {2}\S+ +\S+…? +\S+ +refused 550 +\S+…$/);
    }
    out.length = 0;
    await logCommand(config, {}, write, 90);
    assert.ok(
      Math.max(
        ...out
          .join('')
          .split('\n')
          .map((line) => line.length),
      ) > 80,
      'cut too short',
    );
  });

  it('shows what decided, or how it was tagged', async (t) => {
    const { config, out, write } = await written(t);
    const journal = openJournal(join(config.dataDir, 'journal.sqlite'));
    const [bob] = decision({ id: 'x' }).recipients;
    const letIn = { ...bob!, reply: replies.recipientOk() };
    const nobody = { check: undefined, code: undefined };
    const final = replies.bareNewline('DDDD');
    journal.record(
      decision({ id: 'DDDD', atMs: 5000, recipients: [letIn], reply: final, sizeOctets: 7, ...nobody }),
    );
    const tags = ['spf:softfail', 'dkim:fail'];
    const accepted = { ...letIn, outcome: 'accepted' as const };
    const { reply: _refusal, ...rest } = decision({ id: 'EEEE', atMs: 4000 });
    journal.record({ ...rest, outcome: 'accepted', tags, recipients: [accepted], ...nobody });
    await journal.close();
    await logCommand(config, {}, write, 140);
    assert.match(out.join(''), /DDDD .* refused 550 +bare line feed$/m);
    assert.match(out.join(''), /EEEE .* accepted +tag spf:softfail \+1$/m);
    out.length = 0;
    await logCommand(config, { id: 'DDDD' }, write);
    assert.match(
      out.join(''),
      /to +Bob@example\.org: let in \(250 2\.1\.5 .*\), then refused with the message$/m,
    );
    assert.match(out.join(''), /^ {2}decided by bare line feed$/m);
    out.length = 0;
    await logCommand(config, { id: 'EEEE' }, write);
    assert.match(out.join(''), /^ {2}tagged {5}spf:softfail, dkim:fail$/m);
    assert.match(out.join(''), /to +Bob@example\.org: accepted, 250 /);
  });

  it('tells the whole story of one', async (t) => {
    const { config, out, write } = await written(t);
    await logCommand(config, { id: 'BBBB' }, write);
    const text = out.join('');
    assert.match(
      text,
      /connect +fcrdns +suspect +4\.0 ms\n +fail no-ptr: 192\.0\.2\.7 has no reverse DNS\n +came back: \{"names":\["x\\u001b\[2J"\]\}/,
    );
    assert.doesNotMatch(text, /\x1b/);
    assert.doesNotMatch(text, /AAAA/);
  });

  it('prints JSON, one decision a line', async (t) => {
    const { config, out, write } = await written(t);
    await logCommand(config, { json: true, outcome: 'refused' }, write);
    assert.deepEqual(
      out.map((line) => JSON.parse(line) as unknown),
      [decision({ id: 'AAAA', atMs: 1000 })],
    );
  });

  it('says so when there is nothing', async (t) => {
    const { config, out, write } = await written(t);
    assert.equal(await logCommand(config, { id: 'ZZZZ' }, write), 1);
    assert.deepEqual(out, ['Nothing found.\n']);
    await assert.rejects(
      logCommand({ dataDir: join(config.dataDir, 'none') }, {}, write),
      /there is no journal yet/,
    );
  });

  it('says which recipients a message did not reach', async (t) => {
    const { config, out, write } = await written(t);
    const journal = openJournal(join(config.dataDir, 'journal.sqlite'));
    const [bob] = decision({ id: 'x' }).recipients;
    const recipients = [
      { ...bob!, outcome: 'accepted' as const },
      bob!,
      { ...bob!, outcome: 'deferred' as const },
    ];
    journal.record(decision({ id: 'CCCC', outcome: 'accepted', recipients, atMs: 3000 }));
    await journal.close();
    await logCommand(config, { outcome: 'accepted' }, write);
    assert.match(out.join(''), /CCCC .* accepted, 1 of 3 +-$/m);
    out.length = 0;
    await statsCommand(config, {}, write);
    assert.match(out.join(''), /delivered to some only +1 +33\.3 %/);
  });

  it('doubts the name of a check that nothing was found by', async (t) => {
    const { config, out, write } = await written(t);
    await assert.rejects(logCommand(config, { check: 'hello' }, write), {
      name: 'Error',
      message: '--check "hello": nothing found, and there is no such check; did you mean "helo"?',
      exitCode: 64,
    });
    await assert.rejects(
      logCommand(config, { check: 'quatsch' }, write),
      /there are client-list, .*suspicion$/,
    );
    assert.equal(await logCommand(config, { check: 'spf' }, write), 1);
    assert.equal(await logCommand(config, { check: 'suspicion' }, write), 1);
    assert.equal(await logCommand(config, { check: 'helo' }, write), 0);
    assert.match(out.join(''), /AAAA/);
  });

  it('says what is wrong with a journal that it cannot read', async (t) => {
    const { config, write } = await written(t);
    const dataDir = join(config.dataDir, 'other');
    await mkdir(dataDir);
    await assert.rejects(logCommand({ dataDir }, {}, write), { exitCode: 66 });
    await writeFile(
      join(dataDir, 'journal.sqlite'),
      'no database, though it is long enough to be one. '.repeat(100),
    );
    await assert.rejects(logCommand({ dataDir }, {}, write), {
      exitCode: 66,
      message: /is damaged or is no database/,
    });
  });

  it('names options that it cannot read', () => {
    const usage = { exitCode: 64 };
    assert.throws(() => queryOf({ limit: '0' }, 0), usage);
    assert.throws(() => queryOf({ client: 'x' }, 0), usage);
    assert.throws(() => queryOf({ until: 'x' }, 0), usage);
    assert.throws(() => queryOf({ limit: '0' }, 0), /--limit "0"/);
    assert.throws(() => queryOf({ limit: 'x' }, 0), /--limit "x"/);
    assert.throws(() => queryOf({ client: '10.0.0.0/99' }, 0), /--client: /);
    assert.throws(() => queryOf({ since: 'noon' }, 0), /--since "noon"/);
    assert.deepEqual(queryOf({ since: '2h', client: '192.0.2.0/24' }, 7_200_001), {
      limit: 50,
      client: '192.0.2.0/24',
      sinceMs: 1,
    });
  });

  it('reads times', () => {
    assert.equal(readTime('since', '30m', 1_800_000), 0);
    assert.equal(readTime('since', '2026-11-21T08:00Z', 0), Date.UTC(2026, 10, 21, 8));
    assert.equal(readTime('since', '2026-11-21', 0), new Date(2026, 10, 21).getTime());
    assert.equal(readTime('since', '2026-11-21 08:00', 0), new Date(2026, 10, 21, 8).getTime());
    for (const bad of ['', '2x', '2026-13-01', '2026-11-21T25:00', 'yesterday'])
      assert.throws(() => readTime('since', bad, 0), bad);
  });
});

describe('postern stats', () => {
  it('prints the summary and what each check did', async (t) => {
    const { config, out, write } = await written(t);
    assert.equal(await statsCommand(config, {}, write), 0);
    const text = out.join('');
    assert.match(text, /received +2 +1 clients/);
    assert.match(text, /delivered +1 +50\.0 %/);
    assert.match(text, /delivered with a tag +1 +50\.0 %/);
    assert.match(text, /volume +2\.0 KiB +delivered/);
    assert.match(text, /turned away at the door +14 +emergency; not among those received/);
    assert.match(text, /fcrdns +1 +1 +0 +0 +0 +4\.00 +0\.00/);
    out.length = 0;
    await statsCommand(config, { json: true }, write);
    assert.equal((JSON.parse(out.join('')) as { received: number }).received, 2);
  });
});
