/**
 * `npm run docs` writes what is generated of the documentation; with `--check` it only says what is stale, and fails.
 * Both fail when a check's page does not name one of its findings or settings.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { LADDER } from '../src/checks/ladder.ts';
import { describeConfig, missingFrom } from '../src/config/describe.ts';
import { floorsTable } from './floors.ts';

const ROOT = join(import.meta.dirname, '..');
const isCheck = process.argv.includes('--check');
const complaints: string[] = [];

async function generated(file: string, text: string): Promise<void> {
  const path = join(ROOT, file);
  const pretty = await format(text, { ...(await resolveConfig(path)), filepath: path });
  if (readOr(path, '') === pretty) return;
  if (isCheck) complaints.push(`${file} is stale: run npm run docs`);
  else writeFileSync(path, pretty);
}

/** Text between two markers of a page that is otherwise written by hand. */
async function inserted(file: string, name: string, text: string): Promise<void> {
  const page = readOr(join(ROOT, file), '');
  const [begin, end] = [`<!-- ${name}: begin (npm run docs) -->`, `<!-- ${name}: end -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from)
    complaints.push(`${file} has no place for ${name}: it wants the lines ${begin} and ${end}`);
  else await generated(file, `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`);
}

function readOr(path: string, other: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return other; // what is not there is stale
  }
}

await generated('docs/reference/configuration.md', describeConfig(LADDER));
await inserted('ARCHITECTURE.md', 'floors', floorsTable());
for (const check of LADDER) {
  const page = `src/checks/${check.name}.md`;
  const missing = missingFrom(readOr(join(ROOT, page), ''), check);
  if (missing.length > 0) complaints.push(`${page} does not name ${missing.join(', ')}`);
}
for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
process.exitCode = complaints.length === 0 ? 0 : 1;
