import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parse } from 'smol-toml';
import { LADDER } from '../checks/ladder.ts';
import { atOnce } from '../core/slices.ts';
import { loadingText } from './load.ts';
import { withoutSecrets, withStandIns } from './secrets.ts';

const SAID = 'Zq7-do-not-tell';
const TOP = 'host_name = "mx.example.org"\ndomains = ["example.org"]\n';
const REST = '[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "smtp://127.0.0.1:1"\n';

/** What the program takes: tables of the file. */
const TAKEN: readonly (readonly [string, string])[] = [
  ['a webhook', `[notify]\nwebhook = "https://chat.example.org/${SAID}" # "mine"`],
  ['without blanks', `[notify]\nwebhook='https://chat.example.org/${SAID}'`],
  ['a quoted key', `[notify]\n"web\\u0068ook" = 'https://chat.example.org/${SAID}'`],
  ['a long string', `[notify]\nwebhook = """https://chat.example.org/${SAID}"""`],
  ['dotted', `[queue_watch]\nfrom = "postfix"\n[notify]\nmail_to = []\n"webhook" = "http://x.org/${SAID}"`],
  ['inline', `[checks]\nfake-bounce = { batv_keys = ["1:${SAID}${SAID}"], names = ["mx.example.net"] }`],
  ['keys', `[checks.fake-bounce]\nbatv_keys = ["1:${SAID}-new", '0:${SAID}-old']\nnames = []`],
  [
    'keys over lines',
    `[checks.fake-bounce]\nbatv_keys = [ # don't\n  "1:${SAID}]#new", # was ${SAID}\n  # "2:${SAID}",\n  '''0:${SAID}"-old''',\n]\nnames = []`,
  ],
  [
    'a deep key',
    `[checks]\nfake-bounce.batv_keys = ["1:${SAID}-new"]\nfake-bounce.names = ["mx.example.net"]`,
  ],
];

const read = (tables: string) => atOnce(loadingText(`${TOP}${REST}${tables}\n`, '/etc/postern.toml', LADDER));

describe('secrets of a configuration', () => {
  for (const [name, tables] of TAKEN) {
    it(`are hidden: ${name}`, () => {
      assert.ok('config' in read(tables), JSON.stringify(read(tables)));
      const shown = withoutSecrets(tables);
      assert.doesNotMatch(shown, new RegExp(SAID));
      assert.match(shown, /"(?:\d:)?\(hidden\)"/);
      parse(shown);
      // As it stands it is none, so that nobody puts it into the place of the file; with its stand-ins it is one.
      assert.ok('problems' in read(shown));
      const judged = read(withStandIns(shown));
      assert.ok('config' in judged, JSON.stringify(judged));
    });
  }

  const UNCLEAR: readonly (readonly [string, string])[] = [
    ['tried', `# webhook = "${SAID}"\na = 1`],
    ['tried, and no TOML', `a = 1 # don't: webhook=${SAID}\n`],
    ['tried keys', `# batv_keys = [\n#   "1:${SAID}]",\n  # "0:${SAID}"\n# ]\n# kept\na = "kept"`],
    ['behind another', `webhook = "x" # before: webhook = "${SAID}"`],
    ['without quotes', `webhook = https://x.org/${SAID}\na = "kept"`],
    ['with one quote', `webhook = "https://x.org/${SAID}\na = "kept"`],
    ['a list without an end', `batv_keys = [\n"${SAID}",\nb = "${SAID}"`],
    ['tables', `batv_keys = [{ number = 0, secret = "${SAID}" }, { number = 1, secret = '${SAID}2' }]`],
    ['escapes', `secret = "with \\"quotes\\" ${SAID}"`],
  ];
  for (const [name, text] of UNCLEAR)
    it(`are hidden where the file is being written: ${name}`, () => {
      const shown = withoutSecrets(text);
      assert.doesNotMatch(shown, new RegExp(SAID));
      assert.equal(shown.includes('kept'), text.includes('kept'));
    });

  it('are all that is hidden', () => {
    const text = `host_name = "webhook = 'x'"\nreason = "no secret: it is (hidden)"\n[notify]\nmail_to = []\n# it's free\nx = '''\nsecret = "y"\n'''\n`;
    assert.equal(withoutSecrets(text), text);
    assert.equal(withStandIns(text), text);
    assert.equal(withoutSecrets('webhook = "a"\nb = "c" # d\n'), 'webhook = "(hidden)"\nb = "c" # d\n');
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...Array.from(`ab=.[]{},#"'\\\n `)) }), (any) => {
        assert.equal(withoutSecrets(any), any);
      }),
    );
  });

  it('have stand-ins only where they were', () => {
    for (const text of [
      'host_name = "(hidden)"',
      'batv_keys = "(hidden)"',
      'webhook = "1:(hidden)"',
      '"1:(hidden)"',
    ])
      assert.equal(withStandIns(text), text);
  });

  it('are found in a text of any length in the time that its length takes', { timeout: 5000 }, () => {
    for (const part of ['\\"', '"', "'''\n", '"""', 'webhook="', '# webhook =', '[', 'webhook = [', 'a.'])
      withoutSecrets(part.repeat(300_000));
  });
});
