/**
 * What nobody needs to see who looks at the configuration, on the dashboard or over a shoulder: the keys of bounce address tags, and the
 * webhook, whose path is all that guards it.
 */
const KEYS = ['secret', 'webhook'];

// A string of TOML in any of its four forms, behind one of the keys. Comments too: what was tried is a secret as well.
const SECRET = new RegExp(
  String.raw`((?:["'])?\b(?:${KEYS.join('|')})\b(?:["'])?\s*=\s*)` +
    String.raw`("""[^]*?"""|'''[^]*?'''|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')`,
  'g',
);

const hidden = (n: number): string => `"(hidden ${n})"`;
const HIDDEN = /"\(hidden (\d{1,4})\)"/g;

/** The text with each secret's place taken by its number. */
export function withoutSecrets(text: string): string {
  let n = 0;
  return text.replace(SECRET, (_, key: string) => key + hidden(++n));
}

/** Puts back those of `original`, so that a text that was shown and changed can be read as a configuration. */
export function withSecretsOf(original: string, shown: string): string {
  const secrets = [...original.matchAll(SECRET)].map(([, , literal = '']) => literal);
  return shown.replace(HIDDEN, (whole, n: string) => secrets[Number(n) - 1] ?? whole);
}

/** For a value within: whether the key that it stands under is one. */
export const isSecret = (key: string): boolean => KEYS.includes(key);
