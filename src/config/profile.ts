/**
 * Profiles: `strict` and `watch` change what the checks do where the file has no other word. What a check comes to is
 * kept together with where it comes from, for `check-config --explain`.
 */
import type { AnyCheck } from '../core/check.ts';
import type { Action, CommonSettings } from '../core/settings.ts';

export const PROFILES = ['strict', 'watch'] as const;
export type Profile = (typeof PROFILES)[number];

/** `postern.toml:31` for what the file says. */
export type Origin = 'default' | `profile ${Profile}` | `${string}:${number}`;

export interface Origins extends Readonly<
  Record<'on_fail' | 'on_temperror' | 'weight' | 'refuse_at', Origin>
> {
  /** Of those codes that have an action of their own. */
  readonly actions: Readonly<Record<string, Origin>>;
}

/** What the file says for all checks at once. */
export interface Stance {
  readonly profile?: Profile | undefined;
  readonly refuseAt?: CommonSettings['refuse_at'] | undefined;
}

/**
 * The checks that `strict` refuses by at the earliest moment (C9, C10, H1, H2, E2), with every failure that they find. Findings that are no
 * failure (`no-name`, `not-a-name`, `no-mx` and the like) refuse under no setting at all.
 */
export const STRICT: readonly string[] = ['fcrdns', 'generic-rdns', 'helo', 'helo-dns', 'sender-mx'];

/**
 * What keeps the gate from being an open relay, and what says which mailboxes exist, which is part of the delivery itself: these
 * `watch` leaves as they are.
 */
export const KEPT_UNDER_WATCH: readonly string[] = ['relay', 'recipient-list', 'recipients'];

export interface Defaults extends Omit<CommonSettings, 'actions'> {
  readonly actions: Readonly<Record<string, Action>>;
}

/** What a check does where its own table does not say. */
export function defaultsUnder(check: AnyCheck, { profile, refuseAt }: Stance): Defaults {
  const { on_fail, on_temperror, weight, refuse_at, actions = {} } = check.defaults;
  if (profile !== 'strict' || !STRICT.includes(check.name))
    return { on_fail, on_temperror, weight, refuse_at: refuseAt ?? refuse_at, actions };
  // The check's own refusals stay, so that an operator who softens `on_fail` is not more lenient than without the profile.
  const refusals = Object.entries(actions).filter(([, action]) => action === 'refuse');
  return {
    on_fail: 'refuse',
    on_temperror,
    weight,
    refuse_at: refuseAt ?? 'earliest',
    actions: Object.fromEntries(refusals),
  };
}

/** Under `watch` no check acts, whatever the file says; what is off stays off, for a check may ask strangers. */
export function watched<S extends CommonSettings>(check: AnyCheck, settings: S): S {
  if (KEPT_UNDER_WATCH.includes(check.name)) return settings;
  const actions = Object.entries(settings.actions).map(([code, action]) => [code, onlyWatched(action)]);
  return {
    ...settings,
    on_fail: onlyWatched(settings.on_fail),
    on_temperror: 'go-on',
    actions: Object.fromEntries(actions) as Readonly<Record<string, Action>>,
  };
}

const onlyWatched = (action: Action): Action => (action === 'off' ? 'off' : 'observe');

/** Where each setting of a check comes from. `lineOf`: the line of a key that stands in the file, or undefined. */
export function originsOf(
  check: AnyCheck,
  settings: CommonSettings,
  stance: Stance,
  lineOf: (path: readonly string[]) => Origin | undefined,
): Origins {
  const { profile } = stance;
  const own = defaultsUnder(check, {});
  const byDefault = defaultsUnder(check, stance);
  const isWatched = profile === 'watch' && !KEPT_UNDER_WATCH.includes(check.name);
  const isStrict = profile === 'strict' && STRICT.includes(check.name);
  const table = ['checks', check.name];
  const at = (...path: readonly string[]) => lineOf([...table, ...path]);
  const acts = (said: Origin | undefined, action: Action, ownAction: Action | undefined): Origin => {
    if (isWatched && action !== 'off') return 'profile watch';
    return said ?? (isStrict && action !== ownAction ? 'profile strict' : 'default');
  };
  const refuseAt = (): Origin => {
    if (stance.refuseAt !== undefined) return lineOf(['refuse_at']) ?? 'default';
    return isStrict && byDefault.refuse_at !== own.refuse_at ? 'profile strict' : 'default';
  };
  const actions = Object.entries(settings.actions).map(([code, action]) => [
    code,
    acts(
      // Weaker than by default without a word of its own: by what the file says of all.
      at('actions', code) ?? (action === byDefault.actions[code] ? undefined : at('on_fail')),
      action,
      own.actions[code],
    ),
  ]);
  return {
    on_fail: acts(at('on_fail'), settings.on_fail, own.on_fail),
    on_temperror: isWatched ? 'profile watch' : (at('on_temperror') ?? 'default'),
    weight: at('weight') ?? 'default',
    refuse_at: at('refuse_at') ?? refuseAt(),
    actions: Object.fromEntries(actions) as Readonly<Record<string, Origin>>,
  };
}
