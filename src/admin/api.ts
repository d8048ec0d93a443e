/**
 * What goes over HTTP between the dashboard's server and its pages: types only, shared by both. Times are milliseconds since 1970.
 * Every answer that is not 2xx is `Problem`.
 */
import type { Decision, DecisionOutcome, Summary } from '../core/decision.ts';
import type { Judgement, QueueSample, Report, ReportState } from '../core/desk.ts';
import type { Listed } from '../core/listed.ts';
import type { Block, GreylistRow } from '../core/ports.ts';
import type { Dependency, GateStatus } from '../core/status.ts';
import type { CheckEffect, TrafficPoint } from '../core/traffic.ts';

export interface Problem {
  readonly error: string;
  /** The field of the form that it is about. */
  readonly field?: string;
}

/** `POST /api/login` answers with it, `GET /api/me` too; 401 where nobody is logged in. */
export interface Me {
  readonly user: string;
  /** To be sent as the header `X-CSRF-Token` with everything that is not GET. */
  readonly csrf: string;
  readonly hostName: string;
  readonly version: string;
  /** Whether refused senders have a page to report mistakes on. */
  readonly takesReports: boolean;
}

export interface Rung {
  readonly cost: string;
  readonly checks: readonly string[];
  /** Decisions that came to it: something on it was asked. */
  readonly came: number;
  readonly stopped: number;
  readonly tookMs: number;
  readonly lookups: number;
  /** Of the messages that were read on it. */
  readonly octets: number;
  /** What those that were stopped here would have cost on the rungs above, at the price that the others paid there. */
  readonly savedMs: number;
  readonly savedLookups: number;
  readonly savedOctets: number;
}

/** `GET /api/now?minutes=60`: the first page. */
export interface Now {
  readonly atMs: number;
  readonly summary: Pick<
    Summary,
    'received' | 'delivered' | 'relayed' | 'rejected' | 'deferred' | 'abandoned' | 'tagged'
  >;
  readonly traffic: readonly TrafficPoint[];
  readonly funnel: readonly Rung[];
  /** Absent where the gate does not run, or has not said anything for a while (`STATUS_GOOD_MS`). */
  readonly gate?: Omit<GateStatus, 'metrics' | 'dependencies'> | undefined;
  readonly dependencies: readonly Dependency[];
  readonly queue?: QueueSample | undefined;
  readonly openReports: number;
  readonly alerts: readonly string[];
}

/** One line of a list of decisions. */
export interface DecisionLine {
  readonly id: string;
  readonly atMs: number;
  readonly client: string;
  readonly helo?: string | undefined;
  readonly sender?: string | undefined;
  readonly recipients: readonly string[];
  readonly outcome: DecisionOutcome;
  readonly code?: number | undefined;
  /** What decided, in words: `dnsbl:listed`. */
  readonly decidedBy?: string | undefined;
  readonly tags: readonly string[];
  readonly mark?: Judgement | undefined;
  readonly reported: boolean;
}

/** `GET /api/decisions?id=&client=&sender=&recipient=&check=&outcome=&since=&until=&limit=&before=`. */
export interface DecisionList {
  readonly decisions: readonly DecisionLine[];
  /** For the next page, as `before`; absent where there is none. */
  readonly before?: string | undefined;
}

/** A step of the dialogue or a check, as a line of the story. */
export interface StoryLine {
  readonly kind: 'dialogue' | 'check' | 'verdict';
  readonly stage: string;
  /** `ok`, `refuse`, `defer`, `tag`, `suspect`, `observe`, `exempt`, `kept`, `go-on`. */
  readonly tone: string;
  /** In plain words. */
  readonly text: string;
  readonly check?: string | undefined;
  /** What it asked and what came back. */
  readonly evidence?: string | undefined;
  readonly findings?: readonly string[] | undefined;
  readonly tookMs?: number | undefined;
}

/** `GET /api/decisions/:id`. */
export interface DecisionStory {
  readonly decision: Decision;
  readonly line: DecisionLine;
  readonly verdict: string;
  readonly story: readonly StoryLine[];
  /** What would have changed it, in plain words. */
  readonly wouldChange: readonly string[];
  /** Others of the same session. */
  readonly session: readonly DecisionLine[];
  readonly report?: Report | undefined;
  readonly mark?: Judgement | undefined;
  readonly blocks: readonly Block[];
  /** The classifier still knows its tokens. */
  readonly teachable: boolean;
}

/** What an entry made from a decision would be about. */
export const SCOPES = ['client', 'network', 'sender', 'domain', 'recipient'] as const;
export type Scope = (typeof SCOPES)[number];

/** `POST /api/decisions/:id/let-in`, `…/block`. With `dryRun` nothing is changed, and the answer says what it would do. */
export interface ListRequest {
  readonly scope: Scope;
  /** `for` this recipient of the decision only: together with client or sender. */
  readonly recipientOnly?: boolean;
  /** Which one it is, of a decision with several; absent: the first that did not get its mail. */
  readonly recipient?: string;
  /** Absent: for good. */
  readonly lastsMs?: number;
  readonly reason: string;
  readonly dryRun?: boolean;
}

