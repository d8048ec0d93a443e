/**
 * The numbers and bits of the journal's lines. What is written once has to be readable for as long as journals are kept: a number that stands
 * for something never stands for something else, and what is new gets a new one.
 */
import type { Decision, DecisionOutcome, RecipientDecision, Step } from '../../core/decision.ts';
import type { SessionFacts } from '../../core/facts.ts';
import type { Result } from '../../core/finding.ts';
import type { Recipient } from '../../core/recipient.ts';
import type { Stage } from '../../core/stage.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import type { Reply } from '../../mail/reply.ts';

/** The first value of each line. */
export const VERSION = 1;

export const OUTCOME = {
  accepted: 0,
  relayed: 1,
  refused: 2,
  deferred: 3,
  abandoned: 4,
} as const satisfies Record<DecisionOutcome, number>;
export const STAGE = {
  connect: 0,
  helo: 1,
  mail: 2,
  rcpt: 3,
  data: 4,
  endOfMessage: 5,
} as const satisfies Record<Stage, number>;
export const ACTION = {
  none: 0,
  refuse: 1,
  defer: 2,
  tag: 3,
  suspect: 4,
  observe: 5,
  exempt: 6,
  kept: 7,
  'go-on': 8,
} as const satisfies Record<Step['action'], number>;
export const RESULT = { pass: 0, fail: 1, temperror: 2, none: 3 } as const satisfies Record<Result, number>;
export const DOOR = { gateway: 0, milter: 1, policy: 2 } as const satisfies Record<
  SessionFacts['door'],
  number
>;
// 0: there was none.
export const VERB = { HELO: 1, EHLO: 2, LHLO: 3 } as const satisfies Record<
  NonNullable<SessionFacts['helo']>['verb'],
  number
>;

export const THREE_BITS = 7;

/** Of a decision; the outcome has the first three bits, door and verb have three from these on. */
export const HEAD_AT = { door: 3, verb: 6 } as const;
export const HEAD = {
  /** The session has another id than `sessionId`. */
  sessionId: 1 << 9,
  /** When the session began is given by how long before. */
  soonAfter: 1 << 10,
  violations: 1 << 11,
  transaction: 1 << 12,
  /** Of a sender that is not null. */
  path: 1 << 13,
  parameters: 1 << 14,
  reply: 1 << 15,
  /** The reply is that of the recipient with this place. */
  replyOf: 1 << 16,
  /** And so are check and code. */
  bySame: 1 << 17,
  check: 1 << 18,
  code: 1 << 19,
  atData: 1 << 20,
  atMessage: 1 << 21,
  size: 1 << 22,
  rest: 1 << 23,
} as const;

/** Of a recipient; the outcome has the first three bits. */
export const ONE = {
  check: 1 << 3,
  code: 1 << 4,
  violationsSeen: 1 << 5,
  /** As the recipient before it was told. */
  sameReply: 1 << 6,
  rest: 1 << 7,
} as const;

/** Of a step; the stage has the first three bits, the action four, the result of its finding two. */
export const STEP_AT = { action: 3, result: 7 } as const;
export const FOUR_BITS = 15;
export const TWO_BITS = 3;
export const STEP = {
  /** One finding with nothing but result, code and text. */
  plain: 1 << 9,
  /** The same with an enhanced code. */
  enhanced: 1 << 10,
  /** Findings of any other kind, as they are. */
  findings: 1 << 11,
  recipient: 1 << 12,
  lookups: 1 << 13,
  evidence: 1 << 14,
} as const;

/**
 * T, as long as all of its fields are among K: else nothing can be given for it, which is meant. Who adds a field to one of these types has
 * to write it and to read it here.
 */
type Known<T, K extends keyof T> = [Exclude<keyof T, K>] extends [never] ? T : never;
export type KnownDecision = Known<
  Decision,
  | ('id' | 'sessionId' | 'atMs' | 'tookMs' | 'session' | 'transaction' | 'recipients' | 'steps' | 'outcome')
  | ('reply' | 'check' | 'code' | 'suspicion' | 'atData' | 'atMessage' | 'sizeOctets' | 'policy')
  | (keyof Rest & keyof Decision)
> & {
  readonly session: Known<
    SessionFacts,
    | ('id' | 'door' | 'startedAtMs' | 'client' | 'server' | 'helo' | 'violations')
    | (keyof Rest & keyof SessionFacts)
  > & {
    readonly client: Known<SessionFacts['client'], 'address' | 'port'>;
    readonly server: Known<SessionFacts['server'], 'address' | 'port'>;
    readonly helo?: Known<NonNullable<SessionFacts['helo']>, 'verb' | 'name'> | undefined;
  };
  readonly transaction?:
    | (Known<NonNullable<Decision['transaction']>, 'reversePath' | 'parameters'> & {
        readonly reversePath: Known<Mailbox, 'local' | 'domain'> | null;
      })
    | undefined;
  readonly recipients: readonly KnownRecipient[];
  readonly reply?: KnownReply | undefined;
  readonly steps: readonly KnownStep[];
};
type KnownRecipient = Known<
  RecipientDecision,
  | ('mailbox' | 'outcome' | 'reply' | 'check' | 'code' | 'violationsSeen')
  | (keyof RecipientRest & keyof RecipientDecision)
> & {
  readonly mailbox: Known<Recipient, 'local' | 'domain' | (keyof RecipientRest & keyof Recipient)>;
  readonly reply: KnownReply;
};
type KnownReply = Known<Reply, 'code' | 'enhanced' | 'lines'>;
type KnownStep = Known<
  Step,
  'stage' | 'recipient' | 'check' | 'evidence' | 'findings' | 'action' | 'tookMs' | 'lookups'
>;
export type Rest = Pick<Decision, 'exemption' | 'would' | 'early' | 'tags' | 'charges' | 'unanswered'> &
  Pick<SessionFacts, 'role' | 'tls' | 'authenticated' | 'guesses' | 'asked'>;
export type RecipientRest = Pick<RecipientDecision, 'would' | 'treatment'> & Pick<Recipient, 'tag'>;
