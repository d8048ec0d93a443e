/**
 * Honest files with the name of a program: what is called `example.com` is most often a text about that host, and a `.url` that leads to a
 * web page is what a link in the text would be. Asked only where the first octets say nothing.
 */
import { isUtf8 } from 'node:buffer';
import { fileName } from './file-name.ts';
import { TEXT, type FileType } from './file-type.ts';

/** As much as has to be known of such a file. */
export const INNOCENT_OCTETS = 1024;

export const mayBeInnocent = (names: readonly string[]): boolean =>
  names.some((name) => /^(?:com|url)$/.test(fileName(name).extension));

/** `said`: the declared MIME type, where there is one. `start`: all of the file, or its first octets. */
export function innocentTypeOf(names: readonly string[], start: Buffer, said?: string): FileType | undefined {
  if (!mayBeInnocent(names)) return undefined;
  if (names.some((name) => fileName(name).extension === 'url')) return isWebLink(start) ? TEXT : undefined;
  // No DOS program is a text, and mailers call none a picture.
  return (said !== undefined && !said.startsWith('application/')) || isText(start) ? TEXT : undefined;
}

function isText(start: Buffer): boolean {
  // A letter may be cut at the end.
  const cuts = start.length < INNOCENT_OCTETS ? [0] : [0, 1, 2, 3];
  return (
    cuts.some((cut) => isUtf8(start.subarray(0, start.length - cut))) &&
    !CONTROLS.test(start.toString('latin1'))
  );
}

const CONTROLS = /[\0-\x08\x0b\x0e-\x1f\x7f]/;

/** Every value of it, of whatever key, is a web address or leads nowhere: not to a file, and not to another server's files. */
function isWebLink(whole: Buffer): boolean {
  if (whole.length >= INNOCENT_OCTETS || !isText(whole)) return false;
  const lines = whole.toString('utf8').split(/[\r\n\f]+/);
  const values = lines.flatMap((line) =>
    line.includes('=') ? [line.slice(line.indexOf('=') + 1).trim()] : [],
  );
  return (
    values.some((value) => WEB.test(value)) && !values.some((value) => !WEB.test(value) && LEADS.test(value))
  );
}

const WEB = /^https?:\/\/[^\\]*$/i;
const LEADS = /^["']?(?:[\\/]{2}|[a-z][\w+.-]+:)/i;
