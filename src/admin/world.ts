/** What the dashboard and the public page get to work with: everything real is behind these, put together in `cli/admin.ts`. */
import type { Config } from '../config/config.ts';
import type { AnyCheck } from '../core/check.ts';
import type { Decision, Journal } from '../core/decision.ts';
import type { Desk } from '../core/desk.ts';
import type { ListedPort } from '../core/listed.ts';
import type { Block, GreylistRow } from '../core/ports.ts';
import type { GateStatus } from '../core/status.ts';
import type { BlockList, GreylistRows, QueueHistory, Settings, WhatIf } from './api.ts';

export interface AdminWorld {
  /** In force; a reload makes another. */
  readonly config: () => Config;
  readonly checks: readonly AnyCheck[];
  readonly version: string;
  readonly nowMs: () => number;
  readonly journal: Pick<
    Journal,
    'find' | 'findPage' | 'summary' | 'traffic' | 'effect' | 'rungs' | 'stoppedBy' | 'page' | 'newest'
  >;
  readonly desk: Desk;
  readonly listed: ListedPort;
  readonly blocks: BlocksDesk;
  readonly greylist: GreylistDesk;
  readonly teaching: TeachingDesk;
  /** What each gate process has said last; empty where none runs. */
  readonly gates: () => readonly GateStatus[];
  /** Alerts that are firing, in words. */
  readonly alerts: () => readonly string[];
  /** Those of the queue, firing or quiet. */
  readonly queueAlerts: () => QueueHistory['alerts'];
  readonly settings: () => Promise<Omit<Settings, 'gatePolicy'>>;
  readonly whatIf: WhatIfDesk;
  /** Prometheus text of all gates together, and of the process itself. */
  readonly metrics: () => Promise<{ readonly text: string; readonly contentType: string }>;
  /** Those who can log in with a password, each with the fingerprint of the one it has now. */
  readonly users: () => ReadonlyMap<string, string>;
  /** What would have changed a decision, in plain words. */
  readonly wouldChange: (decision: Decision) => Promise<readonly string[]>;
  /** Who decided, in a word or two: a check and its finding, the backend, the protocol. */
  readonly deciderOf: (decision: Decision) => string | undefined;
  /** Where it is right: with the fingerprint of the password that was looked at, whatever it is by now. */
  readonly verifyPassword: (
    user: string,
    password: string,
    network: string,
  ) => Promise<{ readonly fingerprint: string } | 'wrong' | 'unavailable'>;
  readonly trouble: (what: string, error: unknown) => void;
}

export interface BlocksDesk {
  list(network: string | undefined): BlockList['blocks'];
  /** Throws with the problem. */
  add(block: {
    readonly network: string;
    readonly reason: string;
    readonly lastsMs: number;
    readonly by: string;
  }): Block;
  /** Ends the block and forgives what led to it; false where there was nothing. */
  remove(network: string): boolean;
}

export interface GreylistDesk {
  search(text: string, limit: number): GreylistRows;
  remove(row: Pick<GreylistRow, 'client' | 'sender' | 'recipient'>): boolean;
}

/** The classifier, taught from a decision whose tokens it still remembers. */
export interface TeachingDesk {
  knows(decision: string): boolean;
  teach(decision: string, kind: 'spam' | 'ham'): 'taught' | 'already' | 'unknown';
}

export interface WhatIfDesk {
  /** Id of the job. Throws with the problem where too many run. */
  start(request: { readonly config: string; readonly sinceMs: number }): string;
  find(job: string): WhatIf | undefined;
  /** Ends it, if it runs, and forgets it. */
  abandon(job: string): void;
}
