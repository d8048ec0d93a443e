import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { tempDir } from '../../test/tempdir.ts';
import { contentHash, decisionHash } from '../adapters/classifier/identity.ts';
import { openClassifier } from '../adapters/classifier/sqlite.ts';
import { classifyCommand } from './classify.ts';
import { CommandError, EX_NOINPUT, EX_USAGE } from './exit.ts';
import { learnCommand, learntTokens, type LearnOptions } from './learn.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

const mail = (subject: string, text: string) => `From: joe@a.example\nSubject: ${subject}\n\n${text}\n`;
const HAM = mail('Lunch', 'shall we have lunch on Tuesday');
const SPAM = mail('Pills', 'buy cheap pills now');

async function site(t: TestContext) {
  const dataDir = await tempDir(t);
  const out: string[] = [];
  const write = (text: string) => void out.push(text);
  const said = () => out.splice(0).join('');
  const file = async (name: string, content: string) => {
    const path = join(dataDir, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, content);
    return path;
  };
  const learn = async (kind: string, paths: readonly string[], options: Omit<LearnOptions, 'paths'> = {}) => {
    const exit = await learnCommand({ dataDir }, kind, { ...options, paths }, write, { write: () => true });
    assert.equal(exit, 0);
    return said();
  };
  const classify = async (path: string, options: { limit?: string; json?: boolean } = {}) => ({
    exit: await classifyCommand({ dataDir, checks: [] }, { file: path, ...options }, write),
    said: said(),
  });
  return { dataDir, file, learn, classify };
}

