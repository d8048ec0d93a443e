/** Lines that a guide tells operators to add, as they stand there: what is tried is what they read. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The code block of `docs/guide/NAME.md` that holds `mark`. */
export async function guideLines(name: string, mark: string): Promise<string> {
  const guide = await readFile(join(import.meta.dirname, '../../docs/guide', `${name}.md`), 'utf8');
  const blocks = [...guide.matchAll(/^```\w*\n(.*?)^```$/gms)].map((m) => m[1] ?? '');
  const found = blocks.filter((block) => block.includes(mark));
  if (found.length !== 1) throw new Error(`${found.length} blocks of ${name}.md hold ${mark}`);
  return found[0] ?? '';
}
