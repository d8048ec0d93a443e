import { z } from 'zod';

/** Parts of a span that a chart shows; more are drawn on top of each other. */
const PARTS = 120;
const MINUTE_MS = 60_000;

/** Length of a part: whole minutes, from an hour on whole hours. */
export function stepOf({ sinceMs, untilMs }: { readonly sinceMs: number; readonly untilMs: number }): number {
  const ms = Math.max(MINUTE_MS, (untilMs - sinceMs) / PARTS);
  const unitMs = ms > 3_600_000 ? 3_600_000 : MINUTE_MS;
  return Math.ceil(ms / unitMs) * unitMs;
}

/** `?since=&until=` in milliseconds since 1970. */
export const spanQuery = {
  since: z.coerce.number().int().min(0).max(8.64e15).exactOptional(),
  until: z.coerce.number().int().min(0).max(8.64e15).exactOptional(),
};