describe('postern learn', () => {
  it('learns a message once, and changes it over', async (t) => {
    const { file, learn } = await site(t);
    const path = await file('1', HAM);
    assert.match(
      await learn('ham', [path]),
      /^ham: 1 learnt\nThe classifier knows 1 ham and 0 spam by \d+ tokens\.\n$/,
    );
    assert.match(await learn('ham', [path]), /^ham: 1 known already\n.* 1 ham and 0 spam/);
    assert.match(await learn('spam', [path]), /^spam: 1 changed over\n.* 0 ham and 1 spam/);
  });

  it('knows it again with other line ends', async (t) => {
    const { file, learn } = await site(t);
    await learn('ham', [await file('1', HAM)]);
    assert.match(
      await learn('ham', [await file('2', HAM.replaceAll('\n', '\r\n'))]),
      /^ham: 1 known already/,
    );
  });

  it('takes back what was learnt, to the last token', async (t) => {
    const { file, learn } = await site(t);
    const path = await file('1', HAM);
    await learn('ham', [path]);
    const said = await learn('ham', [path, await file('2', SPAM)], { forget: true });
    assert.match(
      said,
      /^ham: 1 forgotten, 1 never learnt\nThe classifier knows 0 ham and 0 spam by 0 tokens/,
    );
  });

  it('opens Maildirs, folders and mbox files', async (t) => {
    const { dataDir, file, learn } = await site(t);
    await file('box/new/1', mail('a', 'one'));
    await file('box/cur/2:2,S', mail('b', 'two'));
    await mkdir(join(dataDir, 'box/tmp'));
    await file('box/tmp/3', mail('c', 'not delivered yet'));
    await file('folder/1.eml', mail('d', 'three'));
    await file('folder/.hidden', mail('e', 'not mail'));
    const quoted = mail('f', 'four\n\n>From the start\nit was one message');
    const mbox = await file(
      'mbox',
      `From joe Mon Jan  1\n${quoted}\nFrom ann Mon Jan  1\n${mail('g', 'five')}\n`,
    );
    const said = await learn('spam', [join(dataDir, 'box'), join(dataDir, 'folder'), mbox]);
    assert.match(said, /^spam: 5 learnt\n/);
    const single = mail('f', 'four\n\nFrom the start\nit was one message');
    assert.match(await learn('spam', [await file('single', single)]), /^spam: 1 known already/);
  });

  it('passes over what is empty', async (t) => {
    const { file, learn } = await site(t);
    assert.match(await learn('ham', [await file('1', '')]), /^ham: 1 empty or too long/);
  });

  it('knows it again by the decision that delivered it, in another mailbox too', async (t) => {
    const { dataDir, file, learn } = await site(t);
    const mark = 'X-Postern: id=K7Q2MX4E; suspicion=0\n';
    await learn('spam', [await file('1', `Delivered-To: ann@a.example\n${mark}${SPAM}`)]);
    assert.match(
      await learn('spam', [await file('2', `Delivered-To: joe@a.example\n${mark}${SPAM}`)]),
      /^spam: 1 known already/,
    );
    const store = openClassifier(join(dataDir, 'classifier.sqlite'));
    assert.equal(store.learntAs(decisionHash('K7Q2MX4E')), 'spam');
    store.close();
    assert.match(await learn('ham', [join(dataDir, '2')], { forget: true }), /^ham: 1 forgotten/);
    // A second mark, below the gate's, is not the gate's.
    const forged = `X-Postern: id=00000001; suspicion=0\n${mark}${SPAM}`;
    await learn('spam', [join(dataDir, '2')]);
    assert.match(await learn('spam', [await file('3', forged)]), /^spam: 1 learnt/);
  });

  it('knows it by its content, if it was learnt so', async (t) => {
    const { dataDir, file, learn } = await site(t);
    const marked = `X-Postern: id=K7Q2MX4E; suspicion=0\n${HAM}`;
    const store = openClassifier(join(dataDir, 'classifier.sqlite'));
    store.learn('ham', contentHash(Buffer.from(marked)), learntTokens(Buffer.from(marked)));
    store.close();
    assert.match(await learn('ham', [await file('1', marked)]), /^ham: 1 known already/);
  });

  it('counts what the gate found when it delivered the message', async (t) => {
    const { file, learn, classify } = await site(t);
    const marked = await file('1', `X-Postern: id=1; suspicion=2; tags=fcrdns:no-ptr\n${SPAM}`);
    await learn('spam', [marked]);
    await learn('ham', [await file('2', HAM)]);
    assert.match((await classify(marked)).said, /check:fcrdns:no-ptr/);
  });

  const mistakes: readonly [name: string, kind: string, path: string, exit: number, message: RegExp][] = [
    ['no kind of mail', 'eggs', '.', EX_USAGE, /^"eggs" is no kind of mail/],
    [
      'no such path',
      'ham',
      '/nowhere/at/all',
      EX_NOINPUT,
      /^\/nowhere\/at\/all: there is no such file or folder$/,
    ],
  ];
  for (const [name, kind, path, exit, message] of mistakes)
    it(name, async (t) => {
      const { dataDir } = await site(t);
      await assert.rejects(
        learnCommand({ dataDir }, kind, { paths: [path] }, () => undefined),
        (error) => {
          assert.ok(error instanceof CommandError);
          assert.equal(error.exitCode, exit);
          assert.match(error.message, message);
          return true;
        },
      );
    });

  it('draws a bar where somebody looks', async (t) => {
    const { dataDir, file } = await site(t);
    const paths = [await file('1', HAM), await file('2', SPAM)];
    const drawn: string[] = [];
    const terminal = { isTTY: true, columns: 100, write: (text: string) => drawn.push(text) };
    await learnCommand({ dataDir }, 'ham', { paths }, () => undefined, terminal);
    assert.match(drawn[0]!, /^\r\[#+ +\] \d+ %  ham: 1 learnt/);
    assert.equal(drawn.at(-1), '\r\x1b[K');
  });
});

describe('postern classify', () => {
  it('says what it is, and which tokens decided', async (t) => {
    const { file, learn, classify } = await site(t);
    const spam: string[] = [];
    const ham: string[] = [];
    for (let i = 0; i < 200; i++) {
      spam.push(await file(`spam/${i}`, `${SPAM}${i}`));
      ham.push(await file(`ham/${i}`, `${HAM}${i}`));
    }
    await learn('spam', spam.slice(0, 199));
    await learn('ham', ham);
    const early = await classify(spam[0]!);
    assert.equal(early.exit, 2);
    assert.match(
      early.said,
      /^untrained: score .*; 200 ham and 199 spam learnt, it takes 200 of each to judge\n/,
    );
    await learn('spam', spam);
    const sure = await classify(spam[0]!);
    assert.equal(sure.exit, 1);
    assert.match(
      sure.said,
      /^spam: score 0\.9\d+ \(ham up to 0\.1, spam from 0\.95\); 200 ham and 200 spam learnt\n/,
    );
    assert.match(sure.said, /^0\.9998 +0 +200 +cheap pills$/m);
    const json = await classify(ham[0]!, { json: true, limit: '3' });
    assert.equal(json.exit, 0);
    const { kind, score, decided } = JSON.parse(json.said) as {
      kind: string;
      score: number;
      decided: unknown[];
    };
    assert.deepEqual([kind, score < 0.1, decided.length], ['ham', true, 3]);
    const unsure = await classify(await file('new', 'X-Never: seen\n\nquite different\n'));
    assert.equal(unsure.exit, 2);
    assert.match(unsure.said, /^unsure: score 0\.5/);
  });

  it('wants something learnt', async (t) => {
    const { dataDir, file, classify } = await site(t);
    await assert.rejects(classify(await file('1', HAM)), /nothing has been learnt yet/);
    // The gate has made the file, and nobody has taught it.
    openClassifier(join(dataDir, 'classifier.sqlite')).close();
    await assert.rejects(classify(await file('1', HAM)), {
      exitCode: EX_NOINPUT,
      message: /^nothing has been learnt yet; it takes 200 messages of ham and as many of spam/,
    });
  });

  it('by the command line', async (t) => {
    const { dataDir, file } = await site(t);
    const config = await file('postern.toml', CONFIG);
    const ham = await file('1', HAM);
    const run = (...args: readonly string[]) =>
      spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args, '-c', config], {
        encoding: 'utf8',
        cwd: dataDir,
      });
    const learnt = run('learn', 'ham', ham);
    assert.equal(learnt.status, 0, learnt.stderr);
    assert.match(learnt.stdout, /^ham: 1 learnt/);
    const classified = run('classify', ham);
    assert.equal(classified.status, 2, classified.stderr);
    assert.match(classified.stdout, /^untrained: /);
  });
});

const CONFIG = `host_name = "mx.example.org"
domains = ["example.org"]
data_dir = "."
[[listen]]
address = "127.0.0.1:25252"
[backend]
url = "smtp://127.0.0.1:2525"
`;
