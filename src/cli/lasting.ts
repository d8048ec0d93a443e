import { isLasting, MAX_DAYS } from '../core/operator-block.ts';
import { CommandError } from './exit.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** What `--for` says, in milliseconds. */
export function lastingMs(text: string): number {
  const m = /^(\d{1,7})([mhdw])$/.exec(text);
  const ms = m === null ? 0 : Number(m[1]) * (UNIT_MS[m[2] ?? ''] ?? 0);
  if (isLasting(ms)) return ms;
  throw new CommandError(`--for "${text}" is no time; it wants 30m, 12h, 1d or 2w, at most ${MAX_DAYS}d`);
}
