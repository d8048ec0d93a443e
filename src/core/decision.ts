import type { ReversePath } from '../mail/mailbox.ts';
import type { Reply } from '../mail/reply.ts';
import type { BroughtCharge } from './charges.ts';
import type { Json } from './check.ts';
import type { Exemption, Treatment } from './exemption.ts';
import type { SessionFacts } from './facts.ts';
import type { MailParameters } from '../mail/parameters.ts';
import type { Finding } from './finding.ts';
import type { Would } from './ladder.ts';
import type { Recipient } from './recipient.ts';
import type { Stage } from './stage.ts';
import type { CheckEffect, JournalPage, RungTotal, TrafficPoint, TrafficQuery } from './traffic.ts';

/**
 * What became of one transaction, or of a session that never got as far as one. Plain JSON: it is journalled, printed by
 * `postern log`, and judged again by `replay`. Holds no message content and no credentials.
 */
export interface Decision {
  /** The transaction's id, or the session's where there was no transaction. */
  readonly id: string;
  readonly sessionId: string;
  /** Milliseconds since 1970 at which the transaction (or the session) began. */
  readonly atMs: number;
  readonly tookMs: number;
  readonly session: SessionFacts;
  readonly transaction?:
    { readonly reversePath: ReversePath; readonly parameters: MailParameters } | undefined;
  readonly recipients: readonly RecipientDecision[];
  /** The recipient that was judged last, where the client had left before it could be answered. */
  readonly unanswered?: Recipient | undefined;
  readonly steps: readonly Step[];
  /** The first that applied, for the log; each recipient has its own treatment in full. */
  readonly exemption?: Exemption | undefined;
  readonly outcome: DecisionOutcome;
  /** The reply that decided: the final one, or the last refusal. Absent where the client left before any. */
  readonly reply?: Reply | undefined;
  /** Name of the check and code of the finding that decided, where one did. */
  readonly check?: string | undefined;
  readonly code?: string | undefined;
  /** Sum of the weights of all findings that the ladder counted. */
  readonly suspicion: number;
  /** What would have come of it without `profile = "watch"`, where that is something else. */
  readonly would?: Would | undefined;
  /** What was refused or deferred before there was a recipient. */
  readonly early?: EarlyJudgement | undefined;
  /** How many of the session's violations had happened when DATA was judged, and the message; absent where it was not. */
  readonly atData?: number | undefined;
  readonly atMessage?: number | undefined;
  /** `check:code` of what a delivered message was marked with; absent where it went on unmarked. */
  readonly tags?: readonly string[] | undefined;
  /** Set once the message has been taken whole. */
  readonly sizeOctets?: number | undefined;
  /** What was held against the client beyond the session, as far as it was known by then; absent where nothing was. */
  readonly charges?: readonly BroughtCharge[] | undefined;
  /** Hash of the configuration that judged, so that `replay` knows when it differs. */
  readonly policy: string;
}

export interface EarlyJudgement {
  readonly stage: 'connect' | 'helo' | 'mail';
  readonly violationsSeen: number;
  /** Absent where nothing lifted checks. */
  readonly treatment?: Treatment | undefined;
}

/** `accepted`: the backend took it. `relayed`: taken for a domain that is not ours. `abandoned`: the client left, or was cut off, before a verdict. */
export const OUTCOMES = ['accepted', 'relayed', 'refused', 'deferred', 'abandoned'] as const;
export type DecisionOutcome = (typeof OUTCOMES)[number];

export interface RecipientDecision {
  readonly mailbox: Recipient;
  readonly outcome: DecisionOutcome;
  readonly reply: Reply;
  readonly check?: string | undefined;
  readonly code?: string | undefined;
  /** What would have been said without `profile = "watch"`, where that is no yes. */
  readonly would?: Would | undefined;
  /** How many of the session's violations had happened when it was judged; absent where it was not (a split by 452). */
  readonly violationsSeen?: number | undefined;
  /** What lifted checks for this recipient; absent where nothing did. */
  readonly treatment?: Treatment | undefined;
}

/** One check asked once. */
export interface Step {
  readonly stage: Stage;
  /**
   * Of the recipient's own steps: its place among the decision's recipients. The one behind them all is that of `unanswered`.
   */
  readonly recipient?: number | undefined;
  readonly check: string;
  /** What `gather` returned; absent where the check asks nothing or never got an answer. */
  readonly evidence?: Json | undefined;
  readonly findings: readonly Finding[];
  /** What it led to. `exempt`: it failed, and an exemption lifted it; `kept`: a refusal that waits for RCPT. */
  readonly action: 'none' | 'refuse' | 'defer' | 'tag' | 'suspect' | 'observe' | 'exempt' | 'kept' | 'go-on';
  readonly tookMs: number;
  /** Questions that it put to DNS; absent where it put none. */
  readonly lookups?: number | undefined;
}

