import { z } from 'zod';
import type { Finding } from '../../src/core/finding.ts';
import type { Ports } from '../../src/core/ports.ts';
import { defineCheck, type AnyCheck } from '../../src/core/check.ts';

export interface ScriptedCheck {
  readonly stage: AnyCheck['stage'];
  /** What it finds now; what it throws the engine takes for no answer. */
  readonly act?: () => 'pass' | 'fail' | 'temperror';
  /** Asked before it judges. */
  readonly gather?: (signal: AbortSignal, ports: Ports) => Promise<null>;
  /** What else stands in its finding. */
  readonly also?: Partial<Finding>;
}

/** A check that finds what a test tells it to, and refuses at once where its stage allows. */
export function scriptedCheck({ stage, act = () => 'pass', gather, also }: ScriptedCheck): AnyCheck {
  return defineCheck<AnyCheck['stage'], unknown, null>({
    name: 'scripted',
    summary: 'For tests.',
    stage,
    cost: 'dns',
    codes: { done: 'as told' },
    settings: z.strictObject({}),
    defaults: { on_fail: 'refuse', on_temperror: 'defer', weight: 0, refuse_at: 'earliest' },
    lifted: 'by-any',
    ...(gather === undefined ? {} : { gather: (_facts, ports, _settings, signal) => gather(signal, ports) }),
    judge: () => [
      { result: act(), code: 'done', text: `100% scripted at ${stage}`, enhanced: '5.7.1', ...also },
    ],
  });
}
