/** What the gate and the process of its dashboard say to each other. */
import type { GateStatus } from '../core/status.ts';

export type ToAdmin = { readonly kind: 'status'; readonly status: GateStatus } | { readonly kind: 'reload' };

/** Lines of the log: the gate writes them, so that there is one log in one form. */
export type FromAdmin =
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
