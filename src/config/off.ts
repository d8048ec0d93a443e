import type { CheckConfig } from './config.ts';

/** A check that is off by default is not switched on by what it would do by default with one of its findings. */
export function isOff({ check, settings }: Pick<CheckConfig, 'check' | 'settings'>): boolean {
  const { on_fail, actions = {} } = check.defaults;
  return (
    settings.on_fail === 'off' &&
    Object.entries(settings.actions).every(
      ([code, action]) => action === 'off' || (on_fail === 'off' && action === actions[code]),
    )
  );
}
