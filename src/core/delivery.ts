import type { Mailbox, ReversePath } from '../mail/mailbox.ts';
import type { Reply } from '../mail/reply.ts';
import type { MailParameters, RcptParameters } from '../mail/parameters.ts';
import type { BackendAnswer } from './ports.ts';

/** A message as it goes on: CRLF lines, the last one ended, not dot-stuffed. May be read more than once. */
export interface MessageContent {
  readonly sizeOctets: number;
  chunks(): Iterable<Buffer> | AsyncIterable<Buffer>;
}

/** What the backend can take, as last seen. Before the first connection: the least that every server can. */
export interface Capabilities {
  readonly dsn: boolean;
  readonly smtputf8: boolean;
  readonly eightBitMime: boolean;
  /** RFC 1870: the largest message it takes; absent where it names none. */
  readonly sizeOctets?: number;
  /** 1 for LMTP, where every recipient has a reply of its own after the message and results could be mixed. */
  readonly recipientsPerTransaction: number;
}

/** Who the client is, for a backend that believes us (Postfix's XCLIENT). */
export interface ClientIdentity {
  readonly address: string;
  readonly port: number;
  readonly heloName?: string;
  readonly heloVerb?: 'HELO' | 'EHLO' | 'LHLO';
  /** The forward-confirmed reverse name. */
  readonly hostName?: string;
  /** The identity it authenticated as. */
  readonly login?: string;
  /** The client network whose share of the backend's connections it uses; absent where it has no bounds. */
  readonly network?: string;
}

export interface Envelope {
  readonly reversePath: ReversePath;
  readonly parameters: MailParameters;
  readonly client: ClientIdentity;
}

/** `replied`: the backend refused the transaction with that reply. `unreachable`: it could not be asked, or died. */
export type BackendFailure =
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'replied'; readonly reply: Reply };

export interface Backend {
  /** As configured; stands in logs. */
  readonly url: string;
  capabilities(): Capabilities;
  /** Opens a transaction. Never rejects; the end of the signal is `unreachable`. */
  begin(envelope: Envelope, signal: AbortSignal): Promise<Delivery | BackendFailure>;
  /** Whether it can be reached and greets, for `doctor`; undefined when it does. */
  probe(signal: AbortSignal): Promise<BackendFailure | undefined>;
  /** Ends idle connections. Transactions that are open come to their own end. */
  close(): Promise<void>;
}

/** One transaction. Its calls are made one after the other, and none rejects. */
export interface Delivery {
  /** True while others wait for what it holds: whoever keeps it waiting is to be hurried. */
  readonly awaited?: boolean;
  rcpt(recipient: Mailbox, parameters: RcptParameters, signal: AbortSignal): Promise<BackendAnswer>;
  /** Ends the transaction. Only a positive reply means that the message is delivered, to all recipients let in. */
  send(message: MessageContent, signal: AbortSignal): Promise<BackendAnswer>;
  /** Nothing of it may be delivered: RSET where the connection can be used again, else it is cut. No-op after `send`. */
  abort(): void;
}

export function isFailure(begun: Delivery | BackendFailure): begun is BackendFailure {
  return 'kind' in begun;
}
