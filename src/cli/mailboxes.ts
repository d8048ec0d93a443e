/**
 * Messages out of files as mail programs keep them: a Maildir, an mbox file, a folder of single messages, one message. What stands in
 * them is a stranger's, but the files are the operator's own; one message at a time is held.
 */
import { createReadStream } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, EX_NOINPUT } from './exit.ts';
import { inPlainWords } from './plain-words.ts';

/** Longer messages are passed over: nobody learns from them. */
export const MAX_MESSAGE_OCTETS = 67_108_864;

export interface MailFile {
  readonly path: string;
  readonly octets: number;
}

export interface FoundMessage {
  readonly path: string;
  /** The message as it stands in the file; undefined where it is too long. */
  readonly message: Buffer | undefined;
  /** Of the file, read since the message before. */
  readonly octets: number;
}

/** The files to be read for the paths given, folders opened, in the order of their names. */
export async function mailFiles(paths: readonly string[]): Promise<readonly MailFile[]> {
  const found: MailFile[] = [];
  for (const path of paths) {
    const what = await stat(path).catch((error: unknown) => {
      throw new CommandError(inPlainWords(error, path), EX_NOINPUT);
    });
    if (!what.isDirectory()) {
      found.push({ path, octets: what.size });
      continue;
    }
    const entries = await readdir(path);
    const isMaildir = entries.includes('cur') && entries.includes('new');
    for (const folder of isMaildir ? [join(path, 'new'), join(path, 'cur')] : [path])
      for (const name of (await readdir(folder)).sort()) {
        const file = join(folder, name);
        const its = await stat(file).catch(() => undefined);
        // A mail program may move a message while we look.
        if (its?.isFile() === true && !name.startsWith('.')) found.push({ path: file, octets: its.size });
      }
  }
  return found;
}

/** An mbox file begins with its mark, as no message does. */
export async function* messagesOf(file: MailFile): AsyncGenerator<FoundMessage> {
  const { path, octets } = file;
  if (await isMbox(path)) yield* mboxMessages(path);
  else if (octets > MAX_MESSAGE_OCTETS) yield { path, octets, message: undefined };
  else {
    const message = await readFile(path).catch(() => undefined);
    // Gone in the meantime: nothing to learn.
    if (message !== undefined) yield { path, octets: message.length, message };
  }
}

const FROM = Buffer.from('From ');
const SEPARATOR = Buffer.from('\nFrom ');
const MARK_OCTETS = 16;

async function isMbox(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(FROM.length), 0, FROM.length, 0);
    return bytesRead === FROM.length && buffer.equals(FROM);
  } finally {
    await file.close();
  }
}

async function* mboxMessages(path: string): AsyncGenerator<FoundMessage> {
  let held: Buffer = Buffer.alloc(0);
  // Behind what was searched already: else a long message would be searched anew with each piece.
  let searched = 0;
  let tooLong = 0;
  const found = (octets: Buffer): FoundMessage => {
    const lost = tooLong;
    tooLong = 0;
    return {
      path,
      octets: octets.length + lost,
      message: lost > 0 ? undefined : unquoted(octets),
    };
  };
  for await (const chunk of createReadStream(path, { highWaterMark: 1_048_576 }) as AsyncIterable<Buffer>) {
    let data = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (;;) {
      const at = data.indexOf(SEPARATOR, searched);
      if (at < 0) break;
      // The mark stands behind an empty line (mbox(5)).
      const isMark = data[at - 1] === 10 || (data[at - 1] === 13 && data[at - 2] === 10);
      if (!isMark) {
        searched = at + 1;
        continue;
      }
      yield found(data.subarray(0, at + 1));
      data = data.subarray(at + 1);
      searched = 0;
    }
    searched = Math.max(0, data.length - SEPARATOR.length);
    if (data.length > MAX_MESSAGE_OCTETS) {
      // Some octets stay: the next mark may be cut in two.
      tooLong += data.length - MARK_OCTETS;
      data = data.subarray(-MARK_OCTETS);
      searched = 0;
    }
    held = Buffer.from(data);
  }
  if (held.length > 0) yield found(held);
}

/** Without its mark, and with the lines that would look like one as they were (mboxrd). */
function unquoted(octets: Buffer): Buffer {
  const lf = octets.indexOf(10);
  const text = octets.toString('latin1', lf < 0 ? octets.length : lf + 1);
  if (!text.includes('\n>')) return Buffer.from(text, 'latin1');
  return Buffer.from(text.replace(/^>(>*From )/gm, '$1'), 'latin1');
}
