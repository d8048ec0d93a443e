import { z } from 'zod';
import type { AnyCheck } from '../core/check.ts';
import { ACTIONS, type Action, type CommonSettings } from '../core/settings.ts';
import { defaultsUnder, type Stance } from './profile.ts';

/**
 * The schema of `[checks.NAME]`: what every check has, with the check's own defaults, and its own settings beside it.
 * A check whose own settings take one of the common names would be read two ways: that is a mistake of ours.
 */
export function checkSchema(check: AnyCheck, stance: Stance = {}) {
  const own = check.settings;
  if (!(own instanceof z.ZodObject)) throw new TypeError(`${check.name}: settings must be an object schema`);
  const { on_fail, on_temperror, weight, refuse_at, actions } = defaultsUnder(check, stance);
  const byCode: Record<string, z.ZodType> = {};
  for (const [code, meaning] of Object.entries(check.codes)) {
    byCode[code] = z.enum(ACTIONS).optional().meta({ description: meaning });
  }
  const common: Record<keyof CommonSettings, z.ZodType> = {
    on_fail: z.enum(ACTIONS).default(on_fail).meta({ description: 'What a failure leads to.' }),
    on_temperror: z
      .enum(['defer', 'go-on'])
      .default(on_temperror)
      .meta({ description: 'What it leads to when the question could not be answered.' }),
    weight: z
      .number()
      .min(-1000)
      .max(1000)
      .default(weight)
      .meta({ description: 'What `suspect` adds to the suspicion.', bounds: '-1000 to 1000' }),
    refuse_at: z
      .enum(['earliest', 'rcpt'])
      .default(refuse_at)
      .meta({ description: 'Whether a refusal is given at once or kept until RCPT.' }),
    actions: z
      .strictObject(byCode)
      .prefault({})
      // What the operator does not name keeps the check's own default.
      .transform((given) => ({ ...actions, ...given }))
      .meta({ description: 'Other actions for single findings, by their code.' }),
  };
  for (const name of Object.keys(own.shape)) {
    if (name in common) throw new TypeError(`${check.name}: the setting ${name} belongs to all checks`);
  }
  const merged = z.strictObject({ ...common, ...(own.shape as Record<string, z.ZodType>) });
  // Rules of the check about several settings at once.
  const rules = (own.def.checks ?? []) as readonly unknown[] as readonly z.core.$ZodCheck<
    z.output<typeof merged>
  >[];
  const ruled = rules.length === 0 ? merged : merged.check(...rules);
  return z.preprocess((said) => softened(said, actions), ruled);
}

/**
 * Who writes that a check is off, or only to be observed, means all of it: what it does by default with single findings is then done with
 * none. Only what the file says of them itself is left.
 */
function softened(said: unknown, byDefault: Readonly<Record<string, Action>>): unknown {
  if (!isTable(said)) return said;
  const { on_fail, actions = {} } = said;
  if ((on_fail !== 'off' && on_fail !== 'observe') || !isTable(actions)) return said;
  const soft: Record<string, Action> = {};
  for (const [code, action] of Object.entries(byDefault)) soft[code] = action === 'off' ? 'off' : on_fail;
  return { ...said, actions: { ...soft, ...actions } };
}

const isTable = (said: unknown): said is Readonly<Record<string, unknown>> =>
  typeof said === 'object' && said !== null && !Array.isArray(said);

/**
 * The settings of checks that follow another, from what the file says of both. To be asked when the schema has found the file good: it
 * says where a mistake stands.
 */
export function followersSettings(
  said: unknown,
  checks: readonly AnyCheck[],
  stance: Stance = {},
): Readonly<Record<string, unknown>> {
  const followers: Record<string, unknown> = {};
  for (const check of checks) {
    if (check.follows === undefined) continue;
    const { actions: theirActions, ...theirs } = tableIn(said, check.follows);
    const { actions: ownActions, ...own } = tableIn(said, check.name);
    const shared = Object.entries(theirActions ?? {}).filter(([code]) => code in check.codes);
    const actions = { ...Object.fromEntries(shared), ...ownActions };
    followers[check.name] = checkSchema(check, stance).parse({ ...theirs, ...own, actions });
  }
  return followers;
}

function tableIn(said: unknown, name: string): { readonly actions?: object } {
  return (said as Readonly<Record<string, object>> | undefined)?.[name] ?? {};
}

/** The schema of the table `checks`; each check's own table may be left out. */
export function checksSchema(checks: readonly AnyCheck[], stance: Stance = {}) {
  const shape: Record<string, z.ZodType> = {};
  for (const check of checks) {
    const own: z.ZodType = checkSchema(check, stance);
    shape[check.name] = own.prefault({}).meta({ description: check.summary });
  }
  return z.strictObject(shape).prefault({}).meta({ description: 'Settings of the checks.' });
}
