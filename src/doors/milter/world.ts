import type { SessionFacts } from '../../core/facts.ts';
import type { Soon } from '../../core/ports.ts';
import type { Entry } from '../seat.ts';
import type { DoorWorld, JudgeSettings } from '../session.ts';

export interface MilterSettings extends JudgeSettings {
  readonly limits: {
    readonly messageOctets: number;
    readonly headerOctets: number;
    /** MTA connections at one time; one client of the MTA is one of them. */
    readonly connections: number;
    readonly drainTimeoutMs: number;
  };
}

/** What the milter door takes from the world that the checks do not. */
export interface MilterWorld extends DoorWorld {
  /** In force now. */
  settings(): MilterSettings;
  /** Load and emergency (C6, C7), asked for each client of an MTA. Absent: all are let in. */
  knock?(opening: { readonly client: SessionFacts['client'] }): Soon<Entry>;
}
