/** The configuration in force for the dashboard: each check with its settings, and where each value comes from. */
import type { Settings } from '../admin/api.ts';
import type { Config } from '../config/config.ts';
import { HIDDEN, isSecret, withoutSecrets } from '../config/secrets.ts';
import type { ListEntry } from '../core/lists.ts';
import { inSlices } from '../engine/in-slices.ts';
import { untrained } from './check-config.ts';
import { explain, type Explained } from './explain.ts';
import { resolverProblem } from './resolver-problem.ts';
import { findingWarnings } from './warnings.ts';

/** What every check has stands in `Explained`. */
const COMMON: ReadonlySet<string> = new Set(['on_fail', 'on_temperror', 'weight', 'refuse_at', 'actions']);
const MAX_VALUE = 2_000;

/** `listed`: of what people list, one entry of each sort is enough. */
export async function settingsOf(
  config: Config,
  listed: readonly ListEntry[],
): Promise<Omit<Settings, 'gatePolicy'>> {
  const noResolver = await resolverProblem(config);
  const explained = explain(config, { noResolver, untrained: untrained(config), listed });
  return {
    file: config.file,
    text: withoutSecrets(config.text),
    policy: config.policy,
    warnings: await inSlices(findingWarnings(config)),
    checks: explained.map((its) => ({
      check: its.check,
      summary: config.checks.find(({ check }) => check.name === its.check)?.check.summary ?? '',
      stage: its.stage,
      cost: its.cost,
      state: its.state,
      why: its.why,
      settings: [...commonOf(its), ...ownOf(config, its.check)],
    })),
  };
}

type Setting = Settings['checks'][number]['settings'][number];

function commonOf(its: Explained): Setting[] {
  const common = (['on_fail', 'on_temperror', 'weight', 'refuse_at'] as const).map((key) => ({
    key,
    value: String(its[key].value),
    from: its[key].from,
  }));
  const actions = Object.entries(its.actions).map(([code, { value, from }]) => ({
    key: `actions.${code}`,
    value,
    from,
  }));
  return [...common, ...actions];
}

function ownOf({ checks, file, lineOf }: Config, name: string): Setting[] {
  const settings = checks.find(({ check }) => check.name === name)?.settings ?? {};
  return Object.entries(settings)
    .filter(([key, value]) => !COMMON.has(key) && value !== undefined)
    .map(([key, value]) => {
      const line = lineOf(['checks', name, key]);
      const open = hiding(key, value);
      const text = typeof open === 'string' ? open : shown(open);
      return {
        key,
        value: (text ?? String(value)).slice(0, MAX_VALUE),
        from: line === undefined ? 'default' : `${file}:${line}`,
      };
    });
}

const shown = (value: unknown): string | undefined => JSON.stringify(value, hiding);

/** An empty list holds no secret, and says that nothing is set. */
const hiding = (key: string, value: unknown): unknown =>
  isSecret(key) && !(Array.isArray(value) && value.length === 0) ? HIDDEN : value;
