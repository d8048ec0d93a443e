import { z } from 'zod';
import { Refused } from './refused.ts';

/** Parts of a span that a chart shows; more are drawn on top of each other. */
const PARTS = 120;
const MINUTE_MS = 60_000;

/** Length of a part: whole minutes, from an hour on whole hours. */
export function stepOf({ sinceMs, untilMs }: { readonly sinceMs: number; readonly untilMs: number }): number {
  const ms = Math.max(MINUTE_MS, (untilMs - sinceMs) / PARTS);
  const unitMs = ms > 3_600_000 ? 3_600_000 : MINUTE_MS;
  return Math.ceil(ms / unitMs) * unitMs;
}

const TIME = 'wants a time in milliseconds since 1970';
/** Of a request. */
export const timeMs = z.coerce.number(TIME).int(TIME).min(0, TIME).max(8.64e15, TIME);

/** `?since=&until=` in milliseconds since 1970. */
export const spanQuery = { since: timeMs.exactOptional(), until: timeMs.exactOptional() };

/** Throws where nothing can lie in it. */
export function checkSpan({ since, until }: { readonly since?: number; readonly until?: number }): void {
  if (since !== undefined && until !== undefined && until < since)
    throw new Refused(400, 'until: is before since; nothing lies between them', { field: 'until' });
}
