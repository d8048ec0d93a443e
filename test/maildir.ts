/** A Maildir as a test looks at it. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Messages that have been delivered, in the order of their file names. */
export async function maildirMessages(dir: string): Promise<readonly Buffer[]> {
  const found: Buffer[] = [];
  for (const sub of ['new', 'cur']) {
    const names = await readdir(join(dir, sub)).catch(() => []);
    for (const name of names.sort()) found.push(await readFile(join(dir, sub, name)));
  }
  return found;
}

// Our own fields, folded or not, on top of what was sent.
const FIELDS = /^(?:[!-9;-~]+:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+$/;

/**
 * Whether the delivered bytes are header fields of the servers on the way and then, byte for byte, what was sent.
 * Mail in files has LF line ends, so both are compared with CRLF.
 */
export function isBelowHeader(delivered: Buffer, sent: Buffer | string): boolean {
  const whole = crlf(delivered.toString('latin1'));
  const message = crlf(typeof sent === 'string' ? sent : sent.toString('latin1'));
  return whole.endsWith(message) && FIELDS.test(whole.slice(0, whole.length - message.length));
}

export const crlf = (text: string): string => text.replace(/\r?\n/g, '\r\n');
