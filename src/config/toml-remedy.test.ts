import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parse, TomlError } from 'smol-toml';
import { tomlRemedy } from './toml-remedy.ts';

const cases: [text: string, remedy: RegExp][] = [
  ['a =', /^a value is missing after the "="$/],
  ['a =   # later', /^a value is missing/],
  ['a = yes', /^write true or false$/],
  ['a = foo', /quotes, such as key = "value"/],
  ['a = “x”', /straight quotes/],
  ['a = "x\nb = 1', /ends on its line/],
  ["a = 'x", /ends on its line/],
  ['a = 30s', /in quotes, such as "30s"/],
  ['a = 0.0.0.0:25', /in quotes/],
  ['a = 010', /in quotes/],
  ['a = 2026-13-40', /in quotes/],
  ['a = 1 b = 2', /one setting a line/],
  ['a = 1\na = 2', /set twice/],
  ['[t]\n[t]', /\[t\] only once/],
  ['[listen]\na = 1\n[[listen]]', /\[listen\] and \[\[listen\]\] cannot both/],
  ['[[x]', /head of a table/],
  ['[x', /head of a table/],
  ['a: 1', /stands "="/],
  ['host name = 1', /one word, such as host_name/],
  ['[ä]', /only letters, digits/],
  ['= 1', /begins with its key/],
  ['a = [1, 2', /commas between them/],
  ['a = [1 2]', /commas between them/],
  ['a = "c:\\dir"', /single quotes/],
];

for (const [text, remedy] of cases) {
  it(JSON.stringify(text), () => {
    assert.throws(
      () => parse(text),
      (error: unknown) => {
        assert.ok(error instanceof TomlError);
        const line = text.split('\n')[error.line - 1] ?? '';
        assert.match(tomlRemedy(error.message, line, error.column) ?? '', remedy);
        return true;
      },
    );
  });
}

it('has nothing to add to what it does not know', () =>
  assert.equal(tomlRemedy('something new', 'a = 1', 1), undefined));
