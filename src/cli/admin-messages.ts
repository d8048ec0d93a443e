/** What the gate and the process of its dashboard say to each other. */
import type { GateStatus } from '../core/status.ts';

/** As which door it is told of: while it listens refusals name it. */
export const REPORT_PAGE = 'report page';

export type ToAdmin =
  /** The text in force: first of all, and after each reload. The file may say something else by then. */
  | { readonly kind: 'config'; readonly text: string }
  /** Wants an answer. */
  | { readonly kind: 'status'; readonly status: GateStatus };

/** Lines of the log, but for `alive`: the gate writes them, so that there is one log in one form. */
export type FromAdmin =
  /** The answer to a status. */
  | { readonly kind: 'alive' }
  | {
      readonly kind: 'listening' | 'closed';
      readonly door: string;
      readonly host: string;
      readonly port: number;
    }
  | { readonly kind: 'warned'; readonly warnings: readonly string[] }
  | {
      readonly kind: 'trouble';
      readonly what: string;
      readonly reason: string;
      readonly stack?: string | undefined;
    };
