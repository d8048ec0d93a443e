/**
 * Files of rules by signature (M4): one rule a line, its name, where it looks, and a pattern in RE2's syntax up to the end of the line. `#` begins
 * a comment at the start of a line only, for patterns have it too.
 */
import { MAX_PATTERN, MAX_RULES, patternProblem, PLACES, type SignatureRule } from '../mail/signatures.ts';
import { nearest } from './nearest.ts';
import type { Problem } from './problems.ts';

/** A file that holds no rules at all would say so on every line. */
const MAX_PROBLEMS = 20;

export interface SignatureFile {
  readonly rules: readonly SignatureRule[];
  readonly problems: readonly Problem[];
}

export function readSignatures(text: string, file: string): SignatureFile {
  const rules: SignatureRule[] = [];
  const problems: Problem[] = [];
  const lines = new Map<string, number>();
  for (const [i, whole] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    const line = i + 1;
    const said = whole.trim();
    if (said === '' || said.startsWith('#')) continue;
    const rule = ruleOf(said);
    const before = typeof rule === 'string' ? undefined : lines.get(rule.name);
    const problem =
      typeof rule === 'string'
        ? rule
        : before !== undefined
          ? `a rule ${JSON.stringify(rule.name)} stands in line ${before} already`
          : rules.length >= MAX_RULES
            ? `this is rule ${MAX_RULES + 1}, and ${MAX_RULES} are the most; join some of them with |`
            : undefined;
    if (problem !== undefined) problems.push({ file, line, key: '', message: `${problem}: ${quote(said)}` });
    else if (typeof rule !== 'string') {
      rules.push(rule);
      lines.set(rule.name, line);
    }
    if (problems.length >= MAX_PROBLEMS) break;
  }
  return { rules, problems };
}

/** The rule, or what is wrong with it. */
function ruleOf(line: string): SignatureRule | string {
  const parts = /^(\S+)\s+(\S+)\s+(\S.*)$/.exec(line);
  const [, name = '', said = '', pattern = ''] = parts ?? [];
  if (parts === null) return `wants NAME PLACE PATTERN, such as "macro-2026 file (?i)auto_?open"`;
  if (!/^[\w.-]{1,64}$/.test(name))
    return 'a name has up to 64 letters, digits, dots, underscores and hyphens';
  const place = PLACES.find((known) => known === said);
  if (place === undefined) {
    const near = nearest(said, PLACES);
    const remedy = near === undefined ? `there are ${PLACES.join(', ')}` : `did you mean "${near}"?`;
    return `there is no place "${said.slice(0, 40)}"; ${remedy}`;
  }
  const problem = patternProblem(pattern);
  return problem === undefined ? { name, place, pattern } : `the pattern ${problem}`;
}

const quote = (text: string): string =>
  JSON.stringify(text.length > MAX_PATTERN / 10 ? `${text.slice(0, MAX_PATTERN / 10)}...` : text);