export interface ListAnswer {
  /** In words: `client 192.0.2.7 to ann@example.org`. */
  readonly entry: string;
  readonly listed?: Listed | undefined;
  /** What else of the recorded decisions it would have let in (or stopped): of those looked at. */
  readonly alsoAffected: number;
  readonly looked: number;
  readonly examples: readonly DecisionLine[];
  /** What it does not lift: `clamav: viruses are never let in`. */
  readonly notLifted: readonly string[];
  /** What else it did, or would do, in words: blocks that it ends, what the entry cannot do. */
  readonly notes: readonly string[];
}

/**
 * `POST /api/decisions/:id/mark` with `{ judgement: Judgement | null }`; `…/teach` with `{ kind: 'spam' | 'ham' }`. So does everything
 * answer that has nothing else to say: `POST /api/logout`, every DELETE.
 */
export interface Taught {
  readonly text: string;
}

/** `GET /api/reports?state=&before=`; `POST /api/reports/:id/answer`. */
export interface ReportLine {
  readonly report: Report;
  readonly decision?: DecisionLine | undefined;
  readonly refusal?: string | undefined;
}
export interface ReportList {
  readonly reports: readonly ReportLine[];
  readonly before?: number | undefined;
}
export interface ReportAnswer {
  readonly state: Exclude<ReportState, 'open'>;
  readonly text: string;
  /** With `let-in`: what is let in. */
  readonly scope?: Scope;
  readonly lastsMs?: number;
}

/** `GET /api/lists?kind=&text=`, `POST /api/lists` with `NewEntry`, answers `AddedEntry`; `DELETE /api/lists/:id`. Those of the file cannot be removed here. */
export interface NewEntry {
  readonly kind: Listed['kind'];
  readonly client?: string;
  readonly host?: string;
  readonly sender?: string;
  readonly recipient?: string;
  readonly lifts?: readonly string[];
  readonly reason: string;
  /** Absent: for good. */
  readonly lastsMs?: number;
}
export interface AddedEntry extends Listed {
  /** Of a block what it cannot do, in words: above all, the entries that win over it. */
  readonly notes: readonly string[];
}
export interface Lists {
  readonly listed: readonly Listed[];
  readonly fromFiles: readonly {
    readonly kind: string;
    readonly text: string;
    readonly source: string;
    readonly reason?: string | undefined;
  }[];
  readonly fromFilesInAll: number;
}

/** `GET /api/greylist?text=`, `DELETE /api/greylist` with a row's `client`, `sender`, `recipient`. */
export interface GreylistRows {
  readonly rows: readonly GreylistRow[];
  readonly inAll: number;
}

/** `GET /api/blocks?network=`, `POST /api/blocks` `{ network, reason, lastsMs }`, `DELETE /api/blocks?network=`. */
export interface BlockList {
  readonly blocks: readonly Block[];
}

/** `GET /api/effect?since=&until=`. */
export interface Effect {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly checks: readonly (CheckEffect & {
    readonly summary: string;
    readonly cost: string;
    readonly reportedMistakes: number;
    /** In words, or why not. */
    readonly safeToTurnOff: { readonly safe: 'yes' | 'no' | 'unknown'; readonly why: string };
    readonly points: readonly { readonly sinceMs: number; readonly stopped: number }[];
  })[];
}

/** `POST /api/what-if` with it; answers `{ job: string }`. `GET /api/what-if/:job` says how it goes. */
export interface WhatIfRequest {
  /** The whole file as it would be. */
  readonly config: string;
  readonly sinceMs?: number;
}
export interface WhatIf {
  readonly state: 'running' | 'done' | 'failed';
  readonly looked: number;
  readonly inAll: number;
  readonly problems: readonly string[];
  readonly newlyRefused: readonly DifferenceLine[];
  readonly newlyAccepted: readonly DifferenceLine[];
  readonly unknown: readonly DifferenceLine[];
  readonly counts: {
    readonly same: number;
    readonly newlyRefused: number;
    readonly newlyAccepted: number;
    readonly unknown: number;
  };
}
export interface DifferenceLine {
  readonly line: DecisionLine;
  readonly before: string;
  readonly after: string;
}

/** `GET /api/settings`. */
export interface Settings {
  readonly file: string;
  readonly text: string;
  readonly policy: string;
  readonly gatePolicy?: string | undefined;
  readonly warnings: readonly string[];
  readonly checks: readonly {
    readonly check: string;
    readonly summary: string;
    readonly stage: string;
    readonly cost: string;
    readonly state: 'on' | 'off' | 'cannot run';
    readonly why?: string | undefined;
    readonly settings: readonly { readonly key: string; readonly value: string; readonly from: string }[];
  }[];
}

/** `GET /api/queue?since=&until=`. */
export interface QueueHistory {
  readonly watched: boolean;
  /** The newest, as it was sampled. */
  readonly now?: QueueSample | undefined;
  readonly samples: readonly QueueSample[];
  readonly alerts: readonly { readonly text: string; readonly above: number; readonly firing: boolean }[];
}

/** `GET /api/live` (Server-Sent Events): `event: decisions` with `DecisionLine[]`, `event: gate` with `LiveGate`, each every one or two seconds. */
export interface LiveGate {
  readonly gate?: Now['gate'];
  readonly dependencies: readonly Dependency[];
  readonly openReports: number;
  readonly queue?: QueueSample | undefined;
}
