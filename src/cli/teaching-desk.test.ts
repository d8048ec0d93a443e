import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGate } from '../../test/gate.ts';
import { onEnd } from '../../test/program.ts';
import { connectSmtp, sendMail } from '../../test/smtp.ts';
import { tempDir } from '../../test/tempdir.ts';
import { decisionHash } from '../adapters/classifier/identity.ts';
import { openClassifier } from '../adapters/classifier/sqlite.ts';
import { TokenMemory } from '../adapters/classifier/token-memory.ts';
import { openJournal } from '../adapters/journal/sqlite.ts';
import { LADDER } from '../checks/ladder.ts';
import { load } from '../config/load.ts';
import { createTeachingDesk, rememberedMs, SEEN_MESSAGES } from './teaching-desk.ts';
import type { Config } from '../config/config.ts';

const DAY_MS = 86_400_000;
const CLASSIFIER = '[checks.classifier]\nmin_messages = 1\nremember = "14d"\n';

function configOf(file: string): Config {
  const loaded = load(file, LADDER);
  assert.ok('config' in loaded, JSON.stringify(loaded));
  return loaded.config;
}

/** A desk whose gate has judged some messages. */
async function desk(
  t: Parameters<typeof tempDir>[0],
  remembered: Readonly<Record<string, readonly string[]>>,
) {
  const dir = await tempDir(t);
  const file = join(dir, 'postern.toml');
  await writeFile(
    file,
    `host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "${dir}"\n[[listen]]\naddress = "127.0.0.1:0"\ntls = "none"\n[backend]\nurl = "maildir:${dir}/mail"\n${CLASSIFIER}`,
  );
  const config = configOf(file);
  const clock = { ms: 1000 * DAY_MS };
  const classifier = openClassifier(join(dir, 'classifier.sqlite'), { cache: false });
  const memory = new TokenMemory(join(dir, SEEN_MESSAGES), { nowMs: () => clock.ms });
  memory.keep(rememberedMs(config));
  for (const [id, tokens] of Object.entries(remembered)) memory.remember(id, classifier.keysOf(tokens));
  memory.close();
  onEnd(t, () => classifier.close());
  return {
    teaching: createTeachingDesk(
      () => config,
      () => clock.ms,
    ),
    classifier,
    clock,
    dir,
  };
}

describe('teaching from a decision', () => {
  it('is done once; the other kind changes it over', async (t) => {
    const { teaching, classifier } = await desk(t, { A: ['buy', 'pills'] });
    assert.equal(teaching.knows('A'), true);
    assert.equal(teaching.teach('A', 'spam'), 'taught');
    assert.equal(teaching.teach('A', 'spam'), 'already');
    assert.deepEqual(classifier.trained, { ham: 0, spam: 1 });
    assert.equal(teaching.teach('A', 'ham'), 'taught');
    assert.deepEqual(classifier.trained, { ham: 1, spam: 0 });
    assert.equal(classifier.learntAs(decisionHash('A')), 'ham');
  });

  it('is not done where nothing is remembered, or no longer', async (t) => {
    const { teaching, classifier, clock } = await desk(t, { A: ['buy'] });
    assert.deepEqual([teaching.knows('B'), teaching.teach('B', 'spam')], [false, 'unknown']);
    clock.ms += 14 * DAY_MS + 1;
    assert.deepEqual([teaching.knows('A'), teaching.teach('A', 'spam')], [false, 'unknown']);
    assert.deepEqual(classifier.trained, { ham: 0, spam: 0 });
  });

  it('says what is wrong to whoever teaches, and not to whoever looks', async (t) => {
    const { teaching, dir } = await desk(t, { A: ['buy'] });
    await writeFile(join(dir, SEEN_MESSAGES), 'no database at all, '.repeat(500));
    assert.equal(teaching.knows('A'), false);
    assert.throws(() => teaching.teach('A', 'spam'), /not a database|malformed/);
  });

  it('moves the score of the next message like it, and is forgotten when that is wanted', async (t) => {
    const dir = await tempDir(t);
    const gate = await startGate(t, {
      dir,
      backend: `maildir:${join(dir, 'mail')}`,
      dns: undefined,
      tables: `${CLASSIFIER}[checks.sender-domain]\non_fail = "off"\n`,
    });
    const config = configOf(gate.configFile);
    const teaching = createTeachingDesk(() => config, Date.now);
    const journal = openJournal(join(config.dataDir, 'journal.sqlite'));
    onEnd(t, () => journal.close());
    const send = async (subject: string, text: string) => {
      const peer = await connectSmtp({ port: gate.port }, t);
      const { heard } = await sendMail(peer, {
        from: 'joe@a.example',
        to: 'ann@example.org',
        message: `From: joe@a.example\r\nSubject: ${subject}\r\n\r\n${text}\r\n`,
      });
      peer.close();
      assert.equal(heard.code, 250, heard.lines.join());
      for (let i = 0; i < 200; i++) {
        const [newest] = await journal.find({ sender: 'joe@a.example', limit: 1 });
        const step = newest?.steps.find(({ check }) => check === 'classifier');
        if (newest !== undefined && heard.lines.join().includes(newest.id))
          return { id: newest.id, scored: (step?.evidence as { scored?: { score: number } }).scored };
        await sleep(25);
      }
      throw new Error(`no decision for ${heard.lines.join()}`);
    };
    const known = async (id: string) => {
      for (let i = 0; i < 200 && !teaching.knows(id); i++) await sleep(25);
      assert.ok(teaching.knows(id));
    };
    const lunch = await send('Lunch', 'shall we have lunch on Tuesday with the others from the office');
    const pills = await send('Pills', 'buy cheap pills now, best price for cheap watches and loans');
    assert.equal(pills.scored, undefined, 'nothing was learnt yet');
    await known(lunch.id);
    await known(pills.id);
    assert.equal(teaching.teach(lunch.id, 'ham'), 'taught');
    const again = () => send('Pills', 'buy cheap pills now, best price for cheap watches and more loans');
    // The gate hears within a second or so of what was taught.
    const scoreOnce = async (isSo: (score: number) => boolean): Promise<number> => {
      for (let tries = 0; ; tries++) {
        const score = (await again()).scored?.score ?? NaN;
        if (isSo(score) || tries === 40) return score;
        await sleep(250);
      }
    };
    const text = await again();
    await known(text.id);
    assert.equal(teaching.teach(pills.id, 'spam'), 'taught');
    const taught = await scoreOnce((score) => score > 0.9);
    assert.ok(taught > 0.9, `spam was taught, and the score is ${taught}`);
    assert.equal(teaching.teach(pills.id, 'ham'), 'taught');
    assert.equal(teaching.teach(text.id, 'spam'), 'taught');
    assert.equal(teaching.teach(text.id, 'ham'), 'taught');
    assert.equal(teaching.teach(lunch.id, 'spam'), 'taught');
    const turned = await scoreOnce((score) => score < 0.1);
    assert.ok(turned < 0.1, `it was ham after all, and the score is ${turned}`);

    await writeFile(
      gate.configFile,
      (await readFile(gate.configFile, 'utf8')).replace('remember = "14d"', 'remember = "0s"'),
    );
    process.kill(gate.pid, 'SIGHUP');
    await gate.process.line(/"msg":"reloaded"/);
    assert.equal(existsSync(join(config.dataDir, SEEN_MESSAGES)), false);
    assert.equal(teaching.knows(text.id), false);
    assert.equal(await gate.stop(), 0);
  });
});
