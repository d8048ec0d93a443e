/** Debian's bogofilter on the same messages: a peer to be measured against. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fields, headerEnd } from '../src/mail/header.ts';
import type { Message, Result } from './classifier.ts';

const run = promisify(execFile);
const MAX_OUTPUT = 67_108_864;

/** Its scores of the test half, or undefined where it is not installed. `keeps` says which header fields it is shown. */
export async function bogofilterScores(
  train: readonly Message[],
  test: readonly Message[],
  keeps: ((field: string) => boolean) | undefined,
): Promise<readonly Result[] | undefined> {
  try {
    await run('bogofilter', ['-V']);
  } catch {
    return undefined;
  }
  const folder = await mkdtemp(join(tmpdir(), 'postern-bogofilter-'));
  try {
    const write = async (name: string, of: readonly Message[]): Promise<string> => {
      const into = join(folder, name);
      await mkdir(into);
      for (const [i, { octets }] of of.entries())
        await writeFile(join(into, String(i).padStart(5, '0')), shown(octets, keeps));
      return into;
    };
    const words = join(folder, 'words');
    await mkdir(words);
    const spam = await write(
      'spam',
      train.filter((m) => m.spam),
    );
    const ham = await write(
      'ham',
      train.filter((m) => !m.spam),
    );
    await run('bogofilter', ['-d', words, '-s', '-B', spam]);
    await run('bogofilter', ['-d', words, '-n', '-B', ham]);
    const output = await bulk(words, await write('test', test));
    return output.flatMap((line) => {
      const [, name = '', score = ''] = /(\d{5})\s.*?([\d.e+-]+)$/.exec(line) ?? [];
      const message = test[Number(name)];
      return message === undefined ? [] : [{ spam: message.spam, score: Number(score) }];
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Its exit status is its verdict, so that only its output says whether it worked. */
async function bulk(words: string, folder: string): Promise<readonly string[]> {
  const output = await new Promise<string>((resolve) => {
    execFile('bogofilter', ['-d', words, '-T', '-B', folder], { maxBuffer: MAX_OUTPUT }, (_error, stdout) =>
      resolve(stdout),
    );
  });
  return output.trim().split('\n');
}

function shown(octets: Buffer, keeps: ((field: string) => boolean) | undefined): Buffer {
  if (keeps === undefined) return octets;
  const end = headerEnd(octets, true) ?? octets.length;
  const kept = [...fields(octets, end)]
    .filter(({ name }) => keeps(name.toLowerCase()))
    .map((field) => octets.subarray(field.start, field.end));
  return Buffer.concat([...kept, octets.subarray(end)]);
}
