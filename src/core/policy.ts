import type { ConvictionSettings } from './charges.ts';
import type { AnyCheck } from './check.ts';
import type { CommonSettings } from './settings.ts';
import type { Site } from './site.ts';

export type CheckSettings = CommonSettings & Readonly<Record<string, unknown>>;

/** A check with the settings in force. */
export interface ConfiguredCheck {
  readonly check: AnyCheck;
  readonly settings: CheckSettings;
  /** Under `profile = "watch"`: what they would be without it. */
  readonly meant?: CheckSettings;
}

/** All that turns facts into verdicts, settled when the configuration is loaded; a session keeps the one it began with. */
export interface Policy {
  readonly site: Site;
  /** In the ladder's order: by cost, then as `checks/ladder.ts` lists them. Those that are off or idle are left out. */
  readonly checks: readonly ConfiguredCheck[];
  /** The sum of weights that refuses. */
  readonly refuseAtSuspicion: number;
  /** Under `profile = "watch"`: what would be in force without it. */
  readonly meant?: { readonly refuseAtSuspicion: number } | undefined;
  /** Absent: nobody is convicted. */
  readonly convictions?: ConvictionSettings | undefined;
  /** How long one stage may ask, in all. */
  readonly checksTimeoutMs: number;
  /** How long the backend has for its answer to a recipient, after all that was asked before (E5); absent: what is left of the stage's. */
  readonly recipientTimeoutMs?: number;
  /** The same at the end of the message, where clients wait longer; absent: no longer than elsewhere. */
  readonly messageChecksTimeoutMs?: number;
  /** Names this policy in the journal. */
  readonly hash: string;
}
