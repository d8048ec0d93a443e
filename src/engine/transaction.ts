import type { EarlyJudgement, RecipientDecision, Step } from '../core/decision.ts';
import type { Treatment } from '../core/exemption.ts';
import type { MessageFacts, TransactionFacts } from '../core/facts.ts';
import type { Standing, Would } from '../core/ladder.ts';
import type { Recipient } from '../core/recipient.ts';
import type { Verdict } from '../core/verdict.ts';

/** A transaction while it is open. */
export interface Transaction {
  facts: TransactionFacts;
  readonly recipients: RecipientDecision[];
  readonly rcptSteps: Step[];
  /** Recipients that do not exist, those aside that convict nobody. */
  guesses: number;
  /** Of the first recipient let in; all others share it (E8). */
  treatment: Treatment | undefined;
  standing: Standing | undefined;
  atData: number | undefined;
  atMessage: number | undefined;
  early: EarlyJudgement | undefined;
  message: MessageFacts | undefined;
  refused: (Verdict & { kind: 'refuse' | 'defer' }) | undefined;
  /** The recipient that is judged but not yet answered. */
  judging:
    | {
        readonly mailbox: Recipient;
        readonly treatment: Treatment;
        readonly verdict: Verdict;
        readonly would: Would | undefined;
        readonly violationsSeen: number;
      }
    | undefined;
}
