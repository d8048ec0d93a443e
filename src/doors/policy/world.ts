import type { DoorWorld, JudgeSettings } from '../session.ts';

export interface PolicySettings extends JudgeSettings {
  readonly limits: {
    /** MTA connections at one time. */
    readonly connections: number;
    readonly drainTimeoutMs: number;
  };
}

/** What the policy door takes from the world that the checks do not. */
export interface PolicyWorld extends Omit<DoorWorld, 'incoming'> {
  /** In force now. */
  settings(): PolicySettings;
}
