import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_LINE_OCTETS, runLines, type Run } from './run-lines.ts';

const NEVER = new AbortController().signal;
const run = async (script: string, more: Partial<Run> = {}) => {
  const lines: string[] = [];
  const onLine = (line: string): undefined => void lines.push(line);
  await runLines({ command: ['/bin/sh', '-c', script], onLine, signal: NEVER, ...more });
  return lines;
};

describe('the lines of a program', () => {
  it('come one by one, the last one without its end too', async () => {
    assert.deepEqual(await run('printf "a\\n\\nb\\nc"'), ['a', '', 'b', 'c']);
  });
  it('are cut', async () => {
    const [long, next] = await run(`head -c 100000 /dev/zero | tr '\\0' x; printf '\\nnext\\n'`);
    assert.equal(long, 'x'.repeat(MAX_LINE_OCTETS));
    assert.equal(next, 'next');
  });
  it('stop when there are enough', async () => {
    let lines = 0;
    await run('yes', { onLine: () => (++lines === 10 ? 'enough' : undefined) });
    assert.equal(lines, 10);
  });
  it('come from what it was given', async () => {
    assert.deepEqual(await run('cat', { input: Buffer.from('a\nb\n') }), ['a', 'b']);
  });
  it('need not be what it was given', async () => {
    assert.deepEqual(await run('echo done', { input: Buffer.alloc(1_000_000) }), ['done']);
  });
});

describe('a program that fails', () => {
  const cases: [what: string, script: string, says: RegExp, more?: Partial<Run>][] = [
    [
      'by its status, with its words',
      'echo "no  \x1b[2J\nqueue" >&2; exit 69',
      /^\/bin\/sh ended with 69: no \\u001b\[2J queue$/,
    ],
    ['by a signal', 'kill -9 $$', /^\/bin\/sh was ended by SIGKILL$/],
    ['by taking its time', 'sleep 60', /^\/bin\/sh did not end within 0\.2 s$/, { timeoutMs: 200 }],
    ['by printing without end', 'yes', /^\/bin\/sh prints without end$/, { maxOctets: 100_000 }],
    ['by not being there', '', /^\/nowhere\/postqueue is not there$/, { command: ['/nowhere/postqueue'] }],
    ['by not being ours to run', '', /may not be run by this user$/, { command: [import.meta.filename] }],
    ['by having no name', '', /./, { command: [] }],
  ];
  for (const [what, script, says, more] of cases) {
    it(what, () => assert.rejects(run(script, more), (error: Error) => says.test(error.message)));
  }
  it('in many words is not quoted in all of them', async () => {
    await assert.rejects(
      run('yes >&2 | head -c 1; yes no >&2', { timeoutMs: 300 }),
      (error: Error) => error.message.length < 700,
    );
  });
});

it('ends what a program has started, too', async () => {
  const lines: string[] = [];
  const ended = runLines({
    command: ['/bin/sh', '-c', 'sleep 300 & echo $!; wait'],
    onLine: (line) => void lines.push(line),
    signal: NEVER,
    timeoutMs: 500,
  });
  await assert.rejects(ended, /did not end/);
  const [pid = ''] = lines;
  for (let i = 0; i < 200; i++) {
    // Gone, or dead and waiting for somebody to ask for its status.
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
    if (stat.includes(') Z')) return;
    await sleep(20);
  }
  assert.fail('it lives on');
});

it('ends with the signal', async () => {
  const stop = new AbortController();
  const ended = run('sleep 300', { signal: stop.signal });
  stop.abort();
  await assert.rejects(ended, /stopped/);
  await assert.rejects(run('true', { signal: stop.signal }), /not asked/);
});
