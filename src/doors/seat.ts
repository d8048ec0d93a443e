/** What the entrance says of one client; see gateway/entrance.ts, which serves all doors that see connections. */
import type { Soon } from '../core/ports.ts';
import type { Reply } from '../mail/reply.ts';

/** A connection that is let in. */
export interface Seat {
  readonly kind: 'seat';
  /** Once, when the connection is over. */
  readonly leave: () => void;
  /** Whether a transaction may begin now. `exempt` is asked where the answer would be no. */
  readonly takesMail: (exempt: () => boolean) => Soon<boolean>;
}

export type Entry = Seat | { readonly kind: 'turned-away'; readonly reply: Reply };
