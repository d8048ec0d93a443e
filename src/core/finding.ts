import type { AuthenticationResult } from '../mail/authentication-results.ts';

/**
 * What a check found. It says nothing of what follows from it: that is the configuration's (see `ladder.ts`).
 * `temperror`: the question could not be answered. `none`: the question did not arise.
 */
export interface Finding {
  readonly result: 'pass' | 'fail' | 'temperror' | 'none';
  /** One of the check's own `codes`. */
  readonly code: string;
  /** A sentence without full stop that a postmaster and a sender understand: `192.0.2.7 has no reverse DNS`. */
  readonly text: string;
  /** RFC 3463 status of a refusal by this finding, always written with class 5: `5.7.25`. A deferral turns it into class 4. */
  readonly enhanced?: string;
  /** Basic code of a refusal by this finding, 550 unless given; of its deferral, 450 unless it is a 4yz one. */
  readonly replyCode?: number;
  /** In place of the check's own weight, where one check knows several (a DNSBL zone). Negative speaks for the client. */
  readonly weight?: number;
  /** The check that a reply names in its place: a trap that gives its name away catches nobody. */
  readonly shownAs?: string;
  /** What a reply says in place of `text`, where the whole of it is for the operator only. */
  readonly shownText?: string;
  /** The domain that a pass vouches for (SPF, a forward-confirmed name): later checks know the client by it. */
  readonly domain?: string;
  /** What goes into Authentication-Results where the message is let in (RFC 8601). */
  readonly authentication?: readonly AuthenticationResult[];
  /** How the content was scored, for the tags of mail that is delivered (M9). */
  readonly spam?: SpamScore;
}

/** A score by the scale of whoever gave it: spam from `required` on, as a rule. */
export interface SpamScore {
  readonly isSpam: boolean;
  readonly score: number;
  readonly required: number;
  /** What it is made of: words of letters, digits and underscores. */
  readonly tests: readonly string[];
}

export type Result = Finding['result'];
