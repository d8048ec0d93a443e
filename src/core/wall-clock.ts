/** Times as people read them, by the wall clock of this machine. */

/** `2026-11-21`. */
export function dayText(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

/** `08:00`. */
export function timeOfDay(ms: number): string {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}`;
}

/** `2026-11-21 08:00:05`. */
export const formatTime = (ms: number): string =>
  `${dayText(ms)} ${timeOfDay(ms)}:${two(new Date(ms).getSeconds())}`;

const two = (n: number): string => String(n).padStart(2, '0');
