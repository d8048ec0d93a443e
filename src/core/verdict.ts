import type { Reply } from '../mail/reply.ts';

/** What a stage came to. `go-on` at `endOfMessage` means: hand it to the backend. */
export type Verdict =
  | { readonly kind: 'go-on' }
  | {
      readonly kind: 'refuse' | 'defer';
      readonly check: string;
      readonly code: string;
      readonly reply: Reply;
    };

export const GO_ON: Verdict = { kind: 'go-on' };
