import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { MessageContent } from '../../core/delivery.ts';

/*
 * One message into one Maildir (https://cr.yp.to/proto/maildir.html), in two steps, so that a message for several
 * mailboxes is on the disk for all of them before it shows up in the first.
 */

export interface Written {
  readonly tmp: string;
  readonly final: string;
}

/** Writes to `tmp` and fsyncs. Throws what the file system throws; the file is gone then. */
export async function writeToTmp(
  folder: string,
  header: string,
  message: MessageContent,
  hostName: string,
  signal: AbortSignal,
): Promise<Written> {
  const name = uniqueName(hostName);
  const written = { tmp: join(folder, 'tmp', name), final: join(folder, 'new', name) };
  const file = await openInFolder(folder, written.tmp);
  try {
    try {
      await writeWhole(file, Buffer.from(header));
      const lines = new LineEnds();
      for await (const chunk of message.chunks()) {
        signal.throwIfAborted();
        await writeWhole(file, lines.push(chunk));
      }
      await writeWhole(file, lines.end());
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    await rm(written.tmp, { force: true });
    throw error;
  }
  return written;
}

/** Makes it visible. When this has returned it survives a crash. */
export async function publish({ tmp, final }: Written): Promise<void> {
  await rename(tmp, final);
  await syncFolder(dirname(final));
}

/** Takes back what is not to be delivered after all, wherever it stands. */
export async function withdraw({ tmp, final }: Written): Promise<void> {
  await rm(tmp, { force: true });
  await rm(final, { force: true });
}

/** Makes the folder with its `tmp`, `new` and `cur`, so that they survive a crash as well. */
export async function makeMaildir(folder: string): Promise<void> {
  // `tmp` last: a delivery that finds it there while another one makes the folder finds `new`, too.
  for (const name of ['new', 'cur', 'tmp']) {
    const path = join(folder, name);
    const first = await mkdir(path, { recursive: true, mode: 0o700 });
    if (first === undefined) continue;
    const top = dirname(first);
    for (let parent = dirname(path); ; parent = dirname(parent)) {
      await syncFolder(parent);
      if (parent === top || parent === dirname(parent)) break;
    }
  }
}

/** The folder is made when it is found missing: a look before each message would only cost. */
async function openInFolder(folder: string, path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  await makeMaildir(folder);
  return open(path, 'wx', 0o600);
}

async function writeWhole(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let from = 0; from < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, from, bytes.length - from);
    from += bytesWritten;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

let count = 0;

/** `seconds.MmicrosecondsPpidQcountRrandom.host`; random, for several gates in containers share one pid. */
function uniqueName(hostName: string): string {
  const now = performance.timeOrigin + performance.now();
  const seconds = Math.floor(now / 1000);
  const microseconds = Math.floor((now % 1000) * 1000);
  count += 1;
  const host = hostName.replace(/\//g, '\\057').replace(/:/g, '\\072');
  return `${seconds}.M${microseconds}P${process.pid}Q${count}R${randomBytes(4).toString('hex')}.${host}`;
}

const CR = 0x0d;

/** CRLF becomes LF, over chunks cut anywhere; a CR that stands alone stays. */
class LineEnds {
  #heldCr = false;

  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    const held = this.#heldCr ? Buffer.concat([Buffer.from('\r'), chunk]) : chunk;
    this.#heldCr = held[held.length - 1] === CR;
    const source = this.#heldCr ? held.subarray(0, -1) : held;
    const out = Buffer.allocUnsafe(source.length);
    let filled = 0;
    let from = 0;
    for (
      let at = source.indexOf('\r\n', 0, 'latin1');
      at !== -1;
      at = source.indexOf('\r\n', from, 'latin1')
    ) {
      filled += source.copy(out, filled, from, at);
      from = at + 1;
    }
    filled += source.copy(out, filled, from);
    return out.subarray(0, filled);
  }

  end(): Buffer {
    return Buffer.from(this.#heldCr ? '\r' : '');
  }
}
