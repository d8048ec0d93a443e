import { z } from 'zod';

/** What a failed check leads to. `tag` delivers with a header; `suspect` adds its weight; `observe` only writes it down. */
export const ACTIONS = ['refuse', 'defer', 'tag', 'suspect', 'observe', 'off'] as const;
export type Action = (typeof ACTIONS)[number];

/** The settings that every check has, by their names in `postern.toml`. */
export interface CommonSettings {
  readonly on_fail: Action;
  readonly on_temperror: 'defer' | 'go-on';
  readonly weight: number;
  readonly refuse_at: 'earliest' | 'rcpt';
  /** Other actions for single findings, by their code. */
  readonly actions: Readonly<Record<string, Action>>;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const UNIT_OCTETS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 1024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
};

/** `"30s"`, `"5m"`, `"2h"`, `"7d"`, `"500ms"`; milliseconds once parsed. */
export function duration(byDefault: string, min: string, max: string, sentence: string) {
  const bounds = { min: durationMs(min) ?? 0, max: durationMs(max) ?? 0 };
  return z
    .string()
    .transform((text, ctx) => {
      const ms = durationMs(text);
      if (ms !== undefined && ms >= bounds.min && ms <= bounds.max) return ms;
      ctx.addIssue({
        code: 'custom',
        message: `wants a time from "${min}" to "${max}", such as "${byDefault}"`,
      });
      return z.NEVER;
    })
    .prefault(byDefault)
    .meta({ description: sentence, unit: 'time', default: byDefault, bounds: `${min} to ${max}` });
}

/** `"50MiB"`, `"64KiB"`; octets once parsed. */
export function size(byDefault: string, min: string, max: string, sentence: string) {
  const bounds = { min: sizeOctets(min) ?? 0, max: sizeOctets(max) ?? 0 };
  return z
    .string()
    .transform((text, ctx) => {
      const octets = sizeOctets(text);
      if (octets !== undefined && octets >= bounds.min && octets <= bounds.max) return octets;
      ctx.addIssue({
        code: 'custom',
        message: `wants a size from "${min}" to "${max}", such as "${byDefault}"`,
      });
      return z.NEVER;
    })
    .prefault(byDefault)
    .meta({ description: sentence, unit: 'size', default: byDefault, bounds: `${min} to ${max}` });
}

export function count(byDefault: number, min: number, max: number, sentence: string) {
  return z
    .int()
    .min(min)
    .max(max)
    .default(byDefault)
    .meta({ description: sentence, unit: 'count', bounds: `${min} to ${max}` });
}

export function flag(byDefault: boolean, sentence: string) {
  return z.boolean().default(byDefault).meta({ description: sentence });
}

function durationMs(text: string): number | undefined {
  const m = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  return m === null ? undefined : Number(m[1]) * (UNIT_MS[m[2] ?? ''] ?? 0);
}

function sizeOctets(text: string): number | undefined {
  const m = /^(\d{1,9})(B|KiB|MiB|GiB|)$/.exec(text);
  return m === null ? undefined : Number(m[1]) * (UNIT_OCTETS[m[2] ?? ''] ?? 0);
}
