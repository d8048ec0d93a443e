/** One folder a mistake: `postern.toml`, and in `expected.txt` all that is said about it. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LADDER } from '../../src/checks/ladder.ts';
import { load } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problems.ts';

const HERE = import.meta.dirname;

describe('mistakes in the configuration', () => {
  for (const entry of readdirSync(HERE, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    it(entry.name, () => {
      const folder = join(HERE, entry.name);
      assert.ok(existsSync(join(folder, 'expected.txt')), `${entry.name} lacks its expected.txt`);
      const loaded = load(join(folder, 'postern.toml'), LADDER);
      assert.ok('problems' in loaded, 'it was taken');
      const said = loaded.problems.map((p) => `${formatProblem(p)}\n`.replaceAll(`${folder}/`, ''));
      assert.equal(said.join(''), readFileSync(join(folder, 'expected.txt'), 'utf8'));
    });
  }
});