/** Where decisions go and are found again (O1). Two engines: SQLite embedded, PostgreSQL shared. */
export interface Journal {
  /** Never waits and never fails the mail: under too much load records are dropped, and counted. */
  record(decision: Decision): void;
  /** Connections that came to no decision, for the door turned them away; the reason is a word. */
  turnedAway(atMs: number, reason: string, connections: number): void;
  /** Those recorded last first. */
  find(query: JournalQuery): Promise<readonly Decision[]>;
  /** The same, a page after the other. */
  findPage(query: JournalQuery): Promise<FoundPage>;
  summary(span: JournalSpan): Promise<Summary>;
  /** In order, without a gap; parts in which nothing was are zeros. */
  traffic(query: TrafficQuery): Promise<readonly TrafficPoint[]>;
  /** By check, those that did the most first. */
  effect(span: Required<JournalSpan>): Promise<readonly CheckEffect[]>;
  /** By check and part of the span: the decisions that it stopped. */
  stoppedBy(query: TrafficQuery): Promise<Readonly<Record<string, readonly number[]>>>;
  /** In the order of the ladder. */
  rungs(span: Required<JournalSpan>): Promise<readonly RungTotal[]>;
  /** Those recorded after the one named by `after` (0: from the first), in that order; `limit` at most. */
  page(
    query: { readonly after: number; readonly limit: number } & JournalSpan,
  ): Promise<JournalPage<Decision>>;
  /** Where the newest stands now: pages after it are what comes next. */
  newest(): Promise<number>;
  /**
   * Drops what is older than `keptMs` in small steps, then what is more than `sizeOctets` of disk: the oldest of the connections that asked
   * for no transaction first, then what was recorded first. Resolves to the number of decisions dropped.
   */
  expire(keptMs: number, sizeOctets?: number): Promise<number>;
  /** What has been written and what was lost since the start. */
  readonly counts: { readonly recorded: number; readonly dropped: number };
  /** Writes what is queued, then lets go of the database. */
  close(): Promise<void>;
}

export interface JournalSpan {
  readonly sinceMs?: number;
  readonly untilMs?: number;
}

/** All that is given must match. */
export interface JournalQuery extends JournalSpan {
  /** A decision's id, or a session's: then all its transactions. Of several, one of them must match. */
  readonly id?: string | readonly string[];
  /** An address or a network in CIDR form. */
  readonly client?: string;
  /** `user@example.net`, `example.net` or `<>`. */
  readonly sender?: string;
  readonly recipient?: string;
  /** The check that decided. */
  readonly check?: string;
  readonly outcome?: DecisionOutcome;
  readonly limit?: number;
  /** As the page before gave it. */
  readonly before?: string;
}

/**
 * Those recorded last first. Short of its limit, even empty, where something rare among very many was looked for and the time for a page was
 * over: `before` goes on from where it came to.
 */
export interface FoundPage {
  readonly decisions: readonly Decision[];
  /** For the next page; absent where there is none. */
  readonly before?: string | undefined;
}

/** The summary mail administrators know (O2). */
export interface Summary {
  /** All transactions, and sessions that ended before one; those that our own stop ended are left out. */
  readonly received: number;
  readonly delivered: number;
  readonly relayed: number;
  readonly rejected: number;
  readonly deferred: number;
  readonly abandoned: number;
  /** Delivered untagged and delivered with a tag: what is known of ham and spam without reading minds. */
  readonly ham: number;
  readonly tagged: number;
  /** Delivered, but not to all recipients: some were refused or deferred. */
  readonly partly: number;
  readonly deliveredOctets: number;
  /** Clients that had at least one decision. */
  readonly clients: number;
  /** Of more than some ten thousand decisions they are estimated, and off by two per cent as a rule. */
  readonly clientsEstimated?: true;
  /** Kept by the minute: of the whole of each minute that the span touches. Of days long past by the hour. */
  readonly byCheck: readonly CheckSummary[];
  /** At the door, by the reason; of whole minutes (hours) too. */
  readonly turnedAway: Readonly<Record<string, number>>;
  /** The span cuts an hour of which there are no minutes any more: `byCheck` and `turnedAway` have all of that hour, and nothing else has. */
  readonly byWholeHours?: true;
}

export interface CheckSummary {
  readonly check: string;
  /** How often it was asked. */
  readonly asked: number;
  /** How often it found a failure, whatever followed. A score that is none of spam is no failure, unless it was acted upon. */
  readonly failed: number;
  readonly temperror: number;
  /** Decisions it refused and deferred. */
  readonly refused: number;
  readonly deferred: number;
  readonly tookMs: number;
}
