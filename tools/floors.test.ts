import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { FLOORS, NOT_IN_WIRE } from './floors.ts';

const SRC = join(import.meta.dirname, '../src');
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^'";]*?(?:from\s*)?['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/g;

/** What is wrong with the imports of one file; `file` is relative to `src`. */
function trespasses(file: string, text: string): string[] {
  const [folder = '', door] = file.split('/');
  const floor = FLOORS.find((f) => f.folder === folder);
  if (floor === undefined) return [`${file}: src/${folder} is no floor`];
  const out: string[] = [];
  for (const [, from, lazily] of text.matchAll(IMPORT)) {
    const name = from ?? lazily ?? '';
    const target = relative(SRC, resolve(SRC, dirname(file), name)).split('/');
    if (!name.startsWith('.')) {
      const builtin = name.replace('node:', '').split('/')[0] ?? '';
      if (folder === 'wire' && NOT_IN_WIRE.includes(builtin))
        out.push(`${file}: protocol code may not use ${name}`);
    } else if (target[0] !== folder) {
      if (!floor.mayImport.includes(target[0] ?? ''))
        out.push(`${file}: ${folder} may not import ${target.join('/')}`);
    } else if (folder === 'doors' && target.length > 2 && door !== target[1]) {
      out.push(`${file}: no door imports another`);
    }
  }
  return out;
}

describe('the floors', () => {
  it('are kept by every file', () => {
    const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
      (f) => f.endsWith('.ts') && !f.endsWith('.test.ts'),
    );
    assert.ok(files.length > 50);
    assert.deepEqual(
      files.flatMap((file) => trespasses(file, readFileSync(join(SRC, file), 'utf8'))),
      [],
    );
  });

  it('are missed when they are broken', () => {
    const cases: [string, string, RegExp | undefined][] = [
      ['mail/a.ts', "import { b } from '../core/b.ts';", /mail may not import core\/b\.ts/],
      ['wire/smtp/a.ts', "import type {\n  B,\n} from '../../mail/b.ts';", undefined],
      ['wire/smtp/a.ts', "import { connect } from 'node:net';", /may not use node:net/],
      ['wire/smtp/a.ts', "import 'node:timers/promises';", /may not use node:timers/],
      ['core/a.ts', "export { b } from '../wire/b.ts';", /core may not import wire/],
      ['checks/a.ts', "const b = await import('../engine/b.ts');", /checks may not import engine/],
      ['doors/gateway/a.ts', "import { b } from '../milter/b.ts';", /no door imports another/],
      ['doors/gateway/a.ts', "import { b } from '../listener.ts';", undefined],
      ['cellar/a.ts', '', /is no floor/],
      ['mail/a.ts', "import { b } from '../../tools/b.ts';", /mail may not import/],
    ];
    for (const [file, text, expected] of cases) {
      const found = trespasses(file, text).join('\n');
      if (expected === undefined) assert.equal(found, '', text);
      else assert.match(found, expected);
    }
  });
});
