import { CommandError } from './exit.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** `2h` is two hours ago; else a date, with a time or without, in local time unless it says otherwise. Throws on others. */
export function readTime(option: string, text: string, nowMs: number): number {
  const ago = /^(\d{1,6})([smhdw])$/.exec(text);
  if (ago !== null) return nowMs - Number(ago[1]) * (UNIT_MS[ago[2] ?? ''] ?? 0);
  // A bare date is UTC for `Date`, but a postmaster means the day of the wall clock.
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const isTime = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})?$/.test(
    text,
  );
  const ms = isDate || isTime ? Date.parse(isDate ? `${text}T00:00` : text.replace(' ', 'T')) : NaN;
  if (Number.isNaN(ms))
    throw new CommandError(
      `--${option} "${text}" is no time; it wants 2h, 7d, 2026-11-21 or 2026-11-21T08:00`,
    );
  return ms;
}
