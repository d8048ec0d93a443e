/** Real mail, sent by Python's smtplib through the gate into a Maildir and into a real Postfix: it arrives byte for byte. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { corpusSample } from '../corpus.ts';
import { startDns } from '../dns.ts';
import { startGate } from '../gate.ts';
import { isBelowHeader, maildirMessages } from '../maildir.ts';
import { runProgram } from '../program.ts';
import { tempDir } from '../tempdir.ts';
import { need } from './peer.ts';
import { startPostfix } from './postfix.ts';

const COUNT = 100;

async function sendSample(
  t: TestContext,
  python: string,
  dir: string,
  backend: string,
): Promise<readonly Buffer[]> {
  const gate = await startGate(t, { dir, backend, dns: await startDns(t) });
  const sample = await corpusSample(COUNT);
  assert.ok(sample.length >= COUNT * 0.9, `only ${sample.length} messages can be sent`);
  await mkdir(join(dir, 'sent'));
  const files = sample.map((_, i) => join(dir, 'sent', String(i)));
  for (const [i, file] of files.entries()) await writeFile(file, sample[i]!);
  const script = join(import.meta.dirname, 'smtplib_send.py');
  const { exit, output } = await runProgram(t, python, [script, String(gate.port), ...files]);
  assert.equal(exit, 0, output);
  const answers = output.split('\n').map((line) => JSON.parse(line) as { code: number; text?: string });
  assert.deepEqual(
    answers.filter(({ code }) => code !== 250),
    [],
  );
  assert.equal(answers.length, sample.length);
  return sample;
}

function compare(arrived: readonly Buffer[], sample: readonly Buffer[]): void {
  assert.equal(arrived.length, sample.length);
  const left = new Set(arrived);
  for (const sent of sample) {
    const found = [...left].find((message) => isBelowHeader(message, sent));
    assert.ok(found, `not there as it was sent: ${sent.toString('latin1').slice(0, 300)}`);
    left.delete(found);
  }
}

describe('real mail by smtplib', () => {
  it('into a Maildir', async (t) => {
    const python = need(t, 'python3');
    if (python === undefined) return;
    const dir = await tempDir(t);
    const sample = await sendSample(t, python, dir, `maildir:${join(dir, 'box')}`);
    compare(await maildirMessages(join(dir, 'box')), sample);
  });

  it('into a real Postfix', async (t) => {
    const python = need(t, 'python3');
    const postfix = await startPostfix(t);
    if (python === undefined || postfix === undefined) return;
    const sample = await sendSample(t, python, await tempDir(t), `smtp://127.0.0.1:${postfix.port}`);
    await postfix.logged(/status=sent \(delivered to maildir\)/, sample.length);
    compare(await postfix.messages(), sample);
  });
});
