import assert from 'node:assert/strict';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ListEntry } from '../core/lists.ts';
import { startGate } from '../../test/gate.ts';
import { connectSmtp } from '../../test/smtp.ts';
import { tempDir } from '../../test/tempdir.ts';
import { atOnce } from '../core/slices.ts';
import { JoinedEntries, readingList } from './list-file.ts';
import { formatProblem } from './problems.ts';

const FILES = ['block.txt', 'allow.txt', 'recipients.txt'] as const;

describe('list files', () => {
  const cases: [kind: ListEntry['kind'], text: string, entries: unknown[], problems: string[]][] = [
    ['block', '', [], []],
    ['block', '\n# ours\n \r\n', [], []],
    [
      'block',
      '\ufeff192.0.2.0/24 # noisy\r\n.Dyn.example.net\n2001:db8::/32',
      [
        { client: '192.0.2.0/24', reason: 'noisy', source: 'FILE:1' },
        { host: '.dyn.example.net', source: 'FILE:2' },
        { client: '2001:db8::/32', source: 'FILE:3' },
      ],
      [],
    ],
    [
      'allow',
      '192.0.2.1/24\n192.0.2.7\n192.0.2.300\nno spaces here\n-x-\n\0\n\x1b[31m.example',
      [{ client: '192.0.2.7', source: 'FILE:2' }],
      [
        'FILE:1: *192.0.2.1/24',
        'FILE:3: *"192.0.2.300"',
        'FILE:4: "no spaces here" *',
        'FILE:5: "-x-" *',
      ].concat(['FILE:6: "\\u0000" *', 'FILE:7: "\\u001b[31m.example" *']),
    ],
    [
      'mailbox',
      'a@example.org\nexample.net # all of it\n<>\na@\n@example.org\nx y@example.org',
      [
        { recipient: 'a@example.org', source: 'FILE:1' },
        { recipient: 'example.net', reason: 'all of it', source: 'FILE:2' },
      ],
      ['FILE:3: "<>" *', 'FILE:4: "a@" *', 'FILE:5: "@example.org" *', 'FILE:6: "x y@example.org" *'],
    ],
    ['block', `${'x'.repeat(100_000)}!`, [], [`FILE:1: "${'x'.repeat(60)}…" *`]],
  ];
  for (const [kind, text, entries, problems] of cases) {
    it(`${kind}: ${JSON.stringify(text.slice(0, 40))}`, () => {
      const found = atOnce(readingList(text, kind, 'FILE'));
      const wanted = entries.map((entry) => ({ kind, ...(entry as object) }));
      assert.deepEqual([...found.entries], wanted);
      const joined = new JoinedEntries([[], found.entries, found.entries]);
      assert.deepEqual(
        Array.from({ length: joined.length + 1 }, (_, i) => joined.at(i)),
        [...wanted, ...wanted, undefined],
      );
      assert.deepEqual([...joined], [...wanted, ...wanted]);
      assert.equal(
        joined.some((entry) => entry.source === 'FILE:3'),
        wanted.some((entry) => 'source' in entry && entry.source === 'FILE:3'),
      );
      const said = found.problems.map((p) => formatProblem(p));
      assert.equal(said.length, problems.length, said.join('\n'));
      // A star stands for whatever is said.
      for (const [i, problem] of problems.entries()) {
        const [before = '', after = ''] = problem.split('*');
        const line = said[i] ?? '';
        assert.ok(line.startsWith(before) && line.includes(after), `${line} is not ${problem}`);
        assert.match(line, /^[^\x00-\x1f]*$/);
      }
    });
  }

  it('says no more than twenty times that a file is no list', () => {
    assert.deepEqual(
      atOnce(readingList('no list\n'.repeat(1000), 'block', 'FILE')).problems.map(({ line }) => line),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
  });

  it('stay in force as they were when SIGHUP finds one of them broken', async (t) => {
    const dir = await tempDir(t);
    await mkdir(join(dir, 'mail'));
    const good = {
      'block.txt': '127.0.0.0/24 # noisy\n',
      'allow.txt': '127.0.0.2\n',
      'recipients.txt': 'user@example.org\n',
    };
    for (const file of FILES) await writeFile(join(dir, file), good[file]);
    const gate = await startGate(t, {
      dir,
      backend: `maildir:${join(dir, 'mail')}`,
      dns: undefined,
      top: 'block_files = ["block.txt"]\nallow_files = ["allow.txt"]\nrecipient_files = ["recipients.txt"]\n',
      tables: '[checks.recipient-list]\nknown_only = true\n',
    });
    const reload = () => process.kill(gate.pid, 'SIGHUP');
    /** What the client is told about the recipient. */
    const told = async (localAddress: string, recipient: string) => {
      const peer = await connectSmtp({ port: gate.port, localAddress }, t);
      await peer.reply();
      await peer.say('EHLO client.example.net');
      await peer.say('MAIL FROM:<>');
      const { code } = await peer.say(`RCPT TO:<${recipient}@example.org>`);
      peer.close();
      return code;
    };
    let clients = 0;
    const isOldInForce = async () => {
      assert.equal(await told('127.0.0.1', 'user'), 554);
      assert.equal(await told('127.0.0.2', 'user'), 250);
      assert.equal(await told('127.0.0.3', 'user'), 554);
      // A new client each time: who asks for mailboxes that do not exist is soon taken for one that guesses.
      clients++;
      assert.equal(await told(`127.0.1.${clients}`, 'other'), 550);
      assert.equal(await told(`127.0.2.${clients}`, 'user'), 250);
    };
    await isOldInForce();

    // What is good in the files that are read again must not come into force with half of the rest.
    const added = { 'block.txt': '', 'allow.txt': '127.0.0.3\n', 'recipients.txt': 'other@example.org\n' };
    for (const broken of FILES) {
      for (const file of FILES) await writeFile(join(dir, file), good[file] + added[file]);
      await appendFile(join(dir, broken), 'broken line\n');
      const line = (await readFile(join(dir, broken), 'utf8')).split('\n').length - 1;
      reload();
      const place = `${broken.replace('.', '\\.')}:${line}: .*broken line`;
      await gate.process.line(new RegExp(place));
      await isOldInForce();
    }
    for (const file of FILES) await writeFile(join(dir, file), good[file] + added[file]);
    reload();
    await gate.process.line(/"msg":"reloaded"/);
    assert.equal(await told('127.0.0.1', 'user'), 554);
    assert.equal(await told('127.0.0.3', 'user'), 250);
    assert.equal(await told('127.0.3.1', 'other'), 250);
    assert.equal(await gate.stop(), 0);
  });
});
