import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { startProgram } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';

const MAIN = join(import.meta.dirname, '../main.ts');

it('shows each kind of sender refused, deferred or delivered where its kind is', async (t) => {
  const dir = await tempDir(t);
  const demo = startProgram(t, process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, 'demo'], {
    env: { TMPDIR: dir },
  });
  assert.equal(await demo.ended, 0, demo.lines.join('\n'));
  const printed = demo.lines.join('\n');
  const head = printed.slice(0, printed.indexOf('delivered of'));
  // Rung, check, asked, refused, deferred.
  for (const [rung, check, refused, deferred] of [
    ['memory', 'relay', true, false],
    ['memory', 'honeypot', false, true],
    ['memory', 'spam-trap', true, false],
    ['memory', 'early-talker', true, false],
    ['memory', 'pipelining', true, false],
    ['memory', 'helo', true, false],
    ['store', 'short-term-block', false, true],
    ['store', 'dictionary-attack', false, true],
    ['dns', 'dnsbl', true, false],
    ['dns-chain', 'sender-domain', true, false],
    ['dns-chain', 'spf', true, false],
    ['doubt', 'greylist', false, true],
  ] as const) {
    const line = head.split('\n').find((one) => one.startsWith(`${rung.padEnd(10)}${check} `)) ?? '';
    assert.equal(Number(line.slice(35, 44)) > 0, refused, `${check} refuses: ${line}`);
    assert.equal(Number(line.slice(44, 54)) > 0, deferred, `${check} defers: ${line}`);
  }
  // The blocks, and where to look.
  for (const by of ['helo', 'spam-trap', 'dictionary-attack', 'honeypot'])
    assert.match(printed, new RegExp(String.raw`^\d+\.\d+\.\d+\.\d+ +${by} +[0-9A-Z]{8} `, 'm'));
  for (const command of ['log', 'log --id [0-9A-Z]{8}', 'stats', 'block list', 'check-config --explain'])
    assert.match(printed, new RegExp(`^  npm run -s postern -- ${command} -c .*postern\\.toml$`, 'm'));
  assert.deepEqual(
    printed.split('\n').filter((line) => line.length > 100 && !line.includes(dir)),
    [],
  );
});
