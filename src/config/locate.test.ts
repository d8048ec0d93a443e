import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parse, stringify } from 'smol-toml';
import { locate, type KeyPath } from './locate.ts';

const TEXT = `# head
a = 1
b.c = "x" # [not] = a table
"q.r" = 'y'
'l' = { m = 1, "n" = [ 1, 2 ], o.p = 3 }
long = """one ] }
two = "no key" \\"""
three"""
lit = '''
x = 1
''''
list = [
  "one", # ]
  # "two"
  { name = "three" },
  [ 1,
    2 ],
]

[t]
d = 2
[t.u."v w"]
e = 1979-05-27T07:32:00Z
[[rows]]
k = 1
[rows.sub]
s = 1
[[rows.deep]]
z = 1
[[rows.deep]]
z = 2
[[ rows ]]
k = 2
[[rows.deep]]
z = 3\r
"\\u0041" = 1
last = 1`;

const LINES: readonly (readonly [KeyPath, number])[] = [
  [[], 1],
  [['nowhere'], 1],
  [['a'], 2],
  [['b', 'c'], 3],
  [['not'], 1],
  [['q.r'], 4],
  [['l', 'm'], 5],
  [['l', 'n', 1], 5],
  [['l', 'o', 'p'], 5],
  [['long'], 6],
  [['two'], 1],
  [['lit'], 9],
  [['x'], 1],
  [['list'], 12],
  [['list', 0], 13],
  [['list', 1, 'name'], 15],
  [['list', 2, 1], 17],
  [['t'], 20],
  [['t', 'd'], 21],
  [['t', 'missing'], 20],
  [['t', 'u', 'v w', 'e'], 23],
  [['rows', 0], 24],
  [['rows', 0, 'k'], 25],
  [['rows', 0, 'sub', 's'], 27],
  [['rows', 0, 'deep', 1, 'z'], 31],
  [['rows', 1, 'k'], 33],
  [['rows', 1, 'deep', 0, 'z'], 35],
  [['rows', 1, 'deep', 0, 'A'], 36],
  [['rows', 1, 'deep', 0, 'last'], 37],
];

describe('the line of a key', () => {
  it('is found for every way of writing it', () => {
    assert.doesNotThrow(() => parse(TEXT));
    const locator = locate(TEXT);
    for (const [path, line] of LINES) assert.equal(locator.line(path), line, JSON.stringify(path));
  });

  it('is one whose text holds the key, for any document', () => {
    const key = fc.stringMatching(/^[a-z"#[=. ]{1,6}$/);
    const scalar = fc.oneof(fc.integer(), fc.boolean(), fc.string({ maxLength: 8 }));
    const table = fc.dictionary(key, fc.oneof(scalar, fc.array(scalar), fc.dictionary(key, scalar)), {
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(
        fc.dictionary(key, fc.oneof(scalar, table, fc.array(table)), { noNullPrototype: true }),
        (data) => {
          const text = stringify(data);
          const lines = text.split('\n');
          const locator = locate(text);
          for (const [name, value] of Object.entries(data)) {
            if (Array.isArray(value) && value.length === 0) continue;
            const line = lines[locator.line([name]) - 1] ?? '';
            assert.ok(
              line.includes(/^[\w-]+$/.test(name) ? name : JSON.stringify(name)),
              `${name} in ${line} of ${text}`,
            );
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('ends with any text', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom('[', ']', '{', '}', '"', "'", '"""', '=', '.', ',', '\n', '#', 'a', '\\', ' '),
        ),
        (parts) => {
          assert.ok(locate(parts.join('')).line(['a']) >= 1);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
