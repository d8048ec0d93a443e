/** What people have to say of decisions: kept beside the journal, in a file of its own, for it is kept for longer and written by few. */
import type { NoticesPort } from './notice.ts';

/** Characters of a report, and of the answer to it. */
export const MAX_REPORT_TEXT = 2000;
/** RFC 5321 4.5.3.1.3: a path of 256 octets with its brackets. */
export const MAX_CONTACT = 254;

/** A mistake that a refused sender told of (O5). */
export interface Report {
  readonly id: number;
  /** Id of the decision. */
  readonly decision: string;
  readonly atMs: number;
  /** The reporter's client network, for the limit. */
  readonly network: string;
  /** Where to write back, if the reporter said so; never shown to others. */
  readonly contact: string;
  readonly text: string;
  readonly state: ReportState;
  readonly answer?: { readonly text: string; readonly by: string; readonly atMs: number } | undefined;
}
export type ReportState = 'open' | 'let-in' | 'declined';

export interface NewReport {
  readonly decision: string;
  /** The check that had decided, where one did. */
  readonly check?: string | undefined;
  readonly network: string;
  /** The network of the client that was refused: whoever wants to report all its refusals has many networks to do so from. */
  readonly refused: string;
  readonly contact: string;
  readonly text: string;
}

export interface ReportsPort {
  /** `already`: an open one for the decision. `too-many`: of that network, of refusals of that client's, or of all together. */
  file(report: NewReport): Report | 'already' | 'too-many';
  /** Newest first. */
  list(query: {
    readonly state?: ReportState | undefined;
    readonly beforeId?: number | undefined;
    readonly limit?: number | undefined;
  }): readonly Report[];
  of(decision: string): Report | undefined;
  find(id: number): Report | undefined;
  /** Undefined where there is none. A later answer takes the place of the earlier one. */
  answer(
    id: number,
    answer: { readonly state: 'let-in' | 'declined'; readonly text: string; readonly by: string },
  ): Report | undefined;
  /** How many are open. */
  open(): number;
  /** Reported since then, by the check that had decided; those declined were no mistakes. */
  byCheck(sinceMs: number): Readonly<Record<string, number>>;
}

/** What a postmaster has said of a decision: it was right or wrong to let the message in or to stop it. */
export type Judgement = 'wanted' | 'unwanted';

export interface MarksPort {
  set(decision: string, judgement: Judgement | undefined, by: string): void;
  of(decisions: readonly string[]): ReadonlyMap<string, Judgement>;
  /** Newest first. */
  list(sinceMs: number): ReadonlyMap<string, Judgement>;
}

/** The backend's queue at one moment (O8). */
export interface QueueSample {
  readonly atMs: number;
  /** All messages in it. */
  readonly messages: number;
  /** By the mail server's own name: `active`, `deferred`, `hold`, `incoming`. Absent where it does not say. */
  readonly byQueue?: Readonly<Record<string, number>> | undefined;
  readonly oldestMs?: number | undefined;
}

export interface QueueHistoryPort {
  add(sample: QueueSample): void;
  last(): QueueSample | undefined;
  /** In order, thinned to about `points`: each the greatest of its part of the span. */
  between(sinceMs: number, untilMs: number, points?: number): readonly QueueSample[];
}

/** Sessions of the dashboard's users; the token itself is never kept, only its hash. */
export interface Login {
  readonly user: string;
  readonly endsMs: number;
  readonly csrf: string;
  /** Of the password it began with: with another one the session is over. */
  readonly fingerprint: string;
}

export interface LoginsPort {
  begin(tokenHash: string, login: Login): void;
  find(tokenHash: string): Login | undefined;
  end(tokenHash: string): void;
  /** All of a user: its password has changed. */
  endAll(user: string): void;
}

export interface Desk {
  readonly reports: ReportsPort;
  readonly marks: MarksPort;
  readonly queue: QueueHistoryPort;
  readonly logins: LoginsPort;
  readonly notices: NoticesPort;
  /** Drops what is too old, a little at a time. */
  expire(): void;
  close(): void;
}
