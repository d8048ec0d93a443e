/** A client that a gate holds something against, and what the operator's commands say of it and do about it while the gate runs. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it, type TestContext } from 'node:test';
import { startDns } from '../../test/dns.ts';
import { startGate } from '../../test/gate.ts';
import { connectSmtp } from '../../test/smtp.ts';
import { tempDir } from '../../test/tempdir.ts';
import { LADDER } from '../checks/ladder.ts';
import { load } from '../config/load.ts';
import { blockRemoveCommand, blockShowCommand } from './block.ts';
import { CommandError } from './exit.ts';
import { logCommand } from './log.ts';
import { tryCommand } from './try.ts';

const CLIENT = '127.0.0.9';
const USER = 'user@example.org';

async function gate(t: TestContext, tables: string, resets = false) {
  const dir = await tempDir(t);
  await mkdir(join(dir, 'mail', 'user'), { recursive: true });
  const running = await startGate(t, {
    dir,
    backend: `maildir:${join(dir, 'mail')}/{user}`,
    dns: await startDns(t),
    greetPause: '0s',
    tables,
  });
  const loaded = load(running.configFile, LADDER);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  const { config } = loaded;
  /** What the last recipient heard. */
  const session = async (...to: readonly string[]): Promise<string> => {
    const peer = await connectSmtp({ port: running.port, localAddress: CLIENT }, t);
    await peer.reply();
    await peer.say('EHLO client.example.net');
    await peer.say('MAIL FROM:<sender@example.net>');
    let said = '';
    for (const recipient of to) said = (await peer.say(`RCPT TO:<${recipient}>`)).lines.join('\n');
    if (resets) await peer.say('RSET');
    await peer.say('QUIT');
    await peer.closed;
    return said;
  };
  const said = async (command: (write: (text: string) => void) => Promise<number>) => {
    let out = '';
    const exit = await command((text) => void (out += text));
    return { exit, out };
  };
  return {
    session,
    show: () => said((write) => blockShowCommand(config, CLIENT, write)),
    remove: () => said((write) => blockRemoveCommand(config, CLIENT, write)),
    log: (id: string) => said((write) => logCommand(config, { id }, write)),
    tried: () =>
      said((write) =>
        tryCommand(
          config,
          { client: CLIENT, helo: 'client.example.net', sender: 'sender@example.net', recipient: USER },
          write,
        ),
      ),
  };
}

/** The gate writes a moment after it has answered. */
async function until<T>(ask: () => Promise<T>, good: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await ask();
    if (good(value) || tries > 200) return value;
    await sleep(20);
  }
}

const guesses = (n: number, from = 0) => Array.from({ length: n }, (_, i) => `nobody${from + i}@example.org`);

describe('what is held against a client', () => {
  it('is shown, told of by the decision that brought it, tried, and forgotten when its block is removed', async (t) => {
    const { session, show, remove, log, tried } = await gate(t, '');
    assert.match(await session(...guesses(5), USER), /^450 4\.7\.1 /);
    const { exit, out } = await until(show, (shown) => shown.exit === 0 && shown.out.includes('standing'));
    assert.equal(exit, 0);
    assert.match(out, /^127\.0\.0\.9 .* dictionary-attack +\S{8} +1 /m);
    assert.match(out, /^ {2}standing +bad: 0\.0 good deliveries, 1\.0 charges \(127\.0\.0\.9\)$/m);
    assert.match(out, /^ {2}guesses +5 recipients lately that do not exist \(127\.0\.0\.9\)$/m);
    const id = / dictionary-attack +(\S{8}) /.exec(out)?.[1] ?? '';
    const story = await until(
      () => log(id),
      (told) => told.exit === 0,
    );
    assert.match(story.out, /^ {2}charged +5 recipients that do not exist, by recipients$/m);
    assert.match(
      story.out,
      /^ {2}charged +conviction by dictionary-attack: 127\.0\.0\.9 is blocked until \d{4}-/m,
    );
    assert.equal((await tried()).exit, 75);
    assert.match(await session(USER), /^450 4\.7\.1 .*\(short-term-block\)/);

    const removed = await remove();
    assert.equal(removed.exit, 0);
    assert.match(
      removed.out,
      /^127\.0\.0\.9 is no longer blocked, and all that was held against it is forgotten$/m,
    );
    assert.deepEqual(await show(), { exit: 1, out: '127.0.0.9 is not blocked\n' });
    assert.equal((await tried()).exit, 0);
    assert.match(await session(USER), /^250 /);
    const nothing = await remove();
    assert.equal(nothing.exit, 1);
    assert.match(nothing.out, /nothing is held against it$/m);
  });

  it('is forgotten also where it is not blocked: the counts are not the gate’s alone', async (t) => {
    const { session, remove, tried } = await gate(
      t,
      '[checks.dictionary-attack]\nper_network = 3\nactions = { network = "observe" }',
    );
    await session(...guesses(1));
    await session(...guesses(1, 1));
    assert.equal((await tried()).exit, 0);
    await session(...guesses(1, 2));
    await until(tried, ({ exit }) => exit === 75);
    const { exit, out } = await remove();
    assert.deepEqual(
      [exit, out],
      [0, 'There is no entry for 127.0.0.9; what was held against it is forgotten\n'],
    );
    assert.equal((await tried()).exit, 0);
    assert.match(await session(USER), /^250 /);
  });

  it('is told by the log also where the session ended after its decisions', async (t) => {
    const { session, show, log } = await gate(t, '[checks.dictionary-attack]\nper_session = 2', true);
    await session(...guesses(2));
    const { out } = await until(show, (shown) => shown.out.includes('dictionary-attack'));
    const id = / dictionary-attack +(\S{8}) /.exec(out)?.[1] ?? '';
    const story = await until(
      () => log(id),
      (told) => told.exit === 0,
    );
    assert.equal(story.out.match(/conviction by dictionary-attack/g)?.length, 1, story.out);
  });

  it('is asked for by address', async (t) => {
    const where = { dataDir: await tempDir(t) } as Parameters<typeof blockShowCommand>[0];
    await assert.rejects(blockShowCommand(where, '192.0.2.0/24'), CommandError);
    await assert.rejects(blockShowCommand(where, '192.0.2.7'), /there is no store yet/);
  });
});
