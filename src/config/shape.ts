import { z } from 'zod';
import type { KeyPath } from './locate.ts';

/** What a schema says of one setting, for the reference and for complaints. */
export interface SettingInfo {
  readonly description?: string;
  readonly wants: string;
  /** As it would stand in the file. */
  readonly example?: string;
  /** As it would stand in the file; absent where the setting has none. */
  readonly byDefault?: string;
  readonly bounds?: string;
  readonly required: boolean;
  /** What is inside its wrappers. */
  readonly core: z.core.$ZodType;
}

/** Looks through defaults, options and transforms at what the operator is to write. */
export function settingInfo(schema: z.core.$ZodType): SettingInfo {
  const meta: Record<string, unknown> = {};
  let required = true;
  let byDefault: unknown;
  let inner = schema;
  for (;;) {
    for (const [key, said] of Object.entries(z.globalRegistry.get(inner) ?? {})) meta[key] ??= said;
    const def = (inner as z.core.$ZodTypes)._zod.def;
    if (def.type === 'default' || def.type === 'prefault') {
      byDefault ??= def.defaultValue;
      required = false;
    }
    if (def.type === 'optional') required = false;
    // What stands in front of a table, and looks at it before it is read, is nothing to write.
    if (def.type === 'pipe') inner = kindOf(def.in) === 'transform' ? def.out : def.in;
    else if ('innerType' in def) inner = def.innerType;
    else break;
  }
  const text = (key: string): string | undefined => (typeof meta[key] === 'string' ? meta[key] : undefined);
  const bounds = text('bounds');
  const example = text('example') === undefined ? exampleOf(byDefault) : quoted(text('example') ?? '', inner);
  const description = text('description');
  const isTable = kindOf(inner) === 'object';
  return {
    ...(description === undefined ? {} : { description }),
    wants: text('wants') ?? wanted(inner, text('unit'), bounds),
    ...(example === undefined ? {} : { example }),
    ...(byDefault === undefined || isTable ? {} : { byDefault: exampleOf(byDefault) ?? '' }),
    ...(bounds === undefined ? {} : { bounds }),
    required,
    core: inner,
  };
}

/** The schema of a key, or undefined where the file's shape has no such key. */
export function schemaAt(root: z.core.$ZodType, path: KeyPath): z.core.$ZodType | undefined {
  let at: z.core.$ZodType | undefined = root;
  for (const step of path) {
    if (at === undefined) return undefined;
    const { core } = settingInfo(at);
    const def: z.core.$ZodTypes['_zod']['def'] = (core as z.core.$ZodTypes)._zod.def;
    if (def.type === 'array') at = def.element;
    else if (def.type === 'record') at = def.valueType;
    else at = shapeOf(core)[step];
  }
  return at;
}

export function shapeOf(schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> {
  const def = (settingInfo(schema).core as z.core.$ZodTypes)._zod.def;
  return def.type === 'object' ? def.shape : {};
}

export const kindOf = (schema: z.core.$ZodType): string => (schema as z.core.$ZodTypes)._zod.def.type;

/** For a list of tables: the schema of one. */
export function tableOf(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  const def = (settingInfo(schema).core as z.core.$ZodTypes)._zod.def;
  return def.type === 'array' && kindOf(settingInfo(def.element).core) === 'object' ? def.element : undefined;
}

function wanted(schema: z.core.$ZodType, unit: string | undefined, bounds: string | undefined): string {
  const between = bounds === undefined ? '' : ` from ${bounds}`;
  const def = (schema as z.core.$ZodTypes)._zod.def;

  switch (def.type) {
    case 'boolean':
      return 'true or false';
    case 'number':
      return `${unit === 'count' ? 'a whole number' : 'a number'}${between}`;
    case 'string':
      return unit === undefined ? 'a text in quotes' : `a ${unit}${between}`;
    case 'enum': {
      const entries = Object.values(def.entries).map((entry) => `"${entry}"`);
      return entries.length === 1 ? entries.join('') : `one of ${entries.join(', ')}`;
    }
    case 'array': {
      const one = settingInfo(def.element);
      return kindOf(one.core) === 'object' ? 'a list of tables' : `a list, each ${one.wants}`;
    }
    case 'object':
    case 'record':
      return 'a table';
    default:
      return 'another value';
  }
}

function quoted(example: string, schema: z.core.$ZodType): string {
  return kindOf(schema) === 'string' && !/^["'[{]/.test(example) ? JSON.stringify(example) : example;
}

function exampleOf(byDefault: unknown): string | undefined {
  return byDefault === undefined ? undefined : JSON.stringify(byDefault);
}
