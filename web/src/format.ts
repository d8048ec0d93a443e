/** Times, sizes and counts as people read them. */

const two = (n: number): string => String(n).padStart(2, '0');

/** `11-21 14:03:07`, by this machine's clock; with the year where it is another one. */
export function time(ms: number, nowMs: number = Date.now()): string {
  const d = new Date(ms);
  const year = d.getFullYear() === new Date(nowMs).getFullYear() ? '' : `${d.getFullYear()}-`;
  return `${year}${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

const DAY_MS = 86_400_000;

/** What stands below a line of a chart: the time of day, and the date where a day begins or a step is a day long. */
export function tick(ms: number, stepMs: number): string {
  const d = new Date(ms);
  const day = `${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  if (stepMs >= DAY_MS) return day;
  return d.getHours() === 0 && d.getMinutes() === 0 ? day : `${two(d.getHours())}:${two(d.getMinutes())}`;
}

const UNITS = [
  ['d', DAY_MS],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const;

/** `3 h 10 min`: the two greatest parts. */
export function lasting(ms: number): string {
  const first = UNITS.findIndex(([, unit]) => ms >= unit);
  if (first < 0) return `${Math.round(ms)} ms`;
  let left = ms;
  const parts: string[] = [];
  for (const [name, unit] of UNITS.slice(first, first + 2)) {
    const n = Math.floor(left / unit);
    left -= n * unit;
    if (n > 0) parts.push(`${n} ${name}`);
  }
  return parts.join(' ');
}

export const ago = (ms: number, nowMs: number = Date.now()): string =>
  ms > nowMs ? `in ${lasting(ms - nowMs)}` : `${lasting(nowMs - ms)} ago`;

/** `1,204,311`; with a word behind it the right number of it. */
export function count(n: number, one?: string, many = `${one ?? ''}s`): string {
  const text = Math.round(n).toLocaleString('en');
  return one === undefined ? text : `${text} ${n === 1 ? one : many}`;
}

/** Milliseconds of work: `0.4 ms`, `12 ms`, `3.1 s`. */
export function took(ms: number): string {
  if (ms >= 60_000) return lasting(ms);
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 10 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(1)} ms`;
}

export const share = (part: number, whole: number): string =>
  whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`;
