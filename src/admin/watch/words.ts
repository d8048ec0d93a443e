/** Alerts and times in words. */
import type { QueueAlertConfig } from '../../config/admin.ts';
import type { QueueSample } from '../../core/desk.ts';
import { dayText, timeOfDay } from '../../core/wall-clock.ts';

/** `852 messages in the queue (840 deferred, 12 active) for 12 minutes, above 500; oldest 3 h`. */
export function firingText(
  alert: QueueAlertConfig,
  sample: QueueSample,
  sinceMs: number | undefined,
): string {
  const lastedMs = sinceMs === undefined ? 0 : sample.atMs - sinceMs;
  if (alert.percentile !== undefined) {
    const rank = ordinal(alert.percentile);
    return `${messagesText(sample)}; the ${rank} percentile of ${lengthText(alert.forMs)} is above ${alert.above}${oldestText(sample)}`;
  }
  const lasted = lastedMs < 1000 ? '' : ` for ${lengthText(lastedMs)}`;
  return `${messagesText(sample)}${lasted}, above ${alert.above}${oldestText(sample)}`;
}

/** `120 messages in the queue, below 400 again, 42 minutes after it had grown above 500`. */
export function clearedText(
  alert: QueueAlertConfig,
  sample: QueueSample,
  sinceMs: number | undefined,
): string {
  const after =
    sinceMs === undefined
      ? ''
      : `, ${lengthText(sample.atMs - sinceMs)} after it had grown above ${alert.above}`;
  return `${messagesText(sample)}, below ${alert.clearBelow} again${after}`;
}

/** Of one that fires and waits to be over: `5 messages in the queue now; was above 100 since 14:28; over when below 80 for 20 s`. */
export function waitingText(
  alert: QueueAlertConfig,
  sample: QueueSample,
  { sinceMs, settlesMs }: { readonly sinceMs: number | undefined; readonly settlesMs: number },
): string {
  const { above, clearBelow, forMs, percentile } = alert;
  const what =
    percentile === undefined ? '' : `the ${ordinal(percentile)} percentile of ${lengthText(forMs)} `;
  const since = sinceMs === undefined ? '' : ` since ${clockText(sinceMs, sample.atMs)}`;
  return `${messagesText(sample)} now; ${what}was above ${above}${since}; over when below ${clearBelow} for ${shortLength(settlesMs)}`;
}

/** Of an alert that is quiet: `rings when above 500 for 10 minutes`. */
export const quietText = ({ above, forMs, percentile }: QueueAlertConfig): string =>
  percentile === undefined
    ? `rings when above ${above} for ${lengthText(forMs)}`
    : `rings when the ${ordinal(percentile)} percentile of ${lengthText(forMs)} is above ${above}`;

const clockText = (ms: number, nowMs: number): string =>
  `${dayText(ms) === dayText(nowMs) ? '' : `${dayText(ms)} `}${timeOfDay(ms)}`;

const MAX_QUEUES_NAMED = 5;

function messagesText({ messages, byQueue = {} }: QueueSample): string {
  const named = Object.entries(byQueue)
    .filter(([, n]) => n > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, MAX_QUEUES_NAMED)
    .map(([queue, n]) => `${n} ${queue}`);
  const parts =
    named.length > 1
      ? ` (${named.join(', ')})`
      : named.length === 1
        ? ` (all ${Object.keys(byQueue).find((q) => (byQueue[q] ?? 0) > 0) ?? ''})`
        : '';
  return `${messages} ${messages === 1 ? 'message' : 'messages'} in the queue${parts}`;
}

const oldestText = ({ oldestMs }: QueueSample): string =>
  oldestMs === undefined ? '' : `; oldest ${shortLength(oldestMs)}`;

const UNITS = [
  [86_400_000, 'day', 'd'],
  [3_600_000, 'hour', 'h'],
  [60_000, 'minute', 'min'],
  [1000, 'second', 's'],
] as const;

/** `12 minutes`, `3 hours`; whole units, the largest of which there are two at least. */
export function lengthText(ms: number): string {
  const [unitMs, name] = unitOf(ms);
  const n = Math.round(ms / unitMs);
  return `${n} ${name}${n === 1 ? '' : 's'}`;
}

/** As the configuration writes it: `20s`, `10m`; exact. */
export function settingText(ms: number): string {
  const [unitMs, unit] = SETTING_UNITS.find(([unitMs]) => ms > 0 && ms % unitMs === 0) ?? [1, 'ms'];
  return `${ms / unitMs}${unit}`;
}

const SETTING_UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
] as const;

/** `3 h`. */
export function shortLength(ms: number): string {
  const [unitMs, , short] = unitOf(ms);
  return `${Math.round(ms / unitMs)} ${short}`;
}

const unitOf = (ms: number): (typeof UNITS)[number] =>
  UNITS.find(([unitMs]) => ms >= 2 * unitMs || (ms >= unitMs && ms % unitMs === 0)) ?? UNITS[3];

function ordinal(n: number): string {
  const end = Number.isInteger(n) && Math.floor(n / 10) % 10 !== 1 ? ['th', 'st', 'nd', 'rd'][n % 10] : 'th';
  return `${n}${end ?? 'th'}`;
}
