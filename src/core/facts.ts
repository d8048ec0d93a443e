import type { ReversePath } from '../mail/mailbox.ts';
import type { MailParameters, RcptParameters } from '../mail/parameters.ts';
import type { Recipient } from './recipient.ts';
import type { Stage } from './stage.ts';

/** Ways in which a client broke the dialogue's own rules. */
export type Violation =
  'early-talker' | 'pipelining' | 'bare-newline' | 'too-many-errors' | 'foreign-protocol';

/** What is known of one connection. Plain readonly JSON: it is journalled and replayed as it stands. */
export interface SessionFacts {
  /** Short, unguessable: see `newId`. */
  readonly id: string;
  readonly door: 'gateway' | 'milter' | 'policy';
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly client: { readonly address: string; readonly port: number };
  readonly server: { readonly address: string; readonly port: number };
  /** What the listener is there for; absent: to take mail. */
  readonly role?: 'honeypot' | undefined;
  readonly tls?: { readonly protocol: string; readonly cipher: string } | undefined;
  readonly helo?: { readonly verb: 'HELO' | 'EHLO' | 'LHLO'; readonly name: string } | undefined;
  readonly authenticated?: { readonly mechanism: string; readonly identity: string } | undefined;
  readonly violations: readonly Violation[];
  /** Recipients asked for that do not exist (E10). */
  readonly guesses?: number | undefined;
  /** All recipients judged in the session, up to the last guess. */
  readonly asked?: number | undefined;
}

export interface TransactionFacts {
  /** The id of the decision: printed in replies, logs, headers and the journal. */
  readonly id: string;
  readonly startedAtMs: number;
  readonly reversePath: ReversePath;
  readonly parameters: MailParameters;
  /** The forward-paths let in so far. */
  readonly recipients: readonly Recipient[];
}

export interface RecipientFacts {
  readonly mailbox: Recipient;
  readonly parameters: RcptParameters;
}

export interface MessageFacts {
  readonly sizeOctets: number;
}

export interface Facts {
  readonly session: SessionFacts;
  readonly transaction?: TransactionFacts;
  readonly recipient?: RecipientFacts;
  readonly message?: MessageFacts;
}

type With<K extends keyof Facts> = Facts & { readonly [P in K]-?: NonNullable<Facts[P]> };

/** The facts that are sure to be there when a check of that stage is asked. */
export interface FactsAtStage {
  readonly connect: Facts;
  readonly helo: Facts & {
    readonly session: SessionFacts & { readonly helo: NonNullable<SessionFacts['helo']> };
  };
  readonly mail: With<'transaction'>;
  readonly rcpt: With<'transaction' | 'recipient'>;
  readonly data: With<'transaction'>;
  readonly endOfMessage: With<'transaction' | 'message'>;
}

export type FactsAt<S extends Stage> = FactsAtStage[S];
