/** The gate, from the side of its dashboard's process: what is in force, how it is, and the log that we both write to. */
import type { Log } from '../adapters/log.ts';
import type { GateStatus } from '../core/status.ts';
import type { FromAdmin, ToAdmin } from './admin-messages.ts';

export type AdminVoice = Pick<Log, 'listening' | 'closed' | 'warned' | 'trouble'>;

export interface Hearer {
  status(status: GateStatus): void;
  /** In force from now on. */
  config(text: string): void;
  gone(): void;
}

export interface GateChannel {
  readonly voice: AdminVoice;
  /** What the file said that is in force; undefined where the gate has gone before it could say so. */
  readonly text: Promise<string | undefined>;
  /** From now on; what was put in force meanwhile is heard at once. */
  follow(hearer: Hearer): void;
  /** An open channel keeps the process. */
  close(): void;
}

/** Undefined where no gate has started us. */
export function openGateChannel(): GateChannel | undefined {
  if (process.send === undefined) return undefined;
  const first = Promise.withResolvers<string | undefined>();
  let hearer: Hearer | undefined;
  let hasFirst = false;
  let next: string | undefined;
  process.on('message', (message) => {
    const said = message as ToAdmin;
    switch (said.kind) {
      case 'status':
        // Also while we start: a process whose event loop turns is alive.
        say({ kind: 'alive' });
        hearer?.status(said.status);
        break;
      case 'config':
        if (hearer !== undefined) hearer.config(said.text);
        else if (hasFirst) next = said.text;
        else {
          hasFirst = true;
          first.resolve(said.text);
        }
        break;
      default:
        said satisfies never;
    }
  });
  process.once('disconnect', () => first.resolve(undefined));
  if (!process.connected) first.resolve(undefined);
  return {
    voice,
    text: first.promise,
    follow(its) {
      hearer = its;
      process.once('disconnect', () => its.gone());
      // It has gone while we were starting.
      if (!process.connected) its.gone();
      if (next !== undefined) its.config(next);
    },
    close() {
      if (process.connected) process.disconnect();
    },
  };
}

function say(message: FromAdmin): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** The gate's log has our lines too. */
const voice: AdminVoice = {
  listening: (door, host, port) => say({ kind: 'listening', door, host, port }),
  closed: (door, host, port) => say({ kind: 'closed', door, host, port }),
  warned: (warnings) => say({ kind: 'warned', warnings }),
  trouble: (what, error) =>
    say({
      kind: 'trouble',
      what,
      reason: error instanceof Error ? error.message : String(error),
      stack: error instanceof Error ? error.stack : undefined,
    }),
};
