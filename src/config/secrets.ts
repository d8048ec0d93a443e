/**
 * What nobody needs to see who looks at the configuration, on the dashboard or over a shoulder: the keys of bounce address tags, and the
 * webhook, whose path is all that guards it.
 *
 * The text may be anything, the operator may be in the midst of writing it: what is unclear is hidden. Hidden is hidden for good; a
 * text that was shown and changed is read with stand-ins, for no verdict on a recorded decision hangs on what a secret is.
 */
import { endOfString, unquoted } from './toml-string.ts';

const KEYS: readonly string[] = ['batv_keys', 'webhook', 'secret'];

/** For a value within: whether the key that it stands under is one. */
export const isSecret = (key: string): boolean => KEYS.includes(key);

export const HIDDEN = '(hidden)';

/** The text with each secret hidden; that text is no configuration, so that nobody puts it in the place of the file unawares. */
export function withoutSecrets(text: string): string {
  return changed(text, { value: hidden, comment: (said, isWithin) => (isWithin ? '#(hidden)' : said) });
}

/** What was shown, as it can be read as a configuration: a stand-in for each secret that is hidden in it. */
export function withStandIns(shown: string): string {
  return changed(shown, { value: standIn, comment: (said) => said });
}

/** A key's number is none: it says which is in use. */
function hidden(literal: string): string {
  const number = /^["']+(\d):/.exec(literal)?.[1];
  return number === undefined ? `"${HIDDEN}"` : `"${number}:${HIDDEN}"`;
}

function standIn(literal: string, key: string): string {
  if (key === 'webhook' && literal === `"${HIDDEN}"`) return '"https://hidden.invalid/"';
  const number = key === 'batv_keys' ? /^"(\d):\(hidden\)"$/.exec(literal)?.[1] : undefined;
  return number === undefined ? literal : `"${number}:(hidden, and stays so)"`;
}

interface Change {
  /** Of what stands behind one of the keys, each string. */
  value(literal: string, key: string): string;
  /** `isWithin`: the value of one of the keys, or of one that is commented out. */
  comment(said: string, isWithin: boolean): string;
}

// What was tried is a secret as well.
const TRIED = new RegExp(`["']?\\b(?:${KEYS.join('|')})\\b["']?[ \\t]*=[ \\t]*`);
const BARE_KEY = /[\w-]+/y;
/** A value without its quotes. */
const BARE = /[^\s,[\]{}"'#=]+/y;
const THEN_EQUALS = /[ \t]*=/y;

function changed(text: string, change: Change): string {
  let out = '';
  let at = 0;
  /** The name that stands before, which is a key if a "=" comes. */
  let name: string | undefined;
  let secret: { readonly key: string; depth: number } | undefined;
  /** Among lines of a list that is commented out. */
  let inTried = false;
  const take = (end: number): string => text.slice(at, (at = end));

  while (at < text.length) {
    const c = text[at] ?? '';
    if (c === '#') {
      out += comment();
      continue;
    }
    if (!/\s/.test(c)) inTried = false;
    if (c === '"' || c === "'") {
      const literal = take(endOfString(text, at));
      out += secret === undefined || isAt(THEN_EQUALS) ? literal : change.value(literal, secret.key);
      name = unquoted(literal);
      continue;
    }
    const bare = runOf(secret === undefined ? BARE_KEY : BARE);
    if (bare !== undefined) {
      out += secret === undefined || isAt(THEN_EQUALS) ? bare : change.value(bare, secret.key);
      name = bare;
      continue;
    }
    if (secret === undefined) {
      if (c === '=' && name !== undefined && isSecret(name)) secret = { key: name, depth: 0 };
    } else if (c === '[' || c === '{') secret.depth++;
    else if (c === ']' || c === '}') secret.depth--;
    if (secret !== undefined && (secret.depth < 0 || (secret.depth === 0 && /[\n,\]}]/.test(c))))
      secret = undefined;
    if (!/[ \t]/.test(c)) name = undefined;
    out += take(at + 1);
  }
  return out;

  function comment(): string {
    const end = text.indexOf('\n', at);
    const said = take(end === -1 ? text.length : end);
    if (inTried || (secret !== undefined && secret.depth > 0)) {
      if (/\]\s*$/.test(said)) inTried = false;
      return change.comment(said, true);
    }
    const tried = TRIED.exec(said);
    if (tried === null) return change.comment(said, false);
    const value = said.slice(tried.index + tried[0].length);
    inTried = value.startsWith('[') && !/\]\s*$/.test(value);
    return said.slice(0, tried.index + tried[0].length) + change.comment(`#${value}`, true).slice(1);
  }

  function runOf(pattern: RegExp): string | undefined {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    return found === undefined ? undefined : take(at + found.length);
  }

  function isAt(pattern: RegExp): boolean {
    pattern.lastIndex = at;
    return pattern.test(text);
  }
}
