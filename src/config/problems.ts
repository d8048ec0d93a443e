import type { z } from 'zod';
import type { KeyPath, Locator } from './locate.ts';
import { nearest } from './nearest.ts';
import { kindOf, schemaAt, settingInfo, shapeOf, tableOf } from './shape.ts';

/** A mistake of the operator: where it is, what is wrong with it, and what to do. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column?: number;
  /** `checks.dnsbl.zones[1].weight`; empty for the file as a whole. */
  readonly key: string;
  readonly message: string;
}

export function formatProblem({ file, line, column, key, message }: Problem): string {
  const place = column === undefined ? `${file}:${line}` : `${file}:${line}:${column}`;
  return `${place}: ${key === '' ? '' : `${key}: `}${message}`;
}

/** `checks.dnsbl.zones[1].weight` */
export function formatKey(path: KeyPath): string {
  let out = '';
  for (const step of path) {
    if (typeof step === 'number') out += `[${step + 1}]`;
    else out += (out === '' ? '' : '.') + (/^[\w-]+$/.test(step) ? step : JSON.stringify(step));
  }
  return out;
}

/** Nobody reads more, and what to write instead takes its time to find. */
const MAX_PROBLEMS = 1000;

/** What the schema holds against the document, by line: everything, or as much as anybody reads. */
export function problemsOf(
  error: z.core.$ZodError,
  document: {
    readonly file: string;
    readonly data: unknown;
    readonly schema: z.core.$ZodType;
    readonly locator: Locator;
  },
): Problem[] {
  const { file, data, schema, locator } = document;
  const problems: Problem[] = [];
  const add = (path: KeyPath, message: string) =>
    problems.push({ file, line: locator.line(path), key: formatKey(path), message });

  for (const issue of error.issues) {
    if (problems.length >= MAX_PROBLEMS) break;
    const path = issue.path.filter((step) => typeof step !== 'symbol');
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys.slice(0, MAX_PROBLEMS - problems.length))
        add([...path, key], unknownKey(schema, path, key));
      continue;
    }
    const at = schemaAt(schema, path);
    const given = valueAt(data, path);
    if (given === undefined && path.length > 0) add(path, missing(schema, path));
    else if (issue.code === 'custom')
      // A secret that is mistyped is one all the same, and this goes into logs.
      add(
        path,
        typeof given === 'object' || issue.params?.['secret'] === true || quotes(issue.message, given)
          ? issue.message
          : `${issue.message}${thisIs(given)}`,
      );
    else if (at === undefined) add(path, `${issue.message}${thisIs(given)}`);
    else {
      const { wants, example, core } = settingInfo(at);
      const isEmptyList = issue.code === 'too_small' && Array.isArray(given);
      const isLong = issue.code === 'too_big' && Array.isArray(given);
      const isEnum = kindOf(core) === 'enum';
      const meant =
        isEnum && typeof given === 'string'
          ? nearest(given, wants.match(/(?<=")[^",]+(?=")/g) ?? [])
          : undefined;
      const such =
        isEnum || kindOf(core) === 'boolean' || example === undefined || example === '[]'
          ? ''
          : `, such as ${example}`;
      const size = isEmptyList
        ? `wants at least ${String(issue.minimum)} entry`
        : `wants at most ${String(isLong && issue.maximum)} entries`;
      const said =
        isEmptyList || isLong
          ? `${size}${such}`
          : (brackets(at, path, given) ?? `wants ${wants}${such}${thisIs(given)}`);
      add(path, meant === undefined ? said : `${said}; did you mean "${meant}"?`);
    }
  }
  return problems.sort((a, b) => a.line - b.line);
}

/** TOML's other classic: one pair of brackets for two, or two for one. */
function brackets(at: z.core.$ZodType, path: KeyPath, given: unknown): string | undefined {
  const key = formatKey(path);
  const isGivenTable = typeof given === 'object' && given !== null && !(given instanceof Date);
  if (tableOf(at) !== undefined && isGivenTable && !Array.isArray(given)) {
    return `write [[${key}]], with two brackets: there may be several`;
  }
  if (Array.isArray(given) && Object.keys(shapeOf(at)).length > 0) {
    return `write [${key}], with one bracket: there is only one`;
  }
  return undefined;
}

function unknownKey(schema: z.core.$ZodType, path: KeyPath, key: string): string {
  const at = schemaAt(schema, path);
  const known = Object.keys(at === undefined ? {} : shapeOf(at));
  // TOML's classic: a key of the file written below the first table belongs to that table.
  if (path.length > 0 && key in shapeOf(schema)) {
    return `unknown key here; ${key} belongs at the top of the file, before the first [table]`;
  }
  const sisters =
    path.length === 2 ? Object.entries(shapeOf(schemaAt(schema, path.slice(0, 1)) ?? schema)) : [];
  const [owner, ...others] = sisters.filter(([, sister]) => key in shapeOf(sister));
  if (owner !== undefined && others.length === 0) {
    return `unknown key here; ${key} belongs to [${formatKey([...path.slice(0, 1), owner[0]])}]`;
  }
  const near = nearest(key, known);
  if (near !== undefined) return `unknown key; did you mean "${near}"?`;
  const noun =
    path.length === 1 && path[0] === 'checks' ? 'no such check; there are' : 'unknown key; known here are';
  return `${noun} ${known.join(', ')}`;
}

function missing(schema: z.core.$ZodType, path: KeyPath): string {
  const at = schemaAt(schema, path);
  const name = path.at(-1);
  if (at === undefined || name === undefined) return 'is missing';
  const { example, wants, core } = settingInfo(at);
  const tables = path.slice(0, -1).filter((step) => typeof step === 'string');
  if (tableOf(core) !== undefined)
    return `is missing; add a table [[${formatKey(path)}]] with ${firstRequired(tableOf(core))}`;
  if (Object.keys(shapeOf(core)).length > 0) {
    return `is missing; add a table [${formatKey(path)}] with ${firstRequired(core)}`;
  }
  const where = tables.length === 0 ? 'at the top of the file' : `below [${tables.join('.')}]`;
  return `is missing; add ${name} = ${example ?? `… (${wants})`} ${path.some((step) => typeof step === 'number') ? where.replace('[', '[[').replace(']', ']]') : where}`;
}

function firstRequired(schema: z.core.$ZodType | undefined): string {
  for (const [name, setting] of Object.entries(schema === undefined ? {} : shapeOf(schema))) {
    const { required, example } = settingInfo(setting);
    if (required) return `${name} = ${example ?? '…'}`;
  }
  return 'its settings';
}

function valueAt(data: unknown, path: KeyPath): unknown {
  let at = data;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Readonly<Record<string | number, unknown>>)[step];
  }
  return at;
}

/** The message has said already what stands there. */
const quotes = (message: string, given: unknown): boolean =>
  typeof given === 'string' && given !== '' && message.includes(JSON.stringify(given));

function thisIs(given: unknown): string {
  if (Array.isArray(given)) return '; this is a list';
  if (given instanceof Date) return '; this is a date';
  if (typeof given === 'object' && given !== null) return '; this is a table';
  const text = typeof given === 'string' ? JSON.stringify(given) : String(given);
  return `; this is ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`;
}
