import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parse } from 'smol-toml';
import { withoutSecrets, withSecretsOf } from './secrets.ts';

const SAID = 'Zq7-do-not-tell';
for (const line of [
  `webhook = "https://chat.example.org/${SAID}"`,
  `webhook="${SAID}"`,
  `"webhook" = '${SAID}'`,
  `batv_keys = [{ number = 0, secret = "${SAID}" }, { number = 1, secret = '${SAID}2' }]`,
  `secret = "with \\"quotes\\" ${SAID}"`,
  `secret = """\n${SAID}"""`,
  `secret = '''${SAID}'''`,
  `# webhook = "${SAID}"`,
]) {
  it(`hides and puts back ${JSON.stringify(line)}`, () => {
    const shown = withoutSecrets(line);
    assert.doesNotMatch(shown, new RegExp(SAID));
    assert.match(shown, /\(hidden 1\)/);
    parse(shown);
    assert.equal(withSecretsOf(line, shown), line);
  });
}

it('leaves all else as it is', () => {
  const text = 'host_name = "mx.example.org"\nreason = "no secret: it is (hidden)"\n[notify]\nmail_to = []\n';
  assert.equal(withoutSecrets(text), text);
  assert.equal(withSecretsOf(text, text), text);
});

it('a text that was changed beside its secrets, and one whose number is made up', () => {
  const original = `a = 1\nwebhook = "${SAID}"\n`;
  const changed = withoutSecrets(original).replace('a = 1', 'a = 2');
  assert.equal(withSecretsOf(original, changed), `a = 2\nwebhook = "${SAID}"\n`);
  assert.equal(withSecretsOf(original, 'webhook = "(hidden 7)"'), 'webhook = "(hidden 7)"');
});
